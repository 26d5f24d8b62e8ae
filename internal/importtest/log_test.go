package importtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// loggedNouns are the nouns that a line of the log names beside their id: an id alone tells an operator nothing.
var loggedNouns = []string{"source", "destination", "subscription"}

// TestLogNames covers the files of the server that are not tests. Providers have no nouns.
func TestLogNames(t *testing.T) {
	found := 0
	for _, f := range sourceFiles(t) {
		if f.test || !strings.HasPrefix(f.name, "internal/") {
			continue
		}
		ids, nameless := loggedIDs(f.ast)
		found += ids
		for _, u := range nameless {
			t.Errorf("%s:%d: the line has %s_id; give it the name too, as %q", f.name,
				f.fset.Position(u.at).Line, u.noun, u.noun)
		}
	}
	if found < 20 {
		t.Errorf("only %d ids were found in lines of the log: does the test look in the right places?", found)
	}
}

// A nameless is a list of names and values that has the id of a noun without its name.
type nameless struct {
	at   token.Pos
	noun string
}

// loggedIDs counts the ids of loggedNouns that stand as names in lists of arguments or of values, and returns those
// without a name beside them.
func loggedIDs(file *ast.File) (ids int, without []nameless) {
	ast.Inspect(file, func(n ast.Node) bool {
		var list []ast.Expr
		switch n := n.(type) {
		case *ast.CallExpr:
			list = n.Args
		case *ast.CompositeLit:
			list = n.Elts
		}
		var texts []string
		for _, e := range list {
			if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				texts = append(texts, text)
			}
		}
		for _, noun := range loggedNouns {
			if !slices.Contains(texts, noun+"_id") {
				continue
			}
			ids++
			if !slices.Contains(texts, noun) {
				without = append(without, nameless{n.Pos(), noun})
			}
		}
		return true
	})
	return ids, without
}

func TestLoggedIDs(t *testing.T) {
	for source, want := range map[string]int{
		`func f() { log.Info("a", "source_id", 1, "source", 2) }`:              0,
		`func f() { log.Info("a", "source_id", 1) }`:                           1,
		`var a = []any{"destination_id", 1, "source_id", 2, "source", 3}`:      1,
		`var a = []any{"subscription_id", 1, "destination_id", 2}`:             2,
		`var a = map[string]string{"source_id": "a text about the member"}`:    0,
		`func f() { log.Info("a", "connection_id", 1, "delivery_id", 2) }`:     0,
		`func f() { log.Info("a", args("source_id", 1), "source", "source") }`: 1,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x; "+source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := loggedIDs(file); len(got) != want {
			t.Errorf("%s: %d ids without a name, want %d", source, len(got), want)
		}
	}
}
