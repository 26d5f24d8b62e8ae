package api

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// cause makes the event of that number one that an action published for another.
func cause(ev *bellhop.Event, by string) {
	ev.Header = bellhop.NewHeader(http.Header{bellhop.CauseHeader: {by}}, nil)
}

// TestChain shows the causes of an event and what it has caused, from any event of the chain.
func TestChain(t *testing.T) {
	r := newRig(t)
	r.fill()
	for i := range 4 {
		r.events = append(r.events, bellhop.Event{ID: fmt.Sprint("evt_c", i), SourceID: "src_1", Type: "t"})
	}
	cause(&r.events[1], "evt_1") // evt_c0
	cause(&r.events[2], "evt_1") // evt_c1
	cause(&r.events[3], "evt_c0")
	for _, from := range []string{"evt_1", "evt_c0", "evt_c1", "evt_c2"} {
		got := r.do("GET", "/api/v1/events/"+from+"/chain", "").is(200)
		var ids []string
		for _, one := range got["data"].([]any) {
			ev := one.(map[string]any)
			ids = append(ids, fmt.Sprintf("%v %v %d", ev["id"], ev["depth"], len(ev["deliveries"].([]any))))
		}
		// The fake lists the oldest first, where a store lists the newest.
		if fmt.Sprint(ids) != "[evt_1 0 1 evt_c1 1 0 evt_c0 1 0 evt_c2 2 0]" || got["complete"] != true {
			t.Errorf("from %s: %v, complete %v", from, ids, got["complete"])
		}
	}
	alone := r.do("GET", "/api/v1/events/evt_c3/chain", "").is(200)
	if len(alone["data"].([]any)) != 1 || alone["complete"] != true {
		t.Errorf("an event alone: %v", alone)
	}
	r.do("GET", "/api/v1/events/evt_9/chain", "").refused(404, bellhop.CodeNotFound)
	if got := r.do("GET", "/api/v1/events?caused_by=evt_1", "").is(200)["data"].([]any); len(got) != 2 {
		t.Errorf("caused by evt_1: %v", got)
	}

	cause(&r.events[4], "evt_gone")
	if got := r.do("GET", "/api/v1/events/evt_c3/chain", "").is(200); got["complete"] != false {
		t.Errorf("without its cause: %v", got)
	}
	for i := range 2 * maxChain {
		r.events = append(r.events, bellhop.Event{ID: fmt.Sprint("evt_m", i), SourceID: "src_1", Type: "t"})
		cause(&r.events[len(r.events)-1], "evt_c3")
	}
	got := r.do("GET", "/api/v1/events/evt_c3/chain", "").is(200)
	if n := len(got["data"].([]any)); n != maxChain || got["complete"] != false {
		t.Errorf("a large chain: %d events, complete %v", n, got["complete"])
	}
	r.events = r.events[:1]
	for i := range 2 * bellhop.MaxHops { // more than the door lets through
		r.events = append(r.events, bellhop.Event{ID: fmt.Sprint("evt_d", i), SourceID: "src_1", Type: "t"})
		cause(&r.events[len(r.events)-1], r.events[len(r.events)-2].ID)
	}
	if got := r.do("GET", "/api/v1/events/evt_1/chain", "").is(200); got["complete"] != false {
		t.Errorf("a deep chain: %v", got["complete"])
	}
}
