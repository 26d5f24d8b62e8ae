package delivery

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
	"github.com/bellhop-gateway/bellhop/provider"
)

func TestDecide(t *testing.T) {
	const delivered, pending, dead = bellhop.DeliveryDelivered, bellhop.DeliveryPending, bellhop.DeliveryDead
	schedule := bellhop.Schedule{time.Minute, time.Hour}
	in := func(d time.Duration) string { return clockStart.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		name  string
		n     int
		got   outbound.Reply
		state bellhop.DeliveryState
		wait  time.Duration // the wait of a pending delivery, with randomness 0.5
		error string
		words string // a part of the detail
	}{
		{"200", 1, outbound.Reply{Status: 200}, delivered, 0, "", ""},
		{"202", 1, outbound.Reply{Status: 202}, delivered, 0, "", ""},
		{"204 after others", 3, outbound.Reply{Status: 204}, delivered, 0, "", ""},
		{"299", 1, outbound.Reply{Status: 299}, delivered, 0, "", ""},
		{"200 with Retry-After", 1, outbound.Reply{Status: 200, RetryAfter: "60"}, delivered, 0, "", ""},
		{"301", 1, outbound.Reply{Status: 301}, pending, time.Minute, "status", "answered 301: redirects are not " +
			"followed"},
		{"302 again", 2, outbound.Reply{Status: 302}, pending, time.Hour, "status", "redirects are not followed"},
		{"304", 1, outbound.Reply{Status: 304}, pending, time.Minute, "status", "304"},
		{"400", 1, outbound.Reply{Status: 400}, pending, time.Minute, "status", "answered 400 Bad Request"},
		{"401", 2, outbound.Reply{Status: 401}, pending, time.Hour, "status", "answered 401 Unauthorized"},
		{"404, the last", 3, outbound.Reply{Status: 404}, dead, 0, "status",
			"answered 404 Not Found; given up after 3 attempts"},
		{"beyond the last", 9, outbound.Reply{Status: 404}, dead, 0, "status", "given up after 9 attempts"},
		{"410", 1, outbound.Reply{Status: 410}, dead, 0, "status", "answered 410 Gone"},
		{"410, the last", 3, outbound.Reply{Status: 410}, dead, 0, "status", "answered 410 Gone"},
		{"500", 1, outbound.Reply{Status: 500}, pending, time.Minute, "status", "answered 500 Internal Server Error"},
		{"a status without a name", 1, outbound.Reply{Status: 599}, pending, time.Minute, "status", "answered 599"},
		{"a status that cannot be", 1, outbound.Reply{Status: 999}, pending, time.Minute, "status", "answered 999"},

		{"429", 1, outbound.Reply{Status: 429}, pending, time.Minute, "status", "answered 429 Too Many Requests"},
		{"429 in seconds", 1, outbound.Reply{Status: 429, RetryAfter: "120"}, pending, 2 * time.Minute,
			"status", "429"},
		{"429, sooner than the schedule", 1, outbound.Reply{Status: 429, RetryAfter: "3"}, pending, 3 * time.Second,
			"status", "429"},
		{"429, a date", 1, outbound.Reply{Status: 429, RetryAfter: in(10 * time.Minute)}, pending, 10 * time.Minute,
			"status", "429"},
		{"429, a date that is past", 1, outbound.Reply{Status: 429, RetryAfter: in(-time.Hour)}, pending, time.Minute,
			"status", "429"},
		{"429, a date in another form", 1, outbound.Reply{Status: 429, RetryAfter: "Sunday, 22-Nov-26 10:10:00 GMT"},
			pending, 10 * time.Minute, "status", "429"},
		{"429, longer than a day", 1, outbound.Reply{Status: 429, RetryAfter: "999999"}, pending, 24 * time.Hour,
			"status", "429"},
		{"429, a date far away", 1, outbound.Reply{Status: 429, RetryAfter: in(90 * 24 * time.Hour)}, pending,
			24 * time.Hour, "status", "429"},
		{"429, longer than a number", 1, outbound.Reply{Status: 429, RetryAfter: "99999999999999999999"}, pending,
			24 * time.Hour, "status", "429"},
		{"429, negative", 1, outbound.Reply{Status: 429, RetryAfter: "-5"}, pending, time.Minute, "status", "429"},
		{"429, a fraction", 1, outbound.Reply{Status: 429, RetryAfter: "1.5"}, pending, time.Minute, "status", "429"},
		{"429, nonsense", 1, outbound.Reply{Status: 429, RetryAfter: "in a while"}, pending, time.Minute,
			"status", "429"},
		{"429, not the last, for it is spared", 3, outbound.Reply{Status: 429, RetryAfter: "120"}, pending,
			2 * time.Minute, "status", "429"},
		{"429 without a time, the last", 3, outbound.Reply{Status: 429}, dead, 0, "status", "given up after 3 " +
			"attempts"},
		{"503 in seconds", 1, outbound.Reply{Status: 503, RetryAfter: "120"}, pending, 2 * time.Minute,
			"status", "503"},
		{"503, sooner than the schedule", 2, outbound.Reply{Status: 503, RetryAfter: "120"}, pending, time.Hour,
			"status", "503"},
		{"500 has no Retry-After", 1, outbound.Reply{Status: 500, RetryAfter: "120"}, pending, time.Minute,
			"status", "500"},

		{"timeout", 1, outbound.Reply{Error: "timeout", Detail: "no reply within 5s"}, pending, time.Minute, "timeout",
			"no reply within 5s"},
		{"timeout, the last", 3, outbound.Reply{Error: "timeout", Detail: "no reply within 5s"}, dead, 0, "timeout",
			"no reply within 5s; given up after 3 attempts"},
		{"refused", 2, outbound.Reply{Error: "connection_refused", Detail: "it does"}, pending, time.Hour,
			"connection_refused", "it does"},
		{"an error beside a status", 1, outbound.Reply{Error: "timeout", Detail: "cut", Status: 200}, pending,
			time.Minute, "timeout", "cut"},
		{"cannot be rendered", 1, outbound.Reply{Error: "render", Detail: "no account", Final: true}, dead, 0,
			"render", "no account"},
	} {
		retry := bellhop.Retry{Schedule: schedule}
		d := decide(retry, c.got, clockStart)
		o := d.result(retry, try{counted: c.n}, clockStart, 0.5)
		if o.State != c.state || o.Attempt.Error != c.error || !strings.Contains(o.Attempt.Detail, c.words) {
			t.Errorf("%s: %+v", c.name, o)
		}
		if (o.State == pending) != !o.NextAt.IsZero() || o.State == pending && o.NextAt.Sub(clockStart) != c.wait {
			t.Errorf("%s: again after %v, want %v", c.name, o.NextAt.Sub(clockStart), c.wait)
		}
		if d.disable != (c.got.Status == 410) {
			t.Errorf("%s: disables: %v", c.name, d.disable)
		}
	}
}

// TestDecideSchedule: for ten thousand seeds, each wait of the default schedule deviates by at most a tenth, and the
// tenth attempt is the last.
func TestDecideSchedule(t *testing.T) {
	retry := bellhop.Retry{Schedule: bellhop.ScheduleDefault}
	for seed := range uint64(10_000) {
		random := rand.New(rand.NewPCG(seed, seed))
		now := clockStart
		for n := 1; ; n++ {
			d := decide(retry, outbound.Reply{Status: 500}, now)
			o := d.result(retry, try{counted: n}, now, random.Float64())
			if o.State == bellhop.DeliveryDead {
				if n != 10 {
					t.Fatalf("seed %d: dead after %d attempts", seed, n)
				}
				break
			}
			wantWait(t, n, o.NextAt.Sub(now))
			now = o.NextAt
		}
	}
}

// wantWait checks the wait after attempt n of the default schedule.
func wantWait(t testing.TB, n int, wait time.Duration) {
	t.Helper()
	entry := bellhop.ScheduleDefault[n-1]
	if slack := entry/10 + time.Millisecond; wait < entry-slack || wait > entry+slack {
		t.Fatalf("after attempt %d: %v, want %v ± 10 %%", n, wait, entry)
	}
}

// TestDecideOnce: the decision about an attempt is the same for all its deliveries, even if some of them are at the
// end of their schedule.
func TestDecideOnce(t *testing.T) {
	retry := bellhop.Retry{Schedule: bellhop.Schedule{time.Minute}}
	d := decide(retry, outbound.Reply{Status: 500}, clockStart)
	before := d
	last, first := d.result(retry, try{counted: 2}, clockStart, 0.5), d.result(retry, try{counted: 1}, clockStart, 0.5)
	if last.State != bellhop.DeliveryDead || !strings.Contains(last.Attempt.Detail, "given up") ||
		first.State != bellhop.DeliveryPending || strings.Contains(first.Attempt.Detail, "given up") {
		t.Errorf("%+v, %+v", last, first)
	}
	if d != before || !d.fails || d.detail != "answered 500 Internal Server Error" {
		t.Errorf("%+v", d)
	}
}

// unrecorded is a store that discards results.
type unrecorded struct{ Store }

func (unrecorded) Record(bellhop.Result) error { return nil }

// BenchmarkAttempt measures one attempt without the store, from rendering to the record: an attempt of a destination
// that sends to a receiver through a pipe, and an attempt of an action that does nothing.
func BenchmarkAttempt(b *testing.B) {
	c := &chore{do: func(context.Context, *bellhop.Event, provider.AttemptInfo) provider.ActionResult {
		return provider.ActionResult{}
	}}
	r := newRig(b, func(r *rig) {
		r.wrapStore = func(s Store) Store { return unrecorded{s} }
		r.actions = []provider.Action{c}
	})
	for name, d := range map[string]bellhop.Destination{"http": r.destination(r.network.receiver("to")),
		"action": r.chore()} {
		b.Run(name, func(b *testing.B) {
			l := r.engine.lanes.Load().byID[d.ID]
			body := []byte(`{"n":1}`)
			batch := []*bellhop.Delivery{{ID: "dlv_1", EventID: "evt_1", DestinationID: d.ID,
				Event: &bellhop.Event{ID: "evt_1", ContentType: "application/json",
					ReceivedAt: time.Now(), Body: body}}}
			b.ReportAllocs()
			for b.Loop() {
				r.engine.attempt(l, batch, false)
				if batch[0].State != bellhop.DeliveryDelivered {
					b.Fatal(batch[0].State)
				}
			}
		})
	}
}
