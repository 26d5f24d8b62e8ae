package bellhop

import (
	"errors"
	"reflect"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
	"github.com/expr-lang/expr/vm/runtime"
)

// MaxWhereSteps bounds the work of one evaluation of a Where: rounds of its loops, elements it looks through, and
// sixteens of bytes of the texts it reads or makes. Beyond it the Where fails, and does not match.
const MaxWhereSteps = 1_000_000

// unbounded are the builtins that can make much of little in a single step. A Where has no use for them.
var unbounded = []string{"repeat", "replace", "join", "uniq"}

// compileWhere compiles a Where so that it ends soon whatever it says and whatever the event: the language ends
// loops by itself, but not nested ones in a reasonable time, and a few dozen additions can double a text until
// memory is full.
func compileWhere(text string) (program *vm.Program, metered bool, err error) {
	opts := []expr.Option{expr.Env(facts{}), expr.AsBool(), expr.MaxNodes(1000)}
	for _, name := range unbounded {
		opts = append(opts, expr.DisableBuiltin(name))
	}
	if _, err := expr.Compile(text, opts...); err != nil {
		return nil, false, err // before what follows blurs the types
	}
	p := &meterPatch{}
	program, err = expr.Compile(text, append(opts, expr.Patch(p))...)
	return program, p.applied, err
}

// What the patched expression calls. Nobody can write an identifier like these.
const (
	weighName = "weigh()"
	scanName  = "scan()"
	addName   = "add()"
)

// A meterPatch makes an expression count what it does: see [meter].
type meterPatch struct{ applied bool }

// Visit implements ast.Visitor.
func (p *meterPatch) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		n.Node = &ast.SequenceNode{Nodes: []ast.Node{p.call(weighName, &ast.NilNode{}), n.Node}}
	case *ast.BuiltinNode:
		if len(n.Arguments) == 1 || len(n.Arguments) > 1 && !isPredicate(n.Arguments[1]) { // a loop counts its rounds
			n.Arguments[0] = p.call(weighName, n.Arguments[0])
		}
		if !isScalar(n.Type()) {
			ast.Patch(node, p.call(weighName, n))
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "in":
			n.Right = p.call(weighName, n.Right)
		case "contains":
			n.Left = p.call(weighName, n.Left)
		case "matches":
			n.Left = p.call(scanName, n.Left)
		case "+":
			if !isScalar(n.Type()) {
				ast.Patch(node, p.call(addName, n.Left, n.Right))
			}
		}
	}
}

func (p *meterPatch) call(name string, args ...ast.Node) ast.Node {
	p.applied = true
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

// A meter counts the steps of one evaluation.
type meter struct{ left int }

var errTooMuch = errors.New("too much work for one event: loops within loops, or long texts")

// weigh takes from what is left as much as v is long, and returns v.
func (m *meter) weigh(v any) any {
	m.take(1 + weight(v))
	return v
}

// scan is weigh for what a pattern looks through, which takes longer.
func (m *meter) scan(v any) any {
	m.take(1 + 16*weight(v))
	return v
}

// add is the operator +, which makes a new text of two.
func (m *meter) add(a, b any) any {
	m.take(1 + weight(a) + weight(b))
	return runtime.Add(a, b)
}

func (m *meter) take(n int) {
	if m.left -= n; m.left < 0 {
		panic(errTooMuch) // which the evaluation turns into its error
	}
}

func weight(v any) int {
	switch v := v.(type) {
	case nil, bool, int, float64:
		return 0
	case string:
		return len(v) / 16
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.String:
		return r.Len() / 16
	case reflect.Slice, reflect.Map, reflect.Array:
		return r.Len()
	}
	return 0
}
