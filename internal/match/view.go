package match

import (
	"sync"
	"unique"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/contentcoding"
)

// A View is one event while the expressions of several destinations are evaluated over it. What they read is made
// once and lent to all of them: the decoded body, the body as text, the headers. A `where` that several destinations
// have is evaluated once. A View belongs to one goroutine.
type View struct {
	event  *bellhop.Event
	needs  Needs
	budget Budget // of the `where`

	content  []byte // the body with its Content-Encoding undone, if decoded
	decoded  bool
	coded    error // why the Content-Encoding could not be undone, if decoded
	made     reads // what data holds, and whether headers and text are made
	data     any
	dataErr  error
	numbers  bool // whether data holds a number
	headers  map[string]string
	text     string
	verdicts map[unique.Handle[string]]verdict // of the texts that were evaluated; used if needs has several
	release  func()                            // called by Close; may be nil

	decodes int // how often the body was decoded
}

// A verdict is the result of a `where`.
type verdict struct {
	wants bool
	err   error
}

// Needs is what some expressions read of an event, together. The zero Needs is that of no expression.
type Needs struct {
	reads reads
	where int // how many `where` there are
}

// Add adds what m reads.
func (n *Needs) Add(m *Matcher) {
	if m != nil && m.where != nil {
		n.Merge(Needs{m.where.reads, 1})
	}
}

// Merge adds what other reads. It does not change other.
func (n *Needs) Merge(other Needs) {
	n.reads = n.reads.with(other.reads)
	n.where += other.where
}

// Wheres returns how many `where` the needs are of.
func (n Needs) Wheres() int { return n.where }

// MaxSharedSteps bounds the work of all `where` of one request together, in steps; each byte of its events adds one.
// It is about a third of a second on a slow core.
const MaxSharedSteps = 4_000_000

// A Budget is the work that all `where` of one request may do together, over all its events and all destinations. The
// sender waits meanwhile. Half of it is dealt out: each evaluation has a share that no other one can use up. Beyond
// it, up to the bounds of a single evaluation, all draw on the same rest.
type Budget struct {
	limited     bool // false in the zero Budget, which bounds only each evaluation
	share, rest int
}

// NewBudget returns the budget of a request with so many bytes of events and so many evaluations.
func NewBudget(bytes, evaluations int) Budget { return newBudget(MaxSharedSteps, bytes, evaluations) }

func newBudget(steps, bytes, evaluations int) Budget {
	share := min(MaxWhereSteps, steps/2/max(1, evaluations))
	return Budget{limited: true, share: share, rest: steps + bytes - share*evaluations}
}

// grant returns how many of the steps that an evaluation may need it gets. settle must follow.
func (b *Budget) grant(steps int) int {
	if !b.limited {
		return steps
	}
	return min(steps, b.share+max(0, b.rest))
}

// settle takes the steps that an evaluation used.
func (b *Budget) settle(used int) { b.rest += b.share - used }

var views = sync.Pool{New: func() any { return &View{verdicts: map[unique.Handle[string]]verdict{}} }}

// Open returns a view of ev for expressions of those needs. Others may use it, but then the body may be decoded again.
// release, which may be nil, is called by Close. The caller closes the view.
func Open(ev *bellhop.Event, needs Needs, budget Budget, release func()) *View {
	v := views.Get().(*View)
	v.event, v.needs, v.budget, v.release = ev, needs, budget, release
	return v
}

// Next makes v a view of another event of the same request, whose expressions draw on the same budget.
func (v *View) Next(ev *bellhop.Event, needs Needs) {
	clear(v.verdicts)
	*v = View{event: ev, needs: needs, budget: v.budget, release: v.release, verdicts: v.verdicts}
}

// Event returns the event.
func (v *View) Event() *bellhop.Event { return v.event }

// Close ends the use of v and of all that it lent.
func (v *View) Close() {
	if v.release != nil {
		v.release()
	}
	clear(v.verdicts)
	*v = View{verdicts: v.verdicts}
	views.Put(v)
}

// fill makes the values that r reads, unless they are made already, and sets them in e.
func (v *View) fill(e *templateEnvironment, r reads) error {
	ev := v.event
	e.Type, e.Subject, e.Source, e.Time = ev.Type, ev.Subject, ev.Source, ev.HappenedAt()
	e.ID, e.Tenant, e.ReceivedAt = ev.ID, ev.Tenant, ev.ReceivedAt
	if r.data || r.body {
		if err := v.readContent(); err != nil {
			return err
		}
	}
	if r.data {
		if !v.made.data || !v.made.members.cover(r.members) {
			v.decode(r)
		}
		if v.dataErr != nil {
			return v.dataErr
		}
		e.Data = v.data
	}
	if r.body {
		if !v.made.body {
			v.text, v.made.body = string(v.content), true
		}
		e.Body = v.text
	}
	if r.headers {
		if !v.made.headers {
			v.makeHeaders()
		}
		e.Headers = v.headers
	}
	return nil
}

// decode decodes what the view's needs and r read of the body.
func (v *View) decode(r reads) {
	wanted := r
	if v.needs.reads.data {
		wanted = v.needs.reads
	}
	if !wanted.members.cover(r.members) { // the destination has just changed
		wanted = wanted.with(r)
	}
	if v.made.data && !wanted.members.cover(v.made.members) {
		wanted = wanted.with(v.made)
	}
	v.data, v.numbers, v.dataErr = decode(v.content, wanted.members)
	v.made.data, v.made.members = true, wanted.members
	v.decodes++
}

// readContent sets v.content, once. A body without a coding is not copied.
func (v *View) readContent() error {
	if !v.decoded {
		v.content, v.coded = contentcoding.Event(v.event, bellhop.MaxMaxBodyBytes)
		v.decoded = true
	}
	return v.coded
}

func (v *View) makeHeaders() {
	v.headers, v.made.headers = make(map[string]string), true
	for name, values := range v.event.Header.HTTP() {
		v.headers[name] = values[0]
	}
}

// wants evaluates x, a `where`, unless the view knows its result.
func (v *View) wants(x *expression) (bool, error) {
	if v.needs.where < 2 {
		return v.evaluate(x)
	}
	known, ok := v.verdicts[x.text]
	if !ok {
		known.wants, known.err = v.evaluate(x)
		v.verdicts[x.text] = known
	}
	return known.wants, known.err
}

func (v *View) evaluate(x *expression) (bool, error) {
	got, err := x.run(v, &v.budget)
	wants, _ := got.(bool)
	return wants, err
}
