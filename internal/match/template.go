package match

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/expr-lang/expr"
)

// MaxTemplateLength bounds the text of a [Template], in bytes.
const MaxTemplateLength = 16 << 10

// A Template is a compiled expression that makes a JSON document of an event. It may use every name that the Where
// of a [bellhop.Match] may use, and also id, tenant, received_at and body (the body as text). The functions
// join(list, glue), replace(text, old, new) and xml(text) make texts; form(text) reads the fields of a form. It is
// safe for concurrent use.
type Template struct{ expression *expression }

// template is the dialect of a Template. It has no now(), so that a retry sends the same bytes as the first attempt.
var template = dialect{
	env:      func(e *templateEnvironment) any { return e },
	without:  []string{"repeat", "replace", "join", "uniq", "now"},
	maxNodes: 5000,
	steps:    MaxTemplateSteps,
	options:  []expr.Option{expr.AsAny()},
}

// CompileTemplate compiles text, which has at most [MaxTemplateLength] bytes. Its error is [bellhop.CodeInvalid]
// with an empty path.
func CompileTemplate(text string) (*Template, error) { return compileTemplate(template, text) }

func compileTemplate(d dialect, text string) (*Template, error) {
	switch {
	case len(text) > MaxTemplateLength:
		return nil, bellhop.Invalid("", fmt.Sprintf("at most %d bytes", MaxTemplateLength))
	case strings.TrimSpace(text) == "":
		return nil, bellhop.Invalid("", `must be an expression, such as {"id": id, "amount": data.amount}`)
	}
	x, err := d.compile(text)
	if err == nil && x.reads.whole {
		// $env would expose the metering, and the environment goes back to the pool before a result that holds it is
		// used.
		err = errors.New("unknown name $env")
	}
	if err != nil {
		return nil, bellhop.Invalid("",
			fmt.Sprintf("%v; use data, type, subject, source, headers, time, id, tenant, received_at and body", err))
	}
	return &Template{&x}, nil
}

// Needs returns what t reads of an event.
func (t *Template) Needs() Needs { return Needs{reads: t.expression.reads} }

// Render evaluates t over ev. The result is nil, a bool, a number, a text, a time, or lists and objects of
// these, at most about [bellhop.MaxBatchBytes] long as JSON. It may hold parts of the decoded body, which nobody may
// change. The error is one line, written for the author of the template.
func (t *Template) Render(ev *bellhop.Event) (any, error) {
	v := Open(ev, t.Needs(), Budget{}, nil)
	defer v.Close()
	return t.RenderView(v)
}

// RenderView is Render for an event over which several templates are evaluated.
func (t *Template) RenderView(v *View) (any, error) {
	got, err := t.expression.run(v, new(Budget))
	if err != nil {
		return nil, err
	}
	return got, checkSize(got)
}

// checkSize reports a result that is too large for one request.
func checkSize(v any) (err error) {
	defer func() {
		if recover() != nil { // the meter has no steps left
			err = errors.New("the result is too large: at most 1 MiB")
		}
	}()
	m := meter{left: bellhop.MaxBatchBytes, exhausted: errTooMuch}
	walk(v, 1, func(v any, _ int) {
		switch v := v.(type) {
		case string:
			m.take(1 + len(v))
		case number:
			m.take(1 + len(v.text))
		default:
			m.take(1)
		}
	})
	return nil
}
