package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// A world is the store of one test, with a source and a destination in it, and a clock that moves only when the
// test moves it.
type world struct {
	*testing.T
	store.Store
	ctx                 context.Context
	clock               *clock
	observer            *observer
	source, destination string
	nouns               int
}

type clock struct {
	mu     sync.Mutex // guards what follows
	at     time.Time
	passed time.Duration
	step   time.Duration // that elapsed lets pass, for a test of what takes long
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// elapsed returns the time that has passed.
func (c *clock) elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed += c.step
	return c.passed
}

// pass lets time pass.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.passed = c.at.Add(d), c.passed+d
}

// set sets the clock, by d from now, without that time passing.
func (c *clock) set(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// retryIn is after how long a failed attempt is made again.
const retryIn = 5 * time.Minute

func (w *world) newID(prefix string) string {
	w.nouns++
	return fmt.Sprintf("%s%020d", prefix, w.nouns)
}

func (w *world) newSource(name string) (id string) {
	w.Helper()
	s := bellhop.Source{ID: w.newID(bellhop.PrefixSource), Name: name, Provider: "ams",
		Settings:     []byte(`{"key":"k"}`),
		MaxBodyBytes: 1 << 20, CreatedAt: w.clock.now(), UpdatedAt: w.clock.now(),
		SecretsAt: bellhop.SecretTimes{"settings.key": w.clock.now()}}
	w.must(w.CreateSource(w.ctx, s))
	return s.ID
}

func (w *world) newDestination(name string) (id string) {
	w.Helper()
	d := bellhop.Destination{ID: w.newID(bellhop.PrefixDestination), Name: name, Type: bellhop.TypeHTTP,
		URL:      "https://billing.example/in",
		Settings: []byte(`{"secret":"s"}`), Match: bellhop.Match{Types: []string{"ams.*"}}, Timeout: 5 * time.Second,
		Concurrency: 16,
		Retry:       bellhop.Retry{Schedule: bellhop.ScheduleSharePoint}, State: bellhop.DestinationActive,
		CreatedAt: w.clock.now(), UpdatedAt: w.clock.now(),
		SecretsAt: bellhop.SecretTimes{"settings.key": w.clock.now()}}
	w.must(w.CreateDestination(w.ctx, d))
	return d.ID
}

// event returns an event of the source of w. providerID may be "".
func (w *world) event(providerID string, body []byte) bellhop.Event {
	return bellhop.Event{SourceID: w.source, Source: "media", Type: "ams.JobStateChange", ProviderID: providerID,
		ReceivedAt: w.clock.now(), ContentType: "application/json",
		Header: bellhop.Header("Content-Type: application/json\n"),
		Body:   body, SHA256: sha256.Sum256(body)}
}

// accept calls Accept, which must succeed.
func (w *world) accept(events []bellhop.Event, owed []bellhop.NewDelivery) bellhop.Accepted {
	w.Helper()
	got, err := w.Accept(w.ctx, nil, events, owed)
	w.must(err)
	return got
}

// owe accepts an event with one delivery to the destination of w, and returns the id of the delivery.
func (w *world) owe(leased bool) (deliveryID string) {
	w.Helper()
	owed := []bellhop.NewDelivery{{DestinationID: w.destination, Leased: leased}}
	w.accept([]bellhop.Event{w.event("", []byte(`{"state":"done"}`))}, owed)
	return owed[0].DeliveryID
}

// claim claims the due deliveries of the destination of w and returns their ids.
func (w *world) claim() (deliveryIDs []string) {
	w.Helper()
	list, err := w.Claim(w.ctx, w.destination, 100, 1<<20)
	w.must(err)
	for _, d := range list {
		deliveryIDs = append(deliveryIDs, d.ID)
	}
	return deliveryIDs
}

// result returns the result of an attempt made now: with status 200 if the delivery is delivered, otherwise with 503.
func (w *world) result(deliveryID string, number int, state bellhop.DeliveryState) bellhop.Result {
	r := bellhop.Result{DeliveryID: deliveryID, DestinationID: w.destination, State: state,
		Attempt: bellhop.Attempt{DeliveryID: deliveryID,
			Number: number, StartedAt: w.clock.now(), Duration: 40 * time.Millisecond, Status: 200,
			Reply: []byte("ok")}}
	if state != bellhop.DeliveryDelivered {
		r.Attempt.Status, r.Attempt.Error, r.Attempt.Detail, r.Attempt.Reply = 503, "status", "the reply was 503",
			[]byte("busy")
	}
	if state == bellhop.DeliveryPending {
		r.NextAt = w.clock.now().Add(retryIn)
	}
	return r
}

// record records r and waits until the delivery has the attempt.
func (w *world) record(r bellhop.Result) {
	w.Helper()
	w.must(w.Record(r))
	w.eventually("the attempt of "+r.DeliveryID+" shows",
		func() bool { return w.delivery(r.DeliveryID).Attempts == r.Attempt.Number })
}

// settle waits until all results and notes handed over before have taken effect. A result shows in its row before
// it is counted and observed; the synchronous write at the end returns only after that.
func (w *world) settle() {
	w.Helper()
	w.record(w.result(w.owe(true), 1, bellhop.DeliveryDelivered))
	w.must(w.Release(w.ctx, nil))
}

func (w *world) delivery(id string) bellhop.Delivery {
	w.Helper()
	d, err := w.Delivery(w.ctx, id)
	w.must(err)
	return d
}

func (w *world) state(deliveryID string) bellhop.DeliveryState {
	w.Helper()
	return w.delivery(deliveryID).State
}

// sweep runs the sweep until done reports true.
func (w *world) sweep(what string, done func() bool) {
	w.Helper()
	ctx, stop := context.WithCancel(w.ctx)
	ended := make(chan error)
	go func() { ended <- w.Store.Run(ctx) }()
	defer func() {
		stop()
		w.must(<-ended)
	}()
	w.eventually(what, done)
}

// eventually polls until done reports true, for changes that nothing announces.
func (w *world) eventually(what string, done func() bool) {
	w.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("gave up waiting until %s", what)
		}
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// refused checks that err has that code.
func (w *world) refused(what string, err error, code bellhop.Code) {
	w.Helper()
	if e := (*bellhop.Error)(nil); !errors.As(err, &e) || e.Code != code {
		w.Errorf("%s: %v, want an error of code %s", what, err, code)
	}
}

func (w *world) equal(what string, got, want any) {
	w.Helper()
	if !reflect.DeepEqual(got, want) {
		w.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
