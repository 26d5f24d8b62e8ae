package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// This file makes nodes of YAML: JSON is YAML too. Anchors, aliases and merge keys are followed within bounds; tags
// are refused.

// Bounds of a file.
const (
	MaxBytes  = 8 << 20
	maxValues = 400_000 // with what aliases repeat
	maxDepth  = 32      // of values within values
)

// parse returns the value of a text. It is nil if the text cannot be read; the problem then says why.
func parse(raw []byte) (root *node, problems []Problem) {
	if len(raw) > MaxBytes {
		return nil,
			[]Problem{{Line: 1, Column: 1, Message: fmt.Sprintf("the file has %d bytes; it may have %d", len(raw),
				MaxBytes)}}
	}
	content, err := bellhop.FileText(raw)
	if err != nil {
		return nil, []Problem{{Line: 1, Column: 1, Message: err.Error()}}
	}
	if p, ok := tooDeep(content); ok {
		return nil, []Problem{p}
	}
	file, p := parseYAML(content)
	if p != nil {
		return nil, []Problem{*p}
	}
	b := &builder{anchors: map[string]*node{}}
	root = &node{kind: objectKind, line: 1, column: 1}
	seen := false
	for _, doc := range file.Docs {
		if doc == nil || doc.Body == nil {
			continue
		}
		if seen {
			b.fault(doc.Body.GetToken(), "the file has several documents; write one, without a "+
				"line --- between its parts")
			break
		}
		seen = true
		if built := b.build(doc.Body, 0); built.kind != nullKind {
			root = built
		}
	}
	if b.stop {
		return nil, b.problems
	}
	return root, b.problems
}

// parseYAML calls the library. What it cannot read is one problem, at the first place.
func parseYAML(content string) (file *ast.File, problem *Problem) {
	defer func() {
		if recover() != nil { // a fault of the library: the text is not YAML as it is written
			file, problem = nil, &Problem{Line: 1, Column: 1, Message: "this cannot be read as YAML"}
		}
	}()
	file, err := parser.ParseBytes([]byte(content), 0, parser.AllowDuplicateMapKey())
	if err == nil {
		return file, nil
	}
	p := Problem{Line: 1, Column: 1, Message: "this cannot be read as YAML"}
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		p.Message += ": " + syntaxMessage(syntax.Message)
		if syntax.Token != nil && syntax.Token.Position != nil {
			p.Line, p.Column = max(1, syntax.Token.Position.Line), max(1, syntax.Token.Position.Column)
		}
	}
	return nil, &p
}

// syntaxRemedies add what to write to the messages of the library that begin like this.
var syntaxRemedies = []struct{ message, remedy string }{
	{"found character '\t'", "indent with blanks, not with tabs"},
	{"found a tab character", "indent with blanks, not with tabs"},
	{"value is not allowed in this context",
		"is a colon or a quotation mark missing before it, or the indentation wrong?"},
	{"unexpected key name", "is a colon missing after a name?"},
	{"non-map value is specified", "is a colon missing after a name, or the indentation wrong?"},
	{"could not find end character of", "close the quotation mark"},
	{"sequence end token ']' not found", "close the list with ]"},
	{"could not find flow map content", "close the object with }"},
	{"mapping value is not allowed in this context", "put the text before it in quotation marks, or begin a new line"},
}

// syntaxMessage returns a message of the library without what it quotes of the file, which may be secret.
func syntaxMessage(message string) string {
	for _, known := range syntaxRemedies {
		if strings.HasPrefix(message, known.message) {
			return known.message + "; " + known.remedy
		}
	}
	if quote := strings.IndexAny(message, "\"`'"); quote > 0 {
		message = strings.TrimSpace(message[:quote])
	}
	first, _, _ := strings.Cut(message, "\n")
	return first
}

// tooDeep finds values within values that are too deep for the library to read: brackets, and dashes or question marks
// in a row. It does not know quotation marks, so its bound is wide.
func tooDeep(content string) (Problem, bool) {
	const most = 16 * maxDepth
	open, line := 0, 0
	for row := range strings.SplitSeq(content, "\n") {
		line++
		marks := 0
		for i := range len(row) {
			switch row[i] {
			case '[', '{':
				open++
			case ']', '}':
				open = max(0, open-1)
			case '-', '?', '!', '&', ':':
				marks++
			case ' ':
			default:
				marks = 0
			}
			if open > most || marks > most {
				return Problem{Line: line, Column: i + 1, Message: "values are nested too deeply here"}, true
			}
		}
		if indent := len(row) - len(strings.TrimLeft(row, " ")); indent > 4096 {
			return Problem{Line: line, Column: 1, Message: "the line is indented too far"}, true
		}
	}
	return Problem{}, false
}

// A builder makes nodes of the library's.
type builder struct {
	anchors  map[string]*node
	values   int
	stop     bool // the file cannot be read
	problems []Problem
}

func (b *builder) fault(at *token.Token, message string) {
	p := Problem{Line: 1, Column: 1, Message: message}
	if at != nil && at.Position != nil {
		p.Line, p.Column = max(1, at.Position.Line), max(1, at.Position.Column)
	}
	b.problems = append(b.problems, p)
}

// abort is fault for what ends the reading.
func (b *builder) abort(at *token.Token, message string) *node {
	if !b.stop {
		b.fault(at, message)
	}
	b.stop = true
	return &node{}
}

// build returns the node of n.
func (b *builder) build(n ast.Node, depth int) *node {
	if n == nil || b.stop {
		return &node{}
	}
	at := n.GetToken()
	b.values++
	switch {
	case b.values > maxValues:
		return b.abort(at, fmt.Sprintf("the file has more than %d values, or its aliases repeat more", maxValues))
	case depth > maxDepth:
		return b.abort(at, fmt.Sprintf("values are nested more than %d deep", maxDepth))
	}
	built := &node{}
	if at != nil && at.Position != nil {
		built.line, built.column = at.Position.Line, at.Position.Column
	}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.BoolNode:
		built.kind, built.flag = flagKind, n.Value
	case *ast.StringNode:
		built.kind, built.text = textKind, n.Value
	case *ast.LiteralNode:
		built.kind, built.text = textKind, n.Value.Value
	case *ast.IntegerNode:
		built.kind, built.text = numberKind, fmt.Sprint(n.Value)
	case *ast.FloatNode:
		built.kind, built.text = numberKind, decimal(n)
	case *ast.InfinityNode, *ast.NanNode:
		built.kind, built.text = numberKind, "0"
		b.fault(at, "use a number with an end, or put the text in quotation marks")
	case *ast.SequenceNode:
		built.kind = listKind
		for i, item := range n.Values {
			each := b.build(item, depth+1)
			each.index = i
			built.items = append(built.items, each)
		}
	case *ast.MappingNode:
		b.object(built, n.Values, depth)
	case *ast.MappingValueNode:
		b.object(built, []*ast.MappingValueNode{n}, depth)
	case *ast.AnchorNode:
		built = b.build(n.Value, depth+1)
		b.anchors[nameOf(n.Name)] = built
	case *ast.AliasNode:
		return b.alias(n, built)
	case *ast.TagNode:
		b.fault(at, "tags such as !!str are not used here; put a text in quotation marks instead")
	default:
		b.fault(at, "this kind of YAML is not used here")
	}
	return built
}

// decimal returns a number as JSON writes it, with its digits.
func decimal(n *ast.FloatNode) string {
	const exact = 1 << 53
	switch {
	case n.Value == math.Trunc(n.Value) && math.Abs(n.Value) <= exact:
		return strconv.FormatFloat(n.Value, 'f', -1, 64) // 5.0 is the whole number 5, as in JSON Schema
	case n.Token != nil && json.Valid([]byte(n.Token.Value)):
		return n.Token.Value
	case math.IsInf(n.Value, 0) || math.IsNaN(n.Value):
		return "0"
	}
	return strconv.FormatFloat(n.Value, 'g', -1, 64)
}

// nameOf returns the name of an anchor or an alias.
func nameOf(n ast.Node) string {
	if n == nil || n.GetToken() == nil {
		return ""
	}
	return n.GetToken().Value
}

// alias returns a copy of what an alias repeats, at the place of the alias.
func (b *builder) alias(n *ast.AliasNode, at *node) *node {
	meant := b.anchors[nameOf(n.Value)]
	if meant == nil {
		b.fault(n.GetToken(), "there is no anchor of this name before it; write &NAME before the "+
			"value that *NAME repeats")
		return at
	}
	b.values += meant.size()
	if b.values > maxValues {
		return b.abort(n.GetToken(), fmt.Sprintf("the file has more than %d values, or its aliases repeat more",
			maxValues))
	}
	copied := meant.copy()
	copied.line, copied.column = at.line, at.column
	return copied
}

// object adds the members of a mapping to built. Those that a merge key brings come last, and only if there is none of
// their name.
func (b *builder) object(built *node, pairs []*ast.MappingValueNode, depth int) {
	built.kind = objectKind
	first := map[string]int{} // lines by names
	var merged []*node
	for i, pair := range pairs {
		key := pair.Key
		at := key.GetToken()
		if i == 0 && at != nil && at.Position != nil {
			built.line, built.column = at.Position.Line, at.Position.Column
		}
		var name string
		switch key := key.(type) {
		case *ast.MergeKeyNode:
			merged = append(merged, b.build(pair.Value, depth+1))
			continue
		case *ast.StringNode:
			name = key.Value
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
			name = at.Value
		default:
			b.fault(at, "use a text as the name of a value")
			continue
		}
		value := b.build(pair.Value, depth+1)
		m := member{name: name, value: value}
		if at != nil && at.Position != nil {
			m.line, m.column = at.Position.Line, at.Position.Column
		}
		if value.line == 0 {
			value.line, value.column = m.line, m.column
		}
		if line, twice := first[name]; twice {
			b.fault(at, fmt.Sprintf("%s is here twice: it is on line %d too; remove one", shown(name), line))
			continue
		}
		first[name] = m.line
		built.members = append(built.members, m)
	}
	for _, from := range merged {
		b.merge(built, from, first)
	}
}

// merge adds the members of from, an object or a list of objects, that built does not have.
func (b *builder) merge(built, from *node, known map[string]int) {
	switch from.kind {
	case listKind:
		for _, item := range from.items {
			if item.kind == objectKind {
				b.merge(built, item, known)
			}
		}
	case objectKind:
		for _, m := range from.members {
			if _, ok := known[m.name]; !ok {
				known[m.name] = m.line
				built.members = append(built.members, m)
			}
		}
	default:
		if !b.stop {
			b.problems = append(b.problems, Problem{Line: max(1, from.line), Column: max(1, from.column),
				Message: "<< takes an alias of an object, such as <<: *defaults"})
		}
	}
}
