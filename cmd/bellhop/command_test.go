package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"pgregory.net/rapid"
)

func TestFoldShell(t *testing.T) {
	for _, c := range []struct{ commands, want string }{
		{"short", "short"},
		{"  bellhop sources create media --provider ams --set account_id=GUID", `  bellhop sources create \
      media --provider ams \
      --set account_id=GUID`},
		{"# a comment that is longer than thirty columns", "# a comment that is longer than thirty columns"},
		{`curl --data '{"a": "one two three four five six"}' $URL`, `curl --data \
    '{"a": "one two three four five six"}' \
    $URL`},
		{"BODY='one two three four five six\nseven eight nine ten eleven twelve' sh -c true", "BODY='one two three " +
			"four five six\nseven eight nine ten eleven twelve' \\\n    sh -c true"},
		{`echo a\ b\ c\ d\ e\ f\ g\ h\ i\ j\ k`, `echo \
    a\ b\ c\ d\ e\ f\ g\ h\ i\ j\ k`},
		{"curl -i https://example.com/hooks \\\n  -H 'A: b'", "curl -i \\\n    https://example.com/hooks \\\n  -H " +
			"'A: b'"},
		{"cat <<END one two three four five six seven\nEND", "cat <<END one two three four five six seven\nEND"},
	} {
		if got := foldShell(c.commands, 30); got != c.want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", c.commands, got, c.want)
		}
	}
}

// continued is what foldShell puts in place of a blank.
var continued = regexp.MustCompile(` \\\n +`)

// TestFoldShellKeepsWords: without the breaks, the commands are those that were folded.
func TestFoldShellKeepsWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-z$='"/{}-]{1,30}`), 1, 20).Draw(t, "words")
		line := strings.Join(words, " ")
		folded := foldShell(line, rapid.IntRange(10, 100).Draw(t, "width"))
		if got := continued.ReplaceAllString(folded, " "); got != line {
			t.Fatalf("%q is folded to %q", line, folded)
		}
	})
}

// TestProviderPagesFit: on a terminal, the page of a provider has no line that is wider and could be broken.
func TestProviderPagesFit(t *testing.T) {
	for _, p := range all.Providers() {
		for _, width := range []int{80, 200} {
			var out bytes.Buffer
			e := &env{stdout: &out, width: func() int { return width }}
			err := showProvider(e, p)
			if err != nil {
				t.Fatal(err)
			}
			byHand := foldShell(provider.GuideOf(p).ByHand, e.pageWidth())
			text := out.String()
			if byHand != "" {
				text = strings.Replace(text, byHand, "", 1) // has texts in quotation marks, which stay whole
			}
			for line := range strings.Lines(text) {
				line = strings.TrimSuffix(line, "\n")
				if displayWidth(line) > e.pageWidth() && longestWord(line) < e.pageWidth()/2 {
					t.Errorf("%s at %d columns: %q", p.Info().Name, width, line)
				}
			}
		}
	}
}
