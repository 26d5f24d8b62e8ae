package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// TestNumbers: a whole number is one however it is written, also in a PATCH, and a number that Go cannot hold is
// refused by its path, in words that are not about Go.
func TestNumbers(t *testing.T) {
	r := newRig(t)
	for i, digits := range []string{"1000", "1e3", "1000.0", "10.0E2", "1000000e-3"} {
		name := string(rune('a' + i))
		made := r.do("POST", "/api/v1/sources", `{"name":"`+name+`","provider":"lock","settings":{"key":"k"},`+
			`"max_body_bytes":`+digits+`,"reply":{"status":201.0}}`).is(201)
		same(t, made["max_body_bytes"], "1000")
		same(t, made["reply"].(map[string]any)["status"], "201")
		path := "/api/v1/sources/" + name
		changed := r.do("PATCH", path, `{"max_body_bytes":`+digits+`,"reply":{"status":2e2}}`).is(200)
		same(t, changed["max_body_bytes"], "1000")
		r.do("PATCH", path, `{"max_body_bytes":1000.5}`).refused(422, bellhop.CodeInvalid, "max_body_bytes")
		r.do("PATCH", path, `{"max_body_bytes":1e400}`).refused(422, bellhop.CodeInvalid, "max_body_bytes")
	}
	for _, digits := range []string{"9223372036854775808", "1e19", "-1e30", "1e400", "1e999999999"} {
		body := `{"token":"t","status":` + digits + `}`
		a := r.do("POST", "/api/v1/deliveries/dlv_1/answer", body)
		a.refused(422, bellhop.CodeInvalid, "status")
		if strings.Contains(a.body, "json") || strings.Contains(a.body, digits) {
			t.Errorf("%s: %s", digits, a.body)
		}
	}
	for _, data := range []string{"1e400", "[1.0,-1E-400]", "123456789012345678901234567890"} {
		r.do("POST", "/api/v1/events", `{"type":"a","data":`+data+`}`).is(202)
		if got := string(r.events[len(r.events)-1].Body); got != data {
			t.Errorf("%s is stored as %s", data, got)
		}
	}
}

// TestManyNumbers: many whole numbers that are written as fractions are refused, because each costs time.
func TestManyNumbers(t *testing.T) {
	for count, fine := range map[int]bool{1: true, maxRewritten: true, maxRewritten + 1: false} {
		var numbers []int
		err := decode([]byte("["+strings.TrimSuffix(strings.Repeat("2.0,", count), ",")+"]"), &numbers)
		if (err == nil) != fine || fine && (len(numbers) != count || numbers[count-1] != 2) {
			t.Errorf("%d: %v %v", count, numbers, err)
		}
	}
}

// FuzzDecode: a body is decoded as by encoding/json, unless that fails because of a number.
func FuzzDecode(f *testing.F) {
	type inner struct {
		Whole int32           `json:"whole"`
		Raw   json.RawMessage `json:"raw"`
		Any   any             `json:"any"`
	}
	type outer struct {
		inner
		Inner *inner  `json:"inner"`
		List  []inner `json:"list"`
		Float float32 `json:"float"`
	}
	for _, seed := range []string{`{"whole":1e0,"raw":1e999}`,
		`{"inner":{"whole":-2.0},"list":[{"whole":3},{"whole":4.0}]}`, `{"float":1e40}`, `{"any":1e400}`,
		`{"whole":2147483648}`, `{"whole":"1"}`, `{"whole":1.5}`, `{"whole":1E-1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		var plain any
		if err := decode(b, &plain); err != nil {
			t.Errorf("%q without a type: %v", b, err)
		}
		var got, want outer
		err, expected := decode(b, &got), json.Unmarshal(b, &want)
		wrong, _ := wrongNumber(expected)
		if wrong == nil && (!reflect.DeepEqual(err, expected) || !reflect.DeepEqual(got, want)) {
			t.Errorf("%q: %v %+v, want %v %+v", b, err, got, expected, want)
		}
		if again, _ := wrongNumber(err); again != nil {
			t.Errorf("%q: %v", b, err)
		}
	})
}
