// Package importtest keeps the plan of the house true: which package may import which of ours, and that only one
// of them makes HTTP clients. It reads the source alone, so it also covers files for other systems.
package importtest

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// A room is a package, by its folder within the module. "." is the root, and a last part of "*" any name there.
type room string

// anyRoom, as the only entry of a row, is every room there is.
const anyRoom room = "any"

// rooms says which of our packages each of ours may import. The row that names a package exactly counts before
// one with "*". If an edge seems missing, the code is usually in the wrong room.
var rooms = []struct {
	room room
	may  []room
}{
	{".", nil},
	{"signature", nil},
	{"provider", []room{"."}},
	{"provider/*", []room{".", "provider", "signature"}},
	{"provider/acs", []room{".", "provider", "signature", "provider/eventgrid"}},         // its events come by Event Grid
	{"provider/eventgrid", []room{".", "provider", "signature", "provider/cloudevents"}}, // one of its two schemas is CloudEvents
	{"provider/slack", []room{".", "provider", "signature", "provider/boro"}},            // it shows Boro's alarms as people know them
	{"provider/providertest", []room{".", "provider", "signature"}},
	{"provider/all", []room{"provider", "provider/*", "provider/acs", "provider/eventgrid", "provider/slack"}},
	{"client", []room{"."}},

	{"internal/egress", nil},
	{"internal/config", nil},
	{"internal/bench", nil},
	{"internal/journey", nil}, // tests of the whole binary
	{"examples/*", []room{".", "signature", "provider", "provider/*", "client"}},
	{"internal/importtest", nil},
	{"internal/store", []room{"."}},
	{"internal/store/storetest", []room{".", "internal/store"}}, // only tests import it
	{"internal/ingest", []room{".", "provider"}},
	{"internal/delivery", []room{".", "provider", "signature", "internal/egress"}},
	{"internal/action", []room{".", "provider"}},
	{"internal/api", []room{".", "provider"}},
	{"internal/app", []room{anyRoom}},

	{"cmd/bellhop", []room{".", "client", "provider", "provider/all", "internal/app", "internal/bench", "internal/config"}},
}

// TestImports compares the imports of all files but tests with the table. Tests may look into every room.
func TestImports(t *testing.T) {
	for _, f := range sourceFiles(t) {
		if f.test {
			continue
		}
		if _, ok := mayImport(f.room); !ok {
			t.Errorf("%s: %s is a room that the table here does not have; add a row that says which rooms it may look into", f.name, f.room)
			continue
		}
		for _, imported := range f.imports() {
			if complaint := judge(f.room, imported); complaint != "" {
				t.Errorf("%s: %s", f.name, complaint)
			}
		}
	}
}

// judge returns what is wrong with from importing to, in a sentence, or "".
func judge(from, to room) string {
	may, _ := mayImport(from)
	if slices.ContainsFunc(may, func(r room) bool { return r == anyRoom || r.matches(to) }) {
		return ""
	}
	names := make([]string, len(may))
	for i, r := range may {
		names[i] = r.String()
	}
	allowed := "none of our rooms"
	if len(names) > 0 {
		allowed = "only " + strings.Join(names, ", ")
	}
	return from.String() + " looks into " + to.String() + ", but may look into " + allowed
}

func mayImport(r room) (may []room, ok bool) {
	for _, row := range rooms {
		if row.room == r {
			return row.may, true
		}
	}
	for _, row := range rooms {
		if row.room.matches(r) {
			return row.may, true
		}
	}
	return nil, false
}

// matches reports whether r is other or a pattern for it. "provider/*" is a provider, so it does not stand for the
// rooms beside the providers that have rows of their own.
func (r room) matches(other room) bool {
	if r == other {
		return true
	}
	folder, wild := strings.CutSuffix(string(r), "/*")
	return wild && path.Dir(string(other)) == folder && !hasRow(other)
}

func hasRow(r room) bool {
	for _, row := range rooms {
		if row.room == r {
			return true
		}
	}
	return false
}

func (r room) String() string {
	if r == "." {
		return "root"
	}
	return string(r)
}

func TestJudge(t *testing.T) {
	for _, c := range []struct{ from, to, want room }{
		{"provider/ams", "signature", ""},
		{"provider/ams", "provider/github", "provider/ams looks into provider/github, but may look into only root, provider, signature"},
		{"provider/ams", "provider/all", "provider/ams looks into provider/all, but may look into only root, provider, signature"},
		{"provider/all", "provider/ams", ""},
		{"provider/all", "provider/providertest", "provider/all looks into provider/providertest, but may look into only provider, provider/*, provider/acs, provider/eventgrid, provider/slack"},
		{".", "provider", "root looks into provider, but may look into none of our rooms"},
		{"internal/api", "internal/store", "internal/api looks into internal/store, but may look into only root, provider"},
		{"internal/app", "internal/store", ""},
		{"cmd/bellhop", "internal/store", "cmd/bellhop looks into internal/store, but may look into only root, client, provider, provider/all, internal/app, internal/bench, internal/config"},
		{"internal/attic", ".", "internal/attic looks into root, but may look into none of our rooms"},
	} {
		if got := judge(c.from, c.to); got != string(c.want) {
			t.Errorf("%s → %s: %q", c.from, c.to, got)
		}
	}
}
