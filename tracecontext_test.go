package bellhop

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// TestParseTraceparent: the examples of W3C Trace Context, and what it refuses.
func TestParseTraceparent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		parent:             parent,
		parent[:53] + "00": parent[:53] + "00",
		parent[:53] + "03": parent[:53] + "03",
		"cc" + parent[2:]:  parent,
		"cc" + parent[2:] + "-what-the-future-will-be-like": parent,
		"01" + parent[2:53] + "ff":                          parent,
		"":                                                  "",
		parent[:54]:                                         "",
		parent + "0":                                        "",
		parent + "-more":                                    "",
		"ff" + parent[2:]:                                   "",
		"cc" + parent[2:] + ".":                             "",
		strings.ToUpper(parent):                             "",
		" " + parent:                                        "",
		strings.Replace(parent, "0af7651916cd43dd8448eb211c80319c", strings.Repeat("0", 32), 1): "",
		strings.Replace(parent, "b7ad6b7169203331", strings.Repeat("0", 16), 1):                 "",
		strings.Replace(parent, "b7ad", "b7-d", 1):                                              "",
		strings.Replace(parent, "-01", "_01", 1):                                                "",
		parent[:53] + "0x":                                                                      "",
		"cc" + parent[2:] + "-" + strings.Repeat("x", MaxTracestateBytes):                       "",
	} {
		c, ok := ParseTraceparent(text)
		if ok != (want != "") || ok && c.Traceparent() != want || !ok && c != (TraceContext{}) {
			t.Errorf("%q: %v %s, want %q", text, ok, c.Traceparent(), want)
		}
	}
}

// TestTracestate: members are joined and checked; a list that breaks a rule is left out, the trace goes on.
func TestTracestate(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range maxTracestateMembers + 1 {
		many = append(many, fmt.Sprintf("k%d=1", i))
	}
	for _, c := range []struct {
		want   string
		values []string
	}{
		{"", nil},
		{"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", []string{"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"}},
		{"rojo=1,congo=2", []string{"rojo=1, ", "\tcongo=2"}},
		{"tenant@vendor=a b", []string{"tenant@vendor=a b"}},
		{strings.Join(many[1:], ","), many[1:]},
		{"", many},
		{"", []string{"rojo=1,rojo=2"}},
		{"", []string{"Rojo=1"}},
		{"", []string{"rojo"}},
		{"", []string{"rojo="}},
		{"", []string{"rojo=a=b"}},
		{"", []string{"rojo=\x7f"}},
		{"", []string{"=1"}},
		{"", []string{"a@=1"}},
		{"", []string{"a@1b=1"}},
		{"", []string{"a@b@c=1"}},
		{"", []string{"_a=1"}},
		{"", []string{"a=" + strings.Repeat("x", 257)}},
		{"", []string{strings.Repeat("a", 257) + "=1"}},
		{"", []string{"a=" + strings.Repeat("x", 200), "b=" + strings.Repeat("x", 200),
			"c=" + strings.Repeat("x", 200)}},
	} {
		h := http.Header{TraceparentHeader: {parent}, TracestateHeader: c.values}
		for _, read := range []func() (TraceContext, bool){
			func() (TraceContext, bool) { return ReadTraceContext(h) },
			func() (TraceContext, bool) { return TraceContextOf(NewHeader(h, nil)) },
		} {
			if got, ok := read(); !ok || got.State != c.want || got.Traceparent() != parent {
				t.Errorf("%q: %v %q, want %q", c.values, ok, got.State, c.want)
			}
		}
	}
	for _, h := range []http.Header{{}, {TracestateHeader: {"a=1"}}, {TraceparentHeader: {parent, parent}},
		{TraceparentHeader: {"x"}}} {
		if _, ok := ReadTraceContext(h); ok {
			t.Errorf("%v has a trace context", h)
		}
		if _, ok := TraceContextOf(NewHeader(h, nil)); ok {
			t.Errorf("%v has a trace context", h)
		}
	}
}

// FuzzTraceContext: nothing that a sender writes is passed on unless it has the form; then it reads the same again.
func FuzzTraceContext(f *testing.F) {
	f.Add(parent, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
	f.Add("cc"+parent[2:]+"-x", "a@b=c")
	f.Add(parent+"\r\nHost: x", "a=1\r\nb: 2")
	f.Fuzz(func(t *testing.T, traceparent, state string) {
		c, ok := ReadTraceContext(http.Header{TraceparentHeader: {traceparent}, TracestateHeader: {state}})
		if !ok {
			if c != (TraceContext{}) {
				t.Errorf("%+v without a trace", c)
			}
			return
		}
		unprintable := func(r rune) bool { return r < ' ' || r > '~' }
		if strings.ContainsFunc(c.State, unprintable) || len(c.State) > MaxTracestateBytes {
			t.Errorf("passes on %q", c.State)
		}
		again, ok := ReadTraceContext(http.Header{TraceparentHeader: {c.Traceparent()},
			TracestateHeader: {c.State}})
		if !ok || again != c {
			t.Errorf("%+v became %+v, %v", c, again, ok)
		}
	})
}
