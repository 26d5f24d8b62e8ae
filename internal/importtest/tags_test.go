package importtest

import (
	"go/ast"
	"go/build/constraint"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// taggedTests are the names of tests that need a build tag, by the tag. The Makefile builds the tests of `make test`
// with all tags, as its lint does, and leaves out the tests with such a name.
var taggedTests = map[string]string{"stress": "TestStress", "browser": "TestChromium"}

// TestTags checks that exactly the tests in files with a build tag have the name that belongs to it, so that
// `make test` leaves out no other test and runs none that needs a tag.
func TestTags(t *testing.T) {
	found := map[string]bool{}
	for _, f := range sourceFiles(t) {
		if !f.test {
			continue
		}
		tag := tagOf(t, f.name)
		found[tag] = true
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || fn.Name.Name == "TestMain" || !isRun(fn.Name.Name) {
				continue
			}
			for of, prefix := range taggedTests {
				if named := strings.HasPrefix(fn.Name.Name, prefix); named != (of == tag) {
					t.Errorf("%s: %s: the tests of files with the build tag %s, and no others, are called %s…", f.name,
						fn.Name.Name, of, prefix)
				}
			}
		}
	}
	for tag := range taggedTests {
		if !found[tag] {
			t.Errorf("no test has the tag %s", tag)
		}
	}
}

// isRun reports whether go test runs a function of that name.
func isRun(name string) bool {
	return slices.ContainsFunc([]string{"Test", "Fuzz", "Example"}, func(p string) bool {
		return strings.HasPrefix(name, p)
	})
}

// tagOf returns the tag of taggedTests that the build constraint of a file names, or "".
func tagOf(t *testing.T, name string) (found string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !constraint.IsGoBuild(line) {
			continue
		}
		expr, err := constraint.Parse(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		expr.Eval(func(tag string) bool { // is asked for each tag
			if taggedTests[tag] != "" {
				found = tag
			}
			return true
		})
	}
	return found
}
