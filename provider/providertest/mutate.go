package providertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// oddBodies are what an authentic sender might send once in its life. Nobody may fall over them.
var oddBodies = map[string]string{
	"empty": "", "blank": " \n", "null": "null", "number": "1", "N07 number": "1e400", "text": `"` + canary + `"`, "true": "true",
	"array": "[]", "array of null": "[null]", "array of array": "[[]]", "array of numbers": "[1,2]", "array of objects": "[{},{}]", "object": "{}",
	"value null": `{"value":null}`, "value of null": `{"value":[null]}`, "value of objects": `{"value":[{},{}]}`, "value an object": `{"value":{}}`,
	"N01 twice": `{"type":"good","type":"` + canary + `"}`, "N02": `{"TYPE":"` + canary + `"}`, "no name": `{"":""}`,
	"N04 deep": strings.Repeat(`{"a":`, 10001) + "1" + strings.Repeat("}", 10001), "N04 deep array": strings.Repeat("[", 100_000),
	"N06 wide": wide(10_000), "N08": "{\"type\":\"\xff\",\"id\":\"\xfe\"}", "N09": `{"type":"\ud800","id":"\udfff"}`, "N11 NaN": `{"a":NaN}`,
	"N11 comment": "{}//" + canary, "N12": "\uFEFF{}", "N17": "{\"type\":\"\\u2028\\u001b[31m\\u202e\",\"id\":\"a\\u0000b\"}",
	"G31": "0", "G32": every(), "UTF-16": "\xff\xfe{\x00}\x00", "form": "a=1&a=2", "XML": "<a/>", "cut": `{"a":"` + canary, "two": "{}{}",
	"huge": `{"type":"` + strings.Repeat(canary, 50_000) + `"}`, "prototype": `{"__proto__":{"type":"x"}}`,
}

func wide(n int) string {
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		fmt.Fprintf(&b, `"%d":1,`, i)
	}
	return b.String() + `"type":"wide"}`
}

func every() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}

func (s *suite) testOddBodies(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(oddBodies)) {
		t.Run(name, func(t *testing.T) { s.survive(t, []byte(oddBodies[name])) })
	}
}

// survive signs body and holds that it is accepted, or refused as malformed or as somebody else's.
func (s *suite) survive(t *testing.T, body []byte) {
	t.Helper()
	req := s.signed(body)
	if _, err := s.receive(t, s.open(t, s.good(), Now), req); err != nil {
		switch _, status := refusal(err); status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnsupportedMediaType:
		default:
			t.Errorf("refused as %d: %v\n%s", status, err, describe(req))
		}
	}
}

// testMembers puts something else in the place of each member of each sample (F2, N14).
func (s *suite) testMembers(t *testing.T) {
	for _, sample := range s.samples {
		var document any
		if json.Unmarshal(sample.body, &document) != nil {
			continue
		}
		t.Run(sample.name, func(t *testing.T) {
			vary(document, func() { s.survive(t, []byte(JSON(document))) })
		})
	}
}

// others are what stands in the place of a member.
var others = []any{
	nil, true, 0, -1, 99, 1.5, json.Number("1e400"), json.Number("123456789012345678901234567890"), "", " ", canary, "\x00", "\u202e\x1b[31m",
	strings.Repeat(canary, 7000), []any{}, []any{nil}, []any{canary}, map[string]any{}, map[string]any{canary: canary},
	json.RawMessage(strings.Repeat("[", 100) + strings.Repeat("]", 100)),
}

// vary changes document in one place after the other and calls visit with each change in place.
func vary(document any, visit func()) {
	switch d := document.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(d)) {
			was := d[name]
			vary(was, visit)
			for _, other := range others {
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
			for _, other := range others {
				d[i] = other
				visit()
			}
			d[i] = was
		}
	}
}
