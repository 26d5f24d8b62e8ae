package app

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// TestPullOfServer: a program pulls its deliveries over HTTP, extends, acks and nacks them. What is wrong is said with
// the words of what happened. A key of another tenant sees none of it.
func TestPullOfServer(t *testing.T) {
	t.Parallel()
	opts := options(t)
	r := run(t, opts)
	r.source("inbox")
	code, body := r.call("POST", "/api/v1/destinations", `{"name":"jobs","type":"pull","retry":{"schedule":["1h"]}}`)
	if code != 201 || !strings.Contains(body, `"timeout":"30s","concurrency":100`) {
		t.Fatalf("%d %s", code, body)
	}
	for _, wrong := range []string{`{"name":"x","type":"pull","url":"http://127.0.0.1:1"}`,
		`{"name":"x","type":"pull","timeout":"100ms"}`, `{"name":"x","type":"pull","timeout":"13h"}`,
		`{"name":"x","type":"pull","batch":{"max_events":2}}`, `{"name":"x","type":"pull","access":{"token":"t"}}`,
		`{"name":"x","type":"pull","settings":{"format":"other"}}`} {
		if code, body := r.call("POST", "/api/v1/destinations", wrong); code != 422 {
			t.Errorf("%s: %d %s", wrong, code, body)
		}
	}
	api := client.New(r.URL(), r.opts.AdminKey, nil)
	pull := func(n int, wait time.Duration) []client.Lease {
		t.Helper()
		got, err := api.Pull(t.Context(), "jobs", n, wait)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := pull(0, 0); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	waited := make(chan []client.Lease)
	go func() { waited <- pull(10, 30*time.Second) }()
	r.call("POST", "/in/inbox", `{"n":1}`)
	got := <-waited
	if len(got) != 1 || got[0].Body != `{"n":1}` || got[0].Attempt != 1 || got[0].Source != "inbox" ||
		http.Header(got[0].Headers).Get("Bellhop-Delivery-Id") != got[0].DeliveryID {
		t.Fatalf("%+v", got)
	}
	first := got[0]
	end, err := api.Extend(t.Context(), first, time.Hour)
	if err != nil || end.Sub(first.EndsAt.Time) < 20*time.Minute {
		t.Errorf("%v, %v", end, err)
	}
	if err := api.Ack(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	d, err := api.Delivery(t.Context(), first.DeliveryID)
	if err != nil || d.State != "delivered" || d.Attempts != 1 {
		t.Errorf("%+v %v", d, err)
	}
	refused := func(what string, err error, code bellhop.Code, words string) {
		t.Helper()
		var e *client.Error
		if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Detail, words) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("acked twice", api.Ack(t.Context(), first), bellhop.CodeConflict, "attempt 1 was acked already")
	r.call("POST", "/in/inbox", `{"n":2}`)
	second := pull(1, 30*time.Second)[0]
	other := second
	other.Token = first.Token
	refused("of another", api.Ack(t.Context(), other), bellhop.CodeConflict, "the lease of another delivery")
	if err := api.Nack(t.Context(), second, 0, "the printer is off"); err != nil {
		t.Fatal(err)
	}
	refused("nacked twice", api.Nack(t.Context(), second, 0, ""), bellhop.CodeConflict, "attempt 1 was nacked already")
	nacked, err := api.Deliveries(t.Context(), client.DeliveryFilter{Error: bellhop.ErrorNacked}, client.Page{})
	if err != nil || len(nacked.Data) != 1 || nacked.Data[0].ID != second.DeliveryID {
		t.Errorf("the deliveries that were nacked: %+v, %v", nacked.Data, err)
	}
	again := pull(1, 30*time.Second)[0]
	if again.DeliveryID != second.DeliveryID || again.Attempt != 2 {
		t.Errorf("%+v", again)
	}

	if code, body := r.call("POST", "/api/v1/tenants", `{"name":"acme"}`); code != 201 {
		t.Fatal(body)
	}
	foreign, err := api.CreateKey(t.Context(), client.NewKey{Name: "k", Scope: "operate", Tenant: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	stranger := client.New(r.URL(), foreign.Text, nil)
	_, err = stranger.Pull(t.Context(), "jobs", 1, 0)
	refused("a foreign pull", err, bellhop.CodeNotFound, "")
	refused("a foreign ack", stranger.Ack(t.Context(), again), bellhop.CodeNotFound, "")

	// A stop takes acks for a while, and a restart ends all leases.
	r.call("POST", "/in/inbox", `{"n":3}`)
	third := pull(1, 30*time.Second)[0]
	waiting := make(chan int)
	go func() { waiting <- len(pull(1, 30*time.Second)) }()
	poll(t, "a pull that waits", func() bool {
		_, text := r.call("GET", "/metrics", "")
		return strings.Contains(text, "bellhop_pull_waiting 1\n") && strings.Contains(text, "bellhop_pull_leases 2\n")
	})
	ended := r.stopping()
	if n := <-waiting; n != 0 {
		t.Errorf("%d deliveries as the server stops", n)
	}
	if err := api.Ack(t.Context(), again); err != nil {
		t.Errorf("an ack while the server stops: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	restarted := run(t, opts)
	api = client.New(restarted.URL(), restarted.opts.AdminKey, nil)
	refused("acked before the restart", api.Ack(t.Context(), again), bellhop.CodeConflict, "attempt 2 was acked "+
		"already")
	refused("leased before the restart", api.Ack(t.Context(), third), bellhop.CodeGone, "or the gateway was restarted")
	last := pull(10, 30*time.Second)
	if len(last) != 1 || last[0].DeliveryID != third.DeliveryID || last[0].Attempt != 1 ||
		last[0].Token == third.Token {
		t.Fatalf("%+v", last)
	}
	refused("leased before the restart, and again", api.Ack(t.Context(), third), bellhop.CodeGone, "another pull has")
	if err := api.Ack(t.Context(), last[0]); err != nil {
		t.Error(err)
	}
}

// TestPullGoesAway: what was leased to a client that was gone before it had the answer is due at once.
func TestPullGoesAway(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	r.source("inbox")
	if code, body := r.call("POST", "/api/v1/destinations", `{"name":"jobs","type":"pull"}`); code != 201 {
		t.Fatal(body)
	}
	api := client.New(r.URL(), r.opts.AdminKey, nil)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := api.Pull(ctx, "jobs", 1, 30*time.Second)
		gone <- err
	}()
	waits := func(n string) {
		poll(t, n+" pulls that wait", func() bool {
			_, text := r.call("GET", "/metrics", "")
			return strings.Contains(text, "bellhop_pull_waiting "+n+"\n")
		})
	}
	waits("1")
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	waits("0")
	r.call("POST", "/in/inbox", `{"n":1}`)
	got, err := api.Pull(t.Context(), "jobs", 10, 30*time.Second)
	if err != nil || len(got) != 1 || got[0].Attempt != 1 {
		t.Errorf("%+v %v", got, err)
	}
	if err := api.Ack(t.Context(), got[0]); err != nil {
		t.Error(err)
	}
}
