package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// members returns the members that Object reads of body, as "name=value" lines.
func members(body string) (string, error) {
	var b strings.Builder
	err := Object([]byte(body), func(name, value []byte) { fmt.Fprintf(&b, "%s=%s\n", name, value) })
	return b.String(), err
}

func TestObject(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                               "",
		" \r\n\t{ } \n":                    "",
		`{"a":1}`:                          "a=1\n",
		` { "a" : [ 1 , 2 ] , "b" : "" } `: "a=[ 1 , 2 ]\nb=\"\"\n",
		`{"":null}`:                        "=null\n",
		`{"\u0061\"":"\u0061"}`:            "a\"=\"\\u0061\"\n",
		// N02, N03: names are compared by case.
		`{"EventType":1,"eventtype":2,"EVENTTYPE":3}`: "EventType=1\neventtype=2\nEVENTTYPE=3\n",
		"{\"TaskId\":1,\"Tas\u212aId\":2}":            "TaskId=1\nTas\u212aId=2\n",
		// N07, N08, N09: values are passed on as written.
		`{"n":1e400,"id":12345678901234567890}`: "n=1e400\nid=12345678901234567890\n",
		"{\"a\":\"\xff\xfe\"}":                  "a=\"\xff\xfe\"\n",
		`{"a":"\ud800"}`:                        "a=\"\\ud800\"\n",
		// Two objects may have members of the same name.
		`{"a":{"x":1},"b":{"x":2}}`: "a={\"x\":1}\nb={\"x\":2}\n",
		// N01, N04: a name that occurs twice is passed twice, and no depth is too deep for a value that is not read.
		`{"type":"good","typ\u0065":"evil"}`: "type=\"good\"\ntype=\"evil\"\n",
		`{"a":[{"b":[{"c":1,"c":2}]}]}`:      "a=[{\"b\":[{\"c\":1,\"c\":2}]}]\n",
		`{"a":` + deep + `}`:                 "a=" + deep + "\n",
		// N12: a byte order mark is skipped.
		"\uFEFF {\"a\":1}": "a=1\n",
	} {
		got, err := members(body)
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", body, got, err, want)
		}
	}
}

func TestObjectRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "blank": "  ", "N13 null": "null", "N13 number": "1", "N13 text": `"a"`, "N13 array": `[]`,
		"true":      "true",
		"truncated": `{"a":1`, "truncated in a name": `{"a`, "truncated in a value": `{"a":"b`, "no value": `{"a"}`,
		"no colon":         `{"a" 1}`,
		"comma at the end": `{"a":1,}`, "no comma": `{"a":1 "b":2}`, "only a comma": `{,}`,
		"number as a name":     `{1:2}`,
		"N04 deep, not closed": strings.Repeat(`{"a":`, 10001) + "1" + strings.Repeat("}", 10000),
		"N04 closed wrongly":   `{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 63) + "}}",
		"N11 NaN":              `{"a":NaN}`, "N11 comment": `{"a":1}//`, "N11 single quotes": `{'a':1}`,
		"N11 Infinity":              `{"a":-Infinity}`,
		"N12 byte order mark twice": "\uFEFF\uFEFF{}", "byte order mark after a blank": " \uFEFF{}",
		"byte order mark inside": "{\"a\":\uFEFF1}", "UTF-16": "\xff\xfe{\x00}\x00", "second value": `{}{}`,
		"NUL after the object": "{}\x00",
		"control byte":         "{\"a\":\"\n\"}",
		"leading zero":         `{"a":01}`, "form feed": "{\f}", "no-break space after the object": "{}\u00a0",
	} {
		got, err := members(body)
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// deep is an array that other readers refuse: encoding/json stops at a depth of 10,000.
var deep = strings.Repeat(`[{"a":`, 50_000) + "[]" + strings.Repeat("}]", 50_000)

// TestEncodings: a body that is not UTF-8 is refused in words that say so.
func TestEncodings(t *testing.T) {
	for _, body := range []string{"\xff\xfe{\x00}\x00", "\xfe\xff\x00{\x00}", "{\x00}\x00", "\x00{\x00}",
		"\x00\x00\x00{", "[\x00]\x00"} {
		if _, err := members(body); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "UTF-16") {
			t.Errorf("%q: %v", body, err)
		}
	}
	for _, body := range []string{"", "{", "x", "\xff\xff{}", "{}\x00"} {
		if _, err := members(body); !errors.Is(err, ErrMalformed) || strings.Contains(err.Error(), "UTF-16") {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestArray(t *testing.T) {
	var got []string
	read := func(body string) error {
		got = nil
		return Array([]byte(body), func(i int, value []byte) { got = append(got, fmt.Sprint(i, "=", string(value))) })
	}
	if err := read(` [ {"a":1} , 2,"x"] `); err != nil || fmt.Sprint(got) != `[0={"a":1} 1=2 2="x"]` {
		t.Errorf("got %v, %v", got, err)
	}
	if err := read(`[]`); err != nil || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if err := read("\uFEFF[{\"a\":1,\"a\":2},2]"); err != nil || fmt.Sprint(got) != `[0={"a":1,"a":2} 1=2]` {
		t.Errorf("got %v, %v", got, err)
	}
	if err := read("[" + deep + ",2]"); err != nil || len(got) != 2 {
		t.Errorf("got %d items, %v", len(got), err)
	}
	for _, body := range []string{"", "{}", "null", "[", "[1", "[1,", "[1,]", "[,]", "[1}", "[1 2]", "[] x",
		strings.Repeat("[", 65) + strings.Repeat("]", 64)} {
		if err := read(body); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, %v", body, got, err)
		}
	}
}

// TestNested: the function for members may itself call Object with a value.
func TestNested(t *testing.T) {
	var got string
	err := Object([]byte(`{"a":{"b":{"c":"deep"}},"z":1}`), func(name, value []byte) {
		_ = Object(value, func(_, value []byte) {
			_ = Object(value, func(name, value []byte) { got = string(name) + "=" + string(value) })
		})
	})
	if err != nil || got != `c="deep"` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestErrorsQuoteNothing(t *testing.T) {
	for _, body := range []string{`{"a":canary}`, `canary`, `{"a":"canary`,
		"{\"canary\n\":1}"} {
		if _, err := members(body); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzObject(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":{"b":[1,"\u0041",null]},"c":"\ud800"}`, `[]`, `{"a":1,"a":2}`,
		strings.Repeat("[", 65), " {} ", "{\"\xff\":1,\"\xfe\":2}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		accepted := check(t, body, '{', func(each func([]byte)) error {
			return Object(body, func(_, v []byte) { each(v) })
		})
		accepted = check(
			t,
			body,
			'[',
			func(each func([]byte)) error { return Array(body, func(_ int, v []byte) { each(v) }) },
		) ||
			accepted
		if !bytes.Equal(body, before) {
			t.Fatal("the body was changed")
		}
		if start := bytes.TrimLeft(body, " \t\r\n"); json.Valid(body) && !accepted &&
			(start[0] == '{' || start[0] == '[') {
			t.Fatalf("refused, although it is an object or an array: %q", body)
		}
		if value, ok := Embed(body); ok && (!json.Valid(value) || !bytes.Contains(body, value)) {
			t.Fatalf("embedded %q", value)
		}
	})
}

// check reports whether read accepts body. It fails the test if read accepts a body that encoding/json refuses.
func check(t *testing.T, body []byte, start byte, read func(each func([]byte)) error) bool {
	whole := true
	err := read(func(value []byte) {
		whole = whole && (json.Valid(value) || deeperThan(value, 10_000)) && bytes.Contains(body, value)
	})
	if err != nil {
		if !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
		return false
	}
	text := TrimBOM(body)
	if bytes.TrimSpace(text)[0] != start || !whole || !json.Valid(text) && !deeperThan(text, 10_000) {
		t.Fatalf("accepted %q", body)
	}
	return true
}

func TestItems(t *testing.T) {
	for body, want := range map[string]string{
		"\uFEFFnull": "[]", "\uFEFF[1]": "[1]",
		"null": "[]", "[]": "[]", `[1, {"a" : 2},null]`: `[1 {"a" : 2} null]`, "[1,2,3,4]": "", "[1,2": "",
		"[1,2]x": "",
		"{}":     "", `"[]"`: "", "": "",
	} {
		items, err := Items([]byte(body), 3)
		if got := fmt.Sprintf("%s", items); err == nil && got != want || (err != nil) != (want == "") ||
			err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %s, %v, want %s", body, got, err, want)
		}
	}
}

func TestTextIsUTF8(t *testing.T) {
	for value, want := range map[string]string{
		`""`: "", `"a"`: "a", `"\u00e9"`: "é", "\"\xff\"": "\uFFFD", `"\ud800"`: "\uFFFD", `"a\"b\\"`: `a"b\`,
		`"\u0000"`: "\x00",
	} {
		got, ok := Text([]byte(value))
		if !ok || got != want || !utf8.ValidString(got) {
			t.Errorf("Text(%q) = %q, %t", value, got, ok)
		}
	}
	for _, value := range []string{"", "null", "1", "{}", `["a"]`, "true", `"`} {
		if got, ok := Text([]byte(value)); ok || got != "" {
			t.Errorf("Text(%q) = %q, %t", value, got, ok)
		}
	}
}

func TestKey(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{`"a"`, "a"}, {`"\u0061"`, "a"}, {`"é"`, "é"}, {`""`, ""}, {`1`, ""}, {`null`, ""},
		{`"q\ud800"`, `"q\ud800"`}, {`"q\ud801"`, `"q\ud801"`}, {"\"w\xff\"", "\"w\xff\""}, {"\"w\xfe\"", "\"w\xfe\""},
	} {
		if got, ok := Key([]byte(c.value)); got != c.want || ok != (c.value[0] == '"') {
			t.Errorf("%s: %q, %v", c.value, got, ok)
		}
	}
}

func benchmarkBody() []byte {
	item := `{"id":"%d","name":"Überblick – encode","state":"Processing","amount":12.5,` +
		`"tags":["a","b"],"at":"2026-11-22T08:15:30.1234567Z"}`
	items := make([]string, 8)
	for i := range items {
		items[i] = fmt.Sprintf(item, i)
	}
	return []byte(`{"type":"list","items":[` + strings.Join(items, ",") + `],"more":false}`)
}

func BenchmarkObject(b *testing.B) {
	body := benchmarkBody()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var kind []byte
		err := Object(body, func(name, value []byte) {
			if string(name) == "type" {
				kind = value
			}
		})
		if err != nil || kind == nil {
			b.Fatal(err)
		}
	}
}

// TestDocument: a body is JSON with or without a byte order mark, which is no part of the document.
func TestDocument(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":1}`: `{"a":1}`, "\ufeff{\"a\":1}": `{"a":1}`, " 7 ": " 7 ", "": "", "\ufeff": "", "text": "",
		"\ufeff\ufeff{}": "", " \ufeff{}": "", `{"a":1}{`: "", "{\"a\":\"\xff\"}": "", "\xff\xfe{\x00}\x00": "",
		"\ufeffnull": "null",
	} {
		if got := Document([]byte(body)); string(got) != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
}
