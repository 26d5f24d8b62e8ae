package storetest

import (
	"bytes"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// refusal returns a request that is refused now.
func (w *world) refusal() bellhop.Request {
	return bellhop.Request{SourceID: w.source, Outcome: bellhop.RequestRefused, Status: 401,
		Reason: "signature_mismatch", Detail: "the signature is of other bytes",
		Method: "POST", Target: "/in/media", RemoteAddr: "192.0.2.1", Header: bellhop.Header("A: b\n"),
		Body: []byte("\x00forged"), BodyBytes: 7, ReceivedAt: w.clock.now()}
}

// unknown returns a request, received now, at a name that is no source's.
func (w *world) unknown() bellhop.Request {
	return bellhop.Request{RequestName: "medai", Outcome: bellhop.RequestRefused, Status: 404,
		Reason: "unknown_source",
		Method: "POST", Target: "/in/medai", RemoteAddr: "192.0.2.1", ReceivedAt: w.clock.now()}
}

// requests returns all stored requests.
func (w *world) requests() (all []bellhop.Request) {
	w.Helper()
	for cursor := ""; ; {
		list, next, err := w.Requests(w.ctx, bellhop.RequestFilter{},
			bellhop.Page{Limit: bellhop.MaxPage, Cursor: cursor})
		w.must(err)
		all = append(all, list...)
		if next == "" {
			return all
		}
		cursor = next
	}
}

// notes shows which part of a refused request or a handshake is stored.
func notes(w *world) {
	small := w.refusal()
	big := w.refusal()
	big.Outcome, big.Reason, big.Body, big.BodyBytes = bellhop.RequestHandshake, "handshake",
		bytes.Repeat([]byte("x"), bellhop.MaxRefusedBodyBytes+1), 1<<20
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
		want.ID, want.Source = list[i].ID, "media"
		w.equal("kept whole", got, want)
		want.Header, want.Body = nil, nil
		w.equal("listed without header and body", list[i], want)
	}
	w.Note(w.unknown())
	w.settle()
	want := w.unknown()
	want.ID = w.requests()[0].ID
	got, err := w.Request(w.ctx, want.ID)
	w.must(err)
	w.equal("a request at no source", got, want)
	_, err = w.Request(w.ctx, "req_x")
	w.refused("an unknown request", err, bellhop.CodeNotFound)
}

// notesFlood shows that a flood of forgeries fills neither the disk nor the time of the writer: a hundred rows
// are stored at once, and over time a thousand, and some until they are trimmed.
func notesFlood(w *world) { w.flood(w.refusal) }

// unknownFlood shows the same for requests at no source, whatever their names.
func unknownFlood(w *world) { w.flood(w.unknown) }

// flood notes many requests, each made by note.
func (w *world) flood(note func() bellhop.Request) {
	const flood, atOnce, forever = 5000, 100, 1100
	for range flood {
		w.Note(note())
	}
	w.settle()
	if n := len(w.requests()); n < atOnce || n > atOnce+1 {
		w.Errorf("%d of %d at once are stored, want %d", n, flood, atOnce)
	}
	for i := range flood {
		if i%10 == 0 {
			w.clock.pass(time.Second)
		}
		w.Note(note())
	}
	w.settle()
	list := w.requests()
	if n := len(list); n < 1000 || n > forever {
		w.Errorf("%d of %d over time are stored, want 1000 to %d", n, flood, forever)
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
