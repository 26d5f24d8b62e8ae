package action

import (
	"path"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
)

var pathNames = []string{"recording", "index", "ext", "document"}

// TestParsePath shows which paths are taken.
func TestParsePath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{{recording}}/{{index}}.{{ext}}":      "",
		"a-b_c.d/{{ document }}":               "",
		"{{index}}":                            "",
		"{{recording}}.{{ext}}":                "must have {{index}} or {{document}}",
		"":                                     "must have",
		"{{index}}/{{secret}}":                 "a placeholder that is not known",
		"{{index}":                             "not known",
		"../{{index}}":                         "a dot",
		"/etc/{{index}}":                       "empty part",
		"a//{{index}}":                         "empty part",
		"{{index}}/":                           "empty part",
		"a/./{{index}}":                        "a dot",
		".hidden/{{index}}":                    "a dot",
		"a\\{{index}}":                         "may have letters",
		"a b/{{index}}":                        "may have letters",
		"ü/{{index}}":                          "may have letters",
		"a:b/{{index}}":                        "may have letters",
		"{{index}}\x00":                        "may have letters",
		strings.Repeat("a/", 10) + "{{index}}": "more than 10 parts",
		strings.Repeat("a", 500) + "{{index}}": "longer than 500",
	} {
		_, err := parsePath(text, pathNames)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// hostile are names as a sender might choose them to reach other places.
var hostile = []string{"", ".", "..", "...", "../../etc/passwd", "..\\..\\windows", "/etc/passwd", "\\\\server\\share",
	"C:\\x", "C:", "a/b", "a\\b", "~", "~root", "$HOME", "${x}", "`id`", "$(id)", "a;b", "a|b", "a&b", "a\x00b",
	"a\nb", "a\r\nb", "a\tb", "\x7f", "\xff\xfe", "é", "e\u0301", "\u202egpj.exe", "\ufeffa", "con", "CON", "NUL.txt",
	"aux", "COM1", "lpt9.mp4", " ", " a ", "a.", "-rf", "--help", "*", "?", "<>\"", "%2e%2e%2f", "%00",
	strings.Repeat("a", 300), strings.Repeat("é", 300), "a.mp4.exe",
	".htaccess", "_2E"}

// TestHostileNames shows that no value leaves its part of a path, and that different values stay different.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	p, err := parsePath("{{recording}}/{{index}}.{{ext}}", pathNames)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, name := range hostile {
		got := p.expand(func(placeholder string) string {
			return map[string]string{"recording": name, "index": "0", "ext": "mp4"}[placeholder]
		})
		checkName(t, name, got)
		if other, ok := seen[strings.ToLower(got)]; ok && !strings.EqualFold(other, name) {
			t.Errorf("%q and %q are both %s", name, other, got)
		}
		seen[strings.ToLower(got)] = name
	}
	if len(hostile) < 40 {
		t.Errorf("%d names", len(hostile))
	}
}

// checkName checks that the name of a file is one of two parts that any file system takes.
func checkName(t *testing.T, value, name string) {
	t.Helper()
	parts := strings.Split(name, "/")
	if len(parts) != 2 || path.Clean(name) != name || !provider.Alphanumeric(name, "-_./") || len(name) > 200 {
		t.Errorf("%q became %q", value, name)
	}
	for _, part := range parts {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".") || unreserved(part) != part {
			t.Errorf("%q became %q, whose part %q is no name", value, name, part)
		}
	}
}

func FuzzPathValue(f *testing.F) {
	for _, name := range hostile {
		f.Add(name)
	}
	p, err := parsePath("{{recording}}/{{document}}.{{ext}}", pathNames)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		checkName(t, value, p.expand(func(string) string { return value }))
	})
}

// TestWithSuffix shows where a suffix goes.
func TestWithSuffix(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"a/0.mp4": "a/0-x.mp4", "a.b/0": "a.b/0-x", "0": "0-x",
		"a/b.c.d": "a/b.c-x.d"} {
		if got := withSuffix(name, "-x"); got != want {
			t.Errorf("%s became %s, want %s", name, got, want)
		}
	}
}

// TestContentRange shows which headers are read.
func TestContentRange(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]contentRange{
		"bytes 5-9/10": {5, 9, 10}, "bytes 0-0/1": {0, 0, 1}, "Bytes 5-9/*": {5, 9, -1}, "bytes */10": {-1, -1, 10},
		"bytes  5-9/10": {5, 9, 10},
	} {
		got, ok := parseContentRange(text)
		if !ok || got != want {
			t.Errorf("%q: %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "bytes", "bytes 5-9", "bytes 9-5/10", "bytes 5-10/10", "bytes -5/10",
		"bytes 5-/10", "bytes */*", "items 5-9/10", "bytes 5-9/99999999999999999999", "bytes +5-9/10", "bytes 5-9/-1",
		"bytes 5-9/10/10", "bytes 1000000000000001-1000000000000002/1000000000000003"} {
		if got, ok := parseContentRange(text); ok {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	for _, text := range []string{"bytes 5-9/10", "bytes */10", "bytes 5-9/*"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := parseContentRange(text)
		switch {
		case !ok:
		case r.first < 0 && (r.last >= 0 || r.total < 0), r.first > r.last, r.total >= 0 && r.last >= r.total,
			r.total > maxLength || r.last > maxLength:
			t.Errorf("%q: %+v", text, r)
		}
	})
}
