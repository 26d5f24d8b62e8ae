package signature_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/signature"
)

// FuzzHMACVerify: any value is judged without a panic and passes only if it is what Sign writes; what Sign
// writes passes, and not once a bit of it or of the body is flipped.
func FuzzHMACVerify(f *testing.F) {
	f.Add("sha256=93709958F25A5B0657D131FB8CBBC4008A573B2E33EE5F357EB2421440AAFC38", key32, []byte(body), uint(0))
	f.Add("C7awc5TxZnpEnKsg1AbHKi4hJOd7OxG3v6ljnpC2EiY=", []byte("k"), []byte{}, uint(77))
	f.Add("", []byte{}, []byte("\r\n"), uint(1<<20))
	f.Fuzz(func(t *testing.T, value string, key, body []byte, bit uint) {
		keys := [][]byte{key}
		for _, scheme := range []signature.HMAC{github, ams, boro, urls} {
			signed, err := scheme.Sign(key, body)
			if len(key) == 0 {
				wantError(t, err, signature.ErrKey)
				if scheme.Verify(value, keys, body) == nil {
					t.Fatal("the empty key verifies")
				}
				continue
			}
			wantError(t, err, nil)
			wantError(t, scheme.Verify(signed, keys, body), nil)
			same := func(v string) bool {
				return v == signed || scheme.Encoding == signature.Hex && hexEqual(v, signed)
			}
			if scheme.Verify(value, keys, body) == nil && !same(value) {
				t.Fatalf("%q passes for %q", value, signed)
			}
			flipped := string(flip([]byte(signed), int(bit%uint(len(signed)*8))))
			if scheme.Verify(flipped, keys, body) == nil && !same(flipped) {
				t.Fatalf("%q passes for %q", flipped, signed)
			}
			if len(body) > 0 && scheme.Verify(signed, keys, flip(body, int(bit%uint(len(body)*8)))) == nil {
				t.Fatal("a flipped bit of the body passes")
			}
		}
	})
}

// FuzzVerifyStandard: the same for Standard Webhooks, with anything for id and timestamp.
func FuzzVerifyStandard(f *testing.F) {
	f.Add("msg_1", "1700000000", "v1,MViKSp7soG6firDHpzbs17WP2rsZsNyFi29neuFCcqs=", []byte(body), uint(0))
	f.Add("msg_1.2", "0170000000", "v1, v1a,x  v2,, v1", []byte(nil), uint(9))
	f.Add("", "-1", strings.Repeat(" ", 20), []byte("."), uint(300))
	keys := standardKeys(secretText, privateText)
	f.Fuzz(func(t *testing.T, id, timestamp, value string, body []byte, bit uint) {
		err := signature.VerifyStandard(id, timestamp, value, body, keys, now, signature.StandardTolerance)
		if refusal := (*signature.Error)(nil); err != nil && !errors.As(err, &refusal) {
			t.Fatalf("refused for %v", err)
		}
		signed, signErr := signature.SignStandard(keys, id, now, body)
		if signErr != nil {
			if err == nil {
				t.Fatalf("%q verifies but cannot be signed", id)
			}
			return
		}
		if err == nil && timestamp == "1700000000" && !sharesEntry(value, signed) {
			t.Fatalf("%q passes for %q", value, signed)
		}
		verify := func(s sent) error { return s.verify(keys...) }
		wantError(t, verify(sent{id, "1700000000", signed, string(body)}), nil)
		if len(body) > 0 {
			wantError(t, verify(sent{id, "1700000000", signed, string(flip(body, int(bit%uint(len(body)*8))))}), signature.ErrMismatch)
		}
		first, _, _ := strings.Cut(signed, " ")
		flipped := string(flip([]byte(first), int(bit%uint(len(first)*8))))
		if verify(sent{id, "1700000000", flipped, string(body)}) == nil {
			t.Fatalf("%q passes for %q", flipped, first)
		}
	})
}

func sharesEntry(a, b string) bool {
	for entry := range strings.SplitSeq(a, " ") {
		if entry != "" && strings.Contains(" "+b+" ", " "+entry+" ") {
			return true
		}
	}
	return false
}

// FuzzParseStandardKey: a key is refused with ErrKey and without repeating it, or does what its kind can.
func FuzzParseStandardKey(f *testing.F) {
	for _, text := range []string{secretText, privateText, publicText, "", "whsec_", "whpk_AAAA", "whsk_====", secretText[6:], "whsec_\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := signature.ParseStandardKey(text)
		if err != nil {
			wantError(t, err, signature.ErrKey)
			if len(text) >= 16 && strings.Contains(err.Error(), text) {
				t.Fatalf("%v repeats the key", err)
			}
			return
		}
		if strings.Contains(key.String(), strings.TrimPrefix(text, "whsec_")) {
			t.Fatalf("prints as %s", key)
		}
		keys := []signature.StandardKey{key}
		value, err := signature.SignStandard(keys, "msg_1", now, []byte(body))
		if strings.HasPrefix(text, "whpk_") {
			wantError(t, err, signature.ErrKey)
			return
		}
		wantError(t, err, nil)
		wantError(t, sent{"msg_1", "1700000000", value, body}.verify(keys...), nil)
	})
}
