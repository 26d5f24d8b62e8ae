package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A producer posts the events of a run to a gateway and writes the answers into the ledger.
type producer struct {
	address     string // "127.0.0.1:8080"
	path        string
	key         []byte // of Standard Webhooks; nil signs nothing
	connections int
	size        int // bytes of a body
	rate        int // a second; 0 is as fast as they are answered
	ledger      *ledger
	enough      func() bool // asked before each event; nil is when there are no more

	next   atomic.Int64 // event
	broken atomic.Int64 // requests that got no answer
}

// run posts all events, unless ctx ends or the gateway no longer answers.
func (p *producer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var connections sync.WaitGroup
	for range p.connections {
		connections.Go(func() {
			if err := p.post(ctx); err != nil {
				cancel(err)
			}
		})
	}
	connections.Wait()
	return context.Cause(ctx)
}

// post posts events one after the other on one connection, for as long as there are any.
func (p *producer) post(ctx context.Context) error {
	c := &caller{address: p.address}
	defer c.hangUp()
	r := newRequest(p.address, p.path, p.size, p.key, p.ledger.spread)
	for {
		event := int(p.next.Add(1) - 1)
		if event >= p.ledger.events || p.enough != nil && p.enough() {
			return nil
		}
		due, err := p.due(ctx, event)
		if err != nil {
			return err
		}
		r.set(event, due, time.Now())
		a, err := c.call(ctx, r.bytes)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			p.ledger.refuse(err.Error())
			if p.broken.Add(1) > int64(3*p.connections) {
				return fmt.Errorf("it no longer answers: %w", err)
			}
		case a.status/100 == 2:
			p.ledger.accept(event, due)
		default:
			p.ledger.refuse(fmt.Sprintf("%d %s", a.status, a.text))
		}
	}
}

// due returns when an event is to be sent. At a rate that is laid down beforehand and waited for, so what a slow gateway
// holds up counts as its latency; else it is now.
func (p *producer) due(ctx context.Context, event int) (time.Duration, error) {
	if p.rate == 0 {
		return time.Since(p.ledger.began), ctx.Err()
	}
	due := time.Duration(event) * time.Second / time.Duration(p.rate)
	return due, sleep(ctx, due-time.Since(p.ledger.began))
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
