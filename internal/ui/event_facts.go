package ui

import (
	"math"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file says of an event how it was proven, and draws its deliveries on one line of time.

// A proof says by what the source knows that a request is its provider's.
type proof struct {
	Source  string
	To      link // of the source
	Open    bool // the source asks for no proof
	Secrets []provenSecret
}

// A provenSecret is a secret of a source.
type provenSecret struct {
	Title string
	SetAt client.Time // zero if that is not known
	Later bool        // it was set after the event came: another one proved it
}

// proofOf returns how an event was proven; nil of one that no provider sent, and if its source is deleted.
func (v *visit) proofOf(ev client.Event) *proof {
	if ev.Source == ownSource || ev.CausedBy != "" {
		return nil
	}
	src, err := v.API.Source(v.ctx, ev.SourceID)
	if err != nil {
		return nil // the page is of use without it
	}
	p := &proof{Source: src.Name, To: sourcePath(src), Open: isOpen(src)}
	known, err := v.providerOf(src.Provider)
	if err != nil {
		known = client.Provider{}
	}
	for _, s := range shownSettings(known.Settings, src.Settings) {
		if s.Secret {
			p.Secrets = append(p.Secrets, provenSecret{s.Title, s.SetAt, s.SetAt.After(ev.ReceivedAt.Time)})
		}
	}
	return p
}

// isOpen reports whether a source asks for no proof: every provider says so by the flag unauthenticated, or by its
// scheme.
func isOpen(src client.Source) bool {
	return src.Settings["unauthenticated"] == true || src.Settings["scheme"] == "none"
}

// ownSource is the source of the events that programs publish by the API, and that Bellhop publishes itself.
const ownSource = "bellhop"

// A shownDelivery is a delivery on the page of its event.
type shownDelivery struct {
	client.DeliveryDetail
	Marks []timeMark
}

// A timeMark is an attempt on the line of time that the deliveries of an event share.
type timeMark struct {
	X    int
	Kind string // "accepted", "failed" or "next"
}

// onOneLine returns deliveries with their attempts between begun, when the event came, and the latest or next attempt
// of all. The line is stretched where it begins, where most attempts are.
func onOneLine(begun time.Time, deliveries []client.DeliveryDetail) (all []shownDelivery, until client.Time) {
	until.Time = begun
	later := func(at client.Time) {
		if at.After(until.Time) {
			until = at
		}
	}
	for _, d := range deliveries {
		for _, a := range d.History {
			later(a.StartedAt)
		}
		if d.State == "pending" {
			later(d.NextAt)
		}
	}
	place := func(at client.Time) float64 { return math.Log1p(max(at.Sub(begun), 0).Seconds()) }
	whole := max(place(until), math.Log1p(1))
	x := func(at client.Time) int { return lineMargin + int((lineWidth-2*lineMargin)*place(at)/whole) }
	for _, d := range deliveries {
		shown := shownDelivery{DeliveryDetail: d}
		for _, a := range d.History {
			kind := "accepted"
			if a.Error != "" {
				kind = "failed"
			}
			shown.Marks = append(shown.Marks, timeMark{x(a.StartedAt), kind})
		}
		if d.State == "pending" && !d.NextAt.IsZero() {
			shown.Marks = append(shown.Marks, timeMark{x(d.NextAt), "next"})
		}
		all = append(all, shown)
	}
	return all, until
}
