package ui

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) deliveries() {
	s.page("/deliveries", viewer, s.listDeliveries)
	s.page("/deliveries/{id}", viewer, s.showDelivery)
	s.act("/deliveries/{id}/retry", operator, s.retryDelivery)
	s.act("/deliveries/{id}/cancel", operator, s.cancelDelivery)
}

// A stateText is how pages show a state: a word and a shape.
type stateText struct{ Name, Word, Shape string }

// stateOf returns how pages show the state of a delivery, an event's deliveries or a request.
func stateOf(name string) stateText {
	texts := map[string]stateText{
		"pending":    {"pending", "waiting", "◷"},
		"leased":     {"leased", "sending", "→"},
		"delivered":  {"delivered", "delivered", "✓"},
		"dead":       {"dead", "dead", "✕"},
		"cancelled":  {"cancelled", "cancelled", "⊘"},
		"accepted":   {"accepted", "accepted", "✓"},
		"handshake":  {"handshake", "handshake", "⇄"},
		"refused":    {"refused", "refused", "✕"},
		"partial":    {"partial", "in part", "◐"},
		"active":     {"active", "active", "✓"},
		"paused":     {"paused", "paused", "‖"},
		"disabled":   {"disabled", "disabled", "✕"},
		"unverified": {"unverified", "unverified", "?"},
		"expired":    {"expired", "expired", "✕"},
		"failed":     {"dead", "failed", "✕"},
		"waiting":    {"pending", "waiting", "◷"},
		"running":    {"leased", "running", "→"},
		"ready":      {"active", "ready", "✓"},
		"signed_out": {"paused", "signed out", "‖"},
		"failing":    {"dead", "failing", "✕"},
		"renewing":   {"leased", "renewing", "→"},
		"removed":    {"dead", "removed", "✕"},
		"open":       {"pending", "open", "◷"},
		"filling":    {"leased", "filling", "→"},
		"filled":     {"delivered", "filled", "✓"},
		"whole":      {"delivered", "whole", "✓"},
		"done":       {"delivered", "done", "✓"},
		"ok":         {"active", "ok", "✓"},
		"warning":    {"pending", "warning", "!"},
		"skipped":    {"unknown", "skipped", "·"},
	}
	text, ok := texts[name]
	if !ok {
		return stateText{"unknown", name, "·"}
	}
	return text
}

// because returns why an event is not wanted, in words.
func because(reason string) string {
	texts := map[string]string{"source": "its source", "type": "its type", "where": "the where",
		"where_fails": "a where that fails", "tenant": "its tenant"}
	if text, ok := texts[reason]; ok {
		return text
	}
	return reason
}

// deliveriesPage is what the list of deliveries shows.
type deliveriesPage struct {
	listing
	Tabs []tab
	// Narrowed says that a filter or a tab leaves some out.
	Narrowed bool
	Rows     []client.Delivery
	Many     []tab // what can be done with all that the filter selects; none if it cannot be said of them
}

// deliveryStates are the tabs of the list.
var deliveryStates = []option{{"", "All"}, {"pending", "Waiting"}, {"leased", "Sending"}, {"dead", "Dead"},
	{"delivered", "Delivered"}, {"cancelled", "Cancelled"}}

func (s *server) listDeliveries(v *visit) error {
	query := v.r.URL.Query()
	f := newForm(query,
		field{Name: "destination", Label: "Destination", Known: v.destinationNames()},
		field{Name: "error", Label: "Error", Hint: "Of the latest attempt, such as timeout"},
		field{Name: "source", Label: "Source", Known: v.sourceNames()},
		field{Name: "type", Label: "Type", Hint: "Of the event: a whole type, or a beginning and *"},
		field{Name: "event", Label: "Event", Hint: "The id of an event"},
		field{Name: "since", Label: "Since", Hint: whenHint},
		field{Name: "until", Label: "Until", Hint: whenHint},
		field{Name: "state", Label: "State", Kind: "hidden"},
	)
	filter := client.DeliveryFilter{Destination: f.get("destination"), State: f.get("state"), Error: f.get("error"),
		Source: f.get("source"), Type: f.get("type"), Event: f.get("event"), Since: f.when("since", v.Now()),
		Until: f.when("until", v.Now())}
	var l client.List[client.Delivery]
	if !f.Invalid() {
		var err error
		l, err = searched(v, func(ctx context.Context) (client.List[client.Delivery], error) {
			return s.API.Deliveries(ctx, filter, client.Page{Cursor: query.Get("cursor")})
		})
		err = f.accepts(err)
		if err != nil {
			return err
		}
	}
	page := deliveriesPage{Rows: l.Data, listing: newListing(v.r, Root+"deliveries", f, l, s.get("deliveries",
		"/deliveries", flagValue{"state", "state", filter.State},
		flagValue{"destination", "destination", filter.Destination},
		flagValue{"error", "error", filter.Error}, flagValue{"source", "source", filter.Source},
		flagValue{"type", "type", filter.Type}, flagValue{"event", "event", filter.Event},
		flagValue{"since", "since", iso(client.Time{Time: filter.Since})},
		flagValue{"until", "until", iso(client.Time{Time: filter.Until})}))}
	page.follows(v, "event.accepted,delivery.attempted", "source", "type", "destination")
	page.Tabs = tabs(query, Root+"deliveries", "state", deliveryStates)
	page.Narrowed = f.Narrowed() || filter.State != ""
	if filter.Source == "" && filter.Type == "" {
		page.Many = manyOf(query, filter.State)
	}
	v.show(statusOf(f), "deliveries", "Deliveries", page)
	return nil
}

// manyOf returns links to what can be done with all deliveries of a filter.
func manyOf(query url.Values, state string) (all []tab) {
	to := func(title, kind, state string) {
		with := url.Values{"kind": {kind}, "state": {state}}
		for _, name := range []string{"destination", "error", "event", "since", "until"} {
			with.Set(name, query.Get(name))
		}
		all = append(all, tab{title, withQuery(Root+"deliveries/many", with), false})
	}
	switch state {
	case "", "dead":
		to("Retry all dead ones that match", "retry", "dead")
	case "cancelled":
		to("Retry all that match", "retry", state)
	}
	if state == "" || state == "pending" {
		to("Cancel all waiting ones that match", "cancel", "")
	}
	return all
}

// tabs returns links to a list with each value of a parameter. The other parameters stay, and the pages begin anew.
func tabs(query url.Values, path, parameter string, choices []option) (all []tab) {
	current := query.Get(parameter)
	for _, choice := range choices {
		with := url.Values{}
		for name, values := range query {
			if name != "cursor" && name != "did" {
				with[name] = values
			}
		}
		with.Set(parameter, choice.Value)
		all = append(all, tab{choice.Label, withQuery(path, with), choice.Value == current})
	}
	return all
}

// deliveryPage is what the page of a delivery shows.
type deliveryPage struct {
	client.DeliveryDetail
	Path   link
	Event  *client.Event // nil if it was deleted
	Next   string        // what comes next, in words
	Retry  *command      // nil if it cannot be retried
	Cancel *command
	Show   command
}

func (s *server) showDelivery(v *visit) error { return v.showsDelivery(http.StatusOK) }

// showsDelivery shows the delivery of the path.
func (v *visit) showsDelivery(status int) error {
	d, err := v.API.Delivery(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	page := deliveryPage{DeliveryDetail: d, Path: link(Root + "deliveries/" + url.PathEscape(d.ID)),
		Next: nextStep(d.Delivery), Show: v.get("deliveries show "+quote(d.ID), "/deliveries/"+d.ID)}
	ev, err := v.API.Event(v.ctx, d.EventID)
	refused, ok := asRefusal(err)
	switch {
	case err == nil:
		page.Event = &ev.Event
	case !ok || refused.Status != http.StatusNotFound:
		return err
	}
	if d.State == "pending" || d.State == "dead" || d.State == "cancelled" {
		c := v.post("deliveries retry "+quote(d.ID), "/deliveries/"+d.ID+"/retry", "")
		page.Retry = &c
	}
	if d.State == "pending" {
		c := v.post("deliveries cancel "+quote(d.ID), "/deliveries/"+d.ID+"/cancel", "")
		page.Cancel = &c
	}
	v.show(status, "delivery", "Delivery to "+d.Destination, page)
	return nil
}

// nextStep says what happens next with a delivery.
func nextStep(d client.Delivery) string {
	switch d.State {
	case "pending":
		if d.Attempts == 0 {
			return "It waits for its first attempt."
		}
		return "It waits for its next attempt."
	case "leased":
		return "An attempt is under way, or about to begin."
	case "dead":
		return "All attempts failed, or the receiver refused it for good. Nothing more is sent unless it is retried."
	case "cancelled":
		return "It was cancelled. Nothing more is sent unless it is retried."
	}
	return "The receiver has it."
}

func (s *server) retryDelivery(v *visit) error {
	_, err := s.API.RetryDelivery(v.ctx, v.r.PathValue("id"))
	return v.changed(err, "retried")
}

func (s *server) cancelDelivery(v *visit) error {
	_, err := s.API.CancelDelivery(v.ctx, v.r.PathValue("id"))
	return v.changed(err, "cancelled")
}

// changed ends an action on a delivery, whose error is err.
func (v *visit) changed(err error, notice string) error {
	if v.refused(err) {
		return v.showsDelivery(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(Root+"deliveries/"+url.PathEscape(v.r.PathValue("id")), notice)
}

// replyOf returns the beginning of the reply of an attempt as text; bytes that are not UTF-8 show as \xff.
func replyOf(a client.Attempt) lines {
	if a.ReplyBase64 == "" {
		return lines(a.Reply)
	}
	reply, err := base64.StdEncoding.DecodeString(a.ReplyBase64)
	if err != nil {
		return lines(a.ReplyBase64)
	}
	return lines(reply)
}
