package match_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/errortest"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

func TestMatchCompileErrors(t *testing.T) {
	many := slices.Repeat([]string{"a"}, bellhop.MaxMatchEntries)
	for _, c := range []struct {
		name  string
		match bellhop.Match
		want  []string
	}{
		{"empty type", bellhop.Match{Types: []string{"ams.*", ""}}, []string{"types[1]"}},
		{"wildcard not at the end", bellhop.Match{Types: []string{"a*b", "**", "ok*"}},
			[]string{"types[0]", "types[1]"}},
		{"empty source", bellhop.Match{Sources: []string{""}}, []string{"sources[0]"}},
		{"maximum number of entries", bellhop.Match{Types: many, Sources: many}, nil},
		{"too many entries", bellhop.Match{Types: append(many, "b"), Sources: append(many, "b")},
			[]string{"sources", "types"}},
		{"three errors", bellhop.Match{Types: []string{""}, Sources: []string{""}, Where: "("},
			[]string{"sources[0]", "types[0]", "where"}},
		{"where of maximum length", bellhop.Match{Where: "true" + strings.Repeat(" ", bellhop.MaxWhereLength-4)}, nil},
		{"where too long", bellhop.Match{Where: "true" + strings.Repeat(" ", bellhop.MaxWhereLength-3)},
			[]string{"where"}},
		{"deeply nested parentheses", bellhop.Match{Where: strings.Repeat("(", 2000) + "true" +
			strings.Repeat(")", 2000)}, nil},
		{"too many nodes", bellhop.Match{Where: "true" + strings.Repeat("&&true", 600)}, []string{"where"}},
		{"not an expression", bellhop.Match{Where: "data.x =="}, []string{"where"}},
		{"two expressions", bellhop.Match{Where: "true false"}, []string{"where"}},
		{"unknown name", bellhop.Match{Where: "body.x == 1"}, []string{"where"}},
		{"name in another case", bellhop.Match{Where: "Type == 'x'"}, []string{"where"}},
		{"unknown function", bellhop.Match{Where: "exec('ls')"}, []string{"where"}},
		{"result is a text", bellhop.Match{Where: "'yes'"}, []string{"where"}},
		{"result is a number", bellhop.Match{Where: "1"}, []string{"where"}},
		{"result is the type", bellhop.Match{Where: "type"}, []string{"where"}},
		{"loop over a number", bellhop.Match{Where: "any(1, true)"}, []string{"where"}},
		{"loop without a condition", bellhop.Match{Where: "any(data, 1)"}, []string{"where"}},
		{"comparison of a text with a number", bellhop.Match{Where: "subject == 5"}, []string{"where"}},
		{"invalid pattern", bellhop.Match{Where: "subject matches '('"}, []string{"where"}},
		{"function that is switched off", bellhop.Match{Where: "len(repeat(type, 9)) == 1"}, []string{"where"}},
		{"function of the meter", bellhop.Match{Where: "charge() == nil"}, []string{"where"}},
		{"name of templates", bellhop.Match{Where: "id == 'evt_1'"}, []string{"where"}},
		{"function of templates", bellhop.Match{Where: "join(data.tags) == 'ab'"}, []string{"where"}},
		{"unknown object", bellhop.Match{Where: "facts.data == nil"}, []string{"where"}},
	} {
		_, err := match.Compile(c.match)
		if c.want == nil {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if got := errortest.InvalidPaths(t, err); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has several lines: %v", c.name, err)
		}
	}
}

// FuzzMatchWhere: no expression and no body causes a panic, and each evaluation ends.
func FuzzMatchWhere(f *testing.F) {
	for _, where := range []string{
		"", "true", `data.Properties.NewState == 'Finished'`, `any(data, # == 1)`, `headers["A"] matches "^x"`,
		`time > now()`,
		`let a = data; a?.b ?? false`, `any(1..9, {let x = #; all(data, # < x)})`, `reduce(data, #acc + #, 0) > 1`,
		`$env["type"] == "x"`,
		`"a" in data and not ("b" contains subject)`, `{"a": data}.a[1:2] == [1]`,
		`sortBy(data, #)[0] == 1 | not(true)`,
		`data.f()`,
	} {
		f.Add(where, []byte(`{"Properties":{"NewState":"Finished"},"n":[1,2.5,"x",null]}`))
		f.Add(where, []byte(`[1,2,3]`))
	}
	f.Fuzz(func(t *testing.T, where string, body []byte) {
		m, err := match.Compile(bellhop.Match{Where: where})
		if err != nil {
			errortest.InvalidPaths(t, err)
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

// TestErrorWords: an error about a literal does not speak of Go.
func TestErrorWords(t *testing.T) {
	for _, text := range []string{"1e", "data.a == 1e400", "0x == 1", "99999999999999999999 == data.a", "0b == 1",
		"0o9 == 1"} {
		_, err := match.Compile(bellhop.Match{Where: text})
		if err == nil || strings.Contains(err.Error(), "strconv") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
