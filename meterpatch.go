package bellhop

import (
	"reflect"

	"github.com/expr-lang/expr/ast"
)

// What a patched expression calls. Nobody can write an identifier like these.
const (
	weighName   = "weigh()"
	fathomName  = "fathom()"
	scanName    = "scan()"
	addName     = "add()"
	matchesName = "matches()"
)

// deep are the builtins that look through lists of lists, or write them.
var deep = map[string]bool{"toJSON": true, "string": true, "flatten": true, "min": true, "max": true, "sum": true, "mean": true, "median": true}

// A meterPatch makes an expression count what it does: see [meter].
type meterPatch struct{}

// Visit implements ast.Visitor.
func (p meterPatch) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		n.Node = &ast.SequenceNode{Nodes: []ast.Node{call(weighName, &ast.NilNode{}), n.Node}}
	case *ast.BuiltinNode:
		p.builtin(node, n)
	case *ast.CallNode:
		if _, method := n.Callee.(*ast.MemberNode); method { // of a time: what it is given may be a long text
			for i := range n.Arguments {
				n.Arguments[i] = call(scanName, n.Arguments[i], &ast.IntegerNode{Value: 1})
			}
		}
	case *ast.BinaryNode:
		p.binary(node, n)
	}
}

func (meterPatch) builtin(node *ast.Node, n *ast.BuiltinNode) {
	if len(n.Arguments) == 1 || len(n.Arguments) > 1 && !isPredicate(n.Arguments[1]) { // a loop counts its rounds
		switch {
		case deep[n.Name]:
			for i := range n.Arguments {
				n.Arguments[i] = call(fathomName, n.Arguments[i])
			}
		case n.Name == "fromJSON":
			n.Arguments[0] = call(scanName, n.Arguments[0], &ast.IntegerNode{Value: 1})
		default:
			n.Arguments[0] = call(weighName, n.Arguments[0])
		}
	}
	if !isScalar(n.Type()) {
		ast.Patch(node, call(weighName, n))
	}
}

func (meterPatch) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "in":
		if isShallow(n.Left) {
			n.Right = call(weighName, n.Right)
		} else {
			n.Left, n.Right = call(fathomName, n.Left), call(fathomName, n.Right)
		}
	case "==", "!=":
		if !isShallow(n.Left) && !isShallow(n.Right) {
			n.Left, n.Right = call(fathomName, n.Left), call(fathomName, n.Right)
		}
	case "contains":
		n.Left = call(weighName, n.Left)
	case "matches":
		pattern, constant := n.Right.(*ast.StringNode)
		if !constant {
			ast.Patch(node, call(matchesName, n.Left, n.Right))
			return
		}
		times, _ := patternWork(pattern.Value) // its error is found when it is compiled
		n.Left = call(scanName, n.Left, &ast.IntegerNode{Value: times})
	case "+":
		if !isScalar(n.Type()) {
			ast.Patch(node, call(addName, n.Left, n.Right))
		}
	}
}

func call(name string, args ...ast.Node) ast.Node {
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: args}
}

func isPredicate(n ast.Node) bool {
	_, ok := n.(*ast.PredicateNode)
	return ok
}

// isScalar reports whether values of t have a size of their own.
func isScalar(t reflect.Type) bool {
	return t != nil && t.Kind() >= reflect.Bool && t.Kind() <= reflect.Float64
}

// isShallow reports whether n is nothing that others lie in, so that it is soon compared with anything.
func isShallow(n ast.Node) bool {
	if _, none := n.(*ast.NilNode); none {
		return true
	}
	t := n.Type()
	return isScalar(t) || t != nil && (t.Kind() == reflect.String || t.Kind() == reflect.Struct)
}
