package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// measure starts a gateway in a temporary folder within parent, sends it the events of one run, and takes all of it away.
func measure(ctx context.Context, o Options, g gateway, parent, title string) (result Result, err error) {
	dir, err := os.MkdirTemp(parent, "bellhop-bench-*")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	l := newLedger(o.Events, o.Fanout)
	to, err := newReceiver(l)
	if err != nil {
		return result, err
	}
	defer to.close()
	data := filepath.Join(dir, g.name)
	if err := os.Mkdir(data, 0o700); err != nil {
		return result, err
	}
	p, err := start(ctx, o.Program, data, g.args(o, data, to.url()))
	if err != nil {
		return result, err
	}
	m := &measurement{options: o, gateway: g, ledger: l, process: p, to: to.url()}
	err = m.run(ctx, title)
	stopped := p.stop()
	if ctx.Err() != nil {
		return result, context.Cause(ctx)
	}
	if err := errors.Join(err, stopped); err != nil {
		return result, err
	}
	to.close() // what arrived while the gateway stopped is in the ledger now
	return m.result(), nil
}

// A measurement is one run under way.
type measurement struct {
	options Options
	gateway gateway
	ledger  *ledger
	process *process
	to      string // the receiver's URL

	posting            time.Duration // from the first event sent until the last was answered
	cpuBefore, ownCPU  time.Duration
	cpuKnown, ownKnown bool
	peak               int64 // bytes; 0 if unknown
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
	if err := m.gateway.prepare(ctx, m.options, m.process, m.to, "whsec_"+base64.StdEncoding.EncodeToString(key)); err != nil {
		return err
	}
	address, err := loopbackHost(m.process.url)
	if err != nil {
		return err
	}
	if !m.options.Sign {
		key = nil
	}
	pid := m.process.command.Process.Pid
	m.cpuBefore, m.cpuKnown = cpuTime(pid)
	m.ownCPU, m.ownKnown = cpuTime(os.Getpid())

	m.ledger.began = time.Now()
	watch := watchProgress(m.options, title, m.ledger)
	defer watch.stop()
	producer := &producer{address: address, path: sourcePath, key: key, options: m.options, ledger: m.ledger}
	if err := producer.run(ctx); err != nil {
		return err
	}
	m.posting = time.Since(m.ledger.began)
	if m.ledger.accepted.Load() == 0 {
		return fmt.Errorf("it accepted nothing: %s", m.ledger.firstRefusal)
	}
	if err := m.await(ctx); err != nil {
		return err
	}
	own, _ := cpuTime(os.Getpid())
	m.ownCPU = own - m.ownCPU
	m.peak, _ = peakMemory(pid)
	return nil
}

// await returns when all that was accepted has arrived, or nothing has for so long that the rest counts as lost.
func (m *measurement) await(ctx context.Context) error {
	patience := m.options.patience
	if patience == 0 {
		patience = defaultPatience
	}
	for !m.ledger.settled() {
		last := max(m.posting, time.Duration(m.ledger.lastArrival.Load()))
		if time.Since(m.ledger.began)-last > patience {
			return nil
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// result is what the run came to, once the gateway has stopped. Its CPU time is all it used since the first event was
// sent, writing down the last results and the clean stop included; where its start cannot be told apart, that too.
func (m *measurement) result() Result {
	l := m.ledger
	accepted := float64(l.accepted.Load())
	state := m.process.command.ProcessState
	r := Result{
		Gateway: m.gateway.name,
		Figures: Figures{
			AcceptedPerSecond:  accepted / m.posting.Seconds(),
			DeliveredPerSecond: perSecond(l.delivered.Load(), time.Duration(l.lastArrival.Load())),
			AcceptP50:          milliseconds(l.acceptLatency.quantile(.5)),
			AcceptP99:          milliseconds(l.acceptLatency.quantile(.99)),
			EndToEndP50:        milliseconds(l.endToEnd.quantile(.5)),
			EndToEndP99:        milliseconds(l.endToEnd.quantile(.99)),
			CPU:                microseconds(state.UserTime()+state.SystemTime()-m.cpuBefore) / accepted,
			PeakMemory:         float64(m.peak) / (1 << 20),
		},
		Accepted: l.accepted.Load(), Refused: l.refused.Load(), FirstRefusal: l.firstRefusal,
		Delivered: l.delivered.Load(), Duplicates: l.duplicates.Load(), Lost: int64(l.missing()), Unwanted: l.unwanted.Load(),
		WholeLifeCPU: !m.cpuKnown,
	}
	if m.ownKnown {
		r.OwnCPU = microseconds(m.ownCPU) / accepted
	}
	return r
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
