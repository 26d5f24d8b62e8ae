package bellhop

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
)

// Bounds of the work of one evaluation: rounds of its loops, elements it looks through, and sixteens of bytes of the texts it
// reads or makes. There is one more for each byte of the body. Beyond them it fails. A Where is evaluated while the sender waits for its answer, for every event that may match;
// a Template in the lane of its destination.
const (
	MaxWhereSteps    = 30_000
	MaxTemplateSteps = 1_000_000
)

// An expression is a text in the language of github.com/expr-lang/expr, compiled. It is safe for concurrent use, and
// ends soon whatever it says and whatever the event: the language ends loops by itself, but not nested ones in a
// reasonable time, and a few dozen additions can double a text until memory is full. So it counts what it does.
type expression struct {
	program *vm.Program
	reads   reads
	env     func(*templateFacts) any // what of them it was compiled for
	steps   int
}

// A dialect is what an expression may say.
type dialect struct {
	env      func(*templateFacts) any // the part of them that it may use
	without  []string                 // builtins
	maxNodes uint
	steps    int
	options  []expr.Option
}

// compile reads text. Its errors are one line, for a person.
func (d dialect) compile(text string) (x expression, err error) {
	opts := append([]expr.Option{expr.Env(d.env(new(templateFacts))), expr.MaxNodes(d.maxNodes)}, d.options...)
	for _, name := range d.without {
		opts = append(opts, expr.DisableBuiltin(name))
	}
	found := &readsPatch{chains: map[any][]string{}}
	if _, err := expr.Compile(text, append(opts, expr.Patch(found))...); err != nil {
		return x, firstLine(err) // before what follows blurs the types
	}
	if x.program, err = expr.Compile(text, append(opts, expr.Patch(meterPatch{}))...); err != nil {
		return x, firstLine(err)
	}
	x.reads, x.env, x.steps = found.reads(), d.env, d.steps
	return x, nil
}

// run evaluates x over ev. Its errors are one line, for a person.
func (x *expression) run(ev *Event) (any, error) {
	e := evaluations.Get().(*evaluation)
	defer e.free()
	e.facts.set(ev, x.reads)
	e.meter.left = x.steps + len(ev.Body)
	got, err := e.vm.Run(x.program, x.env(&e.facts))
	if err != nil {
		return nil, firstLine(err)
	}
	return got, nil
}

// An evaluation is what one run needs. They are kept, for they are larger than what mostly is evaluated.
type evaluation struct {
	vm    vm.VM
	meter meter
	facts templateFacts
}

var evaluations = sync.Pool{New: func() any {
	e := new(evaluation)
	e.facts.metering, e.facts.making = e.meter.metering(), e.meter.making()
	return e
}}

// free lets go of the event, and of what was made of it.
func (e *evaluation) free() {
	clear(e.vm.Stack[:cap(e.vm.Stack)])
	clear(e.vm.Variables)
	e.facts = templateFacts{facts: facts{metering: e.facts.metering}, making: e.facts.making}
	if cap(e.vm.Stack) <= 1<<10 {
		evaluations.Put(e)
	}
}

func firstLine(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(line)
}

// where is the dialect of a [Match]'s Where.
var where = dialect{
	env:      func(f *templateFacts) any { return &f.facts },
	without:  []string{"repeat", "replace", "join", "uniq"}, // which make much of little in one step; it has no use for them
	maxNodes: 1000,
	steps:    MaxWhereSteps,
	options:  []expr.Option{expr.AsBool()},
}

func compileWhere(text string) (*expression, error) {
	x, err := where.compile(text)
	if err != nil {
		return nil, Invalid("where", fmt.Sprintf("%v; use data, type, subject, source, headers and time", err))
	}
	return &x, nil
}
