package strictjson

import (
	"errors"
	"strings"
	"testing"
)

func TestEncode(t *testing.T) {
	if got, err := Encode(map[string]string{"a": "<&>\n"}); string(got) != `{"a":"<&>\n"}` || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := Encode(func() {}); got != nil || err == nil {
		t.Errorf("got %q", got)
	}
}

func TestJoinItems(t *testing.T) {
	encode := func(text string) ([]byte, error) {
		if text == "" {
			return nil, errors.New("no body")
		}
		return []byte(text), nil
	}
	for want, list := range map[string][]string{"[]": nil, `[{"a":1}]`: {`{"a":1}`}, `[{"a":1},2]`: {`{"a":1}`, "2"}} {
		if got, err := JoinItems(list, encode); string(got) != want || err != nil {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	if got, err := JoinItems([]string{"1", ""}, encode); got != nil || err == nil {
		t.Errorf("got %s", got)
	}
}

func TestEmbeddable(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for body, want := range map[string]bool{
		"1": true, " {} ": true, `{"a":"x"}`: true, "null": true, "": false, "1,2": false, "]": false,
		`{"a":1,"a":2}`: false, "\"\xff\"": false,
		nested(MaxDepth - 2): true, nested(MaxDepth - 1): false,
	} {
		if got := Embeddable([]byte(body)); got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
}
