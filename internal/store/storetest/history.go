package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// shownArrivals describes what Arrivals returns: the id of each event with the number of its deliveries, and that of
// each request.
func (w *world) shownArrivals(after, through string, limit int) (text string, aged bool) {
	w.Helper()
	list, aged, err := w.Arrivals(w.ctx, after, through, limit)
	w.must(err)
	var all []string
	for _, a := range list {
		if a.Event != nil {
			all = append(all, a.Event.ID+strings.Repeat("+", a.Deliveries))
		} else {
			all = append(all, a.Request.ID)
		}
	}
	return strings.Join(all, " "), aged
}

// arrivals shows that events and requests come in the order in which they were stored, page by page, within marks.
func arrivals(w *world) {
	begin, err := w.NewestMark(w.ctx)
	w.must(err)
	body := []byte(`{"state":"done"}`)
	first := []bellhop.Event{w.event("one", body)}
	w.accept(first, []bellhop.NewDelivery{{DestinationID: w.destination},
		{DestinationID: w.destination, Leased: true}})
	w.Note(w.refusal())
	w.settle() // an event with a delivery
	w.Note(w.unknown())
	w.settle()
	batch := []bellhop.Event{w.event("", nil), w.event("", nil)}
	req := w.refusal()
	req.Outcome, req.Events = bellhop.RequestPartial, 2
	got, err := w.Accept(w.ctx, &req, batch, nil)
	w.must(err)

	newest, err := w.NewestMark(w.ctx)
	w.must(err)
	w.equal("the newest mark", newest, bellhop.MarkOf(got.RequestID))
	all, aged := w.shownArrivals(begin, "", 100)
	ids := strings.Fields(all)
	if len(ids) != 8 || aged || ids[0] != first[0].ID+"++" || !strings.HasPrefix(ids[1], bellhop.PrefixRequest) ||
		!strings.HasSuffix(ids[2], "+") || !strings.HasPrefix(ids[3], bellhop.PrefixRequest) ||
		ids[5] != batch[0].ID || ids[6] != batch[1].ID || ids[7] != got.RequestID {
		w.Errorf("%q, aged is %t", ids, aged)
	}
	list, _, err := w.Arrivals(w.ctx, begin, "", 2)
	w.must(err)
	ev, refused := list[0], list[1].Request
	w.equal("the length of a body", ev.BodyBytes, len(body))
	w.equal("a body", len(ev.Event.Body), 0)
	w.equal("the source of an event", ev.Event.SourceID+" "+ev.Event.Source, w.source+" media")
	w.equal("the reason of a request", refused.Reason, "signature_mismatch")
	w.equal("its body", len(refused.Body)+len(refused.Header), 0)

	var paged []string
	for mark := begin; ; {
		page, _, err := w.Arrivals(w.ctx, mark, "", 3)
		w.must(err)
		if len(page) == 0 {
			break
		}
		text, _ := w.shownArrivals(mark, page[len(page)-1].Mark(), 100)
		mark = page[len(page)-1].Mark()
		paged = append(paged, text)
	}
	w.equal("pages of three", strings.Join(paged, " "), all)
	none, _ := w.shownArrivals(newest, "", 100)
	w.equal("after the newest", none, "")

	for _, mark := range []string{"", "x", strings.Repeat("0", 16), newest + "0", "-" + newest[1:]} {
		_, _, err := w.Arrivals(w.ctx, mark, "", 1)
		w.refused("the mark "+mark, err, bellhop.CodeInvalid)
		if mark != "" {
			_, _, err = w.Arrivals(w.ctx, newest, mark, 1)
			w.refused("up to the mark "+mark, err, bellhop.CodeInvalid)
		}
	}
	w.clock.pass(Retain + time.Minute)
	if _, aged := w.shownArrivals(newest, "", 1); !aged {
		w.Error("what has been deleted meanwhile is not told")
	}
}

// shownAttempts describes what Attempted returns, page by page: of each attempt the delivery, its number, and the
// state after it.
func (w *world) shownAttempts(since time.Time, limit int) (text string) {
	w.Helper()
	for after := ""; ; {
		list, next, complete, err := w.Attempted(w.ctx, since, after, limit)
		w.must(err)
		if !complete {
			w.Error("a few deliveries were not all searched")
		}
		for _, a := range list {
			text += fmt.Sprintf("%s %d %s\n", a.DeliveryID, a.Attempt.Number, a.State)
		}
		if next == "" {
			return text
		}
		after = next
	}
}

// attempted shows that attempts since a time are found: the last one of each delivery, and earlier ones.
func attempted(w *world) {
	tried, done := w.owe(true), w.owe(true)
	w.record(w.result(tried, 1, pending))
	w.clock.pass(retryIn)
	w.claim()
	since := w.clock.now()
	w.clock.pass(time.Second)
	w.record(w.result(tried, 2, pending))
	w.clock.pass(retryIn)
	w.claim()
	w.record(w.result(tried, 3, dead))
	late := w.owe(true)
	w.record(w.result(late, 1, pending))
	w.clock.pass(retryIn)
	w.claim() // it is leased for its second attempt
	w.record(w.result(done, 1, delivered))

	want := tried + " 2 pending\n" + tried + " 3 dead\n" + done + " 1 delivered\n" + late + " 1 pending\n"
	w.equal("the attempts", w.shownAttempts(since, 100), want)
	w.equal("the attempts, page by page", w.shownAttempts(since, 1), want)

	list, _, _, err := w.Attempted(w.ctx, since, "", 100)
	w.must(err)
	a := list[1]
	w.equal("the label of the event", a.Event, bellhop.EventLabel{ID: w.delivery(tried).EventID,
		Type: "ams.JobStateChange", Source: "media", SourceID: w.source})
	w.equal("the destination", a.DestinationID+" "+a.Destination, w.destination+" billing")
	w.equal("the attempt", a.Attempt.Error+" "+a.Attempt.Detail, "status the reply was 503")
	w.equal("the reply", len(a.Attempt.Reply), 0)
	many := make([]bellhop.NewDelivery, store.MaxSearched)
	for i := range many {
		many[i] = bellhop.NewDelivery{DestinationID: w.destination, Leased: true}
	}
	w.accept([]bellhop.Event{w.event("", nil)}, many)
	_, _, complete, err := w.Attempted(w.ctx, w.clock.now(), "", 1)
	w.must(err)
	w.equal("more deliveries than are searched are all searched", complete, false)

	_, _, _, err = w.Attempted(w.ctx, since, "dlv_x", 1)
	w.refused("no delivery", err, bellhop.CodeInvalid)
}
