package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestParseSaved(t *testing.T) {
	one := http.Header{"X-One": {"1"}}
	for text, want := range map[string]saved{
		"":                    {header: http.Header{}},
		"x-one: 1":            {header: one},
		"X-ONE:1\r\n\r\nbody": {header: one},
		"POST /in/x?code=a HTTP/1.1\r\nX-One: 1\r\n":                  {"POST", "/in/x?code=a", one},
		"X-One: a: b\nX-One: c\n":                                     {header: http.Header{"X-One": {"a: b", "c"}}},
		`{"x-one":"1"}`:                                               {header: one},
		` {"x-one":["1","2"]}`:                                        {header: http.Header{"X-One": {"1", "2"}}},
		`{"method":"GET","target":"/in/x","headers":{"X-One":["1"]}}`: {"GET", "/in/x", one},
	} {
		got, err := parseSaved([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"nonsense", ": x", "X-One: 1\nnonsense", "{", `{"a":1}`, `[]`} {
		if got, err := parseSaved([]byte(text)); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestReadSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	os.WriteFile(file, []byte(`{"text":"as it is"}`+"\r\n"), 0o600)
	e := &env{getenv: func(name string) string { return map[string]string{"SET": "[x"}[name] }}
	got, err := e.readSettings([]string{"a=text", "b=", "c==", "d=true", "e=[\"x\",1]", "f={\"y\":12345678901234567890}", "g=@" + file, "h=env:SET", "i=17", "allowed_rate=6000"})
	want := `map[a:text allowed_rate:6000 b: c:= d:true e:[x 1] f:map[y:12345678901234567890] g:{"text":"as it is"} h:[x i:17]`
	if err != nil || fmt.Sprint(got) != want || got["allowed_rate"] != json.Number("6000") || got["i"] != "17" {
		t.Errorf("%v %v", got, err)
	}
	for _, pair := range []string{"a", "=b", "", "a=[", "a={x}", "a=env:NOT", "a=@/not/there", "a=[] []"} {
		if got, err := e.readSettings([]string{pair}); err == nil {
			t.Errorf("%s: %v", pair, got)
		}
	}
	if _, err := e.readSettings([]string{"a=1", "a=2"}); err == nil {
		t.Error("a setting given twice")
	}
}
