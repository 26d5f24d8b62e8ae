package bellhop

import (
	"errors"
	"reflect"

	"github.com/expr-lang/expr/vm/runtime"
)

// A meter counts the steps of one evaluation.
type meter struct{ left int }

var errTooMuch = errors.New("too much work for one event: loops within loops, or long texts")

func (m *meter) metering() metering { return metering{m.weigh, m.fathom, m.scan, m.add, m.matches} }

// weigh takes from what is left as much as v is long, and returns v.
func (m *meter) weigh(v any) any {
	m.take(1 + weight(v))
	return v
}

// fathom is weigh for what is looked through to its depth, or written so: lists of lists may be the same ones over and
// over, and much larger than what they were made of.
func (m *meter) fathom(v any) any {
	plumb(v, 1, func(v any, depth int) { m.take(1 + depth/8 + weight(v)) })
	return v
}

// plumb hands v to visit, and all that lies in it.
func plumb(v any, depth int, visit func(v any, depth int)) {
	visit(v, depth)
	switch v := v.(type) {
	case nil, bool, int, float64, string:
	case []any:
		for _, item := range v {
			plumb(item, depth+1, visit)
		}
	case map[string]any:
		for name, item := range v {
			visit(name, depth+1)
			plumb(item, depth+1, visit)
		}
	default:
		plumbOther(reflect.ValueOf(v), depth, visit)
	}
}

// plumbOther is plumb for lists and objects of other kinds, which an expression can make.
func plumbOther(v reflect.Value, depth int, visit func(v any, depth int)) {
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			plumb(v.Index(i).Interface(), depth+1, visit)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			plumb(v.MapIndex(key).Interface(), depth+1, visit)
		}
	}
}

// scan is weigh for what is gone through byte by byte, so many times over.
func (m *meter) scan(v any, times int) any {
	m.take(1 + 16*times*weight(v))
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
