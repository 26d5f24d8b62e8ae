package signature_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

const (
	mutants      = 10_000
	mutationSeed = 20261122
)

// TestHMACMutants shows changed requests to each encoding; none may pass. The parts of a request are its
// signature and its body.
func TestHMACMutants(t *testing.T) {
	for name, scheme := range map[string]signature.HMAC{"hex": github, "upper hex": ams, "base64": boro, "base64url": urls} {
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
				id, at, body := fmt.Sprintf("msg_%d", i), now.Add(time.Duration(i)*time.Second), fmt.Sprintf(`1700000000.{"n":%d.5}`, i)
				valid = append(valid, []string{must(signature.SignStandard(private, id, at, []byte(body))), id, fmt.Sprint(at.Unix()), body})
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

func tryMutants(t *testing.T, valid [][]string, same func(mutant, valid []string) bool, verify func(parts []string) error) {
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
	case op == 3: // write it twice, as a list or not
		parts[i] = p + []string{"", " ", ",", "\n"}[r.IntN(4)] + p
	case op == 4: // over the boundary, with the dot that stands there or without
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
	case op == 10: // a part in the place of another
		j := r.IntN(len(parts))
		parts[i], parts[j] = parts[j], parts[i]
	}
}
