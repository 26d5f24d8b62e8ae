package match

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"regexp/syntax"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm/runtime"
)

// A meter counts the steps that one evaluation has left.
//
// The language has no counter of its own. So [meterVisitor] rewrites each compiled expression: it wraps the operands
// of costly operators and builtin functions, and the body of each loop, in calls of the functions below. Those take
// steps from the meter and return their argument unchanged. TestBuiltins fails when a new version of the language
// brings a builtin function that nobody has looked at.
type meter struct {
	left      int
	exhausted error // the reason when no step is left
}

var (
	errTooMuch       = errors.New("too much work for one event: loops within loops, or long texts")
	errSharedTooMuch = errors.New("too much work for one request: the expressions of all destinations together have " +
		"used up its steps; see Expressions in DELIVERY.md")
)

// metering holds the functions that a metered expression calls. No author can write names like these: an identifier
// has no parentheses.
type metering struct {
	Charge     func(v any) any                       `expr:"charge()"`
	ChargeDeep func(v any) any                       `expr:"chargeDeep()"`
	ChargeScan func(v any, times int) any            `expr:"chargeScan()"`
	Add        func(a, b any) any                    `expr:"add()"`
	Matches    func(text, pattern any) (bool, error) `expr:"matches()"`
	Text       func(v any) string                    `expr:"string()"`

	numbering
}

// numbering holds the functions that an expression over a [number] calls.
type numbering struct {
	Plain     func(v any) any                             `expr:"plain()"`
	PlainDeep func(v any) any                             `expr:"plainDeep()"`
	Key       func(v any) any                             `expr:"key()"`
	Equal     func(a, b any) bool                         `expr:"equal()"`
	Unequal   func(a, b any) bool                         `expr:"unequal()"`
	In        func(v, within any) bool                    `expr:"in()"`
	Extreme   func(name string, args ...any) (any, error) `expr:"extreme()"`
	Sort      func(list any, order ...any) (any, error)   `expr:"sort()"`
	FromJSON  func(text any) (any, error)                 `expr:"fromJSON()"`
}

// The names of the fields of metering and numbering.
const (
	chargeName     = "charge()"
	chargeDeepName = "chargeDeep()"
	chargeScanName = "chargeScan()"
	addName        = "add()"
	matchesName    = "matches()"
	stringName     = "string()"

	plainName     = "plain()"
	plainDeepName = "plainDeep()"
	keyName       = "key()"
	equalName     = "equal()"
	unequalName   = "unequal()"
	inName        = "in()"
	extremeName   = "extreme()"
	sortName      = "sort()"
	fromJSONName  = "fromJSON()"
)

func (m *meter) metering() metering {
	return metering{m.charge, m.chargeDeep, m.chargeScan, m.add, m.matches, text,
		numbering{plain, plainDeep, m.key, m.equal, m.unequal, m.in, m.extreme, m.sort, m.fromJSON}}
}

// take uses up n steps. It panics when none is left; the evaluation turns the panic into its error.
func (m *meter) take(n int) {
	m.left -= n
	if m.left < 0 {
		panic(m.exhausted)
	}
}

// charge takes steps for the length of v and returns v.
func (m *meter) charge(v any) any {
	m.take(1 + size(v))
	return v
}

// chargeDeep takes steps for v and all values within it, and returns v. It is for functions that visit or write nested
// values: a list may hold the same list many times over, and so be far larger than the values it was made of.
func (m *meter) chargeDeep(v any) any {
	walk(v, 1, func(v any, depth int) { m.take(1 + depth/8 + size(v)) })
	return v
}

// chargeScan takes steps for reading each byte of v that many times over, and returns v.
func (m *meter) chargeScan(v any, times int) any {
	m.take(1 + 16*times*size(v))
	return v
}

// add is the operator +, which may make a new text of two.
func (m *meter) add(a, b any) any {
	m.take(1 + size(a) + size(b))
	return runtime.Add(plain(a), plain(b))
}

// matches is the operator `matches` for a pattern that is computed by the expression.
func (m *meter) matches(text, pattern any) (bool, error) {
	if text == nil || pattern == nil {
		return false, nil
	}
	in, ok1 := text.(string)
	by, ok2 := pattern.(string)
	if !ok1 || !ok2 {
		return false, fmt.Errorf("matches: needs two texts, not %s and %s", kindOf(text), kindOf(pattern))
	}
	m.chargeScan(by, 16)
	times, err := patternWork(by)
	if err != nil {
		return false, err
	}
	m.chargeScan(in, times)
	return regexp.MatchString(by, in)
}

// patternWork estimates how many times a text is read to match pattern. A short pattern such as "(a{100}){100}" can
// compile to a long program.
func patternWork(pattern string) (times int, err error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 1, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 1, err
	}
	return 1 + len(program.Inst)/64, nil
}

// size is the length of v: elements of a list, members of an object, or 16 bytes of a text; 0 for anything else.
func size(v any) int {
	switch v := v.(type) {
	case nil, bool, int, float64:
		return 0
	case string:
		return len(v) / 16
	case number:
		return len(v.text) / 16
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

// walk calls visit for v and for each value within it, names of members included. depth counts from 1 at v.
func walk(v any, depth int, visit func(v any, depth int)) {
	visit(v, depth)
	switch v := v.(type) {
	case nil, bool, int, float64, string, number:
	case []any:
		for _, item := range v {
			walk(item, depth+1, visit)
		}
	case map[string]any:
		for name, item := range v {
			visit(name, depth+1)
			walk(item, depth+1, visit)
		}
	default:
		walkOther(reflect.ValueOf(v), depth, visit)
	}
}

// walkOther is walk for the other kinds of lists and objects that an expression can make.
func walkOther(v reflect.Value, depth int, visit func(v any, depth int)) {
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			walk(v.Index(i).Interface(), depth+1, visit)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			walk(v.MapIndex(key).Interface(), depth+1, visit)
		}
	}
}

// deep lists the builtin functions that visit nested values or write them.
var deep = map[string]bool{
	"toJSON": true, "string": true, "flatten": true, "min": true, "max": true, "sum": true, "mean": true,
	"median": true,
}

// A meterVisitor rewrites an expression so that it counts its steps: see [meter].
type meterVisitor struct{}

// Visit implements ast.Visitor.
func (v meterVisitor) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode: // the body of a loop
		n.Node = &ast.SequenceNode{Nodes: []ast.Node{call(chargeName, &ast.NilNode{}), n.Node}}
	case *ast.BuiltinNode:
		v.builtin(node, n)
	case *ast.CallNode:
		if _, method := n.Callee.(*ast.MemberNode); method { // a method of a time, whose argument may be a long text
			for i := range n.Arguments {
				n.Arguments[i] = call(chargeScanName, n.Arguments[i], &ast.IntegerNode{Value: 1})
			}
		}
	case *ast.BinaryNode:
		v.binary(node, n)
	}
}

func (meterVisitor) builtin(node *ast.Node, n *ast.BuiltinNode) {
	// A function with a predicate is a loop, and its body counts the rounds.
	if len(n.Arguments) == 1 || len(n.Arguments) > 1 && !isPredicate(n.Arguments[1]) {
		switch {
		case deep[n.Name]:
			for i := range n.Arguments {
				n.Arguments[i] = call(chargeDeepName, n.Arguments[i])
			}
		case n.Name == "fromJSON":
			n.Arguments[0] = call(chargeScanName, n.Arguments[0], &ast.IntegerNode{Value: 1})
		default:
			n.Arguments[0] = call(chargeName, n.Arguments[0])
		}
	}
	switch {
	case n.Name == "string":
		ast.Patch(node, call(chargeName, call(stringName, n.Arguments...)))
	case !isScalar(n.Type()):
		ast.Patch(node, call(chargeName, n))
	}
}

func (meterVisitor) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "in":
		if isShallow(n.Left) {
			n.Right = call(chargeName, n.Right)
		} else {
			n.Left, n.Right = call(chargeDeepName, n.Left), call(chargeDeepName, n.Right)
		}
	case "==", "!=":
		if !isShallow(n.Left) && !isShallow(n.Right) {
			n.Left, n.Right = call(chargeDeepName, n.Left), call(chargeDeepName, n.Right)
		}
	case "contains":
		n.Left = call(chargeName, n.Left)
	case "matches":
		pattern, constant := n.Right.(*ast.StringNode)
		if !constant {
			ast.Patch(node, call(matchesName, n.Left, n.Right))
			return
		}
		times, _ := patternWork(pattern.Value) // the compiler reports a pattern that cannot be read
		n.Left = call(chargeScanName, n.Left, &ast.IntegerNode{Value: times})
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

// isScalar reports whether all values of type t have the same size.
func isScalar(t reflect.Type) bool {
	return t != nil && t.Kind() >= reflect.Bool && t.Kind() <= reflect.Float64
}

// isShallow reports whether the value of n holds no other values, so that comparing it with any other value is cheap.
func isShallow(n ast.Node) bool {
	if _, none := n.(*ast.NilNode); none {
		return true
	}
	t := n.Type()
	return isScalar(t) || t != nil && (t.Kind() == reflect.String || t.Kind() == reflect.Struct)
}
