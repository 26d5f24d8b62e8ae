package generic_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/generic"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// TestPresetMutants changes each recording in one to four places and has none of it accepted that is not, in what is
// signed, what was recorded.
func TestPresetMutants(t *testing.T) {
	const mutants = 10_000
	for _, c := range generic.PresetCases() {
		t.Run(c.Name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(17, 4))
			r := providertest.Open(t, generic.Provider{}, providertest.JSON(presetSettings(c, secrets[0])))
			var good []*provider.Request
			all := recordings(t, c.Name)
			for _, name := range slices.Sorted(maps.Keys(all)) {
				if req := all[name]; req.Method == http.MethodPost {
					good = append(good, req)
				}
			}
			tried := 0
			for tried < mutants {
				from := good[random.IntN(len(good))]
				req := copied(from)
				for range 1 + random.IntN(4) {
					mutate(random, c, req, good[random.IntN(len(good))])
				}
				if slices.ContainsFunc(good, func(g *provider.Request) bool { return sameProof(c, req, g) }) {
					continue
				}
				tried++
				receipt, err := r.Receive(t.Context(), req)
				if err == nil {
					t.Fatalf("accepted as %+v: %s %v %q, from %v %q", receipt, req.Target, req.Header, req.Body, from.Header, from.Body)
				}
			}
		})
	}
}

// sameProof reports whether a and b are the same to who knows what is signed.
func sameProof(c generic.PresetCase, a, b *provider.Request) bool {
	for i, name := range c.Signed {
		x, y := a.Header.Values(name), b.Header.Values(name)
		switch {
		case len(x) != 1:
			return false
		case i == 0 && c.List:
			if !slices.ContainsFunc(strings.Split(x[0], ","), func(s string) bool {
				return strings.Contains(strings.ToLower(y[0]), strings.ToLower(s)) && len(s) == 67
			}) {
				return false
			}
		case i == 0 && c.Scheme == "token":
			if x[0] != y[0] {
				return false
			}
		case i == 0 && c.HMAC().Encoding == signature.Hex:
			if prefix := c.HMAC().Prefix; !strings.HasPrefix(x[0], prefix) || !strings.EqualFold(x[0], y[0]) {
				return false
			}
		case x[0] != y[0]:
			return false
		}
	}
	switch {
	case c.Scheme == "token":
		return true
	case c.Params:
		return a.Target == b.Target && a.Header.Get("Content-Type") == b.Header.Get("Content-Type") && generic.FormParams(a) == generic.FormParams(b)
	}
	return bytes.Equal(a.Body, b.Body)
}

// mutate changes req in one place; other is a good request to take parts of.
func mutate(random *rand.Rand, c generic.PresetCase, req, other *provider.Request) {
	name := c.Signed[random.IntN(len(c.Signed))]
	value := []byte(req.Header.Get(name))
	body := req.Body
	at := func(b []byte) int { return random.IntN(len(b) + 1) }
	switch random.IntN(11) {
	case 0:
		if len(body) > 0 {
			body[random.IntN(len(body))] ^= 1 << random.IntN(8)
		}
	case 1:
		i := at(body)
		req.Body = slices.Insert(body, i, byte(random.IntN(256)))
	case 2:
		i := at(body)
		req.Body = body[:i]
	case 3:
		req.Body = append(body, other.Body...)
	case 4:
		req.Body = bytes.Clone(other.Body)
	case 5:
		if len(value) > 0 {
			value[random.IntN(len(value))] ^= 1 << random.IntN(8)
			req.Header.Set(name, string(value))
		}
	case 6:
		req.Header.Set(name, string(slices.Insert(value, at(value), byte(' '+random.IntN(95)))))
	case 7:
		req.Header.Set(name, string(value[:at(value)]))
	case 8:
		req.Header.Add(name, other.Header.Get(name))
	case 9:
		req.Header.Set(name, other.Header.Get(c.Signed[random.IntN(len(c.Signed))]))
	case 10: // bytes move between a header and the body
		i := min(len(body), 1+random.IntN(8))
		req.Header.Set(name, string(value)+string(body[:i]))
		req.Body = body[i:]
	}
}
