// Package match decides which events a destination wants, and makes new documents of events: the expressions `where`
// and `template`, compiled and bounded.
//
// An expression is a text in the language of github.com/expr-lang/expr. People who may configure a destination write
// it, and bodies that strangers send are its input. So each evaluation has a budget of steps ([MaxWhereSteps],
// [MaxTemplateSteps]) and ends with an error once it has used them up: see meter.go. A body is decoded only as far
// as the expression reads it: see analyze.go and decode.go.
//
// All functions are pure; the compiled types are safe for concurrent use.
package match

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// A Matcher is a compiled [bellhop.Match]. It is safe for concurrent use.
type Matcher struct {
	sources  []string
	exact    []string
	prefixes []string // of types, without the "*"
	where    *expression
	self     bool // whether the gateway's own events match too
}

// Compile checks m and compiles it. Its errors are [bellhop.CodeInvalid] with paths within the match: "types[0]".
func Compile(m bellhop.Match) (*Matcher, error) {
	c := &Matcher{sources: slices.Clone(m.Sources), self: slices.Contains(m.Sources, bellhop.SourceSelf) ||
		slices.Contains(m.Sources, bellhop.SourceSelfID)}
	var errs []error
	if len(m.Sources) > bellhop.MaxMatchEntries {
		errs = append(errs, bellhop.Invalid("sources", fmt.Sprintf("at most %d entries", bellhop.MaxMatchEntries)))
	}
	if len(m.Types) > bellhop.MaxMatchEntries {
		errs = append(errs, bellhop.Invalid("types", fmt.Sprintf("at most %d entries", bellhop.MaxMatchEntries)))
	}
	for i, s := range m.Sources {
		if s == "" {
			errs = append(errs, bellhop.Invalid(fmt.Sprintf("sources[%d]", i), "must be the name or id of a source"))
		}
	}
	for i, t := range m.Types {
		c.self = c.self || strings.HasPrefix(t, bellhop.TypeSelfPrefix)
		prefix, wild := strings.CutSuffix(t, "*")
		if t == "" || strings.Contains(prefix, "*") {
			errs = append(errs,
				bellhop.Invalid(fmt.Sprintf("types[%d]", i),
					`use an event type; a * may stand only at the end, as in "ams.*"`))
		} else if wild {
			c.prefixes = append(c.prefixes, prefix)
		} else {
			c.exact = append(c.exact, t)
		}
	}
	switch {
	case len(m.Where) > bellhop.MaxWhereLength:
		errs = append(errs, bellhop.Invalid("where", fmt.Sprintf("at most %d bytes", bellhop.MaxWhereLength)))
	case strings.TrimSpace(m.Where) != "":
		where, err := compileWhere(m.Where)
		c.where, errs = where, append(errs, err)
	}
	if err := bellhop.Join("", errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// Wants reports whether ev matches. err says why Where could not be evaluated; then the event does not match.
func (m *Matcher) Wants(ev *bellhop.Event) (ok bool, err error) {
	v := Open(ev, m.Needs(), Budget{}, nil)
	defer v.Close()
	return m.WantsView(v)
}

// WantsView is Wants for an event that several matchers look at.
func (m *Matcher) WantsView(v *View) (ok bool, err error) {
	switch {
	case !m.wantsSource(v.event) || !m.wantsType(v.event):
		return false, nil
	case m.where == nil:
		return true, nil
	}
	if ok, err = v.wants(m.where); err != nil {
		return false, fmt.Errorf("where: %w", err)
	}
	return ok, nil
}

// Needs returns what m reads of an event.
func (m *Matcher) Needs() (n Needs) {
	n.Add(m)
	return n
}

// An Excluded names the part of a match that excludes an event; "" is none.
type Excluded string

// The parts of a match that exclude events.
const (
	ExcludedSource Excluded = "source"
	ExcludedType   Excluded = "type"
	ExcludedWhere  Excluded = "where"       // it is false
	ExcludedFault  Excluded = "where_fails" // it cannot be evaluated
)

// ExcludesLabel is Excludes by what a listed event has: neither header nor body. open says that it matches so far, and
// that the where decides.
func (m *Matcher) ExcludesLabel(ev *bellhop.Event) (part Excluded, open bool) {
	switch {
	case !m.wantsSource(ev):
		return ExcludedSource, false
	case !m.wantsType(ev):
		return ExcludedType, false
	}
	return "", m.where != nil
}

// Excludes returns the part of the match that excludes ev, or "" if ev matches. err is the error of [Matcher.Wants].
func (m *Matcher) Excludes(ev *bellhop.Event) (part Excluded, err error) {
	part, open := m.ExcludesLabel(ev)
	if !open {
		return part, nil
	}
	ok, err := m.Wants(ev)
	switch {
	case ok:
		return "", nil
	case err != nil:
		return ExcludedFault, err
	}
	return ExcludedWhere, nil
}

// Explain is Excludes in words.
func (m *Matcher) Explain(ev *bellhop.Event) (why string, err error) {
	part, err := m.Excludes(ev)
	switch part {
	case "":
		return "", nil
	case ExcludedSource:
		return "match.sources does not name its source, " + quoteShort(ev.Source), nil
	case ExcludedType:
		return "match.types does not name its type, " + quoteShort(ev.Type), nil
	case ExcludedFault:
		return "match.where fails, so the event does not match", err
	}
	return "match.where is false", nil
}

func (m *Matcher) wantsSource(ev *bellhop.Event) bool {
	if !m.self && ev.SourceID == bellhop.SourceSelfID {
		return false
	}
	return len(m.sources) == 0 || slices.Contains(m.sources, ev.Source) || slices.Contains(m.sources, ev.SourceID)
}

// wantsType reports whether the types include that of ev. Senders choose the types of their events, so a type that
// begins with [bellhop.TypeSelfPrefix] selects only events of the gateway itself.
func (m *Matcher) wantsType(ev *bellhop.Event) bool {
	counts := func(t string) bool {
		return ev.SourceID == bellhop.SourceSelfID || !strings.HasPrefix(t, bellhop.TypeSelfPrefix)
	}
	return len(m.exact) == 0 && len(m.prefixes) == 0 ||
		slices.ContainsFunc(m.exact, func(t string) bool { return t == ev.Type && counts(t) }) ||
		slices.ContainsFunc(m.prefixes, func(p string) bool { return strings.HasPrefix(ev.Type, p) && counts(p) })
}

// quoteShort quotes s for a message: at most 64 bytes of it, with "?" in place of control characters and quotes.
func quoteShort(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	clean := strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == '"' || (r >= 0x80 && r < 0xa0) || r == 0x2028 || r == 0x2029 {
			return '?'
		}
		return r
	}, s)
	return `"` + clean + `"`
}
