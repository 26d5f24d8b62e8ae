package signature_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

func TestParseUnix(t *testing.T) {
	for text, want := range map[string]error{
		"0": nil, "1795338000": nil, "99999999999": nil, "": signature.ErrMissing, "100000000000": signature.ErrMalformed, "01": signature.ErrMalformed,
		"00": signature.ErrMalformed, "-1": signature.ErrMalformed, "-0": signature.ErrMalformed, "+1": signature.ErrMalformed, " 1": signature.ErrMalformed,
		"1.5": signature.ErrMalformed, "1e3": signature.ErrMalformed, "0x1": signature.ErrMalformed, "1_0": signature.ErrMalformed, "１": signature.ErrMalformed,
		"99999999999999999999": signature.ErrMalformed, "-99999999999": signature.ErrMalformed,
	} {
		if _, err := signature.ParseUnix(text, signature.MaxUnix); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
	}
	if at, err := signature.ParseUnix("1795338000123", signature.MaxUnixMilli); at != 1795338000123 || err != nil {
		t.Errorf("got %d, %v", at, err)
	}
}

func TestCheckAge(t *testing.T) {
	clock := time.Unix(1000, 999_999_999) // within a second of the whole ones that count
	for at, want := range map[int64]error{1000: nil, 990: nil, 1010: nil, 989: signature.ErrExpired, 1011: signature.ErrExpired, 0: signature.ErrExpired} {
		if err := signature.CheckAge(at, clock, 10*time.Second); !errors.Is(err, want) {
			t.Errorf("%d: %v", at, err)
		}
	}
	if signature.CheckAge(1000, clock, 0) != nil || signature.CheckAge(1001, clock, 0) == nil {
		t.Error("a tolerance of 0 is not strict")
	}
}

func TestOptional(t *testing.T) {
	for _, c := range []struct {
		values []string
		text   string
		want   error
	}{{nil, "", nil}, {[]string{""}, "", nil}, {[]string{"a"}, "a", nil}, {[]string{"a", "a"}, "", signature.ErrMalformed}} {
		if got, err := signature.Optional(http.Header{"X-A": c.values}, "x-a"); got != c.text || !errors.Is(err, c.want) {
			t.Errorf("%q: got %q, %v", c.values, got, err)
		}
	}
}

func TestVerifyToken(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   error
	}{
		{[]string{"a"}, nil}, {[]string{"b"}, nil}, {nil, signature.ErrMissing}, {[]string{""}, signature.ErrMissing}, {[]string{"c"}, signature.ErrMismatch},
		{[]string{"a", "a"}, signature.ErrMalformed}, {[]string{"", ""}, signature.ErrMalformed}, {[]string{"a", ""}, signature.ErrMalformed},
	} {
		if err := signature.VerifyToken(c.values, "a", "b", ""); !errors.Is(err, c.want) {
			t.Errorf("%q: got %v, want %v", c.values, err, c.want)
		}
	}
	if signature.VerifyToken([]string{"a"}) == nil {
		t.Error("nothing is wanted, and matches")
	}
}
