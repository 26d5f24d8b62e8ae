package ui

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file holds the pages of a portal. They show less than the pages of the same nouns elsewhere: no sources, no
// headers of requests, no commands, and nothing that leads out.

func (s *server) portalPages() {
	s.portalPage("/{$}", viewer, s.portalDestinations)
	s.portalPage("/destinations/{id}", viewer, s.portalDestination)
	s.portalPage("/deliveries", viewer, s.portalDeliveries)
	s.portalPage("/deliveries/{id}", viewer, s.portalDelivery)
	s.portalPage("/events", viewer, s.portalEvents)
	s.portalPage("/events/{id}", viewer, s.portalEvent)
	s.portalPage("/events/{id}/body", viewer, s.downloadEvent)
	s.portalPage("/types", viewer, s.portalTypes)
	s.portalPage("/stream", viewer, s.followStream)
}

func (s *server) portalDestinations(v *visit) error {
	query := v.r.URL.Query()
	l, err := s.API.Destinations(v.ctx, client.DestinationFilter{}, client.Page{Cursor: query.Get("cursor")})
	if err != nil {
		return err
	}
	page := destinationsPage{listing: newListing(v.r, PortalRoot, nil, l, command{})}
	for _, d := range l.Data {
		page.Rows = append(page.Rows, portalRowOf(d))
	}
	page.follows(v, "destination.changed")
	v.show(http.StatusOK, "portal_destinations", "Destinations", page)
	return nil
}

// portalRowOf returns a destination with its trouble, and the types that it wants: sources are not for visitors.
func portalRowOf(d client.Destination) destinationRow {
	row := destinationRowOf(d)
	row.Wants = matchText(client.Match{Types: d.Match.Types, Where: d.Match.Where})
	return row
}

// portalPath returns the path of the page of a noun in a portal.
func portalPath(nouns, id string) link { return link(PortalRoot + nouns + "/" + url.PathEscape(id)) }

func (s *server) portalDestination(v *visit) error { return v.showsPortalDestination(http.StatusOK) }

// A portalDestinationPage is what the page of a destination shows.
type portalDestinationPage struct {
	destinationPage
	Changeable bool // by the form of a portal
}

// showsPortalDestination shows the destination of the path.
func (v *visit) showsPortalDestination(status int) error {
	d, kind, err := v.destination()
	if err != nil {
		return err
	}
	return v.showsThisInPortal(status, d, kind)
}

func (v *visit) showsThisInPortal(status int, d client.Destination, kind client.DestinationType) error {
	page := portalDestinationPage{Changeable: isForVisitors(kind), destinationPage: destinationPage{
		destinationRow: portalRowOf(d), Kind: kind, Path: portalPath("destinations", d.ID),
		Shown: shownSettings(kind.Settings, d.Settings), Access: shownSettings(kind.Access, d.Access),
		Limits: shownLimits(d), Pausable: d.State == "active"}}
	var err error
	page.Newest, page.Slow, err = v.newestTo(d, shownOnOverview)
	if err != nil {
		return err
	}
	v.show(status, "portal_destination", "Destination "+d.Name, page)
	return nil
}

// isForVisitors reports whether visitors create and change destinations of a type: those to which requests are sent.
// Others do work here, or are read by programs with keys.
func isForVisitors(kind client.DestinationType) bool { return kind.NeedsURL && !kind.Action }

func (s *server) portalDeliveries(v *visit) error {
	query := v.r.URL.Query()
	f := newForm(query,
		field{Name: "destination", Label: "Destination", Known: v.destinationNames()},
		field{Name: "since", Label: "Since", Hint: whenHint},
		field{Name: "until", Label: "Until", Hint: whenHint},
		field{Name: "event", Label: "Event", Kind: "hidden"},
		field{Name: "state", Label: "State", Kind: "hidden"},
	)
	filter := client.DeliveryFilter{Destination: f.get("destination"), State: f.get("state"), Event: f.get("event"),
		Since: f.when("since", v.Now()), Until: f.when("until", v.Now())}
	var l client.List[client.Delivery]
	if !f.Invalid() {
		var err error
		l, err = s.API.Deliveries(v.ctx, filter, client.Page{Cursor: query.Get("cursor")})
		err = f.accepts(err)
		if err != nil {
			return err
		}
	}
	page := deliveriesPage{Rows: l.Data, listing: newListing(v.r, PortalRoot+"deliveries", f, l, command{}),
		Tabs:     tabs(query, PortalRoot+"deliveries", "state", deliveryStates),
		Narrowed: f.Narrowed() || filter.State != "" || filter.Event != ""}
	page.follows(v, "event.accepted,delivery.attempted", "destination")
	if filter.State == "dead" {
		with := url.Values{}
		for _, name := range []string{"destination", "event", "since", "until"} {
			with.Set(name, query.Get(name))
		}
		page.Many = []tab{{"Retry all that match", withQuery(PortalRoot+"deliveries/many", with), false}}
	}
	v.show(statusOf(f), "portal_deliveries", "Deliveries", page)
	return nil
}

func (s *server) portalDelivery(v *visit) error { return v.showsPortalDelivery(http.StatusOK) }

// showsPortalDelivery shows the delivery of the path.
func (v *visit) showsPortalDelivery(status int) error {
	d, err := v.API.Delivery(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	page := deliveryPage{DeliveryDetail: d, Path: portalPath("deliveries", d.ID), Next: nextStep(d.Delivery)}
	ev, err := v.API.Event(v.ctx, d.EventID)
	refused, ok := asRefusal(err)
	switch {
	case err == nil:
		page.Event = &ev.Event
	case !ok || refused.Status != http.StatusNotFound:
		return err
	}
	if d.State == "pending" || d.State == "dead" || d.State == "cancelled" {
		page.Retry = &command{}
	}
	v.show(status, "portal_delivery", "Delivery to "+d.Destination, page)
	return nil
}

func (s *server) portalEvents(v *visit) error {
	query := v.r.URL.Query()
	f := newForm(query,
		field{Name: "type", Label: "Type", Hint: "A whole type, or a beginning and *"},
		field{Name: "subject", Label: "Subject", Hint: "A whole subject, or a beginning and *"},
		field{Name: "since", Label: "Since", Hint: whenHint},
		field{Name: "until", Label: "Until", Hint: whenHint},
	)
	filter := client.EventFilter{Type: f.get("type"), Subject: f.get("subject"), Since: f.when("since", v.Now()),
		Until: f.when("until", v.Now()), Count: true}
	var l client.List[client.Event]
	if !f.Invalid() {
		var err error
		l, err = s.API.Events(v.ctx, filter, client.Page{Cursor: query.Get("cursor")})
		err = f.accepts(err)
		if err != nil {
			return err
		}
	}
	page := eventsPage{listing: newListing(v.r, PortalRoot+"events", f, l, command{})}
	page.follows(v, "event.accepted,delivery.attempted", "type", "subject")
	for _, ev := range l.Data {
		page.Rows = append(page.Rows, eventRow{ev, marksOf(ev)})
	}
	v.show(statusOf(f), "portal_events", "Events", page)
	return nil
}

func (s *server) portalEvent(v *visit) error { return v.showsPortalEvent(http.StatusOK) }

// showsPortalEvent shows the event of the path.
func (v *visit) showsPortalEvent(status int) error {
	id := v.r.PathValue("id")
	ev, err := v.API.Event(v.ctx, id)
	if err != nil {
		return err
	}
	body, _, err := v.API.EventBody(v.ctx, id)
	if err != nil {
		return err
	}
	path := portalPath("events", ev.ID)
	page := eventPage{EventDetail: ev, Path: path, To: typed(v.r.PostFormValue("to")),
		Body: showBody(body, string(path), v.r.URL.Query().Get("body"), v.r.URL.Query().Get("whole") == "1")}
	page.Body.Download, page.Body.SHA256, page.Body.MediaType = path+"/body", ev.BodySHA256, ev.ContentType
	more, err := v.showDeliveries(&page)
	if err != nil {
		return err
	}
	if more {
		page.More = link(PortalRoot + "deliveries?event=" + url.QueryEscape(ev.ID))
	}
	if v.person.Operates() {
		page.Destinations = v.destinationNames()
	}
	v.show(status, "portal_event", "Event "+ev.Type, page)
	return nil
}

// maxTyped is how many of the newest events are looked at for their types.
const maxTyped = 250

// A typesPage shows which types the newest events have.
type typesPage struct {
	LookedAt int64
	All      bool // there are no older ones
	Live     link // the stream that says when to look again
	Rows     []typeRow
}

// A typeRow is a type of events.
type typeRow struct {
	Type   string
	Events link // of that type
	Count  int64
	Newest client.Time
}

func (s *server) portalTypes(v *visit) error {
	page, err := v.newestTypes()
	if err != nil {
		return err
	}
	page.Live = v.liveStream(flagValue{"", "kinds", "event.accepted"})
	slices.SortFunc(page.Rows, func(a, b typeRow) int { return cmp.Compare(a.Type, b.Type) })
	v.show(http.StatusOK, "portal_types", "Event types", page)
	return nil
}

// newestTypes returns the types of the newest events.
func (v *visit) newestTypes() (page typesPage, err error) {
	l, err := v.API.Events(v.ctx, client.EventFilter{}, client.Page{Limit: maxTyped})
	if err != nil {
		return typesPage{}, err
	}
	page.LookedAt, page.All = int64(len(l.Data)), l.Next == ""
	at := map[string]int{}
	for _, ev := range l.Data { // the newest first
		i, ok := at[ev.Type]
		if !ok {
			i = len(page.Rows)
			at[ev.Type] = i
			page.Rows = append(page.Rows, typeRow{Type: ev.Type, Newest: ev.ReceivedAt,
				Events: withQuery(PortalRoot+"events", url.Values{"type": {ev.Type}})})
		}
		page.Rows[i].Count++
	}
	return page, nil
}
