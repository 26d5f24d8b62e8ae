package bench

import (
	"context"
	"sync/atomic"
	"time"
)

// A stream is a load in one run: what is posted, and what arrives of it.
type stream struct {
	load
	options   Options
	receiver  *receiver
	reception *reception
	ledger    *ledger
	paused    []string     // destinations, by id
	made      atomic.Int64 // destinations

	posting time.Duration // from the first event sent until the last was answered
	dueAt   time.Duration // when what was held came due, since ledger.began
}

// newStream begins a load at a receiver.
func newStream(o Options, l load, to *receiver) *stream {
	s := &stream{load: l, options: o, receiver: to}
	events, fanout := l.events, l.destinations
	if events == 0 {
		events = min(MaxEvents, l.rate*int(longestDrain/time.Second))
	}
	if l.spread {
		fanout = 1
	}
	s.ledger = newLedger(events, fanout)
	if l.spread {
		s.ledger.spread = l.destinations
	}
	s.reception = &reception{ledger: s.ledger, hangs: l.hangs, delay: l.delay}
	to.receive(s.reception)
	return s
}

// longestDrain is for how long events are posted beside a backlog.
const longestDrain = 2 * time.Hour

// post posts the stream's events, until there are no more or it is enough.
func (s *stream) post(ctx context.Context, address string, key []byte, enough func() bool) error {
	began := time.Since(s.ledger.began)
	p := &producer{address: address, path: doorPath + s.source, key: key, connections: s.options.Connections, size: s.options.Size,
		rate: s.rate, ledger: s.ledger, enough: enough}
	err := p.run(ctx)
	s.posting = time.Since(s.ledger.began) - began
	return err
}

// quiet is how long nothing has arrived, since at, which is since the run began, at the earliest.
func (s *stream) quiet(at time.Duration) time.Duration {
	last := max(at, time.Duration(s.ledger.lastArrival.Load()))
	return time.Since(s.ledger.began) - last
}

// drainTime is from when what was held came due until the last of it arrived.
func (s *stream) drainTime() time.Duration {
	return time.Duration(s.ledger.lastArrival.Load()) - s.dueAt
}
