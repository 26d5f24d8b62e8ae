package provider_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
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
	for want, choices := range map[string][]string{"use a, b or c": {"a", "b", "c"}, "use a or b": {"a", "b"}} {
		for text, named := range map[string]string{
			"A": `"A"`, "hmca": `"hmca"`, " ": "this value", "a secret, it seems": "this value",
			"0123456789abcdef0": "this value",
		} {
			want := "x: " + named + " is not a choice; " + want
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

// TestSecretsAsPasted: a secret has one value, whatever is around it where it was pasted or read from, on every way
// into the settings; a secret that came out damaged is refused in words.
func TestSecretsAsPasted(t *testing.T) {
	read := func(raw string) (provider.Secrets, error) {
		var s struct {
			Secret provider.Secrets `json:"secret"`
		}
		if err := provider.DecodeSettings([]byte(raw), &s); err != nil {
			return nil, err
		}
		return s.Secret, s.Secret.Check("secret")
	}
	for _, raw := range []string{`{"secret":"two  words"}`, `{"secret":"two  words\n"}`,
		`{"secret":" two  words\r\n"}`,
		`{"secret":"\ufefftwo  words"}`, `{"secret":["\ttwo  words\u00a0"]}`} {
		if got, err := read(raw); err != nil || !slices.Equal(got, provider.Secrets{"two  words"}) {
			t.Errorf("%s: got %q, %v", raw, got, err)
		}
	}
	for raw, want := range map[string]string{
		`{"secret":"two\nwords"}`:                           "secret: has a line break",
		`{"secret":"t\u0000w\u0000"}`:                       "secret: has NUL characters, as a file in UTF-16",
		`{"secret":"\ufffd\ufffdt"}`:                        "secret: is not text in UTF-8",
		`{"secret":["a","b\u0007c","d\ne"]}`:                "secret[1]: has a line break",
		`{"secret":"` + strings.Repeat("a", 100_000) + `"}`: "secret: has 100000 bytes; a secret has at most 4096",
	} {
		_, err := read(raw)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40s: got %v, want %s", raw, err, want)
		}
	}
	if _, err := read(`{"secret":["a","b\u0007c","d\ne"]}`); !strings.Contains(err.Error(), "secret[2]: ") {
		t.Errorf("only the first fault is named: %v", err)
	}
}

// A picky provider has settings of several types, and complains about their values.
type picky struct{ provider.Provider }

func (picky) Open(_ provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s struct {
		ID    string           `json:"id"`
		Flag  bool             `json:"flag"`
		Limit int              `json:"limit"`
		Key   provider.Secrets `json:"key"`
	}
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	var idErr error
	if s.ID == "" {
		idErr = bellhop.Invalid("id", "required")
	}
	_, keyErr := provider.ReadSecrets("key", s.Key, func(text string) ([]byte, error) {
		return signature.DecodeKey(text, signature.KeyHex)
	})
	return nil, bellhop.Join("", idErr, keyErr)
}

// TestOpenReportsAllFaults: unknown settings and wrong types hide no other fault, and cause no false one.
func TestOpenReportsAllFaults(t *testing.T) {
	for raw, want := range map[string][]string{
		`{"id":"a","key":"00"}`:               nil,
		`{"id":265,"key":"zz"}`:               {"id", "key"},
		`{"id":true,"nonsense":1,"key":"zz"}`: {"id", "nonsense", "key"},
		`{"id":"a","other":1,"nonsense":1}`:   {"nonsense", "other", "key"},
		// no meaning in place of these: the rest is not judged
		`{"id":{},"flag":1,"key":"zz"}`:          {"flag", "id"},
		`{"id":265,"limit":1e30,"key":"00"}`:     {"id", "limit"},
		`{"id":265,"key":"0123456789abcdef"}`:    {"id"},
		`{"id":265,"id":265,"key":"0123456789"}`: {""},
	} {
		_, err := provider.Open(picky{}, provider.Env{}, []byte(raw))
		var got []string
		var invalid *bellhop.Error
		if errors.As(err, &invalid) {
			for _, f := range invalid.Fields {
				got = append(got, f.Path)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want faults at %v", raw, err, want)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "zz") {
			t.Errorf("%s: repeated: %#v", raw, err)
		}
	}
}
