package storetest

import (
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func filterEvents(w *world) {
	other := w.newSource("other")
	start := w.clock.now()
	var ids []string // one a minute
	for _, ev := range []bellhop.Event{{SourceID: w.source, Type: "ams.Job"}, {SourceID: other, Type: "ams.Job"}, {SourceID: w.source, Type: "ams.JobState"},
		{SourceID: w.source, Type: "заказ.создан"}, {SourceID: other, Type: "a%_*b"}} {
		ev.ReceivedAt = w.clock.now()
		events := []bellhop.Event{ev}
		w.accept(events, nil)
		ids = append(ids, events[0].ID)
		w.clock.pass(time.Minute)
	}
	for name, c := range map[string]struct {
		f    bellhop.EventFilter
		want []int
	}{
		"none":          {bellhop.EventFilter{}, []int{4, 3, 2, 1, 0}},
		"source":        {bellhop.EventFilter{SourceID: other}, []int{4, 1}},
		"type":          {bellhop.EventFilter{Type: "ams.Job"}, []int{1, 0}},
		"prefix":        {bellhop.EventFilter{Type: "ams.*"}, []int{2, 1, 0}},
		"prefix letter": {bellhop.EventFilter{Type: "зак*"}, []int{3}},
		"any":           {bellhop.EventFilter{Type: "*"}, []int{4, 3, 2, 1, 0}},
		"not a pattern": {bellhop.EventFilter{Type: "a%_**"}, []int{4}},
		"case":          {bellhop.EventFilter{Type: "AMS.*"}, nil},
		"since":         {bellhop.EventFilter{Since: start.Add(3 * time.Minute)}, []int{4, 3}},
		"until":         {bellhop.EventFilter{Until: start.Add(time.Minute)}, []int{0}},
		"everything":    {bellhop.EventFilter{SourceID: w.source, Type: "ams.*", Since: start.Add(time.Minute), Until: start.Add(time.Hour)}, []int{2}},
	} {
		list, _, err := w.Events(w.ctx, c.f, bellhop.Page{})
		w.must(err)
		var got []int
		for _, ev := range list {
			got = append(got, slices.Index(ids, ev.ID))
		}
		w.equal(name, got, c.want)
	}
	_, _, err := w.Events(w.ctx, bellhop.EventFilter{SourceID: "src_stranger"}, bellhop.Page{})
	w.refused("a source that there is not", err, bellhop.CodeNotFound)

	big := w.event("", make([]byte, 1000))
	w.accept([]bellhop.Event{big}, nil)
	list, _, err := w.Events(w.ctx, bellhop.EventFilter{}, bellhop.Page{Limit: 1})
	w.must(err)
	w.equal("length of a listed body", len(list[0].Body), 1000)
	w.equal("a listed header", len(list[0].Header), 0)
}

func filterDeliveries(w *world) {
	other := w.newDestination("other")
	start := w.clock.now()
	var ids, events []string // one event a minute
	for _, state := range []bellhop.DeliveryState{pending, delivered, dead} {
		id := w.in(state)
		ids, events = append(ids, id), append(events, w.delivery(id).EventID)
		w.clock.pass(time.Minute)
	}
	owed := []bellhop.NewDelivery{{DestinationID: w.destination, Leased: true}, {DestinationID: other}}
	last := []bellhop.Event{w.event("", nil)}
	w.accept(last, owed)
	ids, events = append(ids, owed[0].DeliveryID, owed[1].DeliveryID), append(events, last[0].ID)
	for name, c := range map[string]struct {
		f    bellhop.DeliveryFilter
		want []int
	}{
		"none":        {bellhop.DeliveryFilter{}, []int{4, 3, 2, 1, 0}},
		"event":       {bellhop.DeliveryFilter{EventID: events[3]}, []int{4, 3}},
		"destination": {bellhop.DeliveryFilter{DestinationID: other}, []int{4}},
		"pending":     {bellhop.DeliveryFilter{State: pending}, []int{4, 0}},
		"leased":      {bellhop.DeliveryFilter{State: leased}, []int{3}},
		"delivered":   {bellhop.DeliveryFilter{State: delivered}, []int{1}},
		"dead":        {bellhop.DeliveryFilter{State: dead}, []int{2}},
		"cancelled":   {bellhop.DeliveryFilter{State: cancelled}, nil},
		"no state":    {bellhop.DeliveryFilter{State: "' OR '1'='1"}, nil},
		"since":       {bellhop.DeliveryFilter{Since: start.Add(2 * time.Minute)}, []int{4, 3, 2}},
		"until":       {bellhop.DeliveryFilter{Until: start.Add(2 * time.Minute)}, []int{1, 0}},
		"everything": {bellhop.DeliveryFilter{EventID: events[3], DestinationID: w.destination, State: leased, Since: start, Until: start.Add(time.Hour)},
			[]int{3}},
	} {
		list, _, err := w.Deliveries(w.ctx, c.f, bellhop.Page{})
		w.must(err)
		var got []int
		for _, d := range list {
			got = append(got, slices.Index(ids, d.ID))
			w.equal(name+": as it is read alone", d, w.delivery(d.ID))
		}
		w.equal(name, got, c.want)
	}
	for what, f := range map[string]bellhop.DeliveryFilter{"event": {EventID: "evt_x"}, "destination": {DestinationID: "dst_x"}} {
		_, _, err := w.Deliveries(w.ctx, f, bellhop.Page{})
		w.refused("an "+what+" that there is not", err, bellhop.CodeNotFound)
	}
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
