package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop/internal/nearest"
)

// This file compares a file with the schema.

// referable are the members of a noun whose texts may be references, or hold them.
var referable = []string{"settings", "access", "url", "key"}

// A checker compares values with schemas, and notes the texts that may be references.
type checker struct {
	file     *File
	problems []Problem
	seen     map[*node]int // where values has a text
}

func (c *checker) fault(n *node, path, message string) {
	p := Problem{Line: max(1, n.line), Column: max(1, n.column), Path: path, Message: message}
	// Two schemas of one value may find the same, and one of them may say more about it.
	for i, found := range c.problems {
		if found.Line != p.Line || found.Column != p.Column || found.Path != path {
			continue
		}
		if strings.HasPrefix(found.Message, message) {
			return
		}
		if strings.HasPrefix(message, found.Message) {
			c.problems[i] = p
			return
		}
	}
	c.problems = append(c.problems, p)
}

// A place is where a value stands, beside its path.
type place struct {
	refers  bool   // its texts may be references
	hidden  bool   // the whole text may be secret
	owner   *node  // the secret that it is, or is a part of; nil is none
	example string // of that secret; "" is none
}

// check compares n with s, which may be nil: then n may be anything.
func (c *checker) check(n *node, s *Schema, path string) { c.checkAt(n, s, path, place{}) }

func (c *checker) checkAt(n *node, s *Schema, path string, at place) {
	if s == nil {
		s = &Schema{}
	}
	s = s.resolve()
	if s.WriteOnly && at.owner == nil {
		at.owner = n
		at.example, _ = first(s.Examples).(string)
	}
	if at.refers && n.kind == textKind {
		c.note(n, path, at)
	}
	if len(s.OneOf) > 0 {
		c.checkOneOf(n, s, path, at)
		return
	}
	if !fits(n, s.Type) {
		message := misfit(n, s.Type)
		names := slices.Sorted(maps.Keys(s.Properties))
		if path != "" && len(names) > 0 && len(names) <= maxKnown {
			message += "; the names are " + strings.Join(names, ", ")
		}
		c.fault(n, path, message)
		return
	}
	switch n.kind {
	case textKind:
		c.checkText(n, s, path)
	case numberKind:
		c.checkNumber(n, s, path)
	case listKind:
		if s.MaxItems != nil && len(n.items) > *s.MaxItems {
			c.fault(n, path, fmt.Sprintf("use at most %d entries", *s.MaxItems))
		}
		for i, item := range n.items {
			c.checkAt(item, s.Items, path+"["+strconv.Itoa(i)+"]", at)
		}
	case objectKind:
		c.checkMembers(n, s, path, at)
	}
	for _, part := range s.AllOf {
		part = part.resolve()
		if part.If == nil || c.holds(n, part.If) {
			c.checkAt(n, part.Then, path, at)
		}
	}
}

// checkOneOf checks n by the one of the forms of s that is of its kind.
func (c *checker) checkOneOf(n *node, s *Schema, path string, at place) {
	var allowed types
	for _, form := range s.OneOf {
		form = form.resolve()
		if fits(n, form.Type) {
			c.checkAt(n, form, path, at)
			return
		}
		allowed = append(allowed, form.Type...)
	}
	c.fault(n, path, misfit(n, allowed))
}

// holds reports whether the object n is as the condition of a schema says: it has the required members, and its
// members have the constant values.
func (c *checker) holds(n *node, condition *Schema) bool {
	for _, name := range condition.Required {
		if n.member(name) == nil {
			return false
		}
	}
	for name, s := range condition.Properties {
		m := n.member(name)
		switch {
		case m == nil:
		case s.Const != nil && (m.kind != textKind || m.text != s.Const):
			return false
		case s.Enum != nil && (m.kind != textKind || !slices.Contains(s.Enum, any(m.text))):
			return false
		}
	}
	return n.kind == objectKind
}

// typeOf are the types of JSON Schema by kinds.
var typeOf = map[kind]string{nullKind: "null", flagKind: "boolean", numberKind: "number", textKind: "string",
	listKind: "array", objectKind: "object"}

// fits reports whether n is of one of the allowed types.
func fits(n *node, allowed types) bool {
	if len(allowed) == 0 || allowed.has(typeOf[n.kind]) {
		return true
	}
	return n.kind == numberKind && allowed.has("integer") && !strings.ContainsAny(n.text, ".eE")
}

// misfit says what to write in place of n.
func misfit(n *node, allowed types) string {
	if n.kind == nullKind {
		return "a value is missing; write it here, or remove the name"
	}
	switch {
	case len(allowed) == 1 && allowed.has("null"):
		return "leave it out here"
	case allowed.has("string") && (n.kind == numberKind || n.kind == flagKind):
		return "use a text: put it in quotation marks"
	case allowed.has("array") && !allowed.has("string") && n.kind == objectKind:
		return "use a list: begin each entry with a dash, as in \"- name: …\""
	case allowed.has("boolean") && n.kind == textKind:
		return "use true or false, without quotation marks"
	case allowed.has("integer") && n.kind == numberKind:
		return "use a whole number"
	case allowed.has("integer") && n.kind == textKind:
		return "use a whole number, without quotation marks or a unit"
	case allowed.has("number") && n.kind == textKind:
		return "use a number, without quotation marks or a unit"
	}
	var names []string
	for _, name := range []struct{ of, word string }{{"string", "a text"}, {"boolean", "true or false"},
		{"integer", "a whole number"}, {"number", "a number"}, {"array", "a list"},
		{"object", "an object of names and values"}} {
		if allowed.has(name.of) {
			names = append(names, name.word)
		}
	}
	return "use " + strings.Join(names, ", or ") + ", not " + words[n.kind]
}

func (c *checker) checkText(n *node, s *Schema, path string) {
	for _, form := range s.AnyOf {
		if form.Pattern != nil && form.Pattern.MatchString(n.text) {
			return
		}
	}
	for _, form := range s.AnyOf { // the forms without a pattern say what to write
		if form.Pattern == nil {
			c.checkText(n, form, path)
		}
	}
	length := utf8.RuneCountInString(n.text)
	switch {
	case s.Enum != nil && !slices.Contains(s.Enum, any(n.text)):
		var choices []string
		for _, choice := range s.Enum {
			if word, ok := choice.(string); ok && word != "" {
				choices = append(choices, word)
			}
		}
		c.fault(n, path, "use one of "+strings.Join(choices, ", ")+c.meant(n.text, choices))
	case s.Pattern != nil && !s.Pattern.MatchString(n.text):
		c.fault(n, path, "use a text that matches "+s.Pattern.String())
	case s.MinLength != nil && length < *s.MinLength:
		c.fault(n, path, "must not be empty")
	case s.MaxLength != nil && length > *s.MaxLength:
		c.fault(n, path, fmt.Sprintf("use at most %d characters", *s.MaxLength))
	}
}

func (c *checker) checkNumber(n *node, s *Schema, path string) {
	value, err := strconv.ParseFloat(n.text, 64)
	switch {
	case err != nil || math.IsInf(value, 0):
		c.fault(n, path, "use a smaller number")
	case s.Minimum != nil && value < *s.Minimum:
		c.fault(n, path, fmt.Sprintf("use a number of at least %s", strconv.FormatFloat(*s.Minimum, 'f', -1, 64)))
	case s.Maximum != nil && value > *s.Maximum:
		c.fault(n, path, fmt.Sprintf("use a number of at most %s", strconv.FormatFloat(*s.Maximum, 'f', -1, 64)))
	}
}

// checkMembers checks the members of an object: those that are there, and those that have to be.
func (c *checker) checkMembers(n *node, s *Schema, path string, at place) {
	more := s.AdditionalProperties
	known := slices.Sorted(maps.Keys(s.Properties))
	for _, m := range n.members {
		property, ok := s.Properties[m.name]
		inner := joined(path, m.name)
		switch {
		case !ok && more != nil && more.no:
			message := c.unknown(m.name, known)
			if within := c.within(n, s, m.name); within != "" {
				message = "unknown here; it belongs into " + within
			}
			c.fault(&node{line: m.line, column: m.column}, inner, message)
			continue
		case !ok && more != nil:
			property = more.schema
		}
		c.checkAt(m.value, property, inner, c.placeOf(m.name, path, at))
	}
	for _, name := range s.Required {
		if n.member(name) == nil {
			c.fault(n, joined(path, name), "required")
		}
	}
}

// placeOf returns the place of a member of an object at path, which is at a place itself.
func (c *checker) placeOf(name, path string, at place) place {
	list, _, isEntry := strings.Cut(path, "[")
	if isEntry && strings.HasSuffix(path, "]") && strings.Count(path, "[") == 1 &&
		slices.Contains(c.file.nouns, list) {
		at.refers = slices.Contains(referable, name)
		at.hidden = name == "url"
	}
	return at
}

// joined returns the path of a member.
func joined(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// within returns the member of the object n, whose schema is s, that has a member of this name itself; "" is none.
func (c *checker) within(n *node, s *Schema, name string) string {
	for _, member := range slices.Sorted(maps.Keys(s.Properties)) {
		if inner := s.Properties[member]; inner != nil && inner.resolve().Properties[name] != nil {
			return member
		}
	}
	for _, part := range s.AllOf {
		part = part.resolve()
		if part.Then == nil || part.If != nil && !c.holds(n, part.If) {
			continue
		}
		if found := c.within(n, part.Then.resolve(), name); found != "" {
			return found
		}
	}
	return ""
}

// maxKnown bounds the names that a message lists.
const maxKnown = 20

// unknown says that there is no member of a name, and which one was meant, or which there are.
func (c *checker) unknown(name string, known []string) string {
	meant := c.meant(name, known)
	switch {
	case meant != "":
		return "unknown here" + meant
	case len(known) == 0:
		return "unknown here; there are none: remove it"
	case len(known) > maxKnown:
		return "unknown here; bellhop config schema lists the names"
	}
	return "unknown here; there are " + strings.Join(known, ", ")
}

// meant returns the end of a message about a word, with the nearest of words; "" if none is near.
func (c *checker) meant(word string, words []string) string {
	near := nearest.Word(word, words)
	if near == "" {
		return ""
	}
	return "; did you mean " + near + "?"
}

// checkNames finds names that two nouns of one kind have.
func (c *checker) checkNames() {
	for _, m := range c.file.root.members {
		if !slices.Contains(c.file.nouns, m.name) {
			continue
		}
		lines := map[string]int{}
		for i, item := range m.value.items {
			name := item.member("name")
			if name == nil || name.kind != textKind || name.text == "" {
				continue
			}
			if line, twice := lines[name.text]; twice {
				c.fault(name, fmt.Sprintf("%s[%d].name", m.name, i), fmt.Sprintf("the name %s is on line %d too; "+
					"each of %s needs its own", shown(name.text), line, m.name))
				continue
			}
			lines[name.text] = name.line
		}
	}
}

// note notes a text that may be a reference, or is a secret.
func (c *checker) note(n *node, path string, at place) {
	if c.seen == nil {
		c.seen = map[*node]int{}
	}
	i, ok := c.seen[n]
	if !ok {
		i = len(c.file.values)
		c.seen[n] = i
		c.file.values = append(c.file.values, value{node: n, path: path, hidden: at.hidden})
	}
	v := &c.file.values[i]
	if at.owner != nil {
		v.owner = at.owner
		_, inner, _ := strings.Cut(path, "].")
		v.ofNoun = !strings.ContainsAny(inner, ".[")
	}
	v.example = cmp.Or(v.example, at.example)
}

// first returns the first of list; nil if there is none.
func first(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}
