package main

import (
	"net/http"
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
