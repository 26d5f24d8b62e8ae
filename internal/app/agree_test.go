package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
)

// TestAgreeLater: a receiver that does not agree at once may by calling back, with a rate, once. Until then it
// gets nothing.
func TestAgreeLater(t *testing.T) {
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
	created, answer := r.call("POST", "/api/v1/destinations", `{"name":"later","type":"cloudevents","url":"`+receiver.URL+`","settings":{"origin":"bellhop.example.com","source":"/bellhop"}}`)
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
	for deadline := time.Now().Add(10 * time.Second); got.Load() != 1; time.Sleep(time.Millisecond) {
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
