package app

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestLoop: an event that a destination sends back to our own door goes around until the hop counter ends it, and
// that can be seen.
func TestLoop(t *testing.T) {
	r := run(t, options(t, func(o *Options) { o.Config.AllowPrivate = true }))
	r.source("src")
	destination := fmt.Sprintf(`{"name":"back","type":"http","url":"%s/in/src","settings":{"format":"raw"},"retry":{"schedule":"none"}}`, r.URL())
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
		if time.Since(begun) > 20*time.Second {
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
	if _, body := r.call("GET", "/api/v1/events", ""); json.Unmarshal([]byte(body), &events) != nil || len(events.Data) != bellhop.MaxHops {
		t.Errorf("%d events: %s", len(events.Data), body)
	}
}
