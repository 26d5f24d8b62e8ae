package match

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// ComparesSource reports whether an expression reads the name of an event's source and may compare it with name. That
// is so if one of its texts is name, in upper or lower case, or if it looks for a text in the name of the source, as
// in `source startsWith "shop-"`. An expression that cannot be parsed compares nothing.
//
// A name can also be made of parts, or come from the event, so false is no proof. See docs/DELIVERY.md.
func ComparesSource(expression, name string) bool {
	tree, err := parser.Parse(expression)
	if err != nil {
		return false
	}
	v := &sourceVisitor{name: name}
	ast.Walk(&tree.Node, v)
	return v.reads && (v.names || v.searches)
}

// searchOperators are the operators that look for a text, or a pattern, in the text on their left.
var searchOperators = []string{"startsWith", "endsWith", "contains", "matches"}

// A sourceVisitor notes what an expression does with the name of an event's source.
type sourceVisitor struct {
	name     string
	reads    bool // it reads the name of the source
	names    bool // one of its texts is name
	searches bool // it looks for a text in the name of the source
}

// Visit is called for the parts of a node before the node itself.
func (v *sourceVisitor) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		v.reads = v.reads || n.Value == "source" || n.Value == "$env"
	case *ast.StringNode:
		v.names = v.names || strings.EqualFold(n.Value, v.name)
	case *ast.BinaryNode:
		if slices.Contains(searchOperators, n.Operator) {
			left := &sourceVisitor{}
			ast.Walk(&n.Left, left)
			v.searches = v.searches || left.reads
		}
	}
}
