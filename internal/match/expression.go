package match

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unique"

	"github.com/bellhop-gateway/bellhop"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
)

// Budgets of one evaluation, in steps. A step is one round of a loop, one element of a list that is looked at, or 16
// bytes of a text that is read or made. Each byte of the body adds one step to the budget. An evaluation that uses
// up its budget fails. A `where` has the smaller budget: it is evaluated while the sender waits for its answer, and
// all `where` of a request share a [Budget] too. A template is evaluated in the lane of its destination.
const (
	MaxWhereSteps    = 30_000
	MaxTemplateSteps = 1_000_000
	MaxReplySteps    = 100_000 // of the template of a source's reply, for which a sender waits
)

// An expression is a compiled text. It is safe for concurrent use.
//
// Every loop of the language ends, but nested loops can take hours, and a few dozen additions can double a text until
// memory is full. So an expression counts its steps and stops at its budget, whatever its text and whatever the event.
type expression struct {
	program *vm.Program
	numbers func() (*vm.Program, error) // the same for data that holds a number, compiled once it is needed
	reads   reads
	env     func(*templateEnvironment) any // selects the environment that it was compiled for
	steps   int                            // its budget, without the bytes of the body
	text    unique.Handle[string]          // equal for equal texts
}

// A dialect is the part of the language that an expression may use.
type dialect struct {
	env      func(*templateEnvironment) any // selects the environment
	without  []string                       // builtin functions that are switched off
	maxNodes uint                           // of the syntax tree
	steps    int
	options  []expr.Option
}

// compile parses and checks text. Its errors are one line, written for the author of the expression.
func (d dialect) compile(text string) (x expression, err error) {
	opts := append([]expr.Option{expr.Env(d.env(new(templateEnvironment))), expr.MaxNodes(d.maxNodes)}, d.options...)
	for _, name := range d.without {
		opts = append(opts, expr.DisableBuiltin(name))
	}
	found := &readsVisitor{chains: map[any][]string{}}
	if _, err := expr.Compile(text, append(opts, expr.Patch(found))...); err != nil {
		return x, firstLine(err) // the metering below changes types, and would make this message less clear
	}
	opts = append(opts, expr.Patch(meterVisitor{}))
	x.numbers = sync.OnceValues(func() (*vm.Program, error) {
		return expr.Compile(text, append(slices.Clip(opts), expr.Patch(numberVisitor{}))...)
	})
	if found.decodes { // what it decodes may hold a number
		x.program, err = x.numbers()
	} else {
		x.program, err = expr.Compile(text, opts...)
	}
	if err != nil {
		return x, firstLine(err)
	}
	x.reads, x.env, x.steps, x.text = found.reads(), d.env, d.steps, unique.Make(text)
	return x, nil
}

// run evaluates x over the event of v. shared bounds its steps besides its own budget. The errors are one
// line, written for the author of the expression.
func (x *expression) run(v *View, shared *Budget) (any, error) {
	e := evaluations.Get().(*evaluation)
	defer e.free()
	if err := v.fill(&e.environment, x.reads); err != nil {
		return nil, err
	}
	program := x.program
	if x.reads.data && v.numbers {
		var err error
		if program, err = x.numbers(); err != nil {
			return nil, firstLine(err)
		}
	}
	granted := x.steps + max(len(v.event.Body), len(v.content))
	e.meter.exhausted = errTooMuch
	if less := shared.grant(granted); less < granted {
		granted, e.meter.exhausted = less, errSharedTooMuch
	}
	e.meter.left = granted
	got, err := e.vm.Run(program, x.env(&e.environment))
	shared.settle(granted - max(0, e.meter.left))
	if err != nil {
		return nil, firstLine(err)
	}
	return got, nil
}

// An evaluation is the state of one run. Evaluations are pooled, because one is larger than most bodies.
type evaluation struct {
	vm          vm.VM
	meter       meter
	environment templateEnvironment
}

var evaluations = sync.Pool{New: func() any {
	e := new(evaluation)
	e.environment.metering, e.environment.textFunctions = e.meter.metering(), e.meter.textFunctions()
	return e
}}

// free drops every reference to the event and to the result, and returns e to the pool.
func (e *evaluation) free() {
	clear(e.vm.Stack[:cap(e.vm.Stack)])
	clear(e.vm.Variables)
	e.environment = templateEnvironment{
		environment:   environment{metering: e.environment.metering},
		textFunctions: e.environment.textFunctions,
	}
	if cap(e.vm.Stack) <= 1<<10 {
		evaluations.Put(e)
	}
}

// firstLine returns the first line of an error of the library, without its words about the Go function that failed.
func firstLine(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(parsingInGo.ReplaceAllString(line, ""))
}

var parsingInGo = regexp.MustCompile(`strconv\.\w+: parsing `)

// where is the dialect of a match's Where.
var where = dialect{
	env: func(e *templateEnvironment) any { return &e.environment },
	// These builtins make a long text of a short one in one step, and a condition has no use for them.
	without:  []string{"repeat", "replace", "join", "uniq"},
	maxNodes: 1000,
	steps:    MaxWhereSteps,
	options:  []expr.Option{expr.AsBool()},
}

func compileWhere(text string) (*expression, error) {
	x, err := where.compile(text)
	if err != nil {
		return nil, bellhop.Invalid("where", fmt.Sprintf("%v; use data, type, subject, source, headers and time", err))
	}
	return &x, nil
}

// An environment holds the names that a `where` may use. The names are a public promise.
type environment struct {
	Data    any               `expr:"data"`
	Type    string            `expr:"type"`
	Subject string            `expr:"subject"`
	Source  string            `expr:"source"`
	Headers map[string]string `expr:"headers"`
	Time    time.Time         `expr:"time"`

	metering
}

// A templateEnvironment holds the names that a template may use. The names are a public promise.
type templateEnvironment struct {
	environment
	ID         string    `expr:"id"`
	Tenant     string    `expr:"tenant"`
	ReceivedAt time.Time `expr:"received_at"`
	Body       string    `expr:"body"`

	textFunctions
}
