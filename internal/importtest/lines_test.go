package importtest

import (
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// lineEnd is the column before which a line ends; a tab is four columns wide.
const lineEnd = 120

// TestLines checks that lines end before the column lineEnd, but for texts that would suffer from a break: a raw
// string, the tag of a member, a long word, and what a comment shows as code.
func TestLines(t *testing.T) {
	for _, f := range sourceFiles(t) {
		text, err := os.ReadFile(filepath.Join(moduleRoot, filepath.FromSlash(f.name)))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range longLines(text) {
			t.Errorf("%s:%d: the line does not end before column %d", f.name, n, lineEnd)
		}
	}
}

// longLines returns the numbers of the lines of a file that are too long.
func longLines(text []byte) (numbers []int) {
	kept := unbreakable(text)
	for i, line := range strings.Split(string(text), "\n") {
		columns := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t")
		if columns >= lineEnd && !kept[i+1] {
			numbers = append(numbers, i+1)
		}
	}
	return numbers
}

// unbreakable returns the numbers of the lines that have a text which may be long.
func unbreakable(text []byte) map[int]bool {
	kept := map[int]bool{}
	file := token.NewFileSet().AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, scanner.ScanComments)
	for {
		at, kind, literal := s.Scan()
		if kind == token.EOF {
			return kept
		}
		first := file.Line(at)
		switch {
		case strings.HasPrefix(literal, "`"):
			for n := range strings.Count(literal, "\n") + 1 {
				kept[first+n] = true
			}
		case kind == token.COMMENT:
			kept[first] = strings.HasPrefix(literal, "//\t") || hasLongWord(literal)
		case kind == token.STRING && hasLongWord(literal):
			kept[first] = true
		}
	}
}

// hasLongWord reports whether a word of the text fills a good part of a line.
func hasLongWord(text string) bool {
	for word := range strings.FieldsSeq(text) {
		if len(word) > 45 {
			return true
		}
	}
	return false
}

func TestLongLines(t *testing.T) {
	const pad = 110
	long, word := strings.Repeat("a ", pad/2), strings.Repeat("a", pad)
	for text, want := range map[string]int{
		"var x = \"" + long[:lineEnd-len("var x = \"")-2] + "\"\n":        0,
		"var x = \"" + long + "\"\n":                                      1,
		"\t\tx := \"" + long[:100] + "\" + y + zz\n":                      1,
		"var x = `" + long + "`\n":                                        0,
		"var x = `a\n" + long + long + "\nb`\n":                           0,
		"var x = \"" + word + "\"\n":                                      0,
		"// " + long + "a bcdefg\n":                                       1,
		"// ä" + strings.Repeat("ä", lineEnd/4) + " " + long[:80] + "\n":  0,
		"//\t" + long + long + "\n":                                       0,
		"type x struct {\n\ta int `json:\"" + long + "\" doc:\"a\"`\n}\n": 0,
	} {
		if got := longLines([]byte(text)); len(got) != want {
			t.Errorf("%q: lines %d", text, got)
		}
	}
}
