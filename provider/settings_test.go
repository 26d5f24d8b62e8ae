package provider_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
)

func TestOneOf(t *testing.T) {
	for text, want := range map[string]string{"": "b", "a": "a", "c": "c"} {
		if got, err := provider.OneOf("x", text, "b", "a", "b", "c"); got != want || err != nil {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	if got, err := provider.OneOf("x", "", "", "a", "b"); got != "" || err != nil {
		t.Errorf("no fallback: got %q, %v", got, err)
	}
	for want, choices := range map[string][]string{"x: use a, b or c": {"a", "b", "c"}, "x: use a or b": {"a", "b"}} {
		for _, text := range []string{"A", "d", " "} {
			if got, err := provider.OneOf("x", text, "a", choices...); got != "" || err == nil || err.Error() != want {
				t.Errorf("%q: got %q, %v, want %s", text, got, err, want)
			}
		}
	}
}

func TestReadSecrets(t *testing.T) {
	length := func(text string) (int, error) {
		if len(text) > 3 {
			return 0, errors.New("too long")
		}
		return len(text), nil
	}
	if got, err := provider.ReadSecrets("x", provider.Secrets{"a", "bcd"}, length); !slices.Equal(got, []int{1, 3}) ||
		err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	for want, secrets := range map[string]provider.Secrets{
		"x: too long": {"abcd"}, "x[1]: too long": {"a", "abcd"}, "x[0]: must not be empty": {" ", "a"},
		"x: has 5 secrets; at most 4": {"a", "b", "c", "d", "e"},
	} {
		if _, err := provider.ReadSecrets("x", secrets, length); fmt.Sprint(err) != want {
			t.Errorf("%q: got %v, want %s", secrets, err, want)
		}
	}
	if _, err := provider.ReadSecrets("x", nil, length); err == nil {
		t.Error("no secrets: want an error")
	}
}

func TestCheckOne(t *testing.T) {
	for want, secrets := range map[string]provider.Secrets{
		"<nil>": {"a"}, "x: required": nil, "x: must not be empty": {" "},
		"x: a destination has one; only a source takes a list": {"a", "b"},
	} {
		if err := secrets.CheckOne("x"); fmt.Sprint(err) != want {
			t.Errorf("%q: got %v, want %s", secrets, err, want)
		}
	}
}

func TestSecretBytes(t *testing.T) {
	if got := (provider.Secrets{"é", "whsec_a"}).Bytes(); len(got) != 2 || string(got[0]) != "é" ||
		string(got[1]) != "whsec_a" {
		t.Errorf("got %q", got)
	}
}

func TestTolerance(t *testing.T) {
	for text, want := range map[string]time.Duration{"": time.Minute, "1s": time.Second, "5m": 5 * time.Minute,
		"1h": time.Hour} {
		if got, err := provider.Tolerance("tolerance", text, time.Minute); got != want || err != nil {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"0", "0s", "-1s", "999ms", "1h1s", "300", "5 m", "soon", "9999999h", "1e3s"} {
		if got, err := provider.Tolerance("tolerance", text, time.Minute); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}
