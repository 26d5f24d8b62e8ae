package signature_test

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// Shared by the tests: one scheme for each encoding, keys, and the body of the known answers.
var (
	github = signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "sha256="}
	ams    = signature.HMAC{Hash: signature.SHA256, Encoding: signature.UpperHex, Prefix: "sha256="}
	boro   = signature.HMAC{Hash: signature.SHA256, Encoding: signature.Base64}
	urls   = signature.HMAC{Hash: signature.SHA512, Encoding: signature.Base64URL, Prefix: "v1="}
)

const body = `{"id":"evt_1","type":"test","data":{"n":1}}`

const (
	secretText  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	privateText = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	publicText  = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
)

var key32 = sequence(32)

// sequence is the bytes 0, 1, … n-1.
func sequence(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func standardKeys(texts ...string) []signature.StandardKey {
	keys := make([]signature.StandardKey, len(texts))
	for i, text := range texts {
		keys[i] = must(signature.ParseStandardKey(text))
	}
	return keys
}

func fromBase64(text string) []byte { return must(base64.StdEncoding.DecodeString(text)) }

// headers reads header lines as a server does.
func headers(t *testing.T, lines ...string) http.Header {
	t.Helper()
	raw := "POST / HTTP/1.1\r\nHost: h\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return req.Header
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSingle(t *testing.T) {
	good := must(github.Sign(key32, []byte(body)))
	bad := must(github.Sign(sequence(31), []byte(body)))
	for _, c := range []struct {
		name  string
		lines []string
		want  error // of Single, or else of Verify
	}{
		{"G01 control", []string{"X-Sig: " + good}, nil},
		{"G02 absent", []string{"X-Other: " + good}, signature.ErrMissing},
		{"G03 empty", []string{"X-Sig:"}, signature.ErrMissing},
		{"G54 blanks around it", []string{"x-sig: \t " + good + "  "}, nil},
		{"G54 blank inside", []string{"X-Sig: sha256= " + good[7:]}, signature.ErrMalformed},
		{"G56 good, then bad", []string{"X-Sig: " + good, "X-Sig: " + bad}, signature.ErrMalformed},
		{"G57 bad, then good", []string{"X-Sig: " + bad, "X-Sig: " + good}, signature.ErrMalformed},
		{"G58 twice the same", []string{"X-Sig: " + good, "x-sig: " + good}, signature.ErrMalformed},
		{"G58 empty, then good", []string{"X-Sig:", "X-Sig: " + good}, signature.ErrMalformed},
		{"G59 two in one line", []string{"X-Sig: " + good + "," + bad}, signature.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			value, err := signature.Single(headers(t, c.lines...), "X-Sig")
			if err == nil {
				err = github.Verify(value, [][]byte{key32}, []byte(body))
			}
			wantError(t, err, c.want)
		})
	}
}

func TestRefusal(t *testing.T) {
	for err, want := range map[error]string{
		signature.ErrMissing:   "signature_missing",
		signature.ErrMismatch:  "signature_mismatch",
		signature.ErrExpired:   "signature_expired",
		signature.ErrMalformed: "signature_malformed",
		signature.ErrKey:       "signature_key",
	} {
		if got := err.(*signature.Error).Code(); got != want || err.Error() == "" {
			t.Errorf("%v has code %q", err, got)
		}
	}
}

func TestEqualToken(t *testing.T) {
	for _, c := range []struct {
		name, got string
		want      []string
		equal     bool
	}{
		{"same", "s3cret", []string{"s3cret"}, true},
		{"second of two", "s3cret", []string{"other", "s3cret"}, true},
		{"both of two", "s3cret", []string{"s3cret", "s3cret"}, true},
		{"prefix", "s3cre", []string{"s3cret"}, false},
		{"longer", "s3cret\x00", []string{"s3cret"}, false},
		{"case", "S3CRET", []string{"s3cret"}, false},
		{"empty against none", "", nil, false},
		{"empty against empty", "", []string{""}, false},
		{"empty against one", "", []string{"s3cret"}, false},
	} {
		if got := signature.EqualToken(c.got, c.want...); got != c.equal {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestDecodeKey(t *testing.T) {
	for _, c := range []struct {
		text string
		enc  signature.KeyEncoding
		want string
		err  error
	}{
		{"grüße", signature.Text, "grüße", nil},
		{" blank ", signature.Text, " blank ", nil},
		{"00fFaB", signature.KeyHex, "\x00\xff\xab", nil},
		{"AP+r", signature.KeyBase64, "\x00\xff\xab", nil},
		{"AP9=", signature.KeyBase64, "\x00\xff", nil}, // unused bits that are set, as in made-up keys
		{"", signature.Text, "", signature.ErrKey},
		{"", signature.KeyHex, "", signature.ErrKey},
		{"", signature.KeyBase64, "", signature.ErrKey},
		{"abc", signature.KeyHex, "", signature.ErrKey},
		{"zz", signature.KeyHex, "", signature.ErrKey},
		{"0x00fFaB", signature.KeyHex, "\x00\xff\xab", nil},
		{"00:FF:ab", signature.KeyHex, "\x00\xff\xab", nil},
		{" 00 ff ab\n", signature.KeyHex, "\x00\xff\xab", nil},
		{"00ff\nab", signature.KeyHex, "", signature.ErrKey},
		{"0x", signature.KeyHex, "", signature.ErrKey},
		{"0x0", signature.KeyHex, "", signature.ErrKey},
		{" : ", signature.KeyHex, "", signature.ErrKey},
		{"AP8", signature.KeyBase64, "\x00\xff", nil},
		{"AP-r", signature.KeyBase64, "\x00\xff\xab", nil},
		{"AP+r\n", signature.KeyBase64, "\x00\xff\xab", nil},
		{" AP+r ", signature.KeyBase64, "\x00\xff\xab", nil},
		{"AP\r\n+r", signature.KeyBase64, "", signature.ErrKey},
		{"AP +r", signature.KeyBase64, "", signature.ErrKey},
		{"AP-r+r", signature.KeyBase64, "", signature.ErrKey}, // two alphabets
		{"AP=r", signature.KeyBase64, "", signature.ErrKey},
		{"AP8===", signature.KeyBase64, "", signature.ErrKey},
		{"A", signature.KeyBase64, "", signature.ErrKey},
		{"==", signature.KeyBase64, "", signature.ErrKey},
		{"\"AP+r\"", signature.KeyBase64, "", signature.ErrKey},
		{"AP+r", "base32", "", signature.ErrKey},
	} {
		got, err := signature.DecodeKey(c.text, c.enc)
		if string(got) != c.want {
			t.Errorf("%q as %s: %q", c.text, c.enc, got)
		}
		wantError(t, err, c.err)
	}
}

func TestParseUnix(t *testing.T) {
	for text, want := range map[string]error{
		"0": nil, "1795338000": nil, "99999999999": nil, "": signature.ErrMissing,
		"100000000000": signature.ErrMalformed,
		"01":           signature.ErrMalformed,
		"00":           signature.ErrMalformed, "-1": signature.ErrMalformed, "-0": signature.ErrMalformed,
		"+1": signature.ErrMalformed, " 1": signature.ErrMalformed,
		"1.5": signature.ErrMalformed, "1e3": signature.ErrMalformed, "0x1": signature.ErrMalformed,
		"1_0": signature.ErrMalformed, "１": signature.ErrMalformed,
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

// TestCheckAge states the one rule for a time at its tolerance: accepted when it is exactly as old, refused one
// nanosecond later, in both directions.
func TestCheckAge(t *testing.T) {
	for _, c := range []struct {
		at   int64
		now  time.Time
		want error
	}{
		{1000, time.Unix(1000, 999_999_999), nil},
		{1000, time.Unix(1300, 0), nil},
		{1000, time.Unix(1300, 1), signature.ErrExpired},
		{1000, time.Unix(1301, 0), signature.ErrExpired},
		{1300, time.Unix(1000, 0), nil},
		{1300, time.Unix(999, 999_999_999), signature.ErrExpired},
		{1300, time.Unix(1000, 1), nil},
		{0, time.Unix(1000, 0), signature.ErrExpired},
		{signature.MaxUnix, time.Unix(1000, 0), signature.ErrExpired},
	} {
		if err := signature.CheckAge(c.at, c.now, 300*time.Second); !errors.Is(err, c.want) {
			t.Errorf("%d at %d.%09d: %v, want %v", c.at, c.now.Unix(), c.now.Nanosecond(), err, c.want)
		}
	}
	clock := time.Unix(1000, 0)
	if signature.CheckAge(1000, clock, 0) != nil || signature.CheckAge(1001, clock, 0) == nil {
		t.Error("a tolerance of 0 is not strict")
	}
}

func TestDescribeToken(t *testing.T) {
	const name = "the bearer token"
	for reason, want := range map[error]string{
		signature.ErrMissing: name + " is missing", signature.ErrMismatch: name + " does not match",
		signature.ErrMalformed: name + " is malformed, or there are two",
	} {
		got := signature.DescribeToken(reason, name)
		if got.Error() != want || !errors.Is(got, reason) || !errors.Is(fmt.Errorf("acs: %w", got), reason) {
			t.Errorf("%v: got %v, want %s", reason, got, want)
		}
		var coded interface{ Code() string }
		if !errors.As(got, &coded) || coded.Code() != reason.(*signature.Error).Code() {
			t.Errorf("%v: another code", got)
		}
		for _, other := range []error{signature.ErrMissing, signature.ErrMismatch, signature.ErrMalformed} {
			if other != reason && errors.Is(got, other) {
				t.Errorf("%v is also %v", got, other)
			}
		}
	}
	if got := signature.DescribeToken(nil, name); got != nil {
		t.Errorf("nil: got %v", got)
	}
	wrapped := fmt.Errorf("more: %w", signature.ErrMismatch)
	if got := signature.DescribeToken(wrapped, name); got != wrapped {
		t.Errorf("got %v", got)
	}
}

func TestOptional(t *testing.T) {
	for _, c := range []struct {
		values []string
		text   string
		want   error
	}{{nil, "", nil}, {[]string{""}, "", nil}, {[]string{"a"}, "a", nil}, {[]string{"a", "a"}, "",
		signature.ErrMalformed}} {
		if got, err := signature.Optional(http.Header{"X-A": c.values}, "x-a"); got != c.text ||
			!errors.Is(err, c.want) {
			t.Errorf("%q: got %q, %v", c.values, got, err)
		}
	}
}

func TestVerifyToken(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   error
	}{
		{[]string{"a"}, nil}, {[]string{"b"}, nil}, {nil, signature.ErrMissing}, {[]string{""}, signature.ErrMissing},
		{[]string{"c"}, signature.ErrMismatch},
		{[]string{"a", "a"}, signature.ErrMalformed}, {[]string{"", ""}, signature.ErrMalformed},
		{[]string{"a", ""}, signature.ErrMalformed},
	} {
		if err := signature.VerifyToken(c.values, "a", "b", ""); !errors.Is(err, c.want) {
			t.Errorf("%q: got %v, want %v", c.values, err, c.want)
		}
	}
	if signature.VerifyToken([]string{"a"}) == nil {
		t.Error("nothing is wanted, and matches")
	}
}
