package match

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/vm/runtime"
)

// A number is a JSON number that an int or float64 would write in another way: 18446744073709551616, 1.50, 1e400. It
// passes through an expression with its text.
//
// The operators of the language do not know the type. So an expression is compiled a second time once it meets such a
// number: [numberVisitor] hands the operands of operators and functions to the functions below. Positions that only
// pass a value on, such as an item of a list, stay as they are.
type number struct {
	text  string
	value float64 // the nearest float64, or an infinity
}

// String returns the text of n.
func (n number) String() string { return n.text }

// MarshalJSON returns the text of n.
func (n number) MarshalJSON() ([]byte, error) { return []byte(n.text), nil }

// parseNumber converts a JSON number: to int or float64 if that is written as text is, else to number.
func parseNumber(text string) any {
	if !strings.ContainsAny(text, ".eE") && text != "-0" {
		if i, err := strconv.ParseInt(text, 10, strconv.IntSize); err == nil {
			return int(i)
		}
	}
	f, _ := strconv.ParseFloat(text, 64)
	var b [32]byte
	if string(appendFloat(b[:0], f)) == text {
		return f
	}
	return number{text, f}
}

// appendFloat appends f as encoding/json writes it.
func appendFloat(b []byte, f float64) []byte {
	size := max(f, -f)
	if size == 0 || size >= 1e-6 && size < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); n >= 4 && string(b[n-4:n-1]) == "e-0" {
		b = append(b[:n-2], b[n-1])
	}
	return b
}

// decimal returns a text that is equal for equal numbers: 1.5e0, 1.50 and 15e-1 give "15e-1". Numbers with exponents
// beyond 32 bits are equal only if their texts are.
func decimal(text string) string {
	mantissa, exponent := text, "0"
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], text[i+1:]
	}
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0"
	}
	power, err := strconv.ParseInt(exponent, 10, 32)
	if err != nil {
		return text
	}
	short := strings.TrimRight(digits, "0")
	power += int64(len(digits) - len(short) - len(fraction))
	if negative {
		short = "-" + short
	}
	return short + "e" + strconv.FormatInt(power, 10)
}

// decimalOf is decimal for n. It takes steps for reading its text.
func (m *meter) decimalOf(n number) string {
	m.take(1 + len(n.text)/4)
	return decimal(n.text)
}

// beyond reports whether no int and no float64 has all digits of n.
func (m *meter) beyond(n number) bool {
	return m.decimalOf(n) != decimal(strconv.FormatFloat(n.value, 'e', -1, 64))
}

// plain returns the float64 of a number, and any other value as it is.
func plain(v any) any {
	if n, ok := v.(number); ok {
		return n.value
	}
	return v
}

// plainDeep returns v with each number within its lists as float64. It copies the lists that hold one.
func plainDeep(v any) any {
	list, ok := v.([]any)
	if !ok {
		return plain(v)
	}
	var copied []any
	for i, item := range list {
		switch item.(type) {
		case number, []any:
			if copied == nil {
				copied = append([]any{}, list...)
			}
			copied[i] = plainDeep(item)
		}
	}
	if copied == nil {
		return v
	}
	return copied
}

// key returns v as a key of an object or group, or an index of a list. A number beyond float64 stays itself, so that
// grouping by it keeps its digits.
func (m *meter) key(v any) any {
	if n, ok := v.(number); ok && !m.beyond(n) {
		return n.value
	}
	return v
}

// equal is the operator ==. Two numbers are equal if all their digits are, however they are written; a number equals a
// float64 as far as float64 tells. A number that neither int nor float64 holds equals the text of its digits, too,
// because the language has no way to write it.
func (m *meter) equal(a, b any) bool {
	if _, ok := a.(number); !ok {
		a, b = b, a
	}
	switch x := a.(type) {
	case number:
		switch y := b.(type) {
		case number:
			return x.text == y.text || m.decimalOf(x) == m.decimalOf(y)
		case int:
			return m.decimalOf(x) == decimal(strconv.Itoa(y))
		case string:
			return x.text == y && m.beyond(x)
		}
		return runtime.Equal(x.value, b)
	case []any:
		if y, ok := b.([]any); ok {
			if len(x) != len(y) {
				return false
			}
			for i := range x {
				if !m.equal(x[i], y[i]) {
					return false
				}
			}
			return true
		}
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			return maps.EqualFunc(x, y, m.same)
		}
	}
	return runtime.Equal(a, b)
}

// same compares members of objects as the language does: there, 1 and 1.0 of an expression differ.
func (m *meter) same(a, b any) bool {
	_, isNumber := a.(number)
	if _, ok := b.(number); ok || isNumber {
		return m.equal(a, b)
	}
	switch x := a.(type) {
	case []any:
		if y, ok := b.([]any); ok && len(x) == len(y) {
			for i := range x {
				if !m.same(x[i], y[i]) {
					return false
				}
			}
			return true
		}
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			return maps.EqualFunc(x, y, m.same)
		}
	}
	return reflect.DeepEqual(a, b)
}

func (m *meter) unequal(a, b any) bool { return !m.equal(a, b) }

// in is the operator in.
func (m *meter) in(v, within any) bool {
	list, ok := within.([]any)
	if !ok {
		return runtime.In(m.key(v), within)
	}
	for _, item := range list {
		if m.equal(item, v) {
			return true
		}
	}
	return false
}

// extreme is the functions max and min. Its result keeps its digits.
func (m *meter) extreme(name string, args ...any) (any, error) {
	converted := make([]any, len(args))
	for i, arg := range args {
		converted[i] = plainDeep(arg)
	}
	found, err := builtin.Builtins[builtin.Index[name]].Func(converted...)
	walk(args, 1, func(v any, _ int) {
		if n, ok := v.(number); ok && found == n.value {
			found = n
		}
	})
	return found, err
}

// sort is the function sort. It compares numbers as far as float64 tells.
func (m *meter) sort(list any, order ...any) (any, error) {
	items, ok := list.([]any)
	desc := len(order) == 1 && order[0] == "desc"
	if !ok || len(order) > 1 || len(order) == 1 && order[0] != "asc" && !desc {
		sorted, _, err := builtin.Builtins[builtin.Index["sort"]].Safe(append([]any{list}, order...)...)
		return sorted, err
	}
	by := &runtime.SortBy{Desc: desc, Array: append([]any{}, items...), Values: make([]any, len(items))}
	for i, item := range items {
		by.Values[i] = plain(item)
	}
	sort.Sort(by)
	return by.Array, nil
}

// fromJSON is the function fromJSON. It decodes as a body is decoded.
func (m *meter) fromJSON(text any) (any, error) {
	in, ok := text.(string)
	if !ok {
		return nil, fmt.Errorf("fromJSON: needs a text, not %s", kindOf(text))
	}
	v, _, err := decode([]byte(in), nil)
	if v == nil && err == nil && strings.Trim(strings.TrimPrefix(in, "\ufeff"), " \t\r\n") != "null" {
		return nil, errors.New("fromJSON: the text is not JSON")
	}
	return v, err
}

// A numberVisitor rewrites an expression so that it works with values of type [number]. It comes after [meterVisitor].
type numberVisitor struct{}

// Visit implements ast.Visitor.
func (v numberVisitor) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.UnaryNode:
		n.Node = convert(plainName, n.Node)
	case *ast.BinaryNode:
		v.binary(node, n)
	case *ast.MemberNode:
		v.member(n)
	case *ast.SliceNode:
		n.From, n.To = convert(plainName, n.From), convert(plainName, n.To)
	case *ast.BuiltinNode:
		v.builtin(node, n)
	}
}

func (numberVisitor) binary(node *ast.Node, n *ast.BinaryNode) {
	either := mayBeNumber(n.Left) || mayBeNumber(n.Right)
	switch n.Operator {
	case "??":
	case "==", "!=", "in":
		if either {
			name := map[string]string{"==": equalName, "!=": unequalName, "in": inName}[n.Operator]
			ast.Patch(node, call(name, n.Left, n.Right))
		}
	default:
		n.Left, n.Right = convert(plainName, n.Left), convert(plainName, n.Right)
	}
}

// member converts the property, which may be an index. It also keeps the methods of the type number out of reach.
func (numberVisitor) member(n *ast.MemberNode) {
	name, constant := n.Property.(*ast.StringNode)
	if _, isInteger := n.Property.(*ast.IntegerNode); isInteger {
		return
	}
	if !constant {
		n.Property = convert(keyName, n.Property)
	} else if _, isMethod := reflect.TypeFor[number]().MethodByName(name.Value); !isMethod {
		return
	}
	n.Node = convert(plainName, n.Node)
}

func (numberVisitor) builtin(node *ast.Node, n *ast.BuiltinNode) {
	switch n.Name {
	case "fromJSON":
		ast.Patch(node, call(fromJSONName, n.Arguments...))
	case "max", "min":
		ast.Patch(node, call(extremeName, append([]ast.Node{&ast.StringNode{Value: n.Name}}, n.Arguments...)...))
	case "sort":
		ast.Patch(node, call(sortName, n.Arguments...))
	case "toJSON", "reduce": // its arguments pass through
	default:
		for i, argument := range n.Arguments {
			predicate, ok := argument.(*ast.PredicateNode)
			switch {
			case !ok:
				n.Arguments[i] = convert(conversionOf(n.Name, i), argument)
			case n.Name == "sum" || n.Name == "sortBy":
				predicate.Node = convert(plainName, predicate.Node)
			case n.Name == "groupBy":
				predicate.Node = convert(keyName, predicate.Node)
			}
		}
	}
}

// conversionOf returns which function converts argument i of the builtin function called name.
func conversionOf(name string, i int) string {
	switch {
	case name == "sum" || name == "mean" || name == "median":
		return plainDeepName
	case name == "get" && i == 1:
		return keyName
	}
	return plainName
}

// convert returns a call of the function called name with n, or n if that can hold no number.
func convert(name string, n ast.Node) ast.Node {
	if !mayBeNumber(n) {
		return n
	}
	return call(name, n)
}

// mayBeNumber reports whether the value of n may be a number, or hold one.
func mayBeNumber(n ast.Node) bool {
	if n == nil {
		return false
	}
	if _, none := n.(*ast.NilNode); none {
		return false
	}
	t := n.Type()
	return t == nil || !isScalar(t) && t.Kind() != reflect.String && t.Kind() != reflect.Struct &&
		t.Kind() != reflect.Func
}
