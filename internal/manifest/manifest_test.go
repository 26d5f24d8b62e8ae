package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// schemaText is a schema with one of each form that schemas of files have.
const schemaText = `{
	"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": false,
	"properties": {
		"listen": {"type": ["string", "integer", "null"]},
		"allow": {"type": ["string", "array", "null"], "items": {"type": "string"}},
		"strict": {"type": ["boolean", "null"]},
		"sources": {"type": ["array", "null"], "items": {"$ref": "#/definitions/Source"}},
		"keys": {"type": ["array", "null"], "items": {"$ref": "#/definitions/Key"}}
	},
	"definitions": {
		"Source": {
			"type": "object", "additionalProperties": false, "required": ["name", "provider"],
			"properties": {
				"name": {"type": "string", "minLength": 1, "maxLength": 8},
				"provider": {"type": "string", "enum": ["ams", "slack"]},
				"url": {"type": "string"},
				"settings": {"type": "object"},
				"limit": {"type": "integer", "minimum": 0, "maximum": 10},
				"rate": {"type": "number"},
				"schedule": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 2}]}
			},
			"allOf": [{
				"if": {"properties": {"provider": {"const": "ams"}}, "required": ["provider"]},
				"then": {"required": ["settings"], "properties": {"settings": {"$ref": "#/definitions/AMS"}}}
			}]
		},
		"AMS": {
			"type": "object", "additionalProperties": false, "required": ["signing_key"],
			"properties": {
				"signing_key": {"type": ["string", "array"], "items": {"type": "string"}, "writeOnly": true,
					"examples": ["AAAA"]},
				"account_id": {"type": "string"},
				"headers": {"type": "object", "additionalProperties": {"type": "string", "writeOnly": true}}
			}
		},
		"Key": {
			"type": "object", "additionalProperties": false, "required": ["name"],
			"properties": {"name": {"type": "string"}, "key": {"type": "string", "writeOnly": true}}
		}
	}
}`

func schema(t testing.TB) *Schema {
	t.Helper()
	s, err := LoadSchema([]byte(schemaText))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read reads a file that has to be YAML.
func read(t testing.TB, content string) (*File, []Problem) {
	t.Helper()
	f, problems := Read([]byte(content), schema(t))
	if f == nil {
		t.Fatalf("not read: %v", problems)
	}
	return f, problems
}

// lines returns problems as "line:column path: message".
func lines(problems []Problem) (shown []string) {
	for _, p := range problems {
		shown = append(shown, fmt.Sprintf("%d:%d %s: %s", p.Line, p.Column, p.Path, p.Message))
	}
	return shown
}

// TestProblems: each kind of fault is found, all of a file at once, with its place and what to write instead.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"good", "listen: 8080\nallow: [a, b]\nstrict: true\nsources:\n- name: a\n  provider: slack\n", nil},
		{"empty", "", nil},
		{"comments alone", "# nothing\n", nil},
		{"nothing declared", "sources:\nlisten: ~\n", nil},
		{"JSON", `{"sources": [{"name": "a", "provider": "slack", "limit": 3}]}`, nil},
		{"many at once", `liste: 1
sources:
- name: a
  provider: amz
  setings: {}
- provider: slack
  limit: 11
  rate: fast
- name: "123456789"
  provider: slack
  limit: 1.5
strict: "yes"
`, []string{
			"1:1 liste: unknown here; did you mean listen?",
			"4:13 sources[0].provider: use one of ams, slack; did you mean ams?",
			"5:3 sources[0].setings: unknown here; did you mean settings?",
			"6:3 sources[1].name: required",
			"7:10 sources[1].limit: use a number of at most 10",
			"8:9 sources[1].rate: use a number, without quotation marks or a unit",
			"9:9 sources[2].name: use at most 8 characters",
			"11:10 sources[2].limit: use a whole number",
			"12:9 strict: use true or false, without quotation marks",
		}},
		{"settings of the provider", "sources:\n- name: a\n  provider: ams\n  settings:\n    " +
			"account_id: 17\n    color: red\n",
			[]string{"5:5 sources[0].settings.signing_key: required",
				"5:17 sources[0].settings.account_id: use a text: put it in quotation marks",
				"6:5 sources[0].settings.color: unknown here; there are account_id, headers, signing_key"}},
		{"a member of another member", "sources:\n- name: a\n  provider: ams\n  signing_key: k\n  " +
			"settings: {signing_key: k}\n",
			[]string{"4:3 sources[0].signing_key: unknown here; it belongs into settings"}},
		{"a text in place of an object", "sources:\n- name: a\n  provider: ams\n  settings: k\n",
			[]string{"4:13 sources[0].settings: use an object of names and values, not a text; the names are " +
				"account_id, headers, signing_key"}},
		{"settings are missing", "sources:\n- name: a\n  provider: ams\n",
			[]string{"2:3 sources[0].settings: required"}},
		{"a map in place of a list", "sources:\n  a:\n    provider: slack\n",
			[]string{`2:3 sources: use a list: begin each entry with a dash, as in "- name: …"`}},
		{"a value is missing", "sources:\n- name:\n  provider: slack\n",
			[]string{"2:8 sources[0].name: a value is missing; write it here, or remove the name"}},
		{"one of two forms", "sources:\n- name: a\n  provider: slack\n  schedule: 5\n- name: b\n  provider: slack\n" +
			"  schedule: [a, b, c]\n",
			[]string{"4:13 sources[0].schedule: use a text: put it in quotation marks",
				"7:13 sources[1].schedule: use at most 2 entries"}},
		{"a name twice", "sources:\n- name: a\n  provider: slack\n- name: a\n  provider: slack\n",
			[]string{"4:9 sources[1].name: the name a is on line 2 too; each of sources needs its own"}},
		{"a member twice", "listen: 1\nlisten: 2\n",
			[]string{"2:1 : listen is here twice: it is on line 1 too; remove one"}},
		{"two documents", "listen: 1\n---\nlisten: 2\n",
			[]string{"3:7 : the file has several documents; write one, without a line --- between its parts"}},
		{"a tag", "listen: !!str 1\n", []string{"1:9 : tags such as !!str are not used here; put a text in " +
			"quotation marks instead"}},
		{"not an object", "- a\n", []string{"1:1 : use an object of names and values, not a list"}},
		{"an unknown alias", "listen: *x\n",
			[]string{"1:9 : there is no anchor of this name before it; write &NAME before the " +
				"value that *NAME repeats"}},
		{"no end", "sources:\n- name: a\n  provider: slack\n  rate: .inf\n",
			[]string{"4:9 : use a number with an end, or put the text in quotation marks"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, problems := read(t, c.file)
			if got := lines(problems); !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestUnreadable: a text that is no YAML, or would take too much to read, is one problem, at its place.
func TestUnreadable(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [*a%d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, *a%[3]d, "+
			"*a%[3]d, *a%[3]d, *a%[3]d]\n",
			i, i, i-1)
	}
	for name, c := range map[string]struct{ file, want string }{
		"a tab":            {"sources:\n\t- name: a\n", "2:1 : this cannot be read as YAML: found character '\t'"},
		"no colon":         {"listen: 1\nsources\n", "2:1 : this cannot be read as YAML"},
		"an open quote":    {"listen: \"a\n", "1:9 : this cannot be read as YAML"},
		"an open list":     {"allow: [a, b\n", ": this cannot be read as YAML"},
		"a bomb":           {bomb.String(), ": the file has more than 400000 values, or its aliases repeat more"},
		"brackets":         {strings.Repeat("[", 100_000), ": values are nested too deeply here"},
		"dashes":           {strings.Repeat("- ", 100_000), ": values are nested too deeply here"},
		"question marks":   {strings.Repeat("? ", 100_000), ": values are nested too deeply here"},
		"anchors":          {strings.Repeat("&a ", 100_000), ": this cannot be read as YAML"},
		"objects":          {strings.Repeat("{a: ", 100_000), ": values are nested too deeply here"},
		"far to the right": {strings.Repeat(" ", 10_000) + "a: 1", ": the line is indented too far"},
		"deep":             {deep(200), ": values are nested more than 32 deep"},
		"binary":           {"a: \xff\xfe\xfd", "1:1 : "},
		"too long":         {strings.Repeat("# x\n", MaxBytes/4+1), "1:1 : the file has "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, problems := Read([]byte(c.file), schema(t))
			if f != nil || len(problems) != 1 || !strings.Contains(lines(problems)[0], c.want) {
				t.Errorf("%v %q, want %q", f != nil, lines(problems), c.want)
			}
		})
	}
}

// deep returns an object in an object, so many times.
func deep(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// TestNoSecretInProblems: a message repeats no text that may be a secret.
func TestNoSecretInProblems(t *testing.T) {
	for _, file := range []string{
		"sources:\n- name: a\n  provider: ams\n  settings:\n    signing_key: {hunter2: hunter2}\n",
		"sources:\n- name: a\n  provider: ams\n  settings:\n    signing_key: \"hunter2\n",
		"sources:\n- name: a\n  provider: ams\n  settings:\n    signing_key: hunter2: x\n",
		"sources:\n- name: a\n  provider: ams\n  settings:\n    signing_key: hunter2\n    account_id: [hunter2]\n",
		"sources:\n- name: a\n  provider: ams\n  settings:\n    signing_key: &hunter2 hunter2\n   " +
			" account_id: *hunter\n",
		"sources:\n- name: a\n  provider: ams\n  settings:\n    signing_key: hunter2\n  hunter2\n",
		"sources:\n- name: a\n  provider: ams\n  settings:\n    signing_key: file:missing/hunter\n    " +
			"account_id: 'env:hunter2 '\n",
	} {
		f, problems := Read([]byte(file), schema(t))
		if f != nil {
			problems = append(problems, f.Warnings()...)
			problems = append(problems, f.Resolve(Lookup{Env: noEnv, File: noFile})...)
		}
		if text := strings.Join(lines(problems), "\n"); len(problems) == 0 || strings.Contains(text, "hunter2") {
			t.Errorf("%s\n%s", file, text)
		}
	}
}

func noEnv(string) string { return "" }

func noFile(string) ([]byte, error) { return nil, fs.ErrNotExist }

// TestAliases: an alias repeats a value, and a merge key adds the members that an object does not have.
func TestAliases(t *testing.T) {
	f, problems := read(t, `
sources:
- &first
  name: a
  provider: slack
  limit: 3
- <<: *first
  name: b
- <<: [{limit: 4}, *first]
  name: c
  provider: slack
`)
	nouns, _, err := f.Nouns(nil)
	want := `{"sources":[{"limit":3,"name":"a","provider":"slack"},{"limit":3,"name":"b","provider":"slack"},` +
		`{"limit":4,"name":"c","provider":"slack"}]}`
	if string(nouns) != want || err != nil || len(problems) > 0 {
		t.Errorf("%s %v %v", nouns, err, problems)
	}
}

const referring = `
sources:
- name: a
  provider: ams
  url: env:URL
  settings:
    signing_key: [env:NEW, "file:old.key"]
    account_id: "text:env:x"
    headers: {X-A: env:HEADER, X.B: plain}
keys:
- name: ci
  key: env:CI
listen: env:LISTEN
`

// TestResolve: references are followed where they are meant, and nowhere else.
func TestResolve(t *testing.T) {
	f, problems := read(t, referring)
	if warnings := f.Warnings(); len(problems) > 0 ||
		!slices.Equal(lines(warnings), []string{"9:37 sources[0].settings.headers.X.B: a secret is in the file " +
			"itself, for all who can read it; put it into the environment or into a file of its own, and write " +
			"env:NAME or file:PATH here"}) {
		t.Errorf("%q %q", lines(problems), lines(warnings))
	}
	problems = f.Resolve(Lookup{
		Env: func(name string) string { return "value of " + name },
		File: func(path string) ([]byte, error) {
			return []byte("\ufeffcontent of " + path + "\r\n"), nil
		},
	})
	nouns, _, err := f.Nouns(nil)
	want := `{"keys":[{"key":"value of CI","name":"ci"}],"sources":[{"name":"a","provider":"ams","settings":{` +
		`"account_id":"env:x","headers":{"X-A":"value of HEADER","X.B":"plain"},` +
		`"signing_key":["value of NEW","content of old.key"]},"url":"value of URL"}]}`
	if string(nouns) != want || err != nil || len(problems) > 0 || len(f.Missing()) > 0 {
		t.Errorf("%s %v %q", nouns, err, lines(problems))
	}
	if listen := f.Settings()["listen"]; listen != "env:LISTEN" {
		t.Errorf("%v", listen)
	}
}

// TestResolveMissing: a secret or a URL that has no value here becomes a mask; any other reference is a fault.
func TestResolveMissing(t *testing.T) {
	f, _ := read(t, strings.Replace(referring, "text:env:x", "env:ACCOUNT", 1))
	problems := f.Resolve(Lookup{Env: noEnv, File: noFile})
	const stays = ": the stored value stays, and is not compared"
	want := []string{
		"5:8 sources[0].url: the variable URL is not set here" + stays,
		"7:19 sources[0].settings.signing_key[0]: the variable NEW is not set here" + stays,
		"7:28 sources[0].settings.signing_key[1]: the file old.key is not here" + stays,
		"8:17 sources[0].settings.account_id: the variable ACCOUNT is not set here",
		"9:20 sources[0].settings.headers.X-A: the variable HEADER is not set here" + stays,
		"12:8 keys[0].key: the variable CI is not set here",
	}
	if got := lines(problems); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if faults := lines(Faults(problems)); !slices.Equal(faults, []string{want[3], want[5]}) {
		t.Errorf("faults: %q", faults)
	}
	nouns, _, err := f.Nouns(nil)
	if text := string(nouns); err != nil || !strings.Contains(text, `"signing_key":{"set":true}`) ||
		!strings.Contains(text, `"X-A":{"set":true}`) || !strings.Contains(text, `"url":"…"`) {
		t.Errorf("%s %v", nouns, err)
	}
	missing := slices.Sorted(maps.Keys(f.Missing()))
	if !slices.Equal(missing, []string{"sources[0].settings.headers.X-A", "sources[0].settings.signing_key",
		"sources[0].url"}) {
		t.Errorf("%q", missing)
	}
}

// TestResolveExamples: for a check, examples take the place of secrets that are not here.
func TestResolveExamples(t *testing.T) {
	f, _ := read(t, referring)
	problems := f.Resolve(Lookup{Env: noEnv, File: noFile, Example: true})
	nouns, _, err := f.Nouns(nil)
	want := `{"keys":[{"name":"ci"}],"sources":[{"name":"a","provider":"ams","settings":{"account_id":"env:x",` +
		`"headers":{"X-A":"placeholder-of-a-secret","X.B":"plain"},"signing_key":["AAAA","AAAA"]},` +
		`"url":"https://placeholder.example"}]}`
	if string(nouns) != want || err != nil || len(Faults(problems)) > 0 {
		t.Errorf("%s %v %q", nouns, err, lines(problems))
	}
}

// TestBadReferences: a reference that is written wrongly, or names a file that cannot be used, is a fault.
func TestBadReferences(t *testing.T) {
	for reference, want := range map[string]string{
		"env:":       "write env: and the name of a variable",
		"env:A B":    "write env: and the name of a variable",
		"file:":      "write file: and the path of a file",
		"file:dir":   "the file dir cannot be read: is a directory",
		"file:empty": "the file empty is empty",
		"file:long":  "the file long has more than 1048576 bytes",
		"file:bytes": "the file bytes: ",
	} {
		f, _ := read(t, "sources:\n- name: a\n  provider: ams\n  settings:\n    signing_key: '"+reference+"'\n")
		problems := f.Resolve(Lookup{Env: noEnv, File: func(path string) ([]byte, error) {
			switch path {
			case "dir":
				return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("is a directory")}
			case "long":
				return make([]byte, maxFileBytes+1), nil
			case "bytes":
				return []byte{0xff, 0xfe, 0xff}, nil
			}
			return []byte("\n"), nil
		}})
		if len(problems) != 1 || problems[0].Warning || !strings.HasPrefix(problems[0].Message, want) {
			t.Errorf("%s: %q", reference, lines(problems))
		}
	}
}

// TestPlace: an error of the server stands where its value is, or where that would be.
func TestPlace(t *testing.T) {
	f, _ := read(t, referring)
	for path, want := range map[string]string{
		"sources[0].settings.headers.X.B":    "9:37",
		"sources[0].settings.signing_key":    "7:5",
		"sources[0].settings.signing_key[1]": "7:28",
		"sources[0].settings.other":          "6:3",
		"sources[0].max":                     "3:3",
		"sources[7].name":                    "2:1",
		"keys":                               "10:1",
		"nothing":                            "2:1",
		"":                                   "2:1",
	} {
		p := f.Place(path, "x")
		if got := fmt.Sprintf("%d:%d", p.Line, p.Column); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for path, want := range map[string]string{
		"sources[0].settings.headers.X.B": "source a: settings.headers.X.B", "keys[0]": "key ci", "listen": "listen",
		"keys[3].name": "key 3: name",
	} {
		if got := f.Label(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// TestNounsWithoutFaults: members with faults are left out, so that the others can be checked.
func TestNounsWithoutFaults(t *testing.T) {
	f, problems := read(t, "sources:\n- {name: a, provider: wrong, limit: 3}\n- b\n- {name: c, "+
		"provider: slack, limit: many}\n")
	nouns, skipped, err := f.Nouns(problems)
	if string(nouns) != `{"sources":[{"limit":3,"name":"a"},{},{"name":"c","provider":"slack"}]}` || err != nil ||
		!slices.Equal(skipped, []string{"sources[1]"}) || !f.OfNoun("sources[0].name") || f.OfNoun("listen") {
		t.Errorf("%s %q %v", nouns, skipped, err)
	}
}

// TestUnknownKeyword: a schema with a keyword that is not checked is refused.
func TestUnknownKeyword(t *testing.T) {
	for _, text := range []string{`{"uniqueItems":true}`, `{"pattern":"("}`, `{"properties":{"a":{"minItems":1}}}`,
		`{"$ref":"#/definitions/x"}`,
		`{"additionalProperties":{"not":{}}}`, `[]`} {
		if s, err := LoadSchema([]byte(text)); err == nil {
			t.Errorf("%s: %v", text, s)
		}
	}
}

// FuzzRead: no text makes Read panic, each problem has a place, and what was read is JSON.
func FuzzRead(f *testing.F) {
	f.Add([]byte(referring))
	f.Add([]byte("sources:\n- &a {name: a, provider: slack}\n- <<: *a\n  name: \"b\"\n  limit: 0x10\n"))
	f.Add([]byte("? a\n: |\n  b\n---\n- !!x 'y'\n"))
	f.Add([]byte("a: [1, .5, 1e400, -.inf, ~, no, 0o7, 2026-11-30]\n%YAML 1.1\n"))
	s := schema(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		file, problems := Read(content, s)
		if file != nil {
			problems = append(problems, file.Warnings()...)
			problems = append(problems, file.Resolve(Lookup{Env: os.Getenv, File: noFile})...)
			for _, p := range problems {
				file.Label(p.Path)
			}
			if nouns, _, err := file.Nouns(problems); err != nil || !json.Valid(nouns) {
				t.Errorf("%s %v", nouns, err)
			}
			if _, err := json.Marshal(file.Settings()); err != nil {
				t.Error(err)
			}
		} else if len(problems) == 0 {
			t.Error("not read, and no problem")
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Message == "" {
				t.Errorf("%+v", p)
			}
		}
	})
}
