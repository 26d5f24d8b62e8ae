package match_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

// paths returns the paths of err's field errors.
func paths(t testing.TB, err error) (list []string) {
	t.Helper()
	var e *bellhop.Error
	if !errors.As(err, &e) || e.Code != bellhop.CodeInvalid {
		t.Fatalf("%v: not of code invalid", err)
	}
	for _, f := range e.Fields {
		if f.Message == "" {
			t.Errorf("%s: without a message", f.Path)
		}
		list = append(list, f.Path)
	}
	return list
}

func TestMatchCompileErrors(t *testing.T) {
	many := slices.Repeat([]string{"a"}, bellhop.MaxMatchEntries)
	for _, c := range []struct {
		name  string
		match bellhop.Match
		want  []string
	}{
		{"empty type", bellhop.Match{Types: []string{"ams.*", ""}}, []string{"types[1]"}},
		{"wildcard within", bellhop.Match{Types: []string{"a*b", "**", "ok*"}}, []string{"types[0]", "types[1]"}},
		{"empty source", bellhop.Match{Sources: []string{""}}, []string{"sources[0]"}},
		{"as many as there may be", bellhop.Match{Types: many, Sources: many}, nil},
		{"too many", bellhop.Match{Types: append(many, "b"), Sources: append(many, "b")}, []string{"sources", "types"}},
		{"all at once", bellhop.Match{Types: []string{""}, Sources: []string{""}, Where: "("},
			[]string{"sources[0]", "types[0]", "where"}},
		{"as long as it may be", bellhop.Match{Where: "true" + strings.Repeat(" ", bellhop.MaxWhereLength-4)}, nil},
		{"too long", bellhop.Match{Where: "true" + strings.Repeat(" ", bellhop.MaxWhereLength-3)}, []string{"where"}},
		{"deep", bellhop.Match{Where: strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000)}, nil},
		{"too many nodes", bellhop.Match{Where: "true" + strings.Repeat("&&true", 600)}, []string{"where"}},
		{"not an expression", bellhop.Match{Where: "data.x =="}, []string{"where"}},
		{"two expressions", bellhop.Match{Where: "true false"}, []string{"where"}},
		{"no such name", bellhop.Match{Where: "body.x == 1"}, []string{"where"}},
		{"names are exact", bellhop.Match{Where: "Type == 'x'"}, []string{"where"}},
		{"no such function", bellhop.Match{Where: "exec('ls')"}, []string{"where"}},
		{"text", bellhop.Match{Where: "'yes'"}, []string{"where"}},
		{"number", bellhop.Match{Where: "1"}, []string{"where"}},
		{"type", bellhop.Match{Where: "type"}, []string{"where"}},
		{"a loop over a number", bellhop.Match{Where: "any(1, true)"}, []string{"where"}},
		{"a loop that asks no question", bellhop.Match{Where: "any(data, 1)"}, []string{"where"}},
		{"kinds that cannot be compared", bellhop.Match{Where: "subject == 5"}, []string{"where"}},
		{"a broken pattern", bellhop.Match{Where: "subject matches '('"}, []string{"where"}},
		{"much of little", bellhop.Match{Where: "len(repeat(type, 9)) == 1"}, []string{"where"}},
		{"the meter has no name", bellhop.Match{Where: "charge() == nil"}, []string{"where"}},
		{"what only templates see", bellhop.Match{Where: "id == 'evt_1'"}, []string{"where"}},
		{"what only templates make", bellhop.Match{Where: "join(data.tags) == 'ab'"}, []string{"where"}},
		{"how the facts are kept", bellhop.Match{Where: "facts.data == nil"}, []string{"where"}},
	} {
		_, err := match.Compile(c.match)
		if c.want == nil {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if got := paths(t, err); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: several lines: %v", c.name, err)
		}
	}
}

// FuzzMatchWhere: no expression and no body panics, and each evaluation ends.
func FuzzMatchWhere(f *testing.F) {
	for _, where := range []string{
		"", "true", `data.Properties.NewState == 'Finished'`, `any(data, # == 1)`, `headers["A"] matches "^x"`,
		`time > now()`,
		`let a = data; a?.b ?? false`, `any(1..9, {let x = #; all(data, # < x)})`, `reduce(data, #acc + #, 0) > 1`,
		`$env["type"] == "x"`,
		`"a" in data and not ("b" contains subject)`, `{"a": data}.a[1:2] == [1]`, `sortBy(data, #)[0] == 1 | not(true)`,
		`data.f()`,
	} {
		f.Add(where, []byte(`{"Properties":{"NewState":"Finished"},"n":[1,2.5,"x",null]}`))
		f.Add(where, []byte(`[1,2,3]`))
	}
	f.Fuzz(func(t *testing.T, where string, body []byte) {
		m, err := match.Compile(bellhop.Match{Where: where})
		if err != nil {
			paths(t, err)
			return
		}
		if len(body) > 4<<10 {
			return
		}
		ev := bellhop.Event{Type: "a.b", Subject: "s", Source: "src", Header: bellhop.Header("A: x\n"), Body: body}
		if ok, err := m.Wants(&ev); ok && err != nil {
			t.Errorf("%q matches with an error: %v", where, err)
		}
	})
}
