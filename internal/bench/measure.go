package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A measurement is one run.
type measurement struct {
	options Options
	side    side
	seeded  bool      // the gateway already has the destinations
	streams []*stream // the first one is measured
	process *process
	address string // of the gateway

	cpuBefore, ownCPU  time.Duration // CPU time of the gateway before the measured part; of the bench during it
	cpuKnown, ownKnown bool
	peak               int64 // bytes of memory; 0 if unknown
	pending            int64 // deliveries still owed to a hanging destination
}

// run prepares the gateway, posts all events and waits for the deliveries.
func (m *measurement) run(ctx context.Context, title string) error {
	ctx, cancel := m.process.within(ctx)
	defer cancel()
	if err := m.process.ready(ctx); err != nil {
		return err
	}
	key := make([]byte, 32)
	rand.Read(key)
	if !m.seeded {
		if err := m.side.gateway.prepare(ctx, m.process, m.streams,
			"whsec_"+base64.StdEncoding.EncodeToString(key)); err != nil {
			return err
		}
	}
	var err error
	if m.address, err = loopbackHost(m.process.url); err != nil {
		return err
	}
	if !m.options.Sign {
		key = nil
	}
	began := time.Now()
	for _, s := range m.streams {
		s.ledger.began = began
	}
	m.noteCPU()
	watch := watchProgress(m.options, title, m.streams)
	defer watch.stop()
	if err := m.carry(ctx, key); err != nil {
		return err
	}
	own, _ := cpuTime(os.Getpid())
	m.ownCPU = own - m.ownCPU
	m.peak, _ = peakMemory(m.process.command.Process.Pid)
	return nil
}

// noteCPU starts to count CPU time.
func (m *measurement) noteCPU() {
	m.cpuBefore, m.cpuKnown = cpuTime(m.process.command.Process.Pid)
	m.ownCPU, m.ownKnown = cpuTime(os.Getpid())
}

// carry posts the held streams and resumes their destinations, posts the other streams, and waits for all deliveries.
func (m *measurement) carry(ctx context.Context, key []byte) error {
	for _, s := range m.streams {
		if s.held {
			if err := m.hold(ctx, s, key); err != nil {
				return err
			}
		}
	}
	if err := m.postRest(ctx, key); err != nil {
		return err
	}
	for _, s := range m.streams {
		if err := m.await(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// hold posts the events of a stream while its destinations are paused, and then resumes the destinations. CPU time
// is counted from then on.
func (m *measurement) hold(ctx context.Context, s *stream, key []byte) error {
	if err := m.post(ctx, s, key, nil); err != nil {
		return err
	}
	a, err := openAPI(m.process)
	if err != nil {
		return err
	}
	defer a.close()
	m.noteCPU()
	s.dueAt = time.Since(s.ledger.began)
	return s.resume(ctx, a)
}

// postRest posts the streams that are not held, all at the same time.
func (m *measurement) postRest(ctx context.Context, key []byte) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	var posting sync.WaitGroup
	for _, s := range m.streams {
		if s.held {
			continue
		}
		s.ledger.began = began
		posting.Go(func() {
			if err := m.post(ctx, s, key, m.enough(s)); err != nil {
				cancel(err)
			}
		})
	}
	posting.Wait()
	return context.Cause(ctx)
}

// enough returns a function that reports whether a stream without a fixed number of events has run for long
// enough: the held stream beside it has drained, or no longer does. It returns nil for other streams.
func (m *measurement) enough(s *stream) func() bool {
	if s.events > 0 {
		return nil
	}
	beside := m.streams[1]
	return func() bool { return beside.ledger.settled() || beside.quiet(beside.dueAt) > m.options.stillness() }
}

// post posts a stream. It is an error if no event is accepted.
func (m *measurement) post(ctx context.Context, s *stream, key []byte, enough func() bool) error {
	if err := s.post(ctx, m.address, key, enough); err != nil {
		return err
	}
	if s.ledger.accepted.Load() == 0 {
		return fmt.Errorf("it accepted nothing: %s", s.ledger.firstRefusal)
	}
	return nil
}

// await returns when all accepted events of a stream have arrived, or when nothing has arrived for so long that
// the missing ones count as lost. Deliveries to a hanging destination never arrive, but must still be pending.
func (m *measurement) await(ctx context.Context, s *stream) error {
	at := time.Since(s.ledger.began)
	if s.hangs {
		return m.awaitPending(ctx, s)
	}
	for !s.ledger.settled() && s.quiet(at) <= m.options.stillness() {
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// awaitPending returns when the gateway counts as many pending deliveries as this stream has. Before, it may count
// more, because it records those of other streams a moment after they arrive, or fewer, because its figures are some
// seconds old.
func (m *measurement) awaitPending(ctx context.Context, s *stream) error {
	a, err := openAPI(m.process)
	if err != nil {
		return err
	}
	defer a.close()
	owed := s.ledger.accepted.Load()
	for began := time.Now(); ; {
		if m.pending, err = a.pending(ctx); err != nil {
			return err
		}
		if m.pending == owed || time.Since(began) > m.options.stillness() {
			return nil
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// stillness returns how long no delivery arrives before the missing ones count as lost.
func (o Options) stillness() time.Duration {
	if o.patience == 0 {
		return defaultPatience
	}
	return o.patience
}

// A stream is a load in one run.
type stream struct {
	load
	options   Options
	receiver  *receiver
	reception *reception
	ledger    *ledger
	paused    []string     // ids of paused destinations
	made      atomic.Int64 // destinations created so far

	posting time.Duration // from the first request to the last answer
	dueAt   time.Duration // when the held deliveries came due, since ledger.began
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

// longestDrain bounds how long events are posted beside a backlog.
const longestDrain = 2 * time.Hour

// post posts the events of the stream, until all are posted or enough returns true.
func (s *stream) post(ctx context.Context, address string, key []byte, enough func() bool) error {
	began := time.Since(s.ledger.began)
	p := &producer{address: address, path: doorPath + s.source, key: key, connections: s.options.Connections,
		size: s.options.Size, rate: s.rate, ledger: s.ledger, enough: enough}
	err := p.run(ctx)
	s.posting = time.Since(s.ledger.began) - began
	return err
}

// quiet returns how long no delivery has arrived. It counts from at, which is since the start of the run, or from
// the last arrival.
func (s *stream) quiet(at time.Duration) time.Duration {
	last := max(at, time.Duration(s.ledger.lastArrival.Load()))
	return time.Since(s.ledger.began) - last
}

// drainTime returns the time from when the held deliveries came due until the last one arrived.
func (s *stream) drainTime() time.Duration {
	return time.Duration(s.ledger.lastArrival.Load()) - s.dueAt
}
