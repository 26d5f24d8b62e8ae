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

// TestEmbed: a name that occurs twice is left as its sender wrote it; a depth that common readers refuse is not.
func TestEmbed(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for body, want := range map[string]string{
		"1": "1", " {} \n": "{}", `{"a":"x"}`: `{"a":"x"}`, "null": "null", "\uFEFF[1, 2]\r\n": "[1, 2]",
		`{"a":1,"a":2}`: `{"a":1,"a":2}`, nested(MaxDepth - 2): nested(MaxDepth - 2), `"[[["`: `"[[["`,
		"": "", " ": "", "1,2": "", "]": "", "\"\xff\"": "", nested(MaxDepth - 1): "", "{}{}": "", "\uFEFF": "",
		"{}\u00a0": "",
	} {
		got, ok := Embed([]byte(body))
		if string(got) != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", body, got, ok)
		}
	}
}

func TestReplaceMember(t *testing.T) {
	for object, want := range map[string]string{
		`{"a":1}`:                              `{"b":[2]}`,
		" { \"x\" : {\"a\":0} ,\t\"a\" : 1 } ": " { \"x\" : {\"a\":0} ,\t\"b\" : [2] } ",
		`{"x":1,"x":2,"\u0061":"s"}`:           `{"x":1,"x":2,"b":[2]}`,
		"\uFEFF{\"a\":1}":                      "\uFEFF{\"b\":[2]}",
		`{"x":` + deep + `,"a":{}}`:            `{"x":` + deep + `,"b":[2]}`,
		`{"A":1}`:                              "", "{}": "", "": "", "[]": "", `{"a":1`: "", `{"a":1}x`: "",
	} {
		got, ok := ReplaceMember([]byte(object), "a", "b", []byte("[2]"))
		if string(got) != want || ok != (want != "") {
			t.Errorf("%.60q: got %.60q, %v", object, got, ok)
		}
	}
}

func TestAddMember(t *testing.T) {
	for object, want := range map[string]string{
		`{"a":1}`: `{"b":[2],"a":1}`, " {\n\"a\" : 1 } ": " {\"b\":[2],\n\"a\" : 1 } ", "{ }": `{"b":[2] }`,
		"\uFEFF{\"a\":1}": "\uFEFF{\"b\":[2],\"a\":1}",
	} {
		if got := string(AddMember([]byte(object), "b", []byte("[2]"))); got != want {
			t.Errorf("%q: got %q", object, got)
		}
	}
}
