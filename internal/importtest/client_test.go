package importtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// Every outgoing connection goes through internal/egress, which checks the address that it dials. So no other
// package makes a client, a transport or a dialer, or uses the default ones.
var (
	// connecting lists the functions and variables that make connections; "Dial*" is every name with that prefix.
	connecting = map[string][]string{
		"net/http":   {"Get", "Head", "Post", "PostForm", "DefaultClient", "DefaultTransport"},
		"net":        {"Dial*"},
		"crypto/tls": {"Dial*"},
	}
	// connectors lists the types that no other package makes. It may accept a pointer to one.
	connectors = map[string][]string{
		"net/http":   {"Client", "Transport"},
		"net":        {"Dialer"},
		"crypto/tls": {"Dialer"},
	}
)

// mayConnect lists the exceptions, each with its reason.
var mayConnect = map[room]string{
	"internal/egress":       "it makes the clients, and checks the addresses that they dial",
	"client":                "it runs on the user's machine and calls the server that the user names",
	"emulator":              "it plays outside systems for tests, and calls the receivers that subscribe at it",
	"internal/bench":        "it plays producer and receiver on loopback and never leaves the machine",
	"internal/prove":        "it plays sender and receiver on loopback and never leaves the machine",
	"provider/providertest": "only tests import it",
	"emulator/emulatortest": "only tests import it",
}

// TestClients covers all files that are not tests.
func TestClients(t *testing.T) {
	for _, f := range sourceFiles(t) {
		if f.test || mayConnect[f.room] != "" {
			continue
		}
		for _, u := range clientUses(f.fset, f.ast) {
			t.Errorf("%s:%d: %s: outgoing connections go through internal/egress; take its client as a parameter",
				f.name, u.line, u.what)
		}
	}
}

type use struct {
	line int
	what string
}

// clientUses returns the places where file makes a client or a connection.
func clientUses(fset *token.FileSet, file *ast.File) []use {
	var found []use
	add := func(n ast.Node, what string) {
		found = append(found, use{fset.Position(n.Pos()).Line, what})
	}
	packages := make(map[string]string) // local name → import path, for the packages in the tables
	for _, spec := range file.Imports {
		p := importPath(spec)
		if connecting[p] == nil {
			continue
		}
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "." {
			add(spec, fmt.Sprintf("imports %q without a name", p))
		}
		packages[name] = p
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if star, ok := n.(*ast.StarExpr); ok {
			// *http.Client is the type of a pointer that another package made.
			if s, ok := star.X.(*ast.SelectorExpr); ok && named(connectors, packages, s) {
				return false
			}
		}
		if s, ok := n.(*ast.SelectorExpr); ok && (named(connectors, packages, s) || named(connecting, packages, s)) {
			add(s, s.X.(*ast.Ident).Name+"."+s.Sel.Name)
		}
		return true
	})
	return found
}

// named reports whether s names an entry of table.
func named(table map[string][]string, packages map[string]string, s *ast.SelectorExpr) bool {
	x, ok := s.X.(*ast.Ident)
	return ok && slices.ContainsFunc(table[packages[x.Name]], func(entry string) bool {
		prefix, wild := strings.CutSuffix(entry, "*")
		return s.Sel.Name == entry || wild && strings.HasPrefix(s.Sel.Name, prefix)
	})
}

func TestClientUses(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{`import "net/http"; var c = &http.Client{}`, "http.Client"},
		{`import "net/http"; var c = new(http.Client)`, "http.Client"},
		{`import "net/http"; var c http.Client`, "http.Client"},
		{`import "net/http"; type T struct { c http.Transport }`, "http.Transport"},
		{`import "net/http"; func f() { http.PostForm("", nil) }`, "http.PostForm"},
		{`import web "net/http"; func f() { web.Get("") }`, "web.Get"},
		{`import . "net/http"; func f() { Get("") }`, `imports "net/http" without a name`},
		{`import "net/http"; var g = http.Get`, "http.Get"},
		{`import "net/http"; var g = http.DefaultTransport.(*http.Transport).Clone()`, "http.DefaultTransport"},
		{`import "net"; func f() { net.DialTimeout("", "", 0) }`, "net.DialTimeout"},
		{`import "net"; var d = net.Dialer{}`, "net.Dialer"},
		{`import "crypto/tls"; var d tls.Dialer`, "tls.Dialer"},
		{`import "net/http"; type T struct { c *http.Client }; func f(r *http.Request, t http.RoundTripper) {}`, ""},
		{`import "net/http"; func f(h http.Header) string { return h.Get("") + http.MethodGet }`, ""},
		{`import "net"; func f() { net.Listen("", "") }`, ""},
		{`import http "example.org/other"; var c = http.Client{}`, ""},
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "x.go", "package x; "+c.source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, u := range clientUses(fset, file) {
			got = append(got, u.what)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v", c.source, got)
		}
	}
}
