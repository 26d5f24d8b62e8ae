package eventgrid

import (
	"errors"
	"fmt"
	"strings"
)

// A nameFilter reports whether a list has an entry of that name.
type nameFilter func(name string) bool

// Bounds of the text of a nameFilter.
const (
	maxNameFilter = 1024
	maxNesting    = 16
)

// parseNameFilter reads the parameter $filter of a list, which compares names without regard to case by "contains",
// "eq" and "ne", joined by "and", "or", "not" and parentheses:
//
//	contains(name, 'PATTERN') and not (name eq 'PATTERN-1')
//
// An empty text is a filter that every name passes.
func parseNameFilter(text string) (nameFilter, error) {
	if strings.TrimSpace(text) == "" {
		return func(string) bool { return true }, nil
	}
	if len(text) > maxNameFilter {
		return nil, errors.New("it is too long")
	}
	p := &nameParser{rest: text}
	f, err := p.either()
	if err == nil && p.skip() != "" {
		err = fmt.Errorf("unexpected %q", p.rest)
	}
	return f, err
}

// A nameParser reads a text from its beginning on.
type nameParser struct {
	rest  string
	depth int
}

// skip leaves out blanks, and returns the rest.
func (p *nameParser) skip() string {
	p.rest = strings.TrimLeft(p.rest, " \t")
	return p.rest
}

// take reads a mark or a word, without regard to case, if it is next.
func (p *nameParser) take(token string) bool {
	rest := p.skip()
	if len(rest) < len(token) || !equalFold(rest[:len(token)], token) {
		return false
	}
	after := rest[len(token):]
	if isWord := token[0] >= 'a'; isWord && after != "" && strings.Trim(after[:1], nameLetters) == "" {
		return false // a longer word
	}
	p.rest = after
	return true
}

// either reads terms joined by "or".
func (p *nameParser) either() (nameFilter, error) {
	f, err := p.both()
	for err == nil && p.take("or") {
		var g nameFilter
		if g, err = p.both(); err == nil {
			left := f
			f = func(name string) bool { return left(name) || g(name) }
		}
	}
	return f, err
}

// both reads factors joined by "and".
func (p *nameParser) both() (nameFilter, error) {
	f, err := p.factor()
	for err == nil && p.take("and") {
		var g nameFilter
		if g, err = p.factor(); err == nil {
			left := f
			f = func(name string) bool { return left(name) && g(name) }
		}
	}
	return f, err
}

// factor reads one comparison, one that is negated, or one in parentheses.
func (p *nameParser) factor() (nameFilter, error) {
	p.depth++
	defer func() { p.depth-- }()
	switch {
	case p.depth > maxNesting:
		return nil, errors.New("it is nested too deeply")
	case p.take("not"):
		f, err := p.factor()
		return func(name string) bool { return !f(name) }, err
	case p.take("("):
		f, err := p.either()
		if err == nil && !p.take(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return f, err
	case p.take("contains"):
		if !p.take("(") || !p.take("name") || !p.take(",") {
			return nil, errors.New("write contains(name, 'TEXT')")
		}
		text, err := p.quoted()
		if err == nil && !p.take(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return func(name string) bool { return strings.Contains(strings.ToLower(name), text) }, err
	case !p.take("name"):
		return nil, errors.New("only name can be compared")
	}
	equal := p.take("eq")
	if !equal && !p.take("ne") {
		return nil, errors.New("the operators are eq and ne")
	}
	text, err := p.quoted()
	return func(name string) bool { return (strings.ToLower(name) == text) == equal }, err
}

// quoted reads a text in quotes, in which a quote is doubled, and returns it in lower case.
func (p *nameParser) quoted() (string, error) {
	if !p.take("'") {
		return "", errors.New("a text in quotes is missing")
	}
	var text strings.Builder
	for {
		part, rest, closed := strings.Cut(p.rest, "'")
		if !closed {
			return "", errors.New("a quote is not closed")
		}
		text.WriteString(part)
		p.rest = rest
		if !strings.HasPrefix(rest, "'") {
			return strings.ToLower(text.String()), nil
		}
		text.WriteByte('\'')
		p.rest = rest[1:]
	}
}
