package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A rig is a hub that runs, within a bubble of synctest. The data of a note is its Thing as text.
type rig struct {
	*testing.T
	hub    *Hub
	ctx    context.Context
	stored string // the newest mark of the store
	marks  int
	taps   sync.WaitGroup
}

// bubble runs f with a rig.
func bubble(t *testing.T, f func(r *rig), change ...func(*Options)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		r := &rig{T: t, ctx: ctx, stored: "m000"}
		o := Options{Now: time.Now, Mark: func(context.Context) (string, error) { return r.stored, nil },
			Render: func(dst []byte, n *Note) []byte {
				if why, ok := n.Thing.(Control); ok {
					if why.Count > 0 {
						return fmt.Append(dst, why.Count)
					}
					return append(dst, why.Reason...)
				}
				return fmt.Append(dst, n.Thing)
			}}
		for _, c := range change {
			c(&o)
		}
		r.hub = New(o)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.hub.Run(ctx)
		}()
		f(r)
		cancel()
		<-ended
		r.taps.Wait()
	})
}

// event publishes an event with a new mark. Its data is the mark.
func (r *rig) event(change ...func(*Note)) (mark string) {
	r.marks++
	mark = fmt.Sprintf("m%03d", r.marks)
	r.stored = mark
	n := Note{Kind: EventAccepted, At: time.Now(), Mark: mark, SourceID: "src_1", Type: "a.b", Thing: mark}
	for _, c := range change {
		c(&n)
	}
	r.hub.Publish(n)
	return mark
}

// attempt publishes an attempt with this data.
func (r *rig) attempt(data string) {
	r.hub.Publish(Note{Kind: DeliveryAttempted, At: time.Now(), DestinationID: "dst_1", Outcome: "delivered",
		Thing: data})
}

// open opens a listener.
func (r *rig) open(f Filter) *Listener {
	r.Helper()
	l, err := r.hub.Open(r.ctx, f)
	if err != nil {
		r.Fatal(err)
	}
	return l
}

// A message is one that a tap has read.
type message struct{ id, event, data string }

// A tap reads the messages of a listener as they come.
type tap struct {
	mu       sync.Mutex // guards the fields below
	messages []message
	err      error
}

// tap reads l in the background until it ends, the rig ends or the returned function is called.
func (r *rig) tap(l *Listener) (*tap, func()) {
	ctx, cancel := context.WithCancel(r.ctx)
	t := &tap{}
	r.taps.Go(func() {
		defer l.Close()
		for {
			text, err := l.Next(ctx)
			t.mu.Lock()
			t.err = err
			if len(text) > 0 {
				t.messages = append(t.messages, parse(string(text))...)
			}
			t.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	return t, cancel
}

// parse reads messages, and the ids of heartbeats, which have no event.
func parse(text string) (list []message) {
	for block := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		var m message
		for line := range strings.SplitSeq(block, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			switch name {
			case "id":
				m.id = value
			case "event":
				m.event = value
			case "data":
				m.data = value
			}
		}
		list = append(list, m)
	}
	return list
}

// took lets everything pass that is under way, and returns what the tap has read: the data of each message, or its
// kind and the data if it is about the stream itself.
func (t *tap) took() string {
	time.Sleep(2 * pause) // of the bubble
	synctest.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for _, m := range t.messages {
		switch m.event {
		case "live", "":
			all = append(all, m.event)
		case "gap", "end", "skipped":
			all = append(all, m.event+":"+m.data)
		default:
			all = append(all, m.data)
		}
	}
	return strings.Join(all, " ")
}

// last returns the id of the latest message that has one.
func (t *tap) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.messages) - 1; i >= 0; i-- {
		if t.messages[i].id != "" {
			return t.messages[i].id
		}
	}
	return ""
}

func (r *rig) equal(what, got, want string) {
	r.Helper()
	if got != want {
		r.Errorf("%s: %q, want %q", what, got, want)
	}
}

// attach attaches l after the position with that text; "" is now.
func (r *rig) attach(l *Listener, after string) (through string, exact bool) {
	r.Helper()
	var p Position
	if after != "" {
		var err error
		p, err = ParsePosition(after)
		if err != nil {
			r.Fatal(err)
		}
	}
	return l.Attach(p)
}

// TestLive: a listener gets what is published from then on, in order, and nothing from before.
func TestLive(t *testing.T) {
	bubble(t, func(r *rig) {
		r.event()
		l := r.open(Filter{})
		r.event()
		r.attach(l, "")
		tap, _ := r.tap(l)
		r.equal("at first", tap.took(), "live")
		r.event()
		r.attempt("one")
		r.event()
		r.equal("then", tap.took(), "live m003 one m004")
	})
}

// TestIdleNote: while nobody listens, a note costs no memory.
func TestIdleNote(t *testing.T) {
	h := New(Options{Now: time.Now})
	n := Note{Kind: EventAccepted, Mark: "m001", Type: "a.b"}
	allocated := testing.AllocsPerRun(100, func() { h.Publish(n) })
	if allocated != 0 {
		t.Errorf("%v allocations for a note", allocated)
	}
}

// TestNothingWithoutListeners: while nobody listens, and again a minute after the last listener has left, the hub
// holds no memory for notes.
func TestNothingWithoutListeners(t *testing.T) {
	bubble(t, func(r *rig) {
		idle := func(when string) {
			r.hub.Publish(Note{Kind: EventAccepted, Mark: "m999", Type: "a.b"})
			if r.hub.Observing() || r.hub.ring != nil || r.hub.batch != nil || r.hub.texts != nil {
				t.Errorf("%s: observing is %t, or there is memory for notes", when, r.hub.Observing())
			}
		}
		idle("at first")
		l := r.open(Filter{})
		r.attach(l, "")
		tap, leave := r.tap(l)
		r.event()
		r.equal("one listener", tap.took(), "live m001")
		leave()
		synctest.Wait()
		time.Sleep(linger - time.Second)
		if !r.hub.Observing() {
			t.Error("the hub forgets before a listener can come back")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		idle("afterwards")

		l = r.open(Filter{})
		r.attach(l, "")
		tap, _ = r.tap(l)
		r.event()
		r.equal("another listener", tap.took(), "live m002")
	})
}

// TestFilters: each property of a filter, and what has no such property.
func TestFilters(t *testing.T) {
	ev := Note{Kind: EventAccepted, Tenant: "acme", SourceID: "src_1", Type: "ams.JobStateChange", Subject: "jobs/17",
		Outcome: "accepted"}
	attempt := Note{Kind: DeliveryAttempted, Tenant: "acme", SourceID: "src_1", DestinationID: "dst_1",
		Type: "ams.JobStateChange", Subject: "jobs/17", Outcome: "dead"}
	change := Note{Kind: DestinationChanged, DestinationID: "dst_1", Outcome: "updated"}
	for name, c := range map[string]struct {
		f                   Filter
		ev, attempt, change bool
	}{
		"none":              {Filter{}, true, true, true},
		"kinds":             {Filter{Kinds: []Kind{EventAccepted, DestinationChanged}}, true, false, true},
		"source":            {Filter{Sources: []string{"src_1"}}, true, true, false},
		"another source":    {Filter{Sources: []string{"src_2", "src_3"}}, false, false, false},
		"destination":       {Filter{Destinations: []string{"dst_1"}}, false, true, true},
		"type":              {Filter{Type: "ams.JobStateChange"}, true, true, false},
		"beginning of type": {Filter{Type: "ams.*"}, true, true, false},
		"any type":          {Filter{Type: "*"}, true, true, false},
		"other type":        {Filter{Type: "ams.Job"}, false, false, false},
		"subject":           {Filter{Subject: "jobs/*"}, true, true, false},
		"other subject":     {Filter{Subject: "job"}, false, false, false},
		"outcomes":          {Filter{Outcomes: []string{"dead", "updated"}}, false, true, true},
		"tenant":            {Filter{Tenant: "acme"}, true, true, false},
		"another tenant":    {Filter{Tenant: "other"}, false, false, false},
		"several":           {Filter{Sources: []string{"src_1"}, Outcomes: []string{"dead"}}, false, true, false},
	} {
		for _, n := range []struct {
			note Note
			want bool
		}{{ev, c.ev}, {attempt, c.attempt}, {change, c.change}} {
			if got := c.f.Wants(&n.note); got != n.want {
				t.Errorf("%s: %s: %t", name, n.note.Kind, got)
			}
		}
	}
}

// TestSlowListener: a listener that reads nothing is dropped with a message that says so. The others get everything,
// and it can come back for what it has missed.
func TestSlowListener(t *testing.T) {
	registry := prometheus.NewRegistry()
	bubble(t, func(r *rig) {
		slow, quick := r.open(Filter{}), r.open(Filter{})
		r.attach(slow, "")
		r.attach(quick, "")
		tap, _ := r.tap(quick)
		large := strings.Repeat("x", maxPending/5)
		for range 6 {
			r.attempt(large)
			tap.took()
		}
		if got := strings.Count(tap.took(), large); got != 6 {
			t.Errorf("the quick listener got %d notes", got)
		}
		late, _ := r.tap(slow)
		got := strings.ReplaceAll(late.took(), large, "L")
		r.equal("the slow listener", got, "live L L L L end:slow")
		if late.err != io.EOF {
			t.Errorf("the slow listener: %v", late.err)
		}
		back := r.open(Filter{})
		_, exact := r.attach(back, late.last())
		if !exact {
			t.Error("the slow listener cannot come back")
		}
		rest, _ := r.tap(back)
		r.equal("the rest", strings.ReplaceAll(rest.took(), large, "L"), "L L live")
		if n := testutil.ToFloat64(r.hub.metrics.dropped); n != 1 {
			t.Errorf("%v listeners dropped", n)
		}
	}, func(o *Options) { o.Metrics = registry })
}

// TestComeBack: after an interruption of less than a minute a listener gets exactly what it has missed of what it
// wants, although nobody listened meanwhile.
func TestComeBack(t *testing.T) {
	bubble(t, func(r *rig) {
		f := Filter{Kinds: []Kind{DeliveryAttempted}}
		l := r.open(f)
		r.attach(l, "")
		tap, leave := r.tap(l)
		r.attempt("one")
		r.event()
		r.equal("before", tap.took(), "live one")
		leave()
		synctest.Wait()
		time.Sleep(linger / 2)
		for i := range 600 { // several chunks
			r.event()
			if i%300 == 0 {
				r.attempt(fmt.Sprintf("missed %d", i))
			}
		}
		synctest.Wait()
		l = r.open(f)
		through, exact := r.attach(l, tap.last())
		if !exact || through != "m601" {
			t.Errorf("through %q, %t", through, exact)
		}
		again, _ := r.tap(l)
		r.attempt("two")
		r.equal("afterwards", again.took(), "missed 0 missed 300 live two")
	})
}

// TestComeBackLate: a position that the ring does not have any more, or of another session, is not exact, and through
// tells where the store has to be read up to.
func TestComeBackLate(t *testing.T) {
	bubble(t, func(r *rig) {
		l := r.open(Filter{})
		r.attach(l, "")
		tap, leave := r.tap(l)
		r.event()
		r.equal("before", tap.took(), "live m001")
		old := tap.last()
		for range ringLength + 1 {
			r.attempt("x")
		}
		synctest.Wait()
		back := r.open(Filter{})
		through, exact := r.attach(back, old)
		if exact || through != "m001" {
			t.Errorf("after an overrun: through %q, %t", through, exact)
		}
		back.Close()
		late := tap.last()
		leave()
		synctest.Wait()
		time.Sleep(2 * linger)
		synctest.Wait()
		r.event() // which is in the store, and in no ring
		back = r.open(Filter{})
		through, exact = r.attach(back, late)
		if exact || through != "m002" {
			t.Errorf("after a pause: through %q, %t", through, exact)
		}
		again, _ := r.tap(back)
		r.event()
		r.equal("after a pause", again.took(), "live m003")
	})
}

// TestNoneTwice: an event that is in the store when the first listener comes, but is published only then, is told by
// the store alone.
func TestNoneTwice(t *testing.T) {
	bubble(t, func(r *rig) {
		r.stored = "m002"
		l := r.open(Filter{})
		through, _ := r.attach(l, "")
		tap, _ := r.tap(l)
		r.event() // m001
		r.event() // m002
		r.event()
		if got := tap.took(); through != "m002" || got != "live m003" {
			t.Errorf("through %q: %q", through, got)
		}
	})
}

// TestOverrun: notes that come faster than they can be passed on are lost, and each listener is told.
func TestOverrun(t *testing.T) {
	h := New(Options{Now: time.Now, Mark: func(context.Context) (string, error) { return "m000", nil },
		Render: func(dst []byte, n *Note) []byte { return fmt.Append(dst, n.Thing) }}) // does not run
	l, err := h.Open(t.Context(), Filter{Kinds: []Kind{EventAccepted}})
	if err != nil {
		t.Fatal(err)
	}
	l.Attach(Position{})
	for _, mark := range []string{"m001", "m002"} {
		h.Publish(Note{Kind: EventAccepted, Mark: mark, Thing: mark})
		for range ringLength - 1 {
			h.Publish(Note{Kind: DeliveryAttempted})
		}
	}
	for h.passOn() {
	}
	text, _ := l.read()
	got := parse(string(text))
	if len(got) != 2 || got[0].event != "gap" || !strings.Contains(got[0].data, fmt.Sprint(ringLength, " notes")) ||
		got[0].id != "" || got[1].data != "m002" {
		t.Errorf("%q", got)
	}
	if n := testutil.ToFloat64(h.metrics.lost); n != ringLength {
		t.Errorf("%v notes lost", n)
	}
}

// TestHeartbeat: without a message a listener gets a sign of life every 15 seconds. Its position loses nothing, and
// passes what the listener does not want.
func TestHeartbeat(t *testing.T) {
	bubble(t, func(r *rig) {
		f := Filter{Kinds: []Kind{EventAccepted}}
		l := r.open(f)
		r.attach(l, "")
		tap, leave := r.tap(l)
		r.attempt("unwanted")
		time.Sleep(3*Heartbeat + time.Second)
		r.equal("three heartbeats", tap.took(), "live   ")
		leave()
		synctest.Wait()
		r.event()
		l = r.open(f)
		_, exact := r.attach(l, tap.last())
		if !exact {
			t.Error("the position of a heartbeat cannot be used")
		}
		again, _ := r.tap(l)
		r.equal("after a heartbeat", again.took(), "m001 live")
		p, _ := ParsePosition(tap.last())
		if p.Seq != 1 {
			t.Errorf("the heartbeat stays at %d", p.Seq)
		}
	})
}

// TestMost: one listener more than there may be is refused, until another one leaves.
func TestMost(t *testing.T) {
	bubble(t, func(r *rig) {
		first := r.open(Filter{})
		r.open(Filter{}) // which never attaches, and has a place all the same
		_, err := r.hub.Open(r.ctx, Filter{})
		if !errors.Is(err, ErrFull) {
			t.Errorf("a third one: %v", err)
		}
		if n := testutil.ToFloat64(r.hub.metrics.listeners); n != 2 {
			t.Errorf("%v listeners", n)
		}
		first.Close()
		first.Close()
		r.open(Filter{})
	}, func(o *Options) { o.MaxListeners = 2 })
}

// TestMarkFails: a listener for whom the store cannot be read leaves no place behind.
func TestMarkFails(t *testing.T) {
	broken := errors.New("broken")
	bubble(t, func(r *rig) {
		_, err := r.hub.Open(r.ctx, Filter{})
		if err != broken || r.hub.open != 0 {
			t.Errorf("%v, %d places", err, r.hub.open)
		}
	}, func(o *Options) { o.Mark = func(context.Context) (string, error) { return "", broken } })
}

// TestStop: all listeners end with a message that says so, and those that come later at once.
func TestStop(t *testing.T) {
	bubble(t, func(r *rig) {
		l := r.open(Filter{})
		r.attach(l, "")
		tap, _ := r.tap(l)
		tap.took()
		r.hub.Stop()
		late := r.open(Filter{})
		r.attach(late, "")
		after, _ := r.tap(late)
		r.equal("one that listened", tap.took(), "live end:stopping")
		r.equal("one that came later", after.took(), "live end:stopping")
		if tap.err != io.EOF || after.err != io.EOF {
			t.Errorf("%v, %v", tap.err, after.err)
		}
	})
}

// TestComeAndGo: listeners that leave at any time and come back where they were get every note once and in order,
// while notes are published.
func TestComeAndGo(t *testing.T) {
	t.Parallel()
	const notes = 4000 // fewer than the ring has
	h := New(Options{Now: time.Now, Mark: func(context.Context) (string, error) { return "m", nil },
		Render: func(dst []byte, n *Note) []byte { return fmt.Append(dst, n.Thing) }})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { h.Run(ctx) })
	var listeners, begun sync.WaitGroup
	for i := range 8 {
		begun.Add(1)
		listeners.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			next, after := 1, Position{}
			for first := true; next <= notes; first = false {
				l, err := h.Open(ctx, Filter{})
				if err != nil {
					t.Error(err)
					return
				}
				_, exact := l.Attach(after)
				if !exact && !first {
					t.Errorf("listener %d cannot come back after %s", i, after)
				}
				if first {
					begun.Done()
				}
				next, after = readSome(t, l, next, after, 1+random.IntN(20))
				l.Close()
			}
		})
	}
	begun.Wait()
	for n := 1; n <= notes; n++ {
		h.Publish(Note{Kind: DeliveryAttempted, Thing: n})
	}
	listeners.Wait()
	cancel()
	all.Wait()
}

// readSome reads some batches of messages of numbered notes, of which the next one is given, and returns the number
// that is next then and the position after the latest.
func readSome(t *testing.T, l *Listener, next int, after Position, batches int) (int, Position) {
	for range batches {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		text, err := l.Next(ctx)
		cancel()
		if err != nil {
			t.Error(err)
			return 1 << 30, after
		}
		for _, m := range parse(string(text)) {
			if m.event == "delivery.attempted" && m.data != fmt.Sprint(next) {
				t.Errorf("%s came in place of %d", m.data, next)
			}
			if m.event == "delivery.attempted" {
				next++
			}
			after, err = ParsePosition(m.id)
			if err != nil {
				t.Errorf("the id %q: %v", m.id, err)
			}
		}
		if next > 4000 {
			break
		}
	}
	return next, after
}

// TestRate: a listener with a rate gets that many notes, in bursts of a quarter of it, and is told how many it did not
// get. When it comes back, what the ring has for it is bounded in the same way.
func TestRate(t *testing.T) {
	bubble(t, func(r *rig) {
		l := r.open(Filter{Rate: 8})
		r.attach(l, "")
		tap, leave := r.tap(l)
		for range 10 {
			r.event()
		}
		r.equal("at once", tap.took(), "live m001 m002 skipped:8")
		time.Sleep(time.Second)
		r.event()
		r.attempt("one")
		r.equal("later", tap.took(), "live m001 m002 skipped:8 m011 one")
		after := tap.last()
		leave()
		for range 5 {
			r.event()
		}
		back := r.open(Filter{Rate: 4})
		if _, exact := r.attach(back, after); !exact {
			r.Error("the ring has no more")
		}
		again, _ := r.tap(back)
		r.equal("on coming back", again.took(), "m012 skipped:4 live")
		r.event()
		time.Sleep(time.Second)
		all := r.open(Filter{})
		r.attach(all, again.last())
		rest, _ := r.tap(all)
		r.equal("after what was skipped", rest.took(), "live")
	})
}
