package bellhop

import (
	"fmt"
	"regexp"
	"regexp/syntax"
)

// matches is the operator of that name for a pattern that is only known now.
func (m *meter) matches(text, pattern any) (bool, error) {
	if text == nil || pattern == nil {
		return false, nil
	}
	in, ok1 := text.(string)
	by, ok2 := pattern.(string)
	if !ok1 || !ok2 {
		return false, fmt.Errorf("matches: needs two texts, not %s and %s", kindOf(text), kindOf(pattern))
	}
	m.scan(by, 16)
	times, err := patternWork(by)
	if err != nil {
		return false, err
	}
	m.scan(in, times)
	return regexp.MatchString(by, in)
}

// patternWork is how often a text is gone through, about, to see whether pattern matches it: a short pattern may stand
// for a long one.
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
