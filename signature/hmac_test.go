package signature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/signature"
)

// TestHMACForgeries verifies forged and damaged signatures. The ids are those of a catalogue of forgeries that
// the tests of the providers share.
func TestHMACForgeries(t *testing.T) {
	good := must(github.Sign(key32, []byte(body)))
	digits := strings.TrimPrefix(good, "sha256=")
	sum := must(hex.DecodeString(digits))
	bad := "sha256=" + strings.Repeat("0", 64)
	good64 := must(boro.Sign(key32, []byte(body)))
	goodURL := must(urls.Sign(key32, []byte(body)))
	sign := func(h signature.Hash, key []byte, message string) string {
		return must(signature.HMAC{Hash: h, Encoding: signature.Hex, Prefix: "sha256="}.Sign(key, []byte(message)))
	}
	keyThenBody := sha256.Sum256(append(bytes.Clone(key32), body...))
	swapped := hmac.New(sha256.New, []byte(body))
	swapped.Write(key32)
	emptyKey := hmac.New(sha256.New, nil)
	emptyKey.Write([]byte(body))

	for _, c := range []struct {
		name   string
		scheme signature.HMAC
		value  string
		want   error
	}{
		{"G01 control", github, good, nil},
		{"G03 empty value", github, "", signature.ErrMissing},
		{"G04 only the prefix", github, "sha256=", signature.ErrMalformed},
		{"G06 prefix of another hash", github, "sha1=" + digits, signature.ErrMalformed},
		{"G06 no prefix", github, digits, signature.ErrMalformed},
		{"G07 prefix in another case", github, "SHA256=" + digits, signature.ErrMalformed},
		{"G08 junk before the prefix", github, "xx" + good, signature.ErrMalformed},
		{"G09 two prefixes", github, bad + good, signature.ErrMalformed},
		{"G09 prefix twice", github, "sha256=" + good, signature.ErrMalformed},
		{"G11 upper case", github, "sha256=" + strings.ToUpper(digits), nil},
		{"G11 mixed case", github, "sha256=" + strings.ToUpper(digits[:31]) + digits[31:], nil},
		{"G11 mixed case where upper is asked for", ams, "sha256=" + strings.ToUpper(digits[:31]) + digits[31:],
			signature.ErrMalformed},
		{"G11 upper case where it is asked for", ams, "sha256=" + strings.ToUpper(digits), nil},
		{"G12 odd number of digits", github, good[:len(good)-1], signature.ErrMalformed},
		{"G13 not a digit", github, good[:len(good)-1] + "g", signature.ErrMalformed},
		{"G14 31 bytes", github, good[:len(good)-2], signature.ErrMalformed},
		{"G14 1 byte", github, good[:len("sha256=")+2], signature.ErrMalformed},
		{"G16 0 bytes of base64", signature.HMAC{Hash: signature.SHA256, Encoding: signature.Base64,
			Prefix: "sha256="},
			"sha256=", signature.ErrMalformed},
		{"G16 only padding", boro, strings.Repeat("=", 44), signature.ErrMalformed},
		{"G17 33 bytes", github, good + "00", signature.ErrMalformed},
		{"G17 33 bytes of base64", boro, base64.StdEncoding.EncodeToString(append(bytes.Clone(sum), 0)),
			signature.ErrMalformed},
		{"G36 key of another source", github, sign(signature.SHA256, sequence(33), body), signature.ErrMismatch},
		{"G39 key undecoded", github, sign(signature.SHA256, []byte(base64.StdEncoding.EncodeToString(key32)), body),
			signature.ErrMismatch},
		{"G41 empty key", github, "sha256=" + hex.EncodeToString(emptyKey.Sum(nil)), signature.ErrMismatch},
		{"G43 SHA-1", github, sign(signature.SHA1, key32, body), signature.ErrMalformed},
		{"G44 SHA-512", github, sign(signature.SHA512, key32, body), signature.ErrMalformed},
		{"G44 half of SHA-512", github, sign(signature.SHA512, key32, body)[:len(good)], signature.ErrMismatch},
		{"G46 SHA-256 of key and body", github, "sha256=" + hex.EncodeToString(keyThenBody[:]), signature.ErrMismatch},
		{"G47 key and message swapped", github, "sha256=" + hex.EncodeToString(swapped.Sum(nil)),
			signature.ErrMismatch},
		{"G49 base64 where hex is configured", github, "sha256=" + good64, signature.ErrMalformed},
		{"G49 hex where base64 is configured", boro, digits, signature.ErrMalformed},
		{"G01 control of base64", boro, good64, nil},
		{"G01 control of base64url", urls, goodURL, nil},
		{"G51 base64 without padding", boro, strings.TrimRight(good64, "="), signature.ErrMalformed},
		{"G51 base64url with padding", urls, goodURL + "==", signature.ErrMalformed},
		{"G52 line break in base64", boro, good64[:40] + "\n" + good64[40:], signature.ErrMalformed},
		{"G52 line break for a digit", boro, good64[:40] + "\r\n" + good64[42:], signature.ErrMalformed},
		{"G53 stray bits in the last digit", boro, strayBits(good64), signature.ErrMalformed},
		{"G53 stray bits in base64url", urls, strayBits(goodURL), signature.ErrMalformed},
		{"G54 blank in front", github, " " + good, signature.ErrMalformed},
		{"G54 blank behind the prefix", github, "sha256= " + digits, signature.ErrMalformed},
		{"G54 blank inside", github, good[:20] + " " + good[20:], signature.ErrMalformed},
		{"G54 blank behind", github, good + " ", signature.ErrMalformed},
		{"G59 good and bad with a comma", github, good + "," + bad, signature.ErrMalformed},
		{"G59 bad and good with a comma", github, bad + "," + good, signature.ErrMalformed},
		{"NUL behind", github, good + "\x00", signature.ErrMalformed},
		{"digits of another script", github, "sha256=" + strings.Repeat("٠", 32), signature.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, c.scheme.Verify(c.value, [][]byte{key32}, []byte(body)), c.want)
		})
	}
}

// strayBits sets an unused bit of the last digit.
func strayBits(text string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	digits := strings.TrimRight(text, "=")
	last := strings.NewReplacer("+", "-", "/", "_").Replace(digits[len(digits)-1:])
	return digits[:len(digits)-1] + alphabet[strings.Index(alphabet, last)|1:][:1] + text[len(digits):]
}

func TestHMACOtherBodies(t *testing.T) {
	for _, c := range []struct{ name, signed, received string }{
		{"G21 without its newline", body + "\n", body},
		{"G22 LF for CRLF", "{\r\n}\r\n", "{\n}\n"},
		{"G23 indented anew", body, "{\n  \"id\": \"evt_1\",\n  \"type\": \"test\",\n  \"data\": {\"n\": 1}\n}"},
		{"G24 keys in another order", body, `{"type":"test","id":"evt_1","data":{"n":1}}`},
		{"G26 escape for a letter", `{"a":"é"}`, `{"a":"\u00e9"}`},
		{"G27 byte order mark", body, "\ufeff" + body},
		{"G29 a body for none", "", body},
		{"G48 the URL", "/in/source", body},
	} {
		t.Run(c.name, func(t *testing.T) {
			value := must(github.Sign(key32, []byte(c.signed)))
			wantError(t, github.Verify(value, [][]byte{key32}, []byte(c.received)), signature.ErrMismatch)
			wantError(t, github.Verify(value, [][]byte{key32}, []byte(c.signed)), nil)
		})
	}
}

// TestHMACBitFlips is G18 and G19: it flips each bit of the sum, and each bit of a body of 64 bytes.
func TestHMACBitFlips(t *testing.T) {
	body := sequence(64)
	for _, scheme := range []signature.HMAC{github, ams, boro, urls} {
		value := must(scheme.Sign(key32, body))
		for i := range len(body) * 8 {
			wantError(t, scheme.Verify(value, [][]byte{key32}, flip(body, i)), signature.ErrMismatch)
		}
	}
	sum := must(hex.DecodeString(must(github.Sign(key32, body))[len("sha256="):]))
	for i := range len(sum) * 8 {
		value := "sha256=" + hex.EncodeToString(flip(sum, i))
		wantError(t, github.Verify(value, [][]byte{key32}, body), signature.ErrMismatch)
	}
}

// flip returns a copy of b with bit i flipped.
func flip(b []byte, i int) []byte {
	c := bytes.Clone(b)
	c[i/8] ^= 1 << (i % 8)
	return c
}

// TestHMACKeys is G37 and G38: a key that is being replaced, a key that was replaced, and invalid keys.
func TestHMACKeys(t *testing.T) {
	old := must(github.Sign(sequence(20), []byte(body)))
	wantError(t, github.Verify(old, [][]byte{key32, {}, sequence(20)}, []byte(body)), nil)
	wantError(t, github.Verify(old, [][]byte{key32}, []byte(body)), signature.ErrMismatch)
	wantError(t, github.Verify(old, nil, []byte(body)), signature.ErrMismatch)
	_, err := github.Sign(nil, []byte(body))
	wantError(t, err, signature.ErrKey)
}

func TestHMACCheck(t *testing.T) {
	for _, scheme := range []signature.HMAC{{}, {Hash: "md5", Encoding: signature.Hex},
		{Hash: signature.SHA256, Encoding: "base32"}, {Hash: signature.SHA256}} {
		_, err := scheme.Sign(key32)
		if scheme.Check() == nil || err == nil || scheme.Verify("x", [][]byte{key32}) == nil {
			t.Errorf("%+v passes", scheme)
		}
	}
	wantError(t, github.Check(), nil)
}

// TestReadSum: a signature that has been read is verified as Verify verifies it. The zero Sum is valid for nothing.
func TestReadSum(t *testing.T) {
	scheme := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "sha256="}
	key, message := []byte("key"), []byte("message")
	value := must(scheme.Sign(key, message))
	sum := must(scheme.Read(value))
	wantError(t, sum.Verify([][]byte{[]byte("other"), key}, message), nil)
	wantError(t, sum.Verify([][]byte{key}, []byte("another message")), signature.ErrMismatch)
	wantError(t, sum.Verify(nil, message), signature.ErrMismatch)
	wantError(t, new(signature.Sum).Verify([][]byte{key}, message), signature.ErrMismatch)
	for text, want := range map[string]error{
		"": signature.ErrMissing, "00": signature.ErrMalformed, "sha256=00": signature.ErrMalformed,
		value[1:]: signature.ErrMalformed, value + "0": signature.ErrMalformed,
	} {
		_, err := scheme.Read(text)
		wantError(t, err, want)
	}
}
