// Package importtest holds the code to the plan in docs/ARCHITECTURE.md: which package may import which of our
// packages and which third-party modules, and that only one package makes HTTP clients. It reads the source, so
// it covers files for other operating systems too.
package importtest

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// A room is a package, named by its folder within the module. "." is the root; a last element "*" is any name.
type room string

// anyRoom, as the only entry of a row, means every room.
const anyRoom room = "any"

// modules are the third-party modules that rooms may use, by the names in the table. A module serves all its packages.
var modules = map[string]string{
	"brotli":     "github.com/andybalholm/brotli",
	"certmagic":  "github.com/caddyserver/certmagic",
	"cobra":      "github.com/spf13",
	"diff":       "github.com/rogpeppe/go-internal/diff",
	"expr":       "github.com/expr-lang/expr",
	"huma":       "github.com/danielgtaylor/huma/v2",
	"jose":       "github.com/go-jose/go-jose/v4",
	"jsontext":   "github.com/go-json-experiment/json",
	"minio":      "github.com/minio/minio-go/v7",
	"oauth2":     "golang.org/x/oauth2",
	"oidc":       "github.com/coreos/go-oidc/v3",
	"otel":       "go.opentelemetry.io/otel",
	"otlp":       "go.opentelemetry.io/proto/slim/otlp",
	"pgx":        "github.com/jackc/pgx/v5",
	"prometheus": "github.com/prometheus/client_golang",
	"proxyproto": "github.com/pires/go-proxyproto",
	"protobuf":   "google.golang.org/protobuf",
	"sqlite3":    "github.com/ncruces/go-sqlite3",
	"ssrf":       "code.dny.dev/ssrf",
	"x/crypto":   "golang.org/x/crypto",
	"x/sync":     "golang.org/x/sync",
	"x/sys":      "golang.org/x/sys",
	"x/term":     "golang.org/x/term",
	"yaml":       "github.com/goccy/go-yaml",
	"zap":        "go.uber.org/zap", // the log of certmagic
	"zstd":       "github.com/klauspost/compress",
}

// A row says which of our rooms, and which third-party modules, a room may import.
type row struct {
	room    room
	may     []room
	modules []string
}

// rooms is the plan of the house. A row that names a package exactly takes precedence over a row with "*". If an edge
// seems missing, the code is usually in the wrong room.
var rooms = []row{
	{".", nil, nil},
	{"signature", nil, []string{"jose"}},
	{"client", []room{"."}, nil},

	{"internal/strictjson", nil, []string{"jsontext"}},
	{"internal/fetchcache", nil, []string{"x/sync"}},
	{"internal/nearest", nil, nil},
	{"provider", []room{".", "internal/strictjson"}, nil},
	{"provider/microsoft", []room{".", "internal/strictjson", "provider", "signature"}, []string{"jose"}},
	{"provider/jwks", []room{".", "internal/strictjson", "provider", "internal/fetchcache"}, []string{"jose"}},
	{"provider/*", provide(), nil},
	{"provider/acs", provide("provider/eventgrid"), nil},         // its events come by Event Grid
	{"provider/eventgrid", provide("provider/cloudevents"), nil}, // one of its two schemas is CloudEvents
	{"provider/slack", provide("provider/boro"), nil},            // it shows Boro's alarms as people know them
	{"provider/cloudevents", provide(), []string{"jsontext"}},
	{"provider/providertest", provide(), nil}, // only tests import it
	{"provider/all", []room{"provider", "provider/*", "provider/acs", "provider/eventgrid", "provider/slack",
		"provider/cloudevents"}, nil},

	{"emulator", nil, nil},
	{"emulator/entra", []room{"emulator"}, []string{"jose"}},
	// its events go by Event Grid
	{"emulator/acs", []room{"emulator", "emulator/eventgrid", "provider/acs", "signature"}, nil},
	{"emulator/ams", []room{"emulator", "emulator/entra", "provider/ams"}, nil},
	{"emulator/graph", []room{"emulator", "emulator/entra", "provider/graph"}, nil},
	{"emulator/eventgrid", []room{"emulator", "emulator/entra", "provider/eventgrid"}, nil},
	{"emulator/sender", []room{".", "emulator", "provider", "provider/github", "provider/standardwebhooks",
		"provider/stripe"}, nil},
	{"emulator/boro", []room{".", "emulator", "emulator/sender", "provider", "provider/boro"}, nil},
	{"emulator/*", []room{"emulator", "emulator/entra"}, nil},
	{"emulator/emulatortest", []room{"emulator"}, nil}, // only tests import it
	{"internal/contentcoding", []room{"."}, []string{"brotli", "zstd"}},
	{"internal/match", []room{".", "internal/strictjson", "internal/contentcoding"}, []string{"expr", "jsontext"}},
	{"internal/access", []room{"."}, nil},
	{"internal/trace", []room{"."}, []string{"otel"}},
	// the SDK and the messages of the exporter are linked by the server alone
	{"internal/otlp", []room{"internal/trace"}, []string{"otel", "otlp", "protobuf", "prometheus"}},
	{"internal/otlp/otlptest", nil, []string{"otlp", "protobuf"}}, // only tests import it
	{"internal/egress/http1", nil, nil},
	{"internal/egress", []room{"internal/egress/http1"}, []string{"ssrf"}},
	{"internal/egress/wiretest", nil, nil}, // only tests import it
	{"internal/oauth", []room{".", "internal/egress", "internal/fetchcache"}, []string{"oauth2"}},
	{"internal/outbound", []room{".", "internal/strictjson", "provider", "provider/cloudevents", "signature",
		"internal/match",
		"internal/access", "internal/oauth", "internal/egress", "internal/contentcoding", "internal/trace"}, nil},
	{"internal/delivery", []room{".", "internal/match", "internal/outbound", "internal/trace"},
		[]string{"prometheus"}},
	{"internal/repair", []room{".", "internal/match"}, []string{"prometheus"}},
	{"internal/subscription", []room{".", "provider"}, []string{"prometheus"}},
	{"internal/ingest", []room{".", "provider", "internal/match", "internal/contentcoding", "internal/trace"},
		[]string{"prometheus"}},
	{"internal/action", []room{".", "provider", "internal/blob", "internal/trace"}, []string{"prometheus"}},
	{"internal/blob", nil, []string{"minio"}},
	{"internal/connection", []room{".", "provider", "internal/egress"}, []string{"oauth2", "oidc", "prometheus"}},
	{"internal/catalog", []room{".", "provider", "internal/match", "internal/access"}, nil},
	{"internal/auth", []room{".", "internal/fetchcache"}, []string{"oauth2", "oidc", "prometheus"}},
	{"internal/stream", nil, []string{"prometheus"}},
	{"internal/forwarded", []room{"."}, []string{"prometheus", "proxyproto"}},
	{"internal/certificate", []room{"."}, []string{"certmagic", "prometheus", "zap"}},
	{"internal/certificate/certtest", nil, nil}, // only tests import it
	{"internal/ui", []room{"client"}, []string{"diff"}},
	{"internal/api", []room{".", "internal/strictjson", "provider", "client", "internal/catalog", "internal/auth",
		"internal/stream", "internal/match", "internal/contentcoding", "internal/nearest"},
		[]string{"huma", "jsontext"}},
	{"internal/store", []room{"."}, []string{"x/crypto"}},
	{"internal/store/sqlite", []room{".", "internal/store"}, []string{"sqlite3", "prometheus"}},
	{"internal/store/postgres", []room{".", "internal/store"}, []string{"pgx", "prometheus"}},
	{"internal/store/storetest", []room{".", "internal/store"}, nil}, // only tests import it
	{"internal/pgtest", nil, []string{"pgx"}},                        // only tests import it
	{"internal/errortest", []room{"."}, nil},                         // only tests import it
	{"internal/config", []room{"."}, []string{"yaml"}},
	{"internal/manifest", []room{".", "client", "internal/nearest"}, []string{"yaml"}},
	{"internal/datadir", []room{"."}, []string{"x/sys"}},
	{"internal/backup", nil, []string{"zstd"}},
	{"internal/doctor", []room{".", "internal/disk"}, []string{"x/sys"}},
	{"internal/disk", nil, []string{"x/sys"}},
	{"internal/bench", []room{"internal/disk"}, nil},
	{"internal/prove", []room{".", "client", "signature", "internal/disk"}, nil},
	{"internal/release", nil, nil},
	{"internal/journey", nil, nil}, // tests of the whole binary
	{"internal/importtest", nil, nil},
	{"internal/app", []room{anyRoom}, []string{"prometheus", "x/sys"}},

	{"cmd/bellhop", []room{".", "client", "provider", "provider/all", "emulator", "emulator/*", "emulator/entra",
		"emulator/acs", "emulator/ams", "emulator/graph", "emulator/eventgrid", "emulator/sender", "emulator/boro",
		"internal/action", "internal/app", "internal/bench", "internal/config", "internal/manifest",
		"internal/datadir", "internal/egress", "internal/access", "internal/contentcoding", "internal/nearest",
		"internal/prove", "internal/release"},
		[]string{"cobra", "x/term"}},
	{"examples/*", []room{".", "signature", "provider", "provider/*", "client"}, nil},
}

// provide returns the rooms that the package of one provider may import, with more for the provider at hand.
func provide(more ...room) []room {
	return append([]room{".", "internal/strictjson", "internal/fetchcache", "provider", "provider/microsoft",
		"provider/jwks",
		"signature"}, more...)
}

// TestImports compares the imports of every file that is not a test with the table. Tests may import every room
// and module.
func TestImports(t *testing.T) {
	for _, f := range sourceFiles(t) {
		if f.test {
			continue
		}
		if _, ok := rowOf(f.room); !ok {
			t.Errorf("%s: %s is a room that the table here does not have; add a row that says which rooms it may "+
				"look into",
				f.name, f.room)
			continue
		}
		for _, imported := range f.imports() {
			if complaint := judge(f.room, imported); complaint != "" {
				t.Errorf("%s: %s", f.name, complaint)
			}
		}
		for _, path := range f.thirdParty() {
			if complaint := judgeModule(f.room, path); complaint != "" {
				t.Errorf("%s: %s", f.name, complaint)
			}
		}
	}
}

// judge returns a sentence that says what is wrong with room from importing room to, or "".
func judge(from, to room) string {
	r, _ := rowOf(from)
	may := r.may
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

// judgeModule returns a sentence that says what is wrong with room from importing the third-party package path, or "".
func judgeModule(from room, path string) string {
	r, _ := rowOf(from)
	for _, name := range r.modules {
		if module := modules[name]; path == module || strings.HasPrefix(path, module+"/") {
			return ""
		}
	}
	allowed := "no third-party module"
	if len(r.modules) > 0 {
		allowed = "only " + strings.Join(r.modules, ", ")
	}
	return from.String() + " imports " + path + ", but may import " + allowed
}

// rowOf returns the row of r.
func rowOf(r room) (_ row, ok bool) {
	for _, row := range rooms {
		if row.room == r {
			return row, true
		}
	}
	for _, row := range rooms {
		if row.room.matches(r) {
			return row, true
		}
	}
	return row{}, false
}

// matches reports whether r is other or a pattern that covers it. "provider/*" does not cover the folders below
// provider that have a row of their own.
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
		{"provider/ams", "provider/github", "only root, internal/strictjson, internal/fetchcache, provider"},
		{"provider/ams", "provider/all", "only root, internal/strictjson"},
		{"provider/all", "provider/ams", ""},
		{"provider/all", "provider/providertest", "only provider, provider/*"},
		{".", "provider", "none of our rooms"},
		{"internal/api", "internal/store", "only root, internal/strictjson, provider, client"},
		{"internal/app", "internal/store", ""},
		{"cmd/bellhop", "internal/store", "only root, client, provider"},
		{"internal/attic", ".", "none of our rooms"},
	} {
		got := judge(c.from, c.to)
		begin := c.from.String() + " looks into " + c.to.String() + ", but may look into " + string(c.want)
		if c.want == "" && got != "" || c.want != "" && !strings.HasPrefix(got, begin) {
			t.Errorf("%s → %s: %q", c.from, c.to, got)
		}
	}
}

func TestJudgeModule(t *testing.T) {
	for _, c := range []struct {
		from       room
		path, want string
	}{
		{".", "github.com/expr-lang/expr", "root imports github.com/expr-lang/expr, but may import no third-party " +
			"module"},
		{"internal/match", "github.com/expr-lang/expr/vm", ""},
		{"internal/match", "github.com/expr-lang/exprs",
			"internal/match imports github.com/expr-lang/exprs, but may import only expr, jsontext"},
		{"client", "github.com/danielgtaylor/huma/v2",
			"client imports github.com/danielgtaylor/huma/v2, but may import no third-party module"},
	} {
		if got := judgeModule(c.from, c.path); got != c.want {
			t.Errorf("%s → %s: %q", c.from, c.path, got)
		}
	}
}
