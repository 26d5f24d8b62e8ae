package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestOneKeyAtOnce: of 64 publications with one key at the same time one makes an event, which is delivered
// once; all others are answered with it. With the same key, another event is a conflict, and nothing.
func TestOneKeyAtOnce(t *testing.T) {
	var delivered atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { delivered.Add(1) }))
	defer receiver.Close()
	r := run(t, options(t, func(o *Options) { o.Config.AllowPrivate = true }))
	if status, answer := r.call("POST", "/api/v1/destinations", `{"name":"all","url":"`+receiver.URL+`","settings":{"format":"raw"}}`); status != 201 {
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
		if _, _, err := api.Publish(t.Context(), other, "order-7"); err == nil || !strings.Contains(err.Error(), "used before for another event") {
			t.Errorf("%+v: %v", other, err)
		}
	}
	list, err := api.Events(t.Context(), client.EventFilter{}, client.Page{})
	if err != nil || len(list.Data) != 1 {
		t.Errorf("%d events: %v", len(list.Data), err)
	}
	for deadline := time.Now().Add(10 * time.Second); delivered.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not delivered")
		}
	}
	deliveries, err := api.Deliveries(t.Context(), client.DeliveryFilter{}, client.Page{})
	if err != nil || len(deliveries.Data) != 1 || delivered.Load() != 1 {
		t.Errorf("%d deliveries, %d arrived: %v", len(deliveries.Data), delivered.Load(), err)
	}
}
