package prove

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// A history is a ledger and what a gateway has stored, which fit.
type history struct {
	*Ledger
	stored Stored
	began  time.Time
}

// newHistory sends three events, of which two are signed, and delivers each to two destinations. There is one kill,
// which makes a repeat.
func newHistory() *history {
	h := &history{Ledger: NewLedger(), stored: Stored{Events: map[string]client.Event{},
		Deliveries: map[Owed]client.Delivery{}, States: map[string]int{}}, began: time.Unix(1_800_000_000, 0)}
	h.Want(Wanting{ID: "dst_a", Name: "a", Concurrency: 4})
	h.Want(Wanting{ID: "dst_b", Name: "b", Sources: []string{SignedSource, PlainSource}, Concurrency: 4})
	for n := range 3 {
		source, id := SignedSource, fmt.Sprint("msg_", n)
		if n == 0 {
			source, id = PlainSource, ""
		}
		d := h.Send(source, id, h.body(n))
		h.Ack(d)
		event := fmt.Sprint("evt_", n)
		h.stored.Events[event] = client.Event{ID: event, Source: source, ProviderID: id,
			BodySHA256: hex.EncodeToString(d[:])}
		for _, to := range []string{"a", "b"} {
			h.stored.Deliveries[Owed{event, "dst_" + to}] = client.Delivery{ID: "dlv_" + event + to, EventID: event,
				State: "delivered"}
			h.stored.States["delivered"]++
			h.stored.Listed++
			h.Arrive(h.arrival(n, to, n))
		}
	}
	h.kills = append(h.kills, h.began.Add(10*time.Second))
	h.Arrive(h.arrival(2, "a", 11))
	return h
}

func (h *history) body(n int) []byte { return fmt.Append(nil, "body ", n) }

// arrival returns the arrival of event n at a destination so many seconds after the beginning.
func (h *history) arrival(n int, to string, second int) Arrival {
	event := fmt.Sprint("evt_", n)
	d := NewLedger().Send("", "", h.body(n))
	return Arrival{Destination: to, Event: event, Delivery: "dlv_" + event + to, Attempt: 1, Body: d, Status: 200,
		At: h.began.Add(time.Duration(second) * time.Second)}
}

// TestJudge: everything that may go wrong is found, and named by its letter.
func TestJudge(t *testing.T) {
	change := func(s Stored, id string, to func(*client.Event)) {
		ev := s.Events[id]
		to(&ev)
		s.Events[id] = ev
	}
	for _, c := range []struct {
		what           string
		damage         func(h *history)
		letters        string // of the violations, without repeats
		says           string
		lost, invented int
	}{
		{"nothing", func(*history) {}, "", "", 0, 0},
		{"an acknowledged event is gone", func(h *history) {
			h.Ack(h.Send(SignedSource, "msg_9", []byte("gone")))
		}, "L", `id "msg_9": answered 2xx 1 times, stored 0 times`, 1, 0},
		{"one that was not acknowledged is gone", func(h *history) {
			h.Send(SignedSource, "msg_9", []byte("gone"))
		}, "", "", 0, 0},
		{"an event without an id was acknowledged twice and stored once", func(h *history) {
			h.Ack(h.Send(PlainSource, "", h.body(0)))
		}, "L", "answered 2xx 2 times, stored 1 times", 1, 0},
		{"a delivery is dead", func(h *history) {
			d := h.stored.Deliveries[Owed{"evt_1", "dst_b"}]
			d.State = "dead"
			h.stored.Deliveries[Owed{"evt_1", "dst_b"}] = d
		}, "T", "delivery dlv_evt_1b to b is dead", 1, 0},
		{"there is no delivery", func(h *history) {
			delete(h.stored.Deliveries, Owed{"evt_1", "dst_b"})
		}, "TXS", "event evt_1: no delivery for b", 1, 0},
		{"one is delivered and never arrived", func(h *history) {
			h.arrivals = slices.DeleteFunc(h.arrivals, func(a Arrival) bool { return a.Event == "evt_0" })
		}, "T", "event evt_0 is delivered, and never arrived", 1, 0},
		{"one arrived and was refused", func(h *history) { h.arrivals[0].Status = 500 }, "T", "never arrived", 1, 0},
		{"an event is stored that was never sent", func(h *history) {
			change(h.stored, "evt_1", func(ev *client.Event) { ev.BodySHA256 = strings.Repeat("ab", 32) })
		}, "LBP", "was never sent", 1, 1},
		{"a checksum is none", func(h *history) {
			change(h.stored, "evt_1", func(ev *client.Event) { ev.BodySHA256 = "x" })
		}, "LBP", "", 1, 1},
		{"an event arrives that is not stored", func(h *history) {
			a := h.arrival(1, "a", 12)
			a.Event = "evt_7"
			h.Arrive(a)
		}, "P", `event "evt_7" arrived at a and is not stored`, 0, 1},
		{"other bytes arrive", func(h *history) { h.arrivals[3].Body = Digest{1} }, "B", "is stored as", 0, 0},
		{"a wrong signature", func(h *history) { h.arrivals[3].Complaint = "its signature: wrong" }, "B",
			"its signature: wrong", 0, 0},
		{"an event of another source", func(h *history) {
			change(h.stored, "evt_1", func(ev *client.Event) { ev.ProviderID = "msg_8" })
		}, "P", `was sent to signed as "msg_1"`, 0, 0},
		{"a destination gets what it does not want", func(h *history) {
			h.wanting[1].Sources = []string{SignedSource}
		}, "TS", "which does not want it", 0, 0},
		{"an id is stored twice", func(h *history) {
			ev := h.stored.Events["evt_1"]
			ev.ID = "evt_5"
			h.stored.Events["evt_5"] = ev
		}, "TPUS", `id "msg_1" is stored as`, 1, 1},
		{"a repeat without a kill", func(h *history) { h.kills = nil }, "X", "there was no kill between", 0, 0},
		{"a repeat with another id", func(h *history) {
			h.arrivals[len(h.arrivals)-1].Delivery = "dlv_other"
		}, "X", "arrived at a as delivery dlv_other", 0, 0},
		{"an attempt before its time", func(h *history) {
			h.arrivals[4].Attempt = 3
		}, "X", "attempt 1 after attempt 3",
			0, 0},
		{"a delivery is listed twice", func(h *history) { h.stored.Listed++ }, "S", "7 deliveries are listed", 0, 0},
	} {
		h := newHistory()
		c.damage(h)
		v := h.Judge(h.stored)
		var letters, texts string
		for _, one := range v.Violations {
			if !strings.Contains(letters, one.Invariant) {
				letters += one.Invariant
			}
			texts += one.Text + "\n"
		}
		if letters != c.letters || !strings.Contains(texts, c.says) || v.Lost != c.lost || v.Invented != c.invented {
			t.Errorf("%s: %q, %d lost, %d invented\n%s", c.what, letters, v.Lost, v.Invented, texts)
		}
	}
}

// TestJudgeCounts: the figures of a run in which nothing is wrong.
func TestJudgeCounts(t *testing.T) {
	h := newHistory()
	v := h.Judge(h.stored)
	if v.Sent != 3 || v.Acknowledged != 3 || v.Stored != 3 || v.Owed != 6 || v.Received != 7 || v.Repeats != 1 ||
		v.RepeatBound != 2*512+8 || v.States["delivered"] != 6 {
		t.Errorf("%+v", v)
	}
}
