package providertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

const mutationSeed = 20261122

// Mutants passes n requests without a valid signature to accepted, which must return false for each. It makes them by
// changing 100 valid requests, which sign returns. A request is a list of parts: the signed texts and the
// proof, in an order in which bytes could move from one part to the next. A mutant is left out if same reports that
// it equals a valid request except for its spelling.
func Mutants(
	t *testing.T,
	n int,
	sign func(i int) []string,
	same func(mutant, valid []string) bool,
	accepted func(parts []string) bool,
) {
	t.Helper()
	var valid [][]string
	for i := range 100 {
		v := sign(i)
		if !accepted(v) {
			t.Fatalf("a valid request is refused: %q", v)
		}
		valid = append(valid, v)
	}
	r := rand.New(rand.NewPCG(mutationSeed, 0))
	for tried := 0; tried < n; {
		m := slices.Clone(valid[r.IntN(len(valid))])
		for range 1 + r.IntN(4) {
			mutate(r, m, valid)
		}
		if slices.ContainsFunc(valid, func(v []string) bool { return same(m, v) }) {
			continue
		}
		tried++
		if accepted(m) {
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
	case op == 0: // the same part of another request
		parts[i] = valid[r.IntN(len(valid))][i]
	case op == 1: // the end of the same part of another request
		other := valid[r.IntN(len(valid))][i]
		parts[i] = p[:at] + other[min(at, len(other)):]
	case op == 2: // insert a byte
		parts[i] = p[:at] + string(byte(r.IntN(128))) + p[at:]
	case op == 3: // repeat it, with or without a separator
		parts[i] = p + []string{"", " ", ",", ":", "\n"}[r.IntN(5)] + p
	case op == 4: // move the end to the next part, with or without a separator
		j := (i + 1) % len(parts)
		parts[i], parts[j] = p[:at], p[at:]+[]string{"", ".", ",", ":"}[r.IntN(4)]+parts[j]
	case op == 5: // exchange two parts
		j := r.IntN(len(parts))
		parts[i], parts[j] = parts[j], parts[i]
	case p == "":
	case op == 6: // flip a bit
		b := []byte(p)
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		parts[i] = string(b)
	case op == 7: // leave out a byte
		at = r.IntN(len(p))
		parts[i] = p[:at] + p[at+1:]
	case op == 8:
		parts[i] = p[:at]
	case op == 9:
		parts[i] = p[at:]
	case op == 10:
		parts[i] = strings.ToUpper(p)
	}
}

// Mutant returns one of valid, which are secrets that a request carries unchanged, after one to four random changes.
// The result may still be one of valid.
func Mutant(r *rand.Rand, valid []string) string {
	b := []byte(valid[r.IntN(len(valid))])
	for range 1 + r.IntN(4) {
		at := r.IntN(len(b) + 1)
		switch r.IntN(6) {
		case 0:
			b = slices.Insert(b, at, byte(r.IntN(256)))
		case 1:
			b = b[:at]
		case 2:
			other := valid[r.IntN(len(valid))]
			b = append(b[:at:at], other[r.IntN(len(other)):]...)
		case 3:
			b = []byte(swapCase(string(b)))
		case 4:
			b = append(b, b[at:]...)
		default:
			if at < len(b) {
				b[at] ^= 1 << r.IntN(8)
			}
		}
	}
	return string(b)
}

// testMutants calls Mutants for a signature that is an HMAC of the body. The parts of a request are the signature and
// the body.
func (s *suite) testMutants(t *testing.T) {
	if s.MAC == nil {
		t.Skip("the signature is not an HMAC of the body")
	}
	r := s.open(t, s.good(), Now)
	sign := func(i int) []string {
		body := string(s.samples[i%len(s.samples)].body) + strings.Repeat(" ", i/len(s.samples))
		return []string{s.signed([]byte(body)).Header.Get(s.MAC.Header), body}
	}
	prefix := s.MAC.Scheme.Prefix
	same := func(m, v []string) bool {
		digits, ok := strings.CutPrefix(m[0], prefix)
		return m[1] == v[1] &&
			(m[0] == v[0] || ok && s.MAC.Scheme.Encoding == signature.Hex &&
				strings.EqualFold(digits, v[0][len(prefix):]))
	}
	Mutants(t, ManyMutants, sign, same, func(parts []string) bool {
		req := s.signed([]byte(parts[1]))
		req.Header.Set(s.MAC.Header, parts[0])
		receipt, err := s.receive(t, r, req)
		return err == nil && len(receipt.Events) > 0
	})
}

// oddBodies are unusual bodies from an authentic sender. No provider may panic on them.
var oddBodies = map[string]string{
	"empty":            "",
	"blank":            " \n",
	"null":             "null",
	"number":           "1",
	"N07 number":       "1e400",
	"text":             `"` + canary + `"`,
	"true":             "true",
	"array":            "[]",
	"array of null":    "[null]",
	"array of array":   "[[]]",
	"array of numbers": "[1,2]",
	"array of objects": "[{},{}]",
	"object":           "{}",
	"value null":       `{"value":null}`,
	"value of null":    `{"value":[null]}`,
	"value of objects": `{"value":[{},{}]}`,
	"value an object":  `{"value":{}}`,
	"N01 twice":        `{"type":"good","type":"` + canary + `"}`,
	"N02":              `{"TYPE":"` + canary + `"}`,
	"no name":          `{"":""}`,
	"N04 deep":         strings.Repeat(`{"a":`, 10001) + "1" + strings.Repeat("}", 10001),
	"N04 deep array":   strings.Repeat("[", 100_000),
	"N06 wide":         wideObject(10_000),
	"N08":              "{\"type\":\"\xff\",\"id\":\"\xfe\"}",
	"N09":              `{"type":"\ud800","id":"\udfff"}`,
	"N11 NaN":          `{"a":NaN}`,
	"N11 comment":      "{}//" + canary,
	"N12":              "\uFEFF{}",
	"N17":              "{\"type\":\"\\u2028\\u001b[31m\\u202e\",\"id\":\"a\\u0000b\"}",
	"G31":              "0",
	"G32":              allBytes(),
	"UTF-16":           "\xff\xfe{\x00}\x00",
	"form":             "a=1&a=2",
	"XML":              "<a/>",
	"truncated":        `{"a":"` + canary,
	"two objects":      "{}{}",
	"huge":             `{"type":"` + strings.Repeat(canary, 50_000) + `"}`,
	"prototype":        `{"__proto__":{"type":"x"}}`,
}

func wideObject(n int) string {
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		fmt.Fprintf(&b, `"%d":1,`, i)
	}
	return b.String() + `"type":"wide"}`
}

func allBytes() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}

func (s *suite) testOddBodies(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(oddBodies)) {
		t.Run(name, func(t *testing.T) {
			s.checkOddBody(t, s.open(t, s.good(), Now), []byte(oddBodies[name]))
		})
	}
}

// checkOddBody signs body and checks that r accepts it, or refuses it with status 400, 401, 403 or 415.
func (s *suite) checkOddBody(t *testing.T, r provider.Receiver, body []byte) {
	t.Helper()
	req := s.signed(body)
	if _, err := s.receive(t, r, req); err != nil {
		switch _, status := refusal(err); status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnsupportedMediaType:
		default:
			t.Errorf("refused as %d: %v\n%s", status, err, describe(req))
		}
	}
}

// testMembers replaces each member of each sample by other values (F2, N14).
func (s *suite) testMembers(t *testing.T) {
	r := s.open(t, s.good(), Now)
	for _, sample := range s.samples {
		var document any
		if json.Unmarshal(sample.body, &document) != nil {
			continue
		}
		t.Run(sample.name, func(t *testing.T) {
			vary(document, func() { s.checkOddBody(t, r, []byte(JSON(document))) })
		})
	}
}

// replacements are the values by which vary replaces the value of a member.
var replacements = []any{
	nil, true, 0, -1, 99, 1.5, json.Number("1e400"), json.Number("123456789012345678901234567890"), "", " ", canary,
	"\x00", "\u202e\x1b[31m",
	strings.Repeat(canary, 7000), []any{}, []any{nil}, []any{canary}, map[string]any{}, map[string]any{canary: canary},
	json.RawMessage(strings.Repeat("[", 100) + strings.Repeat("]", 100)),
}

// vary changes one value or name of document at a time, calls visit after each change, and undoes the change.
func vary(document any, visit func()) {
	switch d := document.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(d)) {
			was := d[name]
			vary(was, visit)
			for _, other := range replacements {
				d[name] = other
				visit()
			}
			delete(d, name)
			visit()
			d[strings.ToUpper(name)] = was
			visit()
			delete(d, strings.ToUpper(name))
			d[name] = was
		}
	case []any:
		for i, was := range d {
			vary(was, visit)
			for _, other := range replacements {
				d[i] = other
				visit()
			}
			d[i] = was
		}
	}
}
