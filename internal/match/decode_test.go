package match

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"testing"
)

// FuzzDecode: decode returns the same value as encoding/json. If it picks members, their values are the same, too.
func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		`{"a":{"b":[1,2.5,"x",null,true],"c":{}},"d":"\u00e9\ud800\n","a b":-0}`, `{"a":1,"a":{"b":2}}`,
		`{"\u0061":{"b":"x"}}`, `[{"a":1}]`,
		`{"a":{"b":1e400,"c":9007199254740993,"n":18446744073709551616}}`, "{\"a\":\"\xff\",\"\xff\":1}", ` "x" `,
		"\ufeff{\"a\":1}", `{"a":1}{`, `{"a":}`, `{"a":[}`, `[[[`, ``, `nul`,
		`{"a":{"b":{"a":{"b":1}}}}`, `{"a":[{"b":1}]}`, `{"a":"text","d":[]}`,
		`{"zz":[1,{"q":"\\"}],"a":{"zz":{},"b":false}}`,
	} {
		f.Add([]byte(body))
	}
	picked := members{}
	picked.add([]string{"a", "b"})
	picked.add([]string{"d"})
	f.Fuzz(func(t *testing.T, body []byte) {
		whole := decodeStandard(body)
		if got, _, _ := decode(body, nil); !reflect.DeepEqual(got, whole) {
			t.Fatalf("%q: %#v, want %#v", body, got, whole)
		}
		got, _, _ := decode(body, picked)
		if want := pick(whole, picked); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: picked %#v, want %#v", body, got, want)
		}
	})
}

// pick returns v with its wanted members only.
func pick(v any, wanted members) any {
	object, ok := v.(map[string]any)
	if !ok || wanted == nil {
		return v
	}
	picked := map[string]any{}
	for name, of := range wanted {
		if v, ok := object[name]; ok {
			picked[name] = pick(v, of)
		}
	}
	return picked
}

// decodeStandard does as decode does, by encoding/json and without picking members.
func decodeStandard(body []byte) any {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	if _, err := d.Token(); err != io.EOF {
		return nil
	}
	return plainNumbers(v)
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return parseNumber(string(v))
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	}
	return v
}

// TestReads: compile finds out which values and members an expression reads.
func TestReads(t *testing.T) {
	for text, want := range map[string]reads{
		`type == "x"`:                            {},
		`headers["A"] == ""`:                     {headers: true},
		`data.a.b == 1 && data.a.c > 2`:          {data: true, members: members{"a": {"b": nil, "c": nil}}},
		`data.a == nil || data.a.b == 1`:         {data: true, members: members{"a": nil}},
		`data["a b"]?.c == 1`:                    {data: true, members: members{"a b": {"c": nil}}},
		`any(data.tasks, .name == data.n.m)`:     {data: true, members: members{"tasks": nil, "n": {"m": nil}}},
		`data.a[0].b == 1`:                       {data: true, members: members{"a": nil}},
		`data[type] == 1`:                        {data: true},
		`"a" in data && data.b == 1`:             {data: true},
		`let d = data; d.a == 1`:                 {data: true},
		`get(data, "a") == 1`:                    {data: true},
		`len(data.a.b) > 0 && data.a.b[0] == 1`:  {data: true, members: members{"a": {"b": nil}}},
		`$env["data"].a == 1`:                    {whole: true, data: true, headers: true, body: true},
		`any([1], {data.x == #}) and data.x > 0`: {data: true, members: members{"x": nil}},
	} {
		x, err := where.compile(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(x.reads, want) &&
			!(len(x.reads.members)+len(want.members) == 0 && x.reads.data == want.data &&
				x.reads.headers == want.headers) {
			t.Errorf("%s: %+v, want %+v", text, x.reads, want)
		}
	}
}
