package provider_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

func TestEncode(t *testing.T) {
	if got, err := provider.Encode(map[string]string{"a": "<&>\n"}); string(got) != `{"a":"<&>\n"}` || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := provider.Encode(func() {}); got != nil || err == nil {
		t.Errorf("got %q", got)
	}
}

func TestJoinItems(t *testing.T) {
	body := func(ev *bellhop.Event) ([]byte, error) {
		if len(ev.Body) == 0 {
			return nil, errors.New("no body")
		}
		return ev.Body, nil
	}
	one, two := &bellhop.Event{Body: []byte(`{"a":1}`)}, &bellhop.Event{Body: []byte("2")}
	for want, events := range map[string][]*bellhop.Event{"[]": nil, `[{"a":1}]`: {one}, `[{"a":1},2]`: {one, two}} {
		if got, err := provider.JoinItems(events, body); string(got) != want || err != nil {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	if got, err := provider.JoinItems([]*bellhop.Event{one, {}}, body); got != nil || err == nil {
		t.Errorf("got %s", got)
	}
}

func TestEmbeddable(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for body, want := range map[string]bool{
		"1": true, " {} ": true, `{"a":"x"}`: true, "null": true, "": false, "1,2": false, "]": false, `{"a":1,"a":2}`: false, "\"\xff\"": false,
		nested(provider.MaxDepth - 2): true, nested(provider.MaxDepth - 1): false,
	} {
		if got := provider.Embeddable([]byte(body)); got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
}

func TestMicrosoftTime(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.FixedZone("", 3600))
	if got := provider.MicrosoftTime(at); got != "2026-11-22T09:00:00.1234567Z" {
		t.Error(got)
	}
}
