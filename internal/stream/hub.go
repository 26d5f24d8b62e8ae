// Package stream fans out what happens in the gateway to those who listen: the live stream of the API.
//
// Whoever has something to tell publishes a [Note]. While nobody listens that costs one atomic load. While somebody
// does, notes go into one bounded ring, and one goroutine, [Hub.Run], passes them on: it asks the [Filter] of each
// [Listener], writes the text of a note once for all of them, and puts it into their bounded buffers. Nobody waits for
// a listener. One whose buffer is full is dropped, with a last message that says so; it can go on where it was.
//
// Each message has a [Position] as its id. A listener that comes back with one gets the notes after it from the ring,
// as long as they are there; otherwise its caller reads them from the store. The ring outlives its last listener by a
// minute, and then the hub holds no memory.
package stream

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Bounds of a hub. A slot of the ring is about a third of a kilobyte, and what its note points to as much again.
const (
	DefaultMaxListeners = 100
	ringLength          = 8192
	chunk               = 256 // notes that are copied out of the ring at a time
	maxPending          = 1 << 20
	early               = 1024 // notes that Run does not let wait for its next pass
)

// Times of a hub.
const (
	// at most, between two passes of Run: many notes share one write of each listener
	pause     = 100 * time.Millisecond
	linger    = time.Minute      // for which the ring outlives the last listener
	Heartbeat = 15 * time.Second // without a message, after which a listener gets a sign of life
)

// ErrFull says that there are as many listeners as there may be.
var ErrFull = errors.New("too many listeners")

// Options are the parts that a hub works with. All but Metrics and MaxListeners are required.
type Options struct {
	// Mark returns the mark of the newest event or request in the store.
	Mark func(ctx context.Context) (string, error)
	// Render appends the JSON of a note to dst, in one line.
	Render func(dst []byte, n *Note) []byte
	Now    func() time.Time

	MaxListeners int                   // 0 is DefaultMaxListeners
	Metrics      prometheus.Registerer // nil registers no metrics
}

// A Hub passes notes on while Run does.
type Hub struct {
	opts    Options
	metrics *metrics
	wake    chan struct{} // holds one: there are new notes, or the last listener left
	hurry   chan struct{} // holds one: there are early notes

	observing atomic.Bool // whether notes are wanted: ring is not nil

	mu      sync.Mutex // guards the fields below; taken before the mu of a listener
	stopped bool
	session uint64 // of ring; the time at which it was made, in nanoseconds
	// the latest notes, each at its number modulo the length; nil while nobody listens
	ring      []slot
	head      uint64                 // the number of the latest note of the session; the first one is 1
	tail      uint64                 // the number of the latest note that Run has taken
	mark      string                 // the latest of the notes and of the store at the start of the session
	marked    bool                   // mark has been read from the store
	open      int                    // listeners that hold a place
	listeners map[*Listener]struct{} // those that are attached

	// Only Run uses these.
	batch []slot
	texts []byte // of the notes of batch that somebody wants
	all   []*Listener
}

// A slot is a note in the ring.
type slot struct {
	Note
	after      Position // the position after it
	begin, end int      // of its text in Hub.texts; 0, 0 if it was not written yet
}

// New returns a hub without listeners.
func New(o Options) *Hub {
	o.MaxListeners = cmp.Or(o.MaxListeners, DefaultMaxListeners)
	h := &Hub{opts: o, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		listeners: map[*Listener]struct{}{}}
	h.metrics = newMetrics(o.Metrics)
	return h
}

// Observing reports whether notes are wanted. Those who have to do something for a note ask before.
func (h *Hub) Observing() bool { return h.observing.Load() }

// Publish passes n on. It never waits for a listener. Notes with a mark are published in the order of their marks; one
// that was in the store before the first listener came is left out.
func (h *Hub) Publish(n Note) {
	if !h.observing.Load() {
		return
	}
	now := h.opts.Now()
	h.mu.Lock()
	if h.ring == nil || n.Mark != "" && n.Mark <= h.mark {
		h.mu.Unlock()
		return
	}
	if n.Mark != "" {
		h.mark = n.Mark
	}
	h.head++
	h.ring[h.head%ringLength] = slot{Note: n, after: Position{h.mark, now, h.session, h.head}}
	waiting := h.head - h.tail
	h.mu.Unlock()
	switch waiting {
	case 1:
		h.poke()
	case early:
		select {
		case h.hurry <- struct{}{}:
		default:
		}
	}
}

func (h *Hub) poke() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Open takes a place for a listener, who hears nothing before [Listener.Attach]. The caller closes it. The error is
// ErrFull if there is no place, or that of Options.Mark.
func (h *Hub) Open(ctx context.Context, f Filter) (*Listener, error) {
	h.mu.Lock()
	if h.open >= h.opts.MaxListeners {
		h.mu.Unlock()
		return nil, ErrFull
	}
	h.open++
	if h.ring == nil {
		h.ring, h.session = make([]slot, ringLength), uint64(h.opts.Now().UnixNano())
		h.head, h.tail, h.mark, h.marked = 0, 0, "", false
		h.observing.Store(true) // before the mark is read: what is stored after it will be published
	}
	marked := h.marked
	h.mu.Unlock()
	h.metrics.listeners.Inc()
	l := &Listener{hub: h, filter: f, ready: make(chan struct{}, 1)}
	if marked {
		return l, nil
	}
	mark, err := h.opts.Mark(ctx)
	if err != nil {
		l.Close()
		return nil, err
	}
	h.mu.Lock()
	if !h.marked { // another one may have attached meanwhile, and must not miss what came after its mark
		h.mark, h.marked = max(h.mark, mark), true
	}
	h.mu.Unlock()
	return l, nil
}

// Has reports whether the ring still has everything after p.
func (h *Hub) Has(p Position) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.has(p)
}

// has is Has for a caller that holds mu.
func (h *Hub) has(p Position) bool {
	return h.ring != nil && p.Session == h.session && p.Seq >= h.head-min(h.head, ringLength) && p.Seq <= h.head
}

// Stop ends all listeners, with a last message that says that the gateway stops, and those that come later at once.
func (h *Hub) Stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	for l := range h.listeners {
		l.end(stopping)
		delete(h.listeners, l)
	}
}

// Stopped reports whether Stop was called.
func (h *Hub) Stopped() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stopped
}

// The reasons for which a stream ends.
var (
	stopping = Control{Reason: "stopping", Detail: "the gateway stops; come back with the id of the last message"}
	tooSlow  = Control{Reason: "slow", Detail: "messages were read too slowly, and the gateway does not wait; come " +
		"back with the id of the last message"}
)

// Run passes notes on until ctx ends.
func (h *Hub) Run(ctx context.Context) {
	var idle <-chan time.Time // is received from when nobody has listened for the linger time
	for {
		select {
		case <-ctx.Done():
			return
		case <-idle:
			idle = nil
			h.rest()
			continue
		case <-h.wake:
		}
		for h.passOn() {
		}
		h.mu.Lock()
		empty := h.open == 0
		h.mu.Unlock()
		switch {
		case !empty:
			idle = nil
		case idle == nil:
			idle = time.After(linger)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		case <-h.hurry:
		}
	}
}

// rest frees the ring, unless somebody listens.
func (h *Hub) rest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open > 0 {
		return
	}
	h.observing.Store(false)
	h.ring, h.batch, h.texts, h.all = nil, nil, nil, nil
	h.head, h.tail = 0, 0
}

// passOn passes the next notes on to those who want them, at most chunk, and reports whether there may be more.
func (h *Hub) passOn() bool {
	h.mu.Lock()
	lost := h.overrun()
	h.batch, h.all = h.batch[:0], h.all[:0]
	for h.tail < h.head && len(h.batch) < chunk {
		h.tail++
		h.batch = append(h.batch, h.ring[h.tail%ringLength])
	}
	for l := range h.listeners {
		h.all = append(h.all, l)
	}
	h.mu.Unlock()
	h.texts = h.texts[:0]
	for _, l := range h.all {
		if l.take(h.batch, lost) {
			continue
		}
		h.metrics.dropped.Inc()
		h.mu.Lock()
		delete(h.listeners, l)
		h.mu.Unlock()
	}
	clear(h.batch) // what the notes point to
	clear(h.all)
	return len(h.batch) == chunk
}

// overrun moves tail to the oldest note of the ring, if Run was too slow for it, and returns how many notes are lost.
// The caller holds mu.
func (h *Hub) overrun() (lost uint64) {
	if h.head-h.tail <= ringLength {
		return 0
	}
	lost = h.head - h.tail - ringLength
	h.tail += lost
	h.metrics.lost.Add(float64(lost))
	return lost
}

// text returns the message of a note of the batch. It is written once.
func (h *Hub) text(s *slot) []byte {
	if s.end == 0 {
		s.begin = len(h.texts)
		h.texts = h.Append(h.texts, s.after, &s.Note)
		s.end = len(h.texts)
	}
	return h.texts[s.begin:s.end]
}

// Append appends the message of a note, in the form of server-sent events. The zero Position is no id, and leaves
// clients at the one before.
func (h *Hub) Append(dst []byte, p Position, n *Note) []byte {
	if p.Mark != "" {
		dst = append(p.Append(append(dst, "id: "...)), '\n')
	}
	dst = append(append(append(dst, "event: "...), n.Kind.String()...), "\ndata: "...)
	return append(h.opts.Render(dst, n), "\n\n"...)
}

// metrics are what a hub counts.
type metrics struct {
	listeners prometheus.Gauge
	dropped   prometheus.Counter
	lost      prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		listeners: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bellhop_stream_listeners",
			Help: "Clients that follow the live stream now."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_stream_dropped_total",
			Help: "Clients of the live stream that read too slowly and were dropped."}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_stream_lost_total",
			Help: "Notes that the live stream could not pass on in time. Its clients were told of the gap."}),
	}
	if r != nil {
		r.MustRegister(m.listeners, m.dropped, m.lost)
	}
	return m
}
