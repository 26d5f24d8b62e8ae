package storetest

import (
	"bytes"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// refusal is a request that was refused now.
func (w *world) refusal() bellhop.Request {
	return bellhop.Request{SourceID: w.source, Outcome: bellhop.RequestRefused, Status: 401, Reason: "signature_mismatch", Detail: "the signature is of other bytes",
		Method: "POST", Target: "/in/media", RemoteAddr: "192.0.2.1", Header: bellhop.Header("A: b\n"), Body: []byte("\x00forged"), BodyBytes: 7, ReceivedAt: w.clock.now()}
}

// requests pages through all that are kept.
func (w *world) requests() (all []bellhop.Request) {
	w.Helper()
	for cursor := ""; ; {
		list, next, err := w.Requests(w.ctx, bellhop.RequestFilter{}, bellhop.Page{Limit: bellhop.MaxPage, Cursor: cursor})
		w.must(err)
		all = append(all, list...)
		if next == "" {
			return all
		}
		cursor = next
	}
}

func notes(w *world) {
	small := w.refusal()
	big := w.refusal()
	big.Outcome, big.Reason, big.Body, big.BodyBytes = bellhop.RequestHandshake, "handshake", bytes.Repeat([]byte("x"), bellhop.MaxRefusedBodyBytes+1), 1<<20
	w.Note(small)
	w.Note(big)
	stranger := w.refusal()
	stranger.SourceID = "src_stranger"
	w.Note(stranger)
	w.settle()
	list := w.requests()
	w.equal("kept", len(list), 2)
	big.Body = big.Body[:bellhop.MaxRefusedBodyBytes]
	for i, want := range []bellhop.Request{big, small} {
		got, err := w.Request(w.ctx, list[i].ID)
		w.must(err)
		want.ID = list[i].ID
		w.equal("kept whole", got, want)
		want.Header, want.Body = nil, nil
		w.equal("listed without header and body", list[i], want)
	}
	_, err := w.Request(w.ctx, "req_x")
	w.refused("a request that there is not", err, bellhop.CodeNotFound)
}

// Whoever floods a source with forgeries gets neither the disk nor the writer: at once a hundred rows, over time
// a thousand and what the next trim takes.
func notesFlood(w *world) {
	const flood, atOnce, forever = 5000, 100, 1100
	for range flood {
		w.Note(w.refusal())
	}
	w.settle()
	if n := len(w.requests()); n < atOnce || n > atOnce+1 {
		w.Errorf("%d of %d at once are kept, want %d", n, flood, atOnce)
	}
	for i := range flood {
		if i%10 == 0 {
			w.clock.pass(time.Second)
		}
		w.Note(w.refusal())
	}
	w.settle()
	list := w.requests()
	if n := len(list); n < 1000 || n > forever {
		w.Errorf("%d of %d over a while are kept, want 1000 to %d", n, flood, forever)
	}
	w.equal("the latest", list[0].ReceivedAt, w.clock.now())
	st, err := w.Stats(w.ctx)
	w.must(err)
	w.equal("counted", st.RequestsRefused, int64(2*flood))

	w.source = w.newSource("quiet")
	w.Note(w.refusal())
	w.settle()
	w.equal("of another source", w.requests()[0].SourceID, w.source)
}

func filterRequests(w *world) {
	first := w.source
	start := w.clock.now()
	note := func(outcome bellhop.RequestOutcome) {
		r := w.refusal()
		r.Outcome = outcome
		w.Note(r)
		w.settle()
		w.clock.pass(time.Minute)
	}
	note(bellhop.RequestRefused)
	note(bellhop.RequestHandshake)
	w.source = w.newSource("other")
	note(bellhop.RequestRefused)
	list := w.requests()
	ids := []string{list[2].ID, list[1].ID, list[0].ID}
	for name, c := range map[string]struct {
		f    bellhop.RequestFilter
		want []int
	}{
		"none":     {bellhop.RequestFilter{}, []int{2, 1, 0}},
		"source":   {bellhop.RequestFilter{SourceID: first}, []int{1, 0}},
		"outcome":  {bellhop.RequestFilter{Outcome: bellhop.RequestRefused}, []int{2, 0}},
		"accepted": {bellhop.RequestFilter{Outcome: bellhop.RequestAccepted}, nil},
		"since":    {bellhop.RequestFilter{Since: start.Add(time.Minute)}, []int{2, 1}},
		"until":    {bellhop.RequestFilter{Until: start.Add(time.Minute)}, []int{0}},
	} {
		list, _, err := w.Requests(w.ctx, c.f, bellhop.Page{})
		w.must(err)
		var got []int
		for _, r := range list {
			got = append(got, slices.Index(ids, r.ID))
		}
		w.equal(name, got, c.want)
	}
	_, _, err := w.Requests(w.ctx, bellhop.RequestFilter{SourceID: "src_x"}, bellhop.Page{})
	w.refused("a source that there is not", err, bellhop.CodeNotFound)
}
