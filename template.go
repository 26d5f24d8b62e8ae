package bellhop

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr"
)

// MaxTemplateLength bounds the text of a [Template], in bytes.
const MaxTemplateLength = 16 << 10

// A Template is an expression over an event that makes something of it, in the language of a [Match]'s Where and with
// what that sees, and besides: id, tenant, received_at, and body, the body as text. join(list, glue) and replace(text,
// old, new) make texts. It is safe for concurrent use.
type Template struct{ expression *expression }

// template is the dialect of a Template. now is left out, so that a retry sends what the first attempt sent.
var template = dialect{
	env:      func(f *templateFacts) any { return f },
	without:  []string{"repeat", "replace", "join", "uniq", "now"},
	maxNodes: 5000,
	steps:    MaxTemplateSteps,
	options:  []expr.Option{expr.AsAny()},
}

// CompileTemplate makes a template of at most [MaxTemplateLength] bytes ready for use. Its error is [CodeInvalid],
// without a path.
func CompileTemplate(text string) (*Template, error) {
	switch {
	case len(text) > MaxTemplateLength:
		return nil, Invalid("", fmt.Sprintf("at most %d bytes", MaxTemplateLength))
	case strings.TrimSpace(text) == "":
		return nil, Invalid("", `must be an expression, such as {"id": id, "amount": data.amount}`)
	}
	x, err := template.compile(text)
	if err == nil && x.reads.whole {
		err = errors.New("unknown name $env") // which would be more than there is to see, and another's by the time it is read
	}
	if err != nil {
		return nil, Invalid("", fmt.Sprintf("%v; use data, type, subject, source, headers, time, id, tenant, received_at and body", err))
	}
	return &Template{&x}, nil
}

// Render returns what t makes of ev: nil, a bool, number or text, a time, or lists and objects of such, of at most about
// [MaxBatchBytes] in JSON. The error says in one line why it could not be made.
func (t *Template) Render(ev *Event) (any, error) {
	v, err := t.expression.run(ev)
	if err != nil {
		return nil, err
	}
	return v, bounded(v)
}

// bounded reports what has more to it than a request should hold.
func bounded(v any) (err error) {
	defer func() {
		if recover() != nil { // the meter ran out
			err = errors.New("the result is too large: at most 1 MiB")
		}
	}()
	m := meter{left: MaxBatchBytes}
	plumb(v, 1, func(v any, _ int) {
		text, _ := v.(string)
		m.take(1 + len(text))
	})
	return nil
}
