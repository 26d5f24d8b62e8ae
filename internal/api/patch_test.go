package api

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestMerge has the cases of RFC 7396, Appendix A.
func TestMerge(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		var target, patch, want any
		for i, v := range []*any{&target, &patch, &want} {
			if err := json.Unmarshal([]byte(c[i]), v); err != nil {
				t.Fatal(err)
			}
		}
		if got := merge(target, patch); !reflect.DeepEqual(got, want) {
			t.Errorf("%s with %s: %v, want %v", c[0], c[1], got, want)
		}
	}
}

func TestPatchKeepsNumbers(t *testing.T) {
	var p Patch[NewSource]
	if err := json.Unmarshal([]byte(`{"settings":{"n":12345678901234567890,"f":1.10}}`), &p); err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.fill()
	merged, err := p.apply(r.handler.(*server), newSource(r.sources[0]))
	if err != nil || string(merged.Settings["n"]) != "12345678901234567890" || string(merged.Settings["f"]) != "1.10" {
		t.Errorf("%s %v", merged.Settings, err)
	}
}
