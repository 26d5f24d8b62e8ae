package catalog

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
)

// TestShortSecrets: settings with a text shorter than 16 characters, alone or in a list, are named.
func TestShortSecrets(t *testing.T) {
	for settings, want := range map[string][]string{
		`{"key":"changeme","other":"changeme"}`: {"key", "other"},
		`{"key":["a","0123456789abcdef","b"]}`:  {"key"},
		`{"key":"0123456789abcdef"}`:            nil,
		`{"account_id":"a"}`:                    nil,
		`{"key":1}`:                             nil,
		`{}`:                                    nil,
	} {
		if got := (secrets{names: []string{"key", "other"}}).short([]byte(settings)); !slices.Equal(got, want) {
			t.Errorf("%s: %q", settings, got)
		}
	}
}

// TestMergePatch has the cases of RFC 7396, Appendix A.
func TestMergePatch(t *testing.T) {
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
		if got := MergePatch(target, patch); !reflect.DeepEqual(got, want) {
			t.Errorf("%s with %s: %v, want %v", c[0], c[1], got, want)
		}
	}
}

// TestTextMask: a secret is masked as it is and as JSON writes it, a longer secret before its parts, a short one not.
func TestTextMask(t *testing.T) {
	x := secrets{names: []string{"a", "list"}, each: "headers"}
	mask := textMask(
		x.texts(
			[]byte(
				`{"a":"q\"uotation","list":["part-one","part-one-of-whole","","prod"],"headers":{"X":"h"},"open":"open","n":7}`)))
	got := mask(`q"uotation q\"uotation part-one part-one-of-whole production hush open 7`)
	if got != `… … … … production hush open 7` {
		t.Error(got)
	}
}
