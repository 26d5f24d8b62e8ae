package bellhop_test

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

func TestHeader(t *testing.T) {
	in := http.Header{"X-Two": {"second", "first"}, "Authorization": {"Bearer s3cret"},
		"Content-Type": {"text/plain; charset=utf-8"},
		"X-Empty":      {""}, "X-None": {}, "X-Colon": {"a: b: c"}, "X": {"y"}, "X-Odd": {" blanks and ünïcödé\t"}}
	h := bellhop.NewHeader(in, func(name string) bool { return name == "Authorization" })
	const want = "Content-Type: text/plain; charset=utf-8\nX: y\nX-Colon: a: b: c\nX-Empty: \n" +
		"X-Odd:  blanks and ünïcödé\t\nX-Two: second\nX-Two: first\n"
	if string(h) != want {
		t.Errorf("written as\n%q, want\n%q", h, want)
	}
	out := maps.Clone(in)
	delete(out, "Authorization")
	delete(out, "X-None")
	if got := h.HTTP(); !reflect.DeepEqual(got, out) {
		t.Errorf("read as %v", got)
	}
	for name, value := range map[string]string{"X-Two": "second", "X-Colon": "a: b: c", "X-Empty": "", "X": "y",
		"Content-Type":  "text/plain; charset=utf-8",
		"Authorization": "", "X-Tw": "", "X-Two:": "", "": "", "x-two": "", "X-None": ""} {
		if got := h.Get(name); got != value {
			t.Errorf("Get(%q) = %q", name, got)
		}
	}
}

// TestSampleHeader: the header of a sample begins with the one that says so, whatever the others are.
func TestSampleHeader(t *testing.T) {
	for _, names := range [][]string{nil, {"Accept"}, {"Accept", "Aeg-Event-Type", "X"}, {"X"}} {
		in, want := http.Header{bellhop.SampleHeader: {"true"}}, "Bellhop-Sample: true\n"
		for _, name := range names {
			in[name] = []string{"a"}
			want += name + ": a\n"
		}
		if got := bellhop.NewHeader(in, nil); string(got) != want {
			t.Errorf("written as\n%q, want\n%q", got, want)
		}
	}
}

func TestHeaderZero(t *testing.T) {
	var h bellhop.Header
	if h.Get("X") != "" || len(h.HTTP()) != 0 || len(bellhop.NewHeader(nil, nil)) != 0 {
		t.Error("the zero header has fields")
	}
	for _, broken := range []string{"\n", ":\n", "X\n", "X:y\n", ": y\n", "X: y", "X", "X:"} {
		bellhop.Header(broken).HTTP()
		bellhop.Header(broken).Get("X")
	}
	if got := bellhop.Header("X: y").Get("X"); got != "y" {
		t.Errorf("last line without a line end: %q", got)
	}
}

func TestHops(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "X: 3\n": 0, "Bellhop-Hops: 0\n": 0, "Bellhop-Hops: 3\n": 3, "Bellhop-Hops: 8\n": 8,
		"Bellhop-Hops: 9\n":  8,
		"Bellhop-Hops: -1\n": 8, "Bellhop-Hops: x\n": 8, "Bellhop-Hops: 1.5\n": 8,
		"Bellhop-Hops: 99999999999999999999\n": 8,
		"Bellhop-Hops: 3\nBellhop-Hops: 1\n":   3, "Bellhop-Hops-2: 5\n": 0,
	} {
		if got := bellhop.Hops(bellhop.Header(text)); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}

// FuzzHeader: every header that net/http can pass to a handler is unchanged after encoding and decoding.
func FuzzHeader(f *testing.F) {
	f.Add("X-A", "b", "c: d")
	f.Add("Content-Type", "", " x")
	f.Fuzz(func(t *testing.T, name, one, two string) {
		name = http.CanonicalHeaderKey(name)
		if name == "" || !slices.ContainsFunc([]byte(name), func(b byte) bool { return b != ' ' }) ||
			!isHeaderValue(one) || !isHeaderValue(two) || !isHeaderName(name) {
			return
		}
		in := http.Header{name: {one, two}, "Zz": {two}}
		h := bellhop.NewHeader(in, nil)
		if out := h.HTTP(); name != "Zz" && !reflect.DeepEqual(in, out) {
			t.Errorf("%v became %v", in, out)
		}
		if got := h.Get(name); name != "Zz" && got != one {
			t.Errorf("Get(%q) = %q, want %q", name, got, one)
		}
	})
}

// isHeaderValue and isHeaderName report which values and names of a header the HTTP server accepts.
func isHeaderValue(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(b byte) bool { return b < ' ' && b != '\t' || b == 0x7f })
}

func isHeaderName(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(b byte) bool { return b <= ' ' || b >= 0x7f || b == ':' })
}
