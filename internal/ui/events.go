package ui

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) events() {
	s.page("/events", viewer, s.listEvents)
	s.page("/events/{id}", viewer, s.showEvent)
	s.page("/events/{id}/body", viewer, s.downloadEvent)
	s.act("/events/{id}/replay", operator, s.replayEvent)
	s.page("/events/{id}/compare", viewer, s.compareEvents)
	s.page("/events/{id}/copy", operator, s.editCopy)
	s.act("/events/{id}/copy", operator, s.publishCopy)
}

// eventsPage is what the list of events shows.
type eventsPage struct {
	listing
	Rows   []eventRow
	Replay link // of all that the filter selects; "" if that cannot be said of them
}

// An eventRow is an event of the list with its deliveries, counted by state.
type eventRow struct {
	client.Event
	Marks []mark
}

// A mark says how many deliveries have a state.
type mark struct {
	State string
	Count int
	More  bool // there may be more
}

func (s *server) listEvents(v *visit) error {
	f := newForm(v.r.URL.Query(),
		field{Name: "source", Label: "Source", Known: v.sourceNames()},
		field{Name: "type", Label: "Type", Hint: "A whole type, or a beginning and *"},
		field{Name: "subject", Label: "Subject", Hint: "A whole subject, or a beginning and *"},
		field{Name: "since", Label: "Since", Hint: whenHint},
		field{Name: "until", Label: "Until", Hint: whenHint},
	)
	if v.person.Tenant == "" {
		f = append(f, newForm(v.r.URL.Query(), field{Name: "tenant", Label: "Tenant"})...)
	}
	filter := client.EventFilter{Source: f.get("source"), Type: f.get("type"), Subject: f.get("subject"),
		Tenant: f.get("tenant"), Since: f.when("since", v.Now()), Until: f.when("until", v.Now()), Count: true}
	var l client.List[client.Event]
	if !f.Invalid() {
		var err error
		l, err = searched(v, func(ctx context.Context) (client.List[client.Event], error) {
			return s.API.Events(ctx, filter, client.Page{Cursor: v.r.URL.Query().Get("cursor")})
		})
		err = f.accepts(err)
		if err != nil {
			return err
		}
	}
	page := eventsPage{listing: newListing(v.r, Root+"events", f, l, s.get("events", "/events",
		flagValue{"source", "source", filter.Source}, flagValue{"type", "type", filter.Type},
		flagValue{"subject", "subject", filter.Subject}, flagValue{"tenant", "tenant", filter.Tenant},
		flagValue{"since", "since", iso(client.Time{Time: filter.Since})},
		flagValue{"until", "until", iso(client.Time{Time: filter.Until})}))}
	page.follows(v, "event.accepted,delivery.attempted", "source", "type", "subject", "tenant")
	if filter.Subject == "" && filter.Tenant == "" {
		with := url.Values{}
		for _, name := range []string{"source", "type", "since", "until"} {
			with.Set(name, v.r.URL.Query().Get(name))
		}
		page.Replay = withQuery(Root+"events/replay", with)
	}
	for _, ev := range l.Data {
		page.Rows = append(page.Rows, eventRow{ev, marksOf(ev)})
	}
	v.show(statusOf(f), "events", "Events", page)
	return nil
}

// statusOf returns the status of a page with that form.
func statusOf(f form) int {
	if f.Invalid() {
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

// sourceNames returns names of sources to offer. Without them the page works too.
func (v *visit) sourceNames() (names []string) {
	l, err := v.API.Sources(v.ctx, client.SourceFilter{}, client.Page{Limit: 250})
	if err != nil {
		return nil
	}
	for _, src := range l.Data {
		names = append(names, src.Name)
	}
	slices.Sort(names)
	return names
}

// destinationNames is sourceNames for destinations.
func (v *visit) destinationNames() (names []string) {
	l, err := v.API.Destinations(v.ctx, client.DestinationFilter{}, client.Page{Limit: 250})
	if err != nil {
		return nil
	}
	for _, d := range l.Data {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	return names
}

// marksOf returns the deliveries of an event by state.
func marksOf(ev client.Event) (marks []mark) {
	total := 0
	for _, n := range ev.DeliveryCounts {
		total += n
	}
	for _, state := range slices.Sorted(maps.Keys(ev.DeliveryCounts)) {
		marks = append(marks, mark{state, ev.DeliveryCounts[state], total >= client.MaxCounted})
	}
	return marks
}

// eventPage is what the page of an event shows.
type eventPage struct {
	client.EventDetail
	Path         link
	Headers      []header
	Body         bodyView
	Proof        *proof
	Deliveries   []shownDelivery
	Until        client.Time // the latest or next attempt of them: the end of their line of time
	More         link        // all deliveries, if the page does not show all
	Destinations []string
	To           typed // the destination that was chosen
	Replay       command
	Show         command
	Published    []publishedURL
}

// A header is one header of a request.
type header struct{ Name, Value string }

// maxShownDeliveries bounds the deliveries that the page of an event shows with their attempts.
const maxShownDeliveries = 20

func (s *server) showEvent(v *visit) error { return v.showsEvent(http.StatusOK) }

// showsEvent shows the event of the path.
func (v *visit) showsEvent(status int) error {
	id := v.r.PathValue("id")
	ev, err := v.API.Event(v.ctx, id)
	if err != nil {
		return err
	}
	body, _, err := v.API.EventBody(v.ctx, id)
	if err != nil {
		return err
	}
	path := Root + "events/" + url.PathEscape(ev.ID)
	page := eventPage{EventDetail: ev, Path: link(path), Headers: sortedHeaders(ev.Headers),
		Body:   showBody(body, path, v.r.URL.Query().Get("body"), v.r.URL.Query().Get("whole") == "1"),
		Replay: v.post("replay "+quote(ev.ID), "/events/"+ev.ID+"/replay", "{}"), To: typed(v.r.PostFormValue("to")),
		Show: v.get("events show "+quote(ev.ID), "/events/"+ev.ID)}
	page.Published = publishedURLs(ev.Event, body)
	page.Body.Download, page.Body.SHA256, page.Body.MediaType = link(path+"/body"), ev.BodySHA256, ev.ContentType
	more, err := v.showDeliveries(&page)
	if err != nil {
		return err
	}
	page.Proof = v.proofOf(ev.Event)
	if more {
		page.More = link(Root + "deliveries?event=" + url.QueryEscape(ev.ID))
	}
	if v.person.Operates() {
		page.Destinations = v.destinationNames()
	}
	v.show(status, "event", "Event "+ev.Type, page)
	return nil
}

// showDeliveries adds the newest deliveries of the event to its page. more is whether there are others.
func (v *visit) showDeliveries(page *eventPage) (more bool, err error) {
	l, err := v.API.Deliveries(v.ctx, client.DeliveryFilter{Event: page.ID}, client.Page{Limit: maxShownDeliveries})
	if err != nil {
		return false, err
	}
	details := make([]client.DeliveryDetail, len(l.Data))
	for i, d := range l.Data {
		details[i], err = v.API.Delivery(v.ctx, d.ID)
		if err != nil {
			return false, err
		}
	}
	page.Deliveries, page.Until = onOneLine(page.ReceivedAt.Time, details)
	return l.Next != "", nil
}

// A publishedURL is where an asset is streamed.
type publishedURL struct {
	Format string
	To     link
	Text   string
}

// publishedURLs returns the URLs under which an action here published an asset; none of any other event. They are the
// only links that pages make of a body: an action wrote it, not a stranger, and only https leads there.
func publishedURLs(ev client.Event, body []byte) (all []publishedURL) {
	if ev.Type != "ams.asset.published" || ev.CausedBy == "" {
		return nil
	}
	var published struct {
		URLs map[string]string `json:"urls"`
	}
	err := json.Unmarshal(body, &published)
	if err != nil {
		return nil
	}
	for _, format := range slices.Sorted(maps.Keys(published.URLs)) {
		u, err := url.Parse(published.URLs[format])
		if err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil {
			all = append(all, publishedURL{format, link(u.String()), u.String()})
		}
	}
	return all
}

// sortedHeaders returns headers by name, one value each.
func sortedHeaders(headers map[string][]string) (sorted []header) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		for _, value := range headers[name] {
			sorted = append(sorted, header{name, value})
		}
	}
	return sorted
}

// downloadEvent sends the body as bytes to be saved, whatever they are.
func (s *server) downloadEvent(v *visit) error {
	body, _, err := s.API.EventBody(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.download(body, v.r.PathValue("id"))
	return nil
}

// download sends bytes to be saved under a name. No browser shows them or runs anything in them.
func (v *visit) download(content []byte, name string) {
	h := v.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+safeName(name)+`.bin"`)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	v.w.Write(content)
}

// safeName returns the letters, digits and underscores of an id.
func safeName(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return -1
	}, id)
}

// replayEvent makes new deliveries of an event, to the destination that was chosen or to each that wants it.
func (s *server) replayEvent(v *visit) error {
	id, to := v.r.PathValue("id"), v.r.PostFormValue("to")
	made, err := s.API.ReplayEvent(v.ctx, id, to)
	if err == nil && len(made) == 0 {
		err = &client.Error{Status: http.StatusConflict, Detail: "no destination wants this event now: choose " +
			"one to send it to all the same"}
	}
	if v.refused(err) {
		return v.showsEvent(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(Root+"events/"+url.PathEscape(id), "replayed")
}

// refused reports whether err says why an action cannot be done, and keeps that for the page.
func (v *visit) refused(err error) bool {
	refused, ok := asRefusal(err)
	if !ok || refused.Status != http.StatusConflict && refused.Status != http.StatusUnprocessableEntity &&
		refused.Status != http.StatusPreconditionFailed {
		return false
	}
	v.problem = sentence(refused.Detail)
	return true
}

// statusOfRefusal returns the status of an error of the API.
func statusOfRefusal(err error) int {
	var refused *client.Error
	errors.As(err, &refused)
	return refused.Status
}

// copyPage is the form that publishes a changed copy of an event.
type copyPage struct {
	Path   link // of the event
	Event  client.Event
	Fields form
}

// copyFields are the fields of a copy with those values.
func copyFields(values url.Values) form {
	return newForm(values,
		field{Name: "type", Label: "Type"},
		field{Name: "subject", Label: "Subject"},
		field{Name: "data", Label: "Data", Kind: "lines", Hint: "JSON. It is delivered byte for byte."})
}

// editCopy shows the form with the values of the event.
func (s *server) editCopy(v *visit) error {
	ev, err := s.API.Event(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if ev.Data == nil {
		v.problem = "The body of this event is not JSON, or is larger than 256 KiB. A copy begins without its data."
	}
	data, _ := prettyBody(ev.Data)
	return v.showCopy(http.StatusOK, ev.Event, copyFields(url.Values{"type": {ev.Type}, "subject": {ev.Subject},
		"data": {data}}))
}

func (v *visit) showCopy(status int, ev client.Event, f form) error {
	v.show(status, "copy", "Publish a copy", copyPage{Path: link(Root + "events/" + url.PathEscape(ev.ID)), Event: ev,
		Fields: f})
	return nil
}

// publishCopy publishes what was typed. What was typed stays if it cannot be accepted.
func (s *server) publishCopy(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	ev, err := s.API.Event(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	f := copyFields(v.r.PostForm)
	data := json.RawMessage(f.get("data"))
	if !json.Valid(data) {
		f.fault("data", "This is not JSON.")
		return v.showCopy(http.StatusUnprocessableEntity, ev.Event, f)
	}
	published, _, err := s.API.Publish(v.ctx, client.NewEvent{Type: f.get("type"), Subject: f.get("subject"),
		Data:   data,
		Tenant: ev.Tenant}, "")
	err = f.accepts(err)
	switch {
	case f.Invalid():
		return v.showCopy(http.StatusUnprocessableEntity, ev.Event, f)
	case v.refused(err):
		return v.showCopy(statusOfRefusal(err), ev.Event, f)
	case err != nil:
		return err
	}
	return v.back(Root+"events/"+url.PathEscape(published.ID), "published")
}
