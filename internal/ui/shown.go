package ui

import (
	"fmt"
	"html/template"
	"reflect"
	"strconv"
	"strings"
	"text/template/parse"
	"unicode"
	"unicode/utf8"
)

// This file makes what strangers sent visible. html/template keeps a text from becoming markup; it does not keep a
// text from turning the line around, hiding a part of itself or moving the cursor. Every value that a template prints
// therefore passes through shown, which writes such characters as \u202e. Templates do not ask for it: showValues adds
// it to each of their actions.

// These types are texts that shown leaves alone, or nearly so.
type (
	typed string // what a person typed, or what a form sends back: the value of an input
	link  string // a URL that this program made
	lines string // a text of several lines; line feeds and tabs stay
)

// showValues adds shown to every action of the templates of t that prints a value.
func showValues(t *template.Template) {
	for _, each := range t.Templates() {
		if each.Tree != nil {
			showNodes(each.Tree, each.Tree.Root)
		}
	}
}

// showNodes adds shown to the actions below a node.
func showNodes(tree *parse.Tree, node parse.Node) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, each := range n.Nodes {
			showNodes(tree, each)
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			name := parse.NewIdentifier("shown").SetTree(tree).SetPos(n.Pos)
			n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos,
				Args: []parse.Node{name}})
		}
	case *parse.IfNode:
		showNodes(tree, n.List)
		showNodes(tree, n.ElseList)
	case *parse.RangeNode:
		showNodes(tree, n.List)
		showNodes(tree, n.ElseList)
	case *parse.WithNode:
		showNodes(tree, n.List)
		showNodes(tree, n.ElseList)
	}
}

// shown returns a value as pages print it: a text with visible characters only, a number as it is.
func shown(value any) any {
	switch v := value.(type) {
	case nil:
		return ""
	case typed:
		return string(v)
	case link:
		return string(v)
	case lines:
		return visible(string(v), true)
	case string:
		return visible(v, false)
	case fmt.Stringer:
		return visible(v.String(), false)
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.String:
		return visible(v.String(), false)
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return value
	}
	return visible(fmt.Sprint(value), false)
}

// visible returns text with every character that has no shape of its own as \u202e, and every byte that is not UTF-8
// as \xff. If multiline is set, line feeds and tabs stay.
func visible(text string, multiline bool) string {
	plain := func(r rune, width int) bool {
		return multiline && (r == '\n' || r == '\t') || isVisible(r) && !(r == utf8.RuneError && width == 1)
	}
	clean := true
	for i := 0; i < len(text) && clean; {
		r, width := utf8.DecodeRuneInString(text[i:])
		clean = plain(r, width)
		i += width
	}
	if clean {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, width := utf8.DecodeRuneInString(text[i:])
		switch {
		case plain(r, width):
			b.WriteString(text[i : i+width])
		case r == utf8.RuneError && width == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case multiline && r == '\r' && strings.HasPrefix(text[i+width:], "\n"): // a line end as Windows writes it
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += width
	}
	return b.String()
}

// fillers are letters without a shape.
const fillers = "\u115f\u1160\u3164\uffa0\u2800"

// isVisible reports whether r has a shape, or is a plain blank. Characters that control the direction of text,
// joiners, variation selectors and private characters have none.
func isVisible(r rune) bool {
	return unicode.IsPrint(r) && !strings.ContainsRune(fillers, r) && !unicode.Is(unicode.Variation_Selector, r) &&
		!unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// pieces returns text in parts between which a line may break: after a mark that joins words, and where a word begins
// with a capital letter. A browser would break a type such as Microsoft.Communication.ChatMessageReceived anywhere.
func pieces(text string) (parts []string) {
	begin := 0
	for i := 1; i < len(text)-1; i++ {
		before, after := text[i-1], text[i]
		joins := strings.IndexByte("._:/=&?,|", before) >= 0 && strings.IndexByte("._:/=&?,|", after) < 0
		word := 'a' <= before && before <= 'z' && 'A' <= after && after <= 'Z'
		if joins || word {
			parts = append(parts, text[begin:i])
			begin = i
		}
	}
	return append(parts, text[begin:])
}

// clip returns at most n characters of text, with an ellipsis if there are more.
func clip(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}
