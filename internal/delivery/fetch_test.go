package delivery

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/action"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/graph"
)

// mailbox is the API of a connection at Graph. Its resources change with each notification.
type mailbox struct {
	mu       sync.Mutex
	latency  time.Duration
	version  int
	calls    []string // paths
	active   int
	most     int // calls at a time
	refusals int // answers 429 that are left

	published chan string // gets the body of each event that was published, if it is not nil
}

// listening is an action that tells a mailbox what it publishes.
type listening struct {
	provider.Action
	to *mailbox
}

func (l listening) OpenAction(env provider.ActionEnv, d bellhop.Destination) (provider.Performer, error) {
	publish := env.Publish
	env.Publish = func(ctx context.Context, cause *bellhop.Event, ev bellhop.Event) (string, error) {
		id, err := publish(ctx, cause, ev)
		if l.to.published != nil {
			l.to.published <- string(ev.Body)
		}
		return id, err
	}
	return l.Action.OpenAction(env, d)
}

func (m *mailbox) Do(_ context.Context, call provider.Call) (provider.Answer, error) {
	m.mu.Lock()
	m.calls = append(m.calls, call.Path)
	m.active++
	m.most = max(m.most, m.active)
	version, refuse := m.version, m.refusals > 0
	if refuse {
		m.refusals--
	}
	m.mu.Unlock()
	time.Sleep(m.latency)
	m.mu.Lock()
	m.active--
	m.mu.Unlock()
	if refuse {
		return provider.Answer{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"60"}},
			Body: []byte(`{"error":{"code":"ApplicationThrottled","message":"Slow down."}}`)}, nil
	}
	return provider.Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: fmt.Appendf(nil, `{"id":"1","@odata.etag":"W/%d"}`, version)}, nil
}

// seen returns the calls so far, and how many were under way at a time at most.
func (m *mailbox) seen() (calls []string, most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls), m.most
}

// newFetchRig returns a rig with a destination of type graph.fetch, whose connection has the API m.
func newFetchRig(t testing.TB, m *mailbox, change ...func(*bellhop.Destination)) *rig {
	r := newRig(t, func(r *rig) {
		calls := action.NewCalls(action.CallsOptions{Now: r.now, Random: func() float64 { return 0 }})
		r.actions = []provider.Action{listening{action.Fetch{Provider: graph.Provider{}, Calls: calls}, m}}
		r.connection = func(_ context.Context, name string) (provider.Connection, error) {
			return provider.Connection{ID: "con_" + name, Name: name, Provider: "graph", API: m}, nil
		}
	})
	r.destination(&receiver{name: "fetch"}, append(change, func(d *bellhop.Destination) {
		d.Type, d.URL, d.Settings, d.Concurrency = "graph.fetch", "", []byte(`{"connection":"work"}`), 4
		d.Timeout = time.Minute
	})...)
	return r
}

// notify accepts a notification that a message was updated.
func (r *rig) notify(resource string) { r.accept(notification(resource)) }

func notification(resource string) bellhop.Event {
	return bellhop.Event{Type: "graph.updated", ContentType: "application/json",
		Body: fmt.Appendf(nil, `{"changeType":"updated","resource":%q}`, resource)}
}

// TestBurst: up to a thousand notifications about one resource within a second make at most three fetches, whatever
// the latency of the API. The last one began after the last notification, so what it brought is the latest state.
func TestBurst(t *testing.T) {
	fetchBursts(t, map[time.Duration]int{0: 1000, 50 * time.Millisecond: 200, 700 * time.Millisecond: 100,
		3 * time.Second: 50}) // while a call is long, each event has many attempts
}

// fetchBursts is the body of TestBurst for these numbers of events by the latency of the API.
func fetchBursts(t *testing.T, bursts map[time.Duration]int) {
	for latency, events := range bursts {
		t.Run(latency.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				m := &mailbox{latency: latency}
				r := newFetchRig(t, m)
				for range events {
					m.mu.Lock()
					m.version++
					m.mu.Unlock()
					r.notify("Users/1/Messages/2")
					time.Sleep(time.Second / time.Duration(events))
				}
				time.Sleep(time.Minute)
				calls, _ := m.seen()
				if n := len(calls); n < 1 || n > 3 {
					t.Errorf("%d fetches", n)
				}
				latest, served := "", 0
				for _, d := range r.deliveries() {
					if d.State == bellhop.DeliveryCancelled { // of the events that were fetched
						continue
					}
					served++
					if d.State != bellhop.DeliveryDelivered || d.Attempts-d.Spared != 1 || d.Attempts > 12 {
						t.Fatalf("%+v, %+v", d, d.Last)
					}
				}
				list, _, err := r.store.Events(t.Context(), bellhop.EventFilter{Type: "graph.fetched"},
					bellhop.Page{Limit: 10})
				if err != nil || len(list) == 0 {
					t.Fatal(list, err)
				}
				ev, err := r.store.Event(t.Context(), list[0].ID)
				if latest = string(ev.Body); err != nil || !strings.Contains(latest, fmt.Sprintf(`W/%d"`, events)) ||
					served != events {
					t.Errorf("%d served, the latest %s, %v", served, latest, err)
				}
				r.wantIdle()
			})
		})
	}
}

// TestThrottledMailbox: an API that asks to wait for one mailbox gets no call for it until then, and those for other
// mailboxes go on. No try is used, and at most four calls for a mailbox are under way, however many attempts are
// allowed.
func TestThrottledMailbox(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := &mailbox{latency: 100 * time.Millisecond, refusals: 1}
		r := newFetchRig(t, m, func(d *bellhop.Destination) { d.Concurrency = 64 })
		r.notify("Users/busy/Messages/0")
		time.Sleep(time.Second)
		for i := range 100 {
			r.notify(fmt.Sprintf("Users/busy/Messages/%d", i))
		}
		for i := range 20 {
			r.notify(fmt.Sprintf("Users/free/Messages/%d", i))
		}
		time.Sleep(10 * time.Second)
		if calls, _ := m.seen(); len(calls) != 1+20 {
			t.Errorf("%d calls while one mailbox waits", len(calls))
		}
		time.Sleep(2 * time.Minute)
		if _, most := m.seen(); most > 4 {
			t.Errorf("%d calls at a time for one mailbox", most)
		}
		for _, d := range r.deliveries() {
			if d.State == bellhop.DeliveryPending || d.State == bellhop.DeliveryDead || d.Attempts-d.Spared != 1 {
				t.Errorf("%+v, %+v", d, d.Last)
			}
		}
		r.wantIdle()
	})
}

// BenchmarkFetch measures what a fetch adds to the API's answer, which takes no time here: from the moment that the
// notification is stored until the event with the resource is, its sync included.
func BenchmarkFetch(b *testing.B) {
	m := &mailbox{published: make(chan string, 1)}
	r := newFetchRig(b, m)
	var own []time.Duration
	for n := 0; b.Loop(); n++ {
		r.notify(fmt.Sprintf("Users/1/Messages/%d", n))
		stored := time.Now()
		<-m.published
		own = append(own, time.Since(stored))
	}
	slices.Sort(own)
	b.ReportMetric(float64(own[len(own)/2].Microseconds()), "own-µs-median")
}

// BenchmarkBurst measures how many fetches a thousand notifications about one resource make, that come within a
// second, in 20 requests, and how long after the last of them its state is known. The API takes 50 ms.
func BenchmarkBurst(b *testing.B) {
	m := &mailbox{latency: 50 * time.Millisecond, published: make(chan string, 1000)}
	r := newFetchRig(b, m)
	var fetches int
	var late time.Duration
	for n := 0; b.Loop(); n++ {
		before, _ := m.seen()
		resource := fmt.Sprintf("Users/1/Messages/%d", n)
		tick := time.NewTicker(50 * time.Millisecond)
		for range 20 {
			m.mu.Lock()
			m.version++
			m.mu.Unlock()
			r.accept(slices.Repeat([]bellhop.Event{notification(resource)}, 50)...)
			<-tick.C
		}
		tick.Stop()
		last, latest := time.Now(), fmt.Sprintf("W/%d", m.version)
		for body := ""; !strings.Contains(body, latest); {
			body = <-m.published
		}
		late += time.Since(last)
		after, _ := m.seen()
		fetches += len(after) - len(before)
	}
	b.ReportMetric(float64(fetches)/float64(b.N), "fetches/burst")
	b.ReportMetric(late.Seconds()/float64(b.N), "s-until-latest")
}
