package manifest

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
)

// A kind is the kind of a value.
type kind int

const (
	nullKind kind = iota
	flagKind
	numberKind
	textKind
	listKind
	objectKind
)

// words are the kinds as messages name them.
var words = map[kind]string{nullKind: "nothing", flagKind: "true or false", numberKind: "a number", textKind: "a text",
	listKind: "a list", objectKind: "an object"}

// A node is a value of a file, with its place.
type node struct {
	kind         kind
	line, column int
	index        int    // in its list
	flag         bool   // of a flag
	text         string // of a text, or a number as JSON writes it
	masked       bool   // a secret whose value is not known here: it is written as a mask
	items        []*node
	members      []member
}

// A member is a name in an object, with the place of the name.
type member struct {
	name         string
	line, column int
	value        *node
}

// member returns the value of a member of n; nil if there is none.
func (n *node) member(name string) *node {
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// step takes the first step of path from n, and returns where it leads and the rest of the path. Names of members may
// have dots in them, as those of headers do: the longest name that fits is meant. The value is nil if there is none.
func (n *node) step(path string) (to member, rest string) {
	if n.kind == listKind && strings.HasPrefix(path, "[") {
		digits, rest, ok := strings.Cut(path[1:], "]")
		i, err := strconv.Atoi(digits)
		if !ok || err != nil || i < 0 || i >= len(n.items) {
			return member{}, path
		}
		item := n.items[i]
		return member{line: item.line, column: item.column, value: item}, rest
	}
	for _, m := range n.members {
		after, ok := strings.CutPrefix(path, m.name)
		if ok && (after == "" || after[0] == '.' || after[0] == '[') && len(m.name) > len(to.name) {
			to, rest = m, after
		}
	}
	return to, rest
}

// plain returns n as package json decodes it. Members that are null or in without are left out.
func (n *node) plain(without map[*node]bool) any {
	switch {
	case n.masked:
		return map[string]any{"set": true}
	case n.kind == flagKind:
		return n.flag
	case n.kind == numberKind:
		return json.Number(n.text)
	case n.kind == textKind:
		return n.text
	case n.kind == listKind:
		items := make([]any, len(n.items))
		for i, item := range n.items {
			items[i] = item.plain(without)
		}
		return items
	case n.kind == objectKind:
		members := make(map[string]any, len(n.members))
		for _, m := range n.members {
			if m.value.kind != nullKind && !without[m.value] {
				members[m.name] = m.value.plain(without)
			}
		}
		return members
	}
	return nil
}

// copy returns a copy of n, with its own nodes.
func (n *node) copy() *node {
	c := *n
	c.items, c.members = nil, nil
	for _, item := range n.items {
		c.items = append(c.items, item.copy())
	}
	for _, m := range n.members {
		m.value = m.value.copy()
		c.members = append(c.members, m)
	}
	return &c
}

// size returns how many values n has, itself included.
func (n *node) size() int {
	size := 1
	for _, item := range n.items {
		size += item.size()
	}
	for _, m := range n.members {
		size += m.value.size()
	}
	return size
}

// shown returns the beginning of a text of the file for a message, without characters that cannot be seen.
func shown(s string) string {
	const most = 40
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == '"' {
			return '?'
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
