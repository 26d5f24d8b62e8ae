package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"sync"
	"time"
)

// A measurement is one run under way.
type measurement struct {
	options Options
	side    side
	seeded  bool
	streams []*stream // the first is what is measured
	process *process
	address string

	cpuBefore, ownCPU  time.Duration
	cpuKnown, ownKnown bool
	peak               int64 // bytes; 0 if unknown
	pending            int64 // deliveries that a destination which hangs is still owed
}

// run makes the gateway ready, posts all events and waits for what it delivers.
func (m *measurement) run(ctx context.Context, title string) error {
	ctx, cancel := m.process.within(ctx)
	defer cancel()
	if err := m.process.ready(ctx); err != nil {
		return err
	}
	key := make([]byte, 32)
	rand.Read(key)
	if !m.seeded {
		if err := m.side.gateway.prepare(ctx, m.process, m.streams, "whsec_"+base64.StdEncoding.EncodeToString(key)); err != nil {
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

// noteCPU begins counting.
func (m *measurement) noteCPU() {
	m.cpuBefore, m.cpuKnown = cpuTime(m.process.command.Process.Pid)
	m.ownCPU, m.ownKnown = cpuTime(os.Getpid())
}

// carry posts what is held, has it come due, posts the rest, and waits until all has arrived.
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

// hold posts the events of a stream while its destinations are paused, and then resumes them. What that costs until
// then is not counted.
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

// postRest posts the streams that are not held, all at once.
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

// enough says when a stream without an end has gone on for long enough: when what it goes on beside has drained, or no
// longer does.
func (m *measurement) enough(s *stream) func() bool {
	if s.events > 0 {
		return nil
	}
	beside := m.streams[1]
	return func() bool { return beside.ledger.settled() || beside.quiet(beside.dueAt) > m.options.stillness() }
}

func (m *measurement) post(ctx context.Context, s *stream, key []byte, enough func() bool) error {
	if err := s.post(ctx, m.address, key, enough); err != nil {
		return err
	}
	if s.ledger.accepted.Load() == 0 {
		return fmt.Errorf("it accepted nothing: %s", s.ledger.firstRefusal)
	}
	return nil
}
