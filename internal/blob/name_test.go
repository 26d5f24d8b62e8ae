package blob

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// hostileNames are names that strangers may choose, so that a file lies elsewhere, in the place of another one, or
// looks like something else.
var hostileNames = []string{
	"", "/", ".", "..", "../a", "../../etc/passwd", "a/../b", "a/../../b", "a/./b", "a//b", "/etc/passwd",
	"a/", "a/..", "..\\a", "a\\..\\b", "C:\\Windows\\a", "C:a", "\\\\host\\share\\a", "//host/a", "a\x00.mp4", "a\nb",
	"a\x7fb", "a\x1b[2J", strings.Repeat("n", 300), strings.Repeat("p/", 500) + "a", strings.Repeat("é", 128),
	"con", "NUL.txt", "a/aux.mp4", "com1", "LPT9.tar.gz", "com¹", "CONIN$", "prn .txt", "a.", "a ", "a. /b",
	"a:stream", "a*", "a?", "<a>", "a|b", "a\"b", ".hidden", ".partial/fil_1", "a/.ssh/authorized_keys", "\xff\xfe",
	"a\xc0\xafb", "gpj.\u202eexe", "a\u2028b", "\ufeffa", "a\u200bb", "\u2066a", "a\u0085b", "....//a", "%2e%2e/..",
}

// TestHostileNames: no call takes a hostile name, and nothing is made of it.
func TestHostileNames(t *testing.T) {
	if len(hostileNames) < 40 {
		t.Fatalf("there are only %d", len(hostileNames))
	}
	inEach(t, func(t *testing.T, p place) {
		for _, name := range hostileNames {
			f := newFile(name)
			_, appendErr := p.Append(t.Context(), f)
			whole := f
			whole.Whole = true
			_, openErr := p.Open(t.Context(), whole)
			_, existsErr := p.Exists(t.Context(), name)
			for call, err := range map[string]error{"CheckName": CheckName(name), "Append": appendErr,
				"Finish": p.Finish(t.Context(), f), "Open": openErr, "Exists": existsErr} {
				if err == nil {
					t.Errorf("%s takes %q", call, name)
				} else if len(name) > 3 && strings.Contains(err.Error(), name) {
					t.Errorf("%s repeats %q", call, name)
				}
			}
			if err := p.Remove(t.Context(), whole); err != nil {
				t.Errorf("remove %q: %v", name, err)
			}
		}
		for _, id := range []string{"", "..", "a/b", "../fil_1", "A", "a.b", "a\x00", strings.Repeat("a", 65)} {
			f := newFile("a")
			f.ID = id
			_, appendErr := p.Append(t.Context(), f)
			if appendErr == nil || p.Finish(t.Context(), f) == nil || p.Remove(t.Context(), f) == nil {
				t.Errorf("a call takes the id %q", id)
			}
		}
		p.has(t, "after all")
	})
}

// TestNames: ordinary names are taken, whatever their language.
func TestNames(t *testing.T) {
	for _, name := range []string{"a", "a/b/c.mp4", "call-1/0.wav", "Aufnahme Größe.mp4", "録音/1.mp4", "a..b", "a b",
		"a-b_c+d@e", "console.log", "com10", "\u200da", "क्\u200dष", strings.Repeat("n", maxPart),
		"auxiliary/nullable"} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// FuzzCheckName: a name that is taken leads to one place below the folder, and to the same one everywhere.
func FuzzCheckName(f *testing.F) {
	for _, name := range hostileNames {
		f.Add(name)
	}
	f.Add("call-1/0.mp4")
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			return
		}
		if !utf8.ValidString(name) || len(name) > maxName || strings.ContainsAny(name, "\\\x00:\r\n") {
			t.Errorf("%q is taken", name)
		}
		for part := range strings.SplitSeq(name, "/") {
			if part == "" || part[0] == '.' || len(part) > maxPart || strings.HasSuffix(part, ".") {
				t.Errorf("%q is taken, with the part %q", name, part)
			}
		}
	})
}
