package match

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/contentcoding"
)

// LargeBody is the size from which a body passes a [Gate] before expressions are evaluated over it, in bytes. A body
// below it takes at most some milliseconds and 3 MiB of memory.
const LargeBody = 64 << 10

// Size returns how large the body of ev counts before it is decoded. One in a content encoding counts as large: nobody
// knows yet what becomes of it.
func Size(ev *bellhop.Event) int {
	if coding, err := contentcoding.OfEvent(ev); err == nil && coding == contentcoding.None {
		return len(ev.Body)
	}
	return max(LargeBody, len(ev.Body))
}

// Bounds of a gate.
const (
	maxUrgent     = 16              // that wait
	maxUrgentWait = 2 * time.Second // of one
	maxSlots      = 4
)

// ErrBusy reports that too many large bodies are being evaluated.
var ErrBusy = errors.New("too many large bodies are being decoded for the expressions of destinations; try again")

// A Gate bounds how many large bodies are decoded and evaluated at a time, and so how much memory and how many
// processors that takes: a slot takes at most one core and maxDecodedBytes. Callers for whom a sender waits are
// urgent: a few of them wait, for a short time. The others are patient: they wait until it is their turn. If both
// wait, they take turns.
type Gate struct {
	mu      sync.Mutex // guards all below
	free    int
	urgent  []chan struct{} // each is closed when its caller has a slot; the oldest first
	patient []chan struct{}
	last    *[]chan struct{} // the queue of which a caller got a slot last
}

// NewGate returns a gate with so many slots. 0 is a slot for each two processors, at most maxSlots: half of the
// processors stay free for small requests.
func NewGate(slots int) *Gate {
	return &Gate{free: cmp.Or(slots, min(maxSlots, max(1, runtime.GOMAXPROCS(0)/2)))}
}

// EnterSoon takes a slot for a caller for whom a sender waits. It returns ErrBusy, at once if too many wait already,
// or when it has waited for too long. Without an error, Leave must follow.
func (g *Gate) EnterSoon(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, maxUrgentWait, ErrBusy)
	defer cancel()
	return g.enter(ctx, &g.urgent, maxUrgent)
}

// Enter takes a slot as soon as there is one, or returns the error of ctx. Without an error, Leave must follow.
func (g *Gate) Enter(ctx context.Context) error { return g.enter(ctx, &g.patient, -1) }

// enter takes a slot, or waits for one in queue, unless limit callers wait there already. A negative limit is none.
func (g *Gate) enter(ctx context.Context, queue *[]chan struct{}, limit int) error {
	g.mu.Lock()
	if g.free > 0 {
		g.free--
		g.mu.Unlock()
		return nil
	}
	if limit >= 0 && len(*queue) >= limit {
		g.mu.Unlock()
		return ErrBusy
	}
	turn := make(chan struct{})
	*queue = append(*queue, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	at := slices.Index(*queue, turn)
	if at < 0 { // the slot came at the same moment
		return nil
	}
	*queue = slices.Delete(*queue, at, at+1)
	return context.Cause(ctx)
}

// Leave gives a slot back.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	queue := &g.urgent
	if len(g.urgent) == 0 || g.last == &g.urgent && len(g.patient) > 0 {
		queue = &g.patient
	}
	if len(*queue) == 0 {
		g.free++
		return
	}
	close((*queue)[0])
	*queue, g.last = slices.Delete(*queue, 0, 1), queue
}

// Compile compiles the text of a [Template], and returns a function that renders it over an event, for a large one
// within a slot of g for which it waits patiently.
func (g *Gate) Compile(text string) (func(ctx context.Context, ev *bellhop.Event) (any, error), error) {
	t, err := CompileTemplate(text)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, ev *bellhop.Event) (any, error) {
		if Size(ev) >= LargeBody {
			if err := g.Enter(ctx); err != nil {
				return nil, err
			}
			defer g.Leave()
		}
		return t.Render(ev)
	}, nil
}
