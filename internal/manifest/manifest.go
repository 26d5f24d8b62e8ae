// Package manifest reads bellhop.yaml: the file that declares the nouns of a server (sources, destinations, …) and the
// settings of serve.
//
// [Read] compares the text of a file with the JSON [Schema] of such files, and reports every fault at once, each with
// its line, its column and a remedy. What the schema cannot say, as whether a key is good Base64, the server or the
// catalog finds; [File.Place] tells where in the file the value is that they mean. [File.Resolve] puts the values of
// references (env:NAME, file:PATH) in their place.
//
// The package knows no noun: the schema says which there are. It opens no file, reads no environment and calls no
// server, and no problem that it reports repeats a value that may be secret.
package manifest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A Problem is a fault or a weakness of a file.
type Problem struct {
	Line, Column int    // from 1
	Path         string // "sources[0].settings.signing_key"; "" is the file as a whole
	Message      string // what is wrong, and what to write instead
	Warning      bool   // it is accepted, but weak
}

// A File is a file whose text agrees with the schema, apart from the faults that Read returned with it.
type File struct {
	root   *node
	schema *Schema
	nouns  []string // the members of the root that are lists of nouns
	values []value  // the texts that may be references, or secret
}

// A value is a text in a file that may be a reference, or secret.
type value struct {
	node    *node
	path    string
	owner   *node  // the secret that it is, or is a part of; nil is none
	hidden  bool   // the whole of it may be secret, as a URL is
	ofNoun  bool   // it is a secret member of the noun itself, and no setting
	example string // of the schema
	missing string // the reference that has no value here
}

// Read reads the text of a file, in UTF-8 or UTF-16, and compares it with the schema. The problems are in the order of
// their places. The file is nil if the text is no YAML that can be read.
func Read(text []byte, schema *Schema) (*File, []Problem) {
	root, problems := parse(text)
	if root == nil {
		return nil, problems
	}
	f := &File{root: root, schema: schema}
	for name, property := range schema.resolve().Properties {
		if items := property.Items; items != nil && items.resolve().Type.has("object") {
			f.nouns = append(f.nouns, name)
		}
	}
	slices.Sort(f.nouns)
	c := &checker{file: f}
	c.check(root, schema, "")
	c.checkNames()
	problems = append(problems, c.problems...)
	Sort(problems)
	return f, problems
}

// Sort sorts problems by place; problems of one place keep their order.
func Sort(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// Faults returns the problems that are no warnings.
func Faults(problems []Problem) []Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p Problem) bool { return p.Warning })
}

// Nouns returns the JSON of the nouns of f: an object with a list for each kind that f has. Members that are null, or
// have one of the faults, are left out. A noun that is no object is an empty one, and skipped has its path
// ("sources[0]").
func (f *File) Nouns(faults []Problem) (nouns json.RawMessage, skipped []string, err error) {
	faulty := map[*node]bool{}
	for _, p := range faults {
		if n, ok := f.find(p.Path); ok && !p.Warning {
			faulty[n] = true
		}
	}
	object := map[string]any{}
	for _, m := range f.root.members {
		if !slices.Contains(f.nouns, m.name) || m.value.kind != listKind {
			continue
		}
		items := make([]any, len(m.value.items))
		for i, item := range m.value.items {
			items[i] = item.plain(faulty)
			if item.kind != objectKind {
				items[i], skipped = map[string]any{}, append(skipped, fmt.Sprintf("%s[%d]", m.name, i))
			}
		}
		object[m.name] = items
	}
	nouns, err = json.Marshal(object)
	return nouns, skipped, err
}

// find returns the value at path; ok is false if there is none.
func (f *File) find(path string) (n *node, ok bool) {
	n = f.root
	for path != "" {
		m, rest := n.step(path)
		if m.value == nil {
			return nil, false
		}
		n, path = m.value, strings.TrimPrefix(rest, ".")
	}
	return n, true
}

// OfNoun reports whether a path is in a list of nouns, or that list.
func (f *File) OfNoun(path string) bool {
	end := strings.IndexAny(path+"[", ".[")
	return slices.Contains(f.nouns, path[:end])
}

// Settings returns the other members of f: the settings of serve. A member without a value is nil.
func (f *File) Settings() map[string]any {
	settings := map[string]any{}
	for _, m := range f.root.members {
		if !slices.Contains(f.nouns, m.name) {
			settings[m.name] = m.value.plain(nil)
		}
	}
	return settings
}

// Place returns a problem with the line and the column of the value at path, or those of the innermost value around it
// that f has.
func (f *File) Place(path, message string) Problem {
	p := Problem{Path: path, Message: message, Line: max(1, f.root.line), Column: max(1, f.root.column)}
	at, rest := f.root, path
	for rest != "" {
		m, after := at.step(rest)
		if m.value == nil {
			return p
		}
		p.Line, p.Column = m.line, m.column
		at, rest = m.value, strings.TrimPrefix(after, ".")
	}
	if at.line > 0 && at.kind != objectKind && at.kind != listKind {
		p.Line, p.Column = at.line, at.column
	}
	return p
}

// Label returns path in words for people: "source media: settings.signing_key" for "sources[0].settings.signing_key".
func (f *File) Label(path string) string {
	list, rest, ok := strings.Cut(path, "[")
	number, rest, closed := strings.Cut(rest, "]")
	if !ok || !closed || !slices.Contains(f.nouns, list) {
		return path
	}
	label := strings.TrimSuffix(list, "s") + " " + number
	if m, _ := f.root.step(list + "[" + number + "]"); m.value != nil {
		if items, _ := m.value.step("[" + number + "]"); items.value != nil {
			name := items.value.member("name")
			if name != nil && name.kind == textKind && name.text != "" {
				label = strings.TrimSuffix(list, "s") + " " + shown(name.text)
			} else {
				label = fmt.Sprintf("entry %d of %s", items.value.index+1, list)
			}
		}
	}
	if rest = strings.TrimPrefix(rest, "."); rest != "" {
		label += ": " + rest
	}
	return label
}
