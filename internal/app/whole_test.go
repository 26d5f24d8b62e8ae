package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
)

// TestAgreeLater: a receiver that does not agree at once can agree later by calling back, once, with a rate. It
// gets nothing before.
func TestAgreeLater(t *testing.T) {
	t.Parallel()
	var callback atomic.Pointer[string]
	var got atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			url := r.Header.Get("WebHook-Request-Callback")
			callback.Store(&url)
			return
		}
		got.Add(1)
	}))
	defer receiver.Close()
	r := run(t, options(t, func(o *Options) {
		o.Config.AllowPrivate = true
		o.Providers = []provider.Provider{cloudevents.Provider{}}
	}))
	created, answer := r.call("POST", "/api/v1/destinations",
		`{"name":"later","type":"cloudevents","url":"`+receiver.URL+
			`","settings":{"origin":"bellhop.example.com","source":"/bellhop"}}`)
	if created != 201 || !strings.Contains(answer, `"state":"unverified"`) {
		t.Fatal(created, answer)
	}
	if status, answer := r.call("POST", "/api/v1/events", `{"type":"order.paid","data":{}}`); status >= 300 {
		t.Fatal(status, answer)
	}
	path, ok := strings.CutPrefix(*callback.Load(), r.URL())
	if !ok {
		t.Fatalf("callback %s", *callback.Load())
	}
	agree := func(method, path, rate string) int {
		req, _ := http.NewRequest(method, r.URL()+path, nil)
		req.Header.Set("WebHook-Allowed-Rate", rate)
		reply, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		return reply.StatusCode
	}
	for _, c := range []struct {
		what, method, path, rate string
		want                     int
	}{
		{"a token that is none", "GET", path + "A", "120", 404},
		{"a look at the link", "HEAD", path, "120", 405},
		{"no rate at all", "GET", path, "0", 400},
		{"a rate that is none", "POST", path, "many", 400},
	} {
		if status := agree(c.method, c.path, c.rate); status != c.want {
			t.Errorf("%s: %d, want %d", c.what, status, c.want)
		}
	}
	if got.Load() != 0 {
		t.Error("delivered before it agreed")
	}
	if status := agree("GET", path, "120"); status != 200 {
		t.Errorf("agreeing: %d", status)
	}
	if status := agree("GET", path, "120"); status != 404 {
		t.Errorf("agreeing twice: %d", status)
	}
	for deadline := time.Now().Add(time.Minute); got.Load() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not delivered after it agreed")
		}
	}
	_, answer = r.call("GET", "/api/v1/destinations/later", "")
	var d struct {
		State   string
		Granted struct {
			PerSecond float64 `json:"per_second"`
		} `json:"granted_rate"`
	}
	if err := json.Unmarshal([]byte(answer), &d); err != nil || d.State != "active" || d.Granted.PerSecond != 2 {
		t.Errorf("%s %v", answer, err)
	}
}

// TestOneKeyAtOnce: of 64 publications with the same key at the same time, one becomes an event, which is
// delivered once. The others are answered with that event. Another event with the key is a conflict and is not
// stored.
func TestOneKeyAtOnce(t *testing.T) {
	t.Parallel()
	var delivered atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { delivered.Add(1) }))
	defer receiver.Close()
	r := run(t, options(t, func(o *Options) { o.Config.AllowPrivate = true }))
	if status, answer := r.call("POST", "/api/v1/destinations",
		`{"name":"all","url":"`+receiver.URL+`","settings":{"format":"raw"}}`); status != 201 {
		t.Fatal(status, answer)
	}
	api := client.New(r.URL(), r.opts.AdminKey, http.DefaultClient)
	ev := client.NewEvent{Type: "order.paid", Subject: "orders/7", Data: json.RawMessage(`{"n":7}`)}
	var all sync.WaitGroup
	var firsts atomic.Int64
	var ids sync.Map
	for range 64 {
		all.Go(func() {
			got, repeated, err := api.Publish(t.Context(), ev, "order-7")
			if err != nil {
				t.Error(err)
				return
			}
			ids.Store(got.ID, true)
			if !repeated {
				firsts.Add(1)
			}
		})
	}
	all.Wait()
	count := 0
	ids.Range(func(any, any) bool { count++; return true })
	if firsts.Load() != 1 || count != 1 {
		t.Errorf("%d events were new, with %d ids", firsts.Load(), count)
	}
	for _, change := range []func(*client.NewEvent){
		func(ev *client.NewEvent) { ev.Type = "order.sent" },
		func(ev *client.NewEvent) { ev.Subject = "orders/8" },
		func(ev *client.NewEvent) { ev.Data = json.RawMessage(`{"n":8}`) },
	} {
		other := ev
		change(&other)
		if _, _, err := api.Publish(t.Context(), other, "order-7"); err == nil || !strings.Contains(err.Error(),
			"used before for another event") {
			t.Errorf("%+v: %v", other, err)
		}
	}
	list, err := api.Events(t.Context(), client.EventFilter{}, client.Page{})
	if err != nil || len(list.Data) != 1 {
		t.Errorf("%d events: %v", len(list.Data), err)
	}
	for deadline := time.Now().Add(time.Minute); delivered.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not delivered")
		}
	}
	deliveries, err := api.Deliveries(t.Context(), client.DeliveryFilter{}, client.Page{})
	if err != nil || len(deliveries.Data) != 1 || delivered.Load() != 1 {
		t.Errorf("%d deliveries, %d arrived: %v", len(deliveries.Data), delivered.Load(), err)
	}
}

// TestLoop: an event that a destination sends back to our own door circulates until the hop counter ends it. The
// refusal is recorded.
func TestLoop(t *testing.T) {
	t.Parallel()
	r := run(t, options(t, func(o *Options) { o.Config.AllowPrivate = true }))
	r.source("src")
	destination := fmt.Sprintf(
		`{"name":"back","type":"http","url":"%s/in/src","settings":{"format":"raw"},"retry":{"schedule":"none"}}`,
		r.URL())
	if code, body := r.call("POST", "/api/v1/destinations", destination); code != 201 {
		t.Fatalf("destination: %d %s", code, body)
	}
	if code, body := r.call("POST", "/in/src", "round and round"); code != 202 {
		t.Fatalf("event: %d %s", code, body)
	}
	var refused struct {
		Data []struct {
			Status int
			Reason string
		}
	}
	for begun := time.Now(); len(refused.Data) == 0; {
		if time.Since(begun) > time.Minute {
			t.Fatal("it goes on, or was lost")
		}
		_, body := r.call("GET", "/api/v1/requests?outcome=refused", "")
		if err := json.Unmarshal([]byte(body), &refused); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	}
	if got := refused.Data; len(got) != 1 || got[0].Status != 508 || got[0].Reason != "loop" {
		t.Errorf("refused: %+v", got)
	}
	var events struct{ Data []any }
	// Of the source alone: the dead delivery becomes an event of the gateway's own, a moment later.
	if _, body := r.call("GET", "/api/v1/events?source=src", ""); json.Unmarshal([]byte(body), &events) != nil ||
		len(events.Data) != bellhop.MaxHops {
		t.Errorf("%d events: %s", len(events.Data), body)
	}
}
