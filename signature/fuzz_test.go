package signature_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// FuzzHMACVerify: no value makes Verify panic, and a value passes only if Sign writes it. What Sign writes passes, and
// does not pass after one bit of it or of the body is flipped.
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

// FuzzVerifyStandard: the same for Standard Webhooks, with any id and timestamp.
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
			wantError(t, verify(sent{id, "1700000000", signed, string(flip(body, int(bit%uint(len(body)*8))))}),
				signature.ErrMismatch)
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

// FuzzParseStandardKey: a key is refused with ErrKey and not repeated in the error, or it signs and verifies as
// its kind can.
func FuzzParseStandardKey(f *testing.F) {
	for _, text := range []string{secretText, privateText, publicText, "", "whsec_", "whpk_AAAA", "whsk_====",
		secretText[6:], "whsec_\n"} {
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
		if len(text) >= 16 && strings.Contains(key.String(), strings.TrimPrefix(text, "whsec_")) {
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

const (
	mutants      = 10_000
	mutationSeed = 20261122
)

// TestHMACMutants shows changed requests to each encoding; none may pass. The parts of a request are its
// signature and its body.
func TestHMACMutants(t *testing.T) {
	for name, scheme := range map[string]signature.HMAC{"hex": github, "upper hex": ams, "base64": boro,
		"base64url": urls} {
		t.Run(name, func(t *testing.T) {
			var valid [][]string
			for i := range 100 {
				body := fmt.Sprintf(`{"id":"evt_%d","type":"invoice.paid","data":{"n":%d}}`, i, i*i)
				valid = append(valid, []string{must(scheme.Sign(key32, []byte(body))), body})
			}
			same := func(a, b []string) bool {
				return a[1] == b[1] && (a[0] == b[0] || scheme.Encoding == signature.Hex && hexEqual(a[0], b[0]))
			}
			tryMutants(t, valid, same, func(parts []string) error {
				return scheme.Verify(parts[0], [][]byte{key32}, []byte(parts[1]))
			})
		})
	}
}

// hexEqual ignores the case of the digits, not of the prefix.
func hexEqual(a, b string) bool {
	n := len(github.Prefix)
	return len(a) == len(b) && len(a) > n && a[:n] == b[:n] && strings.EqualFold(a[n:], b[n:])
}

// TestStandardMutants does the same to Standard Webhooks: signature, id, timestamp and body. The tolerance is
// beyond all bounds, so that it is the signature that refuses.
func TestStandardMutants(t *testing.T) {
	for name, pair := range map[string][2]string{"v1": {secretText, secretText}, "v1a": {privateText, publicText}} {
		t.Run(name, func(t *testing.T) {
			private, public := standardKeys(pair[0]), standardKeys(pair[1])
			var valid [][]string
			for i := range 100 {
				id, at, body := fmt.Sprintf("msg_%d",
					i), now.Add(time.Duration(i)*time.Second), fmt.Sprintf(`1700000000.{"n":%d.5}`, i)
				valid = append(valid, []string{must(signature.SignStandard(private, id, at, []byte(body))), id,
					fmt.Sprint(at.Unix()), body})
			}
			same := func(a, b []string) bool {
				return slices.Equal(a[1:], b[1:]) && slices.Contains(strings.Split(a[0], " "), b[0])
			}
			tryMutants(t, valid, same, func(p []string) error {
				return signature.VerifyStandard(p[1], p[2], p[0], []byte(p[3]), public, now, 1<<63-1)
			})
		})
	}
}

func tryMutants(t *testing.T, valid [][]string, same func(mutant, valid []string) bool,
	verify func(parts []string) error) {
	t.Helper()
	for _, v := range valid {
		if err := verify(v); err != nil {
			t.Fatalf("%q: %v", v, err)
		}
	}
	r := rand.New(rand.NewPCG(mutationSeed, 0))
	for tried := 0; tried < mutants; {
		m := slices.Clone(valid[r.IntN(len(valid))])
		for range 1 + r.IntN(4) {
			mutate(r, m, valid)
		}
		if slices.ContainsFunc(valid, func(v []string) bool { return same(m, v) }) {
			continue
		}
		tried++
		if verify(m) == nil {
			t.Errorf("seed %d, mutant %d is accepted: %q", mutationSeed, tried, m)
		}
	}
}

// mutate changes one of parts, or moves bytes between two of them.
func mutate(r *rand.Rand, parts []string, valid [][]string) {
	i := r.IntN(len(parts))
	p := parts[i]
	at := r.IntN(len(p) + 1)
	switch op := r.IntN(11); {
	case op == 0: // of another request
		parts[i] = valid[r.IntN(len(valid))][i]
	case op == 1: // half of another request's
		other := valid[r.IntN(len(valid))][i]
		parts[i] = p[:at] + other[min(at, len(other)):]
	case op == 2: // insert a byte
		parts[i] = p[:at] + string(byte(r.IntN(128))) + p[at:]
	case op == 3: // write it twice, with or without a separator
		parts[i] = p + []string{"", " ", ",", "\n"}[r.IntN(4)] + p
	case op == 4: // move bytes over the boundary, with or without its dot
		j := (i + 1) % len(parts)
		parts[i], parts[j] = p[:at], p[at:]+[]string{"", "."}[r.IntN(2)]+parts[j]
	case p == "":
	case op == 5: // flip a bit
		parts[i] = string(flip([]byte(p), r.IntN(len(p)*8)))
	case op == 6: // leave out a byte
		at = r.IntN(len(p))
		parts[i] = p[:at] + p[at+1:]
	case op == 7:
		parts[i] = p[:at]
	case op == 8:
		parts[i] = p[at:]
	case op == 9:
		parts[i] = strings.ToUpper(p)
	case op == 10: // swap two parts
		j := r.IntN(len(parts))
		parts[i], parts[j] = parts[j], parts[i]
	}
}

// FuzzStandardKeys checks that no text panics, that no error repeats the text, and that a text of keys with white
// space around has the same keys.
func FuzzStandardKeys(f *testing.F) {
	for _, text := range []string{secretText, privateText, publicText, "sk_live_abc",
		"v1," + secretText + "|v1a," + publicText + ":" + privateText, "whsec_whsec_", "|,: \r\n", "whsec_AP-r+r"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := signature.ParseStandardKeys(text)
		if err != nil && len(text) > 8 && strings.Contains(err.Error(), text) {
			t.Errorf("%q: repeated in %v", text, err)
		}
		again, againErr := signature.ParseStandardKeys(" \n" + text + "\r\n")
		if len(again) != len(keys) || (err == nil) != (againErr == nil) {
			t.Errorf("%q: %v, %v; with white space around: %v, %v", text, keys, err, again, againErr)
		}
	})
}
