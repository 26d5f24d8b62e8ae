package match

import (
	"slices"
	"testing"

	"github.com/expr-lang/expr/builtin"
)

// known lists the builtin functions of the language that the meter was written for.
var known = []string{
	"bitand", "bitor", "bitxor", "bitnand", "bitshl", "bitshr", "bitushr",
	"all", "none", "any", "one", "filter", "map", "find", "findIndex", "findLast", "findLastIndex",
	"count", "sum", "groupBy", "sortBy", "reduce", "len", "type", "abs", "ceil", "floor", "round",
	"int", "float", "string", "trim", "trimPrefix", "trimSuffix", "upper", "lower", "split",
	"splitAfter", "replace", "repeat", "join", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix",
	"max", "min", "mean", "median", "toJSON", "fromJSON", "toBase64", "fromBase64", "now", "duration",
	"date", "timezone", "first", "last", "get", "take", "keys", "values", "toPairs", "fromPairs",
	"reverse", "uniq", "concat", "flatten", "sort", "bitnot",
}

// TestBuiltins fails when a new version of the language brings a builtin function. Look at what the function does:
// if it is a loop, visits nested values or makes long texts of short ones, then [meterVisitor] has to charge for it
// or the dialects have to leave it out. Then add its name to known.
func TestBuiltins(t *testing.T) {
	for _, name := range builtin.Names {
		if !slices.Contains(known, name) {
			t.Errorf("%s is a new builtin function; see the comment of this test", name)
		}
	}
	for _, name := range known {
		if !slices.Contains(builtin.Names, name) {
			t.Errorf("%s is no longer a builtin function of the language", name)
		}
	}
}
