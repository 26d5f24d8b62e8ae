package bellhop

import (
	"fmt"
	"slices"
	"strings"
)

// A Match is the part of a destination that says which events it wants. All that is set must hold; the zero
// Match wants every event but the gateway's own (see [SourceSelf]).
type Match struct {
	Sources []string // names or ids; empty is any
	Types   []string // whole types, or a prefix and "*": "ams.*"; empty is any

	// Where is an expression over the event that must be true, in the language of github.com/expr-lang/expr:
	// data (the decoded JSON body, nil if it is not JSON), type, subject, source, headers (canonical name →
	// first value) and time. A Where that fails at run time, for want of a field say, does not match.
	Where string
}

// Bounds of a match.
const (
	MaxMatchEntries = 100
	MaxWhereLength  = 4096
)

// A Matcher is a compiled Match. It is safe for concurrent use.
type Matcher struct {
	sources  []string
	exact    []string
	prefixes []string // of types; the "*" is cut off
	where    *expression
	self     bool // the gateway's own events are meant as well
}

// Compile checks m and makes it ready for use. Its errors are [CodeInvalid] with paths within the match.
func (m Match) Compile() (*Matcher, error) {
	c := &Matcher{sources: slices.Clone(m.Sources), self: slices.Contains(m.Sources, SourceSelf) || slices.Contains(m.Sources, SourceSelfID)}
	var errs []error
	if len(m.Sources) > MaxMatchEntries {
		errs = append(errs, Invalid("sources", fmt.Sprintf("at most %d entries", MaxMatchEntries)))
	}
	if len(m.Types) > MaxMatchEntries {
		errs = append(errs, Invalid("types", fmt.Sprintf("at most %d entries", MaxMatchEntries)))
	}
	for i, s := range m.Sources {
		if s == "" {
			errs = append(errs, Invalid(fmt.Sprintf("sources[%d]", i), "must be the name or id of a source"))
		}
	}
	for i, t := range m.Types {
		c.self = c.self || strings.HasPrefix(t, TypeSelfPrefix)
		prefix, wild := strings.CutSuffix(t, "*")
		if t == "" || strings.Contains(prefix, "*") {
			errs = append(errs, Invalid(fmt.Sprintf("types[%d]", i), `must be an event type, which may end in "*": "ams.*"`))
		} else if wild {
			c.prefixes = append(c.prefixes, prefix)
		} else {
			c.exact = append(c.exact, t)
		}
	}
	switch {
	case len(m.Where) > MaxWhereLength:
		errs = append(errs, Invalid("where", fmt.Sprintf("at most %d bytes", MaxWhereLength)))
	case strings.TrimSpace(m.Where) != "":
		where, err := compileWhere(m.Where)
		c.where, errs = where, append(errs, err)
	}
	if err := Join("", errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// Wants reports whether ev matches. err says why a Where could not be evaluated; the event then does not match.
func (m *Matcher) Wants(ev *Event) (ok bool, err error) {
	if !m.wantsSource(ev) || !m.wantsType(ev.Type) {
		return false, nil
	}
	if m.where == nil {
		return true, nil
	}
	got, err := m.where.run(ev)
	if err != nil {
		return false, fmt.Errorf("where: %w", err)
	}
	ok, _ = got.(bool)
	return ok, nil
}

// Explain says which part of the match it is that does not want ev, in words; "" if ev matches. err is that of Wants.
func (m *Matcher) Explain(ev *Event) (why string, err error) {
	ok, err := m.Wants(ev)
	switch {
	case ok:
		return "", nil
	case !m.wantsSource(ev):
		return "match.sources does not name its source, " + quoteShort(ev.Source), nil
	case !m.wantsType(ev.Type):
		return "match.types does not name its type, " + quoteShort(ev.Type), nil
	case err != nil:
		return "match.where fails, and what fails does not match", err
	}
	return "match.where is false", nil
}

func (m *Matcher) wantsSource(ev *Event) bool {
	if !m.self && ev.SourceID == SourceSelfID {
		return false
	}
	return len(m.sources) == 0 || slices.Contains(m.sources, ev.Source) || slices.Contains(m.sources, ev.SourceID)
}

func (m *Matcher) wantsType(name string) bool {
	return len(m.exact) == 0 && len(m.prefixes) == 0 || slices.Contains(m.exact, name) ||
		slices.ContainsFunc(m.prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
