package importtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	modulePath = "github.com/bellhop-gateway/bellhop"
	moduleRoot = "../.." // from here
)

// A sourceFile is one Go file of the module.
type sourceFile struct {
	name string // within the module
	room room
	test bool
	ast  *ast.File
	fset *token.FileSet
}

// sourceFiles returns every Go file of the module, whatever its build constraints. Nobody may change them.
func sourceFiles(t *testing.T) []sourceFile {
	t.Helper()
	files, err := parseModule()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no source found")
	}
	return files
}

// parseModule parses the files once for all tests.
var parseModule = sync.OnceValues(func() (files []sourceFile, err error) {
	fset := token.NewFileSet()
	err = filepath.WalkDir(moduleRoot, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != moduleRoot && skipFolder(p) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		rel, err := filepath.Rel(moduleRoot, p)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fset, p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		files = append(files, sourceFile{name, room(path.Dir(name)), strings.HasSuffix(name, "_test.go"),
			parsed, fset})
		return nil
	})
	return files, err
})

// skipFolder reports whether the go command passes over that folder too: because of its name, or because it is a
// module of its own.
func skipFolder(folder string) bool {
	name := filepath.Base(folder)
	if name == "testdata" || name == "vendor" || name[0] == '.' || name[0] == '_' {
		return true
	}
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

func TestSkipFolder(t *testing.T) {
	root := t.TempDir()
	for name, want := range map[string]bool{
		"client": false, "testdata": true, "vendor": true, ".ci": true, "_old": true, "interop": true,
	} {
		folder := filepath.Join(root, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if name == "interop" {
			if err := os.WriteFile(filepath.Join(folder, "go.mod"), []byte("module example.org/interop\n"),
				0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := skipFolder(folder); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// imports returns the rooms that f imports.
func (f sourceFile) imports() []room {
	var found []room
	for _, spec := range f.ast.Imports {
		p := importPath(spec)
		if p == modulePath {
			found = append(found, ".")
		} else if rest, ok := strings.CutPrefix(p, modulePath+"/"); ok {
			found = append(found, room(rest))
		}
	}
	return found
}

func importPath(spec *ast.ImportSpec) string {
	p, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
	return p
}

// thirdParty returns the import paths of f outside the standard library and this module.
func (f sourceFile) thirdParty() []string {
	var found []string
	for _, spec := range f.ast.Imports {
		p := importPath(spec)
		first, _, _ := strings.Cut(p, "/")
		if strings.Contains(first, ".") && p != modulePath && !strings.HasPrefix(p, modulePath+"/") {
			found = append(found, p)
		}
	}
	return found
}
