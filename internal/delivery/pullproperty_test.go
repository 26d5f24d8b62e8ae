package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestAnyPull: several programs pull, ack, nack, extend, forget and go away at random, use tokens of others and old
// ones, while the destination is paused and the process is restarted and killed. An ack counts for one lease of a
// delivery at most, and what was acked stays delivered; no delivery is lost; a key gives out one delivery at a time,
// in order; no more leases last than the concurrency allows.
func TestAnyPull(t *testing.T) {
	anyPull(t, 3)
}

// anyPull is the body of TestAnyPull for this number of histories.
func anyPull(t *testing.T, seeds uint64) {
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				p := newPullers(t, seed)
				for range 150 {
					p.step()
				}
				p.settle()
			})
		})
	}
}

// pullers are a random history of a destination of type pull, and a model of its leases.
type pullers struct {
	*rig
	random *rand.Rand
	mortal *mortal
	dst    bellhop.Destination
	sent   int

	lasting map[string]inHand // leases that last, by their token
	over    []inHand          // leases that have ended
	acked   map[string]int    // by delivery: how many acks were taken
	next    map[string]int    // by key: the event that comes next
}

// An inHand is a lease in the hands of a program.
type inHand struct {
	bellhop.Lease
	number int // of the event
}

func newPullers(t *testing.T, seed uint64) *pullers {
	p := &pullers{random: rand.New(rand.NewPCG(seed, 7)), lasting: map[string]inHand{}, acked: map[string]int{},
		next: map[string]int{}}
	p.rig = newRig(t, func(r *rig) {
		r.wrapStore = func(kept Store) Store {
			p.mortal = &mortal{Store: kept}
			return p.mortal
		}
	})
	p.dst = p.pulled(func(d *bellhop.Destination) {
		d.Order = orders[int(seed)%len(orders)]
		d.Concurrency = 1 + p.random.IntN(20)
		d.Breaker = bellhop.Breaker{}
		d.Retry.Schedule = slices.Repeat(bellhop.Schedule{time.Second}, bellhop.MaxScheduleLength) // no delivery dies
		if seed%2 == 1 {
			d.Rate = bellhop.Rate{PerSecond: 2, Burst: 5}
		}
	})
	return p
}

// key returns the key of a lease's event; "" without an order.
func (p *pullers) key(l bellhop.Lease) string {
	switch p.dst.Order {
	case bellhop.OrderSource:
		return "all"
	case bellhop.OrderSubject:
		return l.Event.Subject
	}
	return ""
}

// pass lets time pass, and ends the leases whose time is over.
func (p *pullers) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	for token, h := range p.lasting {
		if !h.EndsAt.After(time.Now()) {
			p.end(token)
		}
	}
}

// end ends a lease of the model.
func (p *pullers) end(token string) {
	p.over = append(p.over, p.lasting[token])
	delete(p.lasting, token)
}

// any returns a lease that lasts, or one that has ended.
func (p *pullers) any() (h inHand, lasts, ok bool) {
	if len(p.over) > 0 && p.random.IntN(4) == 0 {
		return p.over[p.random.IntN(len(p.over))], false, true
	}
	var tokens []string
	for token := range p.lasting {
		tokens = append(tokens, token)
	}
	if len(tokens) == 0 {
		return h, false, false
	}
	slices.Sort(tokens)
	return p.lasting[tokens[p.random.IntN(len(tokens))]], true, true
}

// pullSome pulls, and checks what comes against the model.
func (p *pullers) pullSome() {
	ctx, cancel := context.WithCancel(p.t.Context())
	defer cancel()
	if p.random.IntN(5) == 0 { // a client that goes away
		time.AfterFunc(time.Duration(p.random.IntN(1000))*time.Millisecond, cancel)
	}
	got, err := p.engine.Pull(ctx, p.dst.ID, bellhop.Pull{Max: 1 + p.random.IntN(10),
		Wait: time.Duration(p.random.IntN(3)) * time.Second})
	if err != nil && ctx.Err() == nil {
		p.t.Errorf("pull: %v", err)
	}
	p.pass(0)
	if p.random.IntN(10) == 0 { // a client that was gone before it had the answer
		p.engine.PutBack(p.dst.ID, got)
		return
	}
	for _, l := range got {
		h := inHand{Lease: l}
		if _, err := fmt.Sscan(string(l.Body), &h.number); err != nil {
			p.t.Fatal(err)
		}
		key := p.key(l)
		for _, other := range p.lasting {
			if other.DeliveryID == l.DeliveryID || key != "" && p.key(other.Lease) == key {
				p.t.Errorf("%s of %q was given out while %s was in somebody's hands", l.DeliveryID, key,
					other.DeliveryID)
			}
		}
		if p.acked[l.DeliveryID] > 0 {
			p.t.Errorf("%s was acked, and given out again", l.DeliveryID)
		}
		if key != "" && h.number < p.next[key] {
			p.t.Errorf("event %d of %q came after event %d was acked", h.number, key, p.next[key])
		}
		p.lasting[l.Token] = h
	}
	if len(p.lasting) > p.dst.Concurrency {
		p.t.Errorf("%d leases, and the concurrency is %d", len(p.lasting), p.dst.Concurrency)
	}
}

// endOne acks or nacks a lease, which may have ended already, or be of another delivery.
func (p *pullers) endOne() {
	h, lasts, ok := p.any()
	if !ok {
		return
	}
	x := h.Lease
	if other, _, _ := p.any(); p.random.IntN(8) == 0 && other.DeliveryID != x.DeliveryID {
		x.DeliveryID, lasts = other.DeliveryID, false
	}
	ack := p.random.IntN(3) > 0
	err := error(nil)
	if ack {
		err = p.ack(x)
	} else {
		err = p.nack(x, time.Duration(p.random.IntN(30)-1)*time.Second)
	}
	switch {
	case lasts && err != nil:
		p.t.Errorf("a lease that lasts: %v", err)
	case !lasts && !errors.Is(err, bellhop.ErrNoLease):
		p.t.Errorf("a lease that has ended, or of another delivery: %v", err)
	case lasts:
		p.end(x.Token)
		if !ack {
			break
		}
		p.acked[x.DeliveryID]++
		if key := p.key(x); key != "" {
			p.next[key] = h.number + 1
		}
	}
}

// extendOne extends a lease, which may have ended already.
func (p *pullers) extendOne() {
	h, lasts, ok := p.any()
	if !ok {
		return
	}
	end, err := p.engine.Extend(p.dst.ID, h.DeliveryID, h.Token, time.Duration(p.random.IntN(120))*time.Second)
	switch {
	case lasts != (err == nil):
		p.t.Errorf("an extension of a lease that lasts (%v): %v", lasts, err)
	case lasts:
		h.EndsAt = end
		p.lasting[h.Token] = h
	}
}

// restart stops the process, or kills it, and starts another one. All leases end.
func (p *pullers) restart(kill bool) {
	p.mortal.dead.Store(kill)
	if err := p.stop(p.t.Context()); err != nil {
		p.t.Error(err)
	}
	p.open()
	for token := range p.lasting {
		p.end(token)
	}
}

// step makes one random change and lets time pass.
func (p *pullers) step() {
	switch p.random.IntN(20) {
	case 0:
		p.update(p.dst.ID, func(d *bellhop.Destination) { d.State = bellhop.DestinationPaused })
	case 1, 2:
		p.update(p.dst.ID, func(d *bellhop.Destination) { d.State = bellhop.DestinationActive })
	case 3:
		p.restart(p.random.IntN(2) == 0)
	case 4, 5, 6:
		for range 1 + p.random.IntN(6) {
			p.accept(bellhop.Event{Subject: fmt.Sprint("s", p.random.IntN(4)),
				Body: fmt.Appendf(nil, "%d %s", p.sent, strings.Repeat(".", p.random.IntN(1000)))})
			p.sent++
		}
	case 7, 8:
		p.extendOne()
	case 9, 10, 11, 12, 13:
		p.pullSome()
	default:
		p.endOne()
	}
	p.pass(time.Duration(p.random.IntN(8000)) * time.Millisecond)
}

// settle acks all that is left, and checks the end of all deliveries.
func (p *pullers) settle() {
	p.update(p.dst.ID, func(d *bellhop.Destination) { d.State = bellhop.DestinationActive })
	for idle := 0; idle < 4; {
		for token, h := range p.lasting {
			if err := p.ack(h.Lease); err != nil {
				p.t.Errorf("an ack in the end: %v", err)
			}
			p.acked[h.DeliveryID]++
			if key := p.key(h.Lease); key != "" {
				p.next[key] = h.number + 1
			}
			p.end(token)
		}
		before := len(p.over)
		got, err := p.engine.Pull(p.t.Context(), p.dst.ID, bellhop.Pull{Max: 100, Wait: 20 * time.Second})
		if err != nil {
			p.t.Fatal(err)
		}
		for _, l := range got {
			h := inHand{Lease: l}
			fmt.Sscan(string(l.Body), &h.number)
			p.lasting[l.Token] = h
		}
		idle++
		if len(got) > 0 || len(p.over) > before {
			idle = 0
		}
	}
	list := p.deliveries()
	if len(list) != p.sent {
		p.t.Errorf("%d deliveries of %d events", len(list), p.sent)
	}
	for _, d := range list {
		if d.State != bellhop.DeliveryDelivered || p.acked[d.ID] != 1 {
			p.t.Errorf("%s is %s after %d attempts, acked %d times: %+v", d.ID, d.State, d.Attempts, p.acked[d.ID],
				d.Last)
		}
	}
	p.wantIdle()
}
