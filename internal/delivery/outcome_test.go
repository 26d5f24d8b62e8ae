package delivery

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func TestDecide(t *testing.T) {
	const delivered, pending, dead = bellhop.DeliveryDelivered, bellhop.DeliveryPending, bellhop.DeliveryDead
	schedule := bellhop.Schedule{time.Minute, time.Hour}
	in := func(d time.Duration) string { return began.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		name  string
		n     int
		got   answer
		state bellhop.DeliveryState
		wait  time.Duration // of a pending one, with randomness 0.5
		error string
		words string // in the detail
	}{
		{"200", 1, answer{status: 200}, delivered, 0, "", ""},
		{"202", 1, answer{status: 202}, delivered, 0, "", ""},
		{"204 after others", 3, answer{status: 204}, delivered, 0, "", ""},
		{"299", 1, answer{status: 299}, delivered, 0, "", ""},
		{"200 with Retry-After", 1, answer{status: 200, retryAfter: "60"}, delivered, 0, "", ""},
		{"301", 1, answer{status: 301}, pending, time.Minute, "status", "answered 301: redirects are not followed"},
		{"302 again", 2, answer{status: 302}, pending, time.Hour, "status", "redirects are not followed"},
		{"304", 1, answer{status: 304}, pending, time.Minute, "status", "304"},
		{"400", 1, answer{status: 400}, pending, time.Minute, "status", "answered 400 Bad Request"},
		{"401", 2, answer{status: 401}, pending, time.Hour, "status", "answered 401 Unauthorized"},
		{"404, the last", 3, answer{status: 404}, dead, 0, "status", "answered 404 Not Found; given up after 3 attempts"},
		{"beyond the last", 9, answer{status: 404}, dead, 0, "status", "given up after 9 attempts"},
		{"410", 1, answer{status: 410}, dead, 0, "status", "answered 410 Gone"},
		{"410, the last", 3, answer{status: 410}, dead, 0, "status", "answered 410 Gone"},
		{"500", 1, answer{status: 500}, pending, time.Minute, "status", "answered 500 Internal Server Error"},
		{"a status without a name", 1, answer{status: 599}, pending, time.Minute, "status", "answered 599"},
		{"a status that cannot be", 1, answer{status: 999}, pending, time.Minute, "status", "answered 999"},

		{"429", 1, answer{status: 429}, pending, time.Minute, "status", "answered 429 Too Many Requests"},
		{"429 in seconds", 1, answer{status: 429, retryAfter: "120"}, pending, 2 * time.Minute, "status", "429"},
		{"429, sooner than the schedule", 1, answer{status: 429, retryAfter: "3"}, pending, 3 * time.Second, "status", "429"},
		{"429, a date", 1, answer{status: 429, retryAfter: in(10 * time.Minute)}, pending, 10 * time.Minute, "status", "429"},
		{"429, a date that is past", 1, answer{status: 429, retryAfter: in(-time.Hour)}, pending, time.Minute, "status", "429"},
		{"429, a date in another form", 1, answer{status: 429, retryAfter: "Sunday, 22-Nov-26 10:10:00 GMT"}, pending, 10 * time.Minute, "status", "429"},
		{"429, longer than a day", 1, answer{status: 429, retryAfter: "999999"}, pending, 24 * time.Hour, "status", "429"},
		{"429, a date far away", 1, answer{status: 429, retryAfter: in(90 * 24 * time.Hour)}, pending, 24 * time.Hour, "status", "429"},
		{"429, longer than a number", 1, answer{status: 429, retryAfter: "99999999999999999999"}, pending, 24 * time.Hour, "status", "429"},
		{"429, negative", 1, answer{status: 429, retryAfter: "-5"}, pending, time.Minute, "status", "429"},
		{"429, a fraction", 1, answer{status: 429, retryAfter: "1.5"}, pending, time.Minute, "status", "429"},
		{"429, nonsense", 1, answer{status: 429, retryAfter: "in a while"}, pending, time.Minute, "status", "429"},
		{"429, not the last, for it is spared", 3, answer{status: 429, retryAfter: "120"}, pending, 2 * time.Minute, "status", "429"},
		{"429 without a time, the last", 3, answer{status: 429}, dead, 0, "status", "given up after 3 attempts"},
		{"503 in seconds", 1, answer{status: 503, retryAfter: "120"}, pending, 2 * time.Minute, "status", "503"},
		{"503, sooner than the schedule", 2, answer{status: 503, retryAfter: "120"}, pending, time.Hour, "status", "503"},
		{"500 has no Retry-After", 1, answer{status: 500, retryAfter: "120"}, pending, time.Minute, "status", "500"},

		{"timeout", 1, answer{err: "timeout", detail: "no reply within 5s"}, pending, time.Minute, "timeout", "no reply within 5s"},
		{"timeout, the last", 3, answer{err: "timeout", detail: "no reply within 5s"}, dead, 0, "timeout", "no reply within 5s; given up after 3 attempts"},
		{"refused", 2, answer{err: "connection_refused", detail: "it does"}, pending, time.Hour, "connection_refused", "it does"},
		{"an error beside a status", 1, answer{err: "timeout", detail: "cut", status: 200}, pending, time.Minute, "timeout", "cut"},
		{"cannot be rendered", 1, answer{err: "render", detail: "no account", final: true}, dead, 0, "render", "no account"},
	} {
		o := decide(bellhop.Retry{Schedule: schedule}, try{counted: c.n}, c.got, began, 0.5)
		if o.state != c.state || o.error != c.error || !strings.Contains(o.detail, c.words) {
			t.Errorf("%s: %+v", c.name, o)
		}
		if (o.state == pending) != !o.nextAt.IsZero() || o.state == pending && o.nextAt.Sub(began) != c.wait {
			t.Errorf("%s: again after %v, want %v", c.name, o.nextAt.Sub(began), c.wait)
		}
		if o.disable != (c.got.status == 410) {
			t.Errorf("%s: disables: %v", c.name, o.disable)
		}
	}
}

// TestDecideSchedule: over ten thousand seeds, each wait of the default schedule is within a tenth, and the tenth attempt is the last.
func TestDecideSchedule(t *testing.T) {
	for seed := range uint64(10_000) {
		random := rand.New(rand.NewPCG(seed, seed))
		now := began
		for n := 1; ; n++ {
			o := decide(bellhop.Retry{Schedule: bellhop.ScheduleDefault}, try{counted: n}, answer{status: 500}, now, random.Float64())
			if o.state == bellhop.DeliveryDead {
				if n != 10 {
					t.Fatalf("seed %d: dead after %d attempts", seed, n)
				}
				break
			}
			wantWait(t, n, o.nextAt.Sub(now))
			now = o.nextAt
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
