package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// TestListenOfServer: the deliveries of a destination wait for a listener, and the listener's answer is the attempt's.
// A stop of the server waits for the answer to what is in hand, so that nothing is handed over twice.
func TestListenOfServer(t *testing.T) {
	t.Parallel()
	opts := options(t)
	r := run(t, opts)
	r.source("inbox")
	if code, body := r.call("POST", "/api/v1/destinations", `{"name":"dev","type":"listen"}`); code != 201 {
		t.Fatal(body)
	}
	r.call("POST", "/in/inbox", `{"n":1}`)
	poll(t, "a destination that waits", func() bool {
		_, body := r.call("GET", "/api/v1/destinations/dev", "")
		return strings.Contains(body, `"reason":"nobody listens: run bellhop listen --destination dev --forward URL"`)
	})
	api := client.New(r.URL(), r.opts.AdminKey, nil)
	ctx, cancel := context.WithCancel(t.Context())
	handed := make(chan client.StreamDelivery)
	var listening sync.WaitGroup
	listening.Go(func() {
		for item := range api.Listen(ctx, "dev") {
			if item.Delivery != nil {
				select {
				case handed <- *item.Delivery:
				case <-ctx.Done():
				}
			}
		}
	})
	defer listening.Wait()
	defer cancel()

	first := <-handed
	body, _, err := api.EventBody(t.Context(), first.EventID)
	if err != nil || string(body) != `{"n":1}` || first.Attempt != 1 || first.Type != "generic.received" ||
		first.Source != "inbox" {
		t.Errorf("%q, %v, %+v", body, err, first)
	}
	answer := client.Answer{Token: first.Token, Status: 201}
	answer.SetBody([]byte("a\xff"))
	if err := api.Answer(t.Context(), first.DeliveryID, answer); err != nil {
		t.Fatal(err)
	}
	poll(t, "the attempt", func() bool {
		d, err := api.Delivery(t.Context(), first.DeliveryID)
		return err == nil && d.State == "delivered" && d.Last.Status == 201 && d.Last.ReplyBase64 == "Yf8="
	})
	err = api.Answer(t.Context(), first.DeliveryID, answer)
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Code != bellhop.CodeConflict {
		t.Errorf("a second answer: %v", err)
	}

	r.call("POST", "/in/inbox", `{"n":2}`)
	second := <-handed
	following, err := http.NewRequest("GET", r.URL()+"/api/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	following.Header.Set("Authorization", "Bearer "+r.opts.AdminKey)
	stream, err := http.DefaultTransport.RoundTrip(following)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	ended := r.stopping()
	for buf := make([]byte, 1024); err == nil; { // the stream ends as the stop begins
		_, err = stream.Body.Read(buf)
	}
	if err := api.Answer(t.Context(), second.DeliveryID, client.Answer{Token: second.Token, Status: 200}); err != nil {
		t.Errorf("an answer while the server stops: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	again := run(t, opts)
	_, text := again.call("GET", "/api/v1/deliveries/"+second.DeliveryID, "")
	if !strings.Contains(text, `"state":"delivered","attempts":1`) {
		t.Error(text)
	}
}

// A hearer is a client that listens to a destination by itself: it does not come back.
type hearer struct {
	t      *testing.T
	api    *client.Client
	leave  context.CancelFunc
	status int
	items  chan client.StreamItem
}

// hear begins to listen with a key, by a plain request.
func (r *running) hear(t *testing.T, key, destination string) *hearer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "POST", r.URL()+"/api/v1/destinations/"+destination+"/listen", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	reply, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reply.Body.Close() })
	h := &hearer{t: t, api: client.New(r.URL(), key, nil), leave: cancel, status: reply.StatusCode,
		items: make(chan client.StreamItem, 100)}
	go func() {
		defer close(h.items)
		for lines := bufio.NewScanner(reply.Body); lines.Scan(); {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			var item client.StreamItem
			if ok && json.Unmarshal([]byte(data), &item) == nil {
				h.items <- item
			}
		}
	}()
	return h
}

// wait returns the next message of a kind; the zero value once the stream has ended.
func (h *hearer) wait(kind string) (item client.StreamItem) {
	for item = range h.items {
		if item.Kind == kind {
			return item
		}
	}
	return client.StreamItem{}
}

// answer answers with 200, and returns the code of the error.
func (h *hearer) answer(d *client.StreamDelivery) bellhop.Code {
	err := h.api.Answer(h.t.Context(), d.DeliveryID, client.Answer{Token: d.Token, Status: 200})
	var refused *client.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return refused.Code
	}
	return bellhop.Code(err.Error())
}

// TestListenerLeaves: what is in the hands of a listener that goes away goes to the other one. The answer of the first
// does not count any more, and the delivery shows what happened, with no try used up.
func TestListenerLeaves(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	r.source("inbox")
	if code, body := r.call("POST", "/api/v1/destinations", `{"name":"dev","type":"listen"}`); code != 201 {
		t.Fatal(body)
	}
	both := []*hearer{r.hear(t, r.opts.AdminKey, "dev"), r.hear(t, r.opts.AdminKey, "dev")}
	for _, h := range both {
		h.wait(client.ItemLive)
	}
	r.call("POST", "/in/inbox", `{"n":1}`)
	var first client.StreamItem
	other := both[1]
	select {
	case first = <-both[0].items:
		both[0].leave()
	case first = <-both[1].items:
		both[1].leave()
		other = both[0]
	}
	second := other.wait(client.ItemDelivery).Delivery
	if second.DeliveryID != first.Delivery.DeliveryID || second.Attempt != 2 || second.Token == first.Delivery.Token {
		t.Fatalf("%+v, and before %+v", second, first.Delivery)
	}
	if code := other.answer(first.Delivery); code != bellhop.CodeConflict {
		t.Errorf("the answer to the first attempt: %q", code)
	}
	if code := other.answer(second); code != "" {
		t.Errorf("the answer to the second attempt: %q", code)
	}
	poll(t, "the second attempt", func() bool {
		_, body := r.call("GET", "/api/v1/deliveries/"+second.DeliveryID, "")
		return strings.Contains(body, `"state":"delivered","attempts":2`) &&
			strings.Contains(body, `"error":"listener_gone"`)
	})
}

// TestListenOfTenant: the key of another tenant neither listens nor answers, and a key that may only read does not
// either.
func TestListenOfTenant(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	r.source("inbox")
	all := client.New(r.URL(), r.opts.AdminKey, nil)
	keys := map[string]string{}
	for _, name := range []string{"acme", "zenith"} {
		if _, err := all.CreateTenant(t.Context(), client.NewTenant{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	for name, k := range map[string]client.NewKey{
		"own": {Scope: "operate", Tenant: "acme"}, "foreign": {Scope: "admin", Tenant: "zenith"},
		"reader": {Scope: "read", Tenant: "acme"},
	} {
		k.Name = name
		made, err := all.CreateKey(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = made.Text
	}
	for _, call := range [][2]string{
		{"/api/v1/sources", `{"name":"orders","provider":"generic","settings":{"scheme":"none"},"tenant":"acme"}`},
		{"/api/v1/destinations", `{"name":"dev","type":"listen","tenant":"acme"}`},
	} {
		if code, body := r.call("POST", call[0], call[1]); code != 201 {
			t.Fatal(body)
		}
	}
	for key, want := range map[string]int{"foreign": 404, "reader": 403} {
		if h := r.hear(t, keys[key], "dev"); h.status != want {
			t.Errorf("%s listens: %d, want %d", key, h.status, want)
		}
	}
	h := r.hear(t, keys["own"], "dev")
	h.wait(client.ItemLive)
	r.call("POST", "/in/inbox", `{}`) // of no tenant
	r.call("POST", "/in/orders", `{"n":1}`)
	d := h.wait(client.ItemDelivery).Delivery
	if d == nil || d.Source != "orders" {
		t.Fatalf("%+v", d)
	}
	for key, want := range map[string]bellhop.Code{"foreign": bellhop.CodeNotFound, "reader": bellhop.CodeForbidden} {
		by := hearer{t: t, api: client.New(r.URL(), keys[key], nil)}
		if code := by.answer(d); code != want {
			t.Errorf("%s answers: %q, want %q", key, code, want)
		}
	}
	if body, _, err := h.api.EventBody(t.Context(), d.EventID); err != nil || string(body) != `{"n":1}` {
		t.Errorf("%s, %v", body, err)
	}
	if code := h.answer(d); code != "" {
		t.Error(code)
	}
}

// TestStopWithListener: a listener that waits holds up no stop, and is told of it. Were it waited for, the stop would
// take a quarter of an hour at least.
func TestStopWithListener(t *testing.T) {
	t.Parallel()
	r := run(t, options(t, func(o *Options) { o.Config.ShutdownTimeout = time.Hour }))
	if code, body := r.call("POST", "/api/v1/destinations", `{"name":"dev","type":"listen"}`); code != 201 {
		t.Fatal(body)
	}
	h := r.hear(t, r.opts.AdminKey, "dev")
	h.wait(client.ItemLive)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if end := h.wait(client.ItemEnd); end.End == nil || end.End.Reason != "stopping" {
		t.Errorf("the listener was told %+v", end)
	}
}
