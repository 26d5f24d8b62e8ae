package ui

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) destinations() {
	s.page("/destinations", viewer, s.listDestinations)
	s.page("/destinations/new", admin, s.newDestination)
	s.act("/destinations/new", admin, s.createDestination)
	s.page("/destinations/{id}", viewer, s.showDestination)
	s.page("/destinations/{id}/edit", admin, s.editDestination)
	s.act("/destinations/{id}/edit", admin, s.updateDestination)
	s.act("/destinations/{id}/test", operator, s.testDestination)
	s.act("/destinations/{id}/pause", operator, s.pauseDestination)
	s.act("/destinations/{id}/resume", operator, s.resumeDestination)
	s.page("/destinations/{id}/rotate", admin, s.askRotate)
	s.act("/destinations/{id}/rotate", admin, s.rotate)
	s.page("/destinations/{id}/match", operator, s.matchDestination)
	s.page("/destinations/{id}/delete", admin, s.askDeleteDestination)
	s.act("/destinations/{id}/delete", admin, s.deleteDestination)
}

// destinationsPage is what the list of destinations shows.
type destinationsPage struct {
	listing
	Tabs     []tab
	Narrowed bool
	Rows     []destinationRow
}

// A destinationRow is a destination of the list, with why it gets nothing or gets it late.
type destinationRow struct {
	client.Destination
	Trouble string
	At      client.Time // written after the trouble; zero is none
	Grave   bool
	Wants   string
}

// destinationStates are the tabs of the list.
var destinationStates = []option{{"", "All"}, {"active", "Active"}, {"paused", "Paused"}, {"disabled", "Disabled"},
	{"unverified", "Unverified"}, {"expired", "Expired"}}

func (s *server) listDestinations(v *visit) error {
	types, err := s.API.DestinationTypes(v.ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range types {
		names = append(names, t.Name)
	}
	query := v.r.URL.Query()
	f := newForm(query, field{Name: "type", Label: "Type", Known: names, Hint: "A whole type, or a beginning and *"},
		field{Name: "state", Label: "State", Kind: "hidden"})
	f = append(f, v.tenantFilter()...)
	filter := client.DestinationFilter{Type: f.get("type"), State: f.get("state"), Tenant: f.get("tenant")}
	l, err := s.API.Destinations(v.ctx, filter, client.Page{Cursor: query.Get("cursor")})
	err = f.accepts(err)
	if err != nil {
		return err
	}
	page := destinationsPage{Tabs: tabs(query, Root+"destinations", "state", destinationStates),
		Narrowed: f.Narrowed() || filter.State != "",
		listing: newListing(v.r, Root+"destinations", f, l, s.get("destinations", "/destinations",
			flagValue{"type", "type", filter.Type}, flagValue{"state", "state", filter.State},
			flagValue{"tenant", "tenant", filter.Tenant}))}
	for _, d := range l.Data {
		page.Rows = append(page.Rows, destinationRowOf(d))
	}
	page.follows(v, "destination.changed", "tenant")
	v.show(statusOf(f), "destinations", "Destinations", page)
	return nil
}

// destinationRowOf returns a destination with its trouble.
func destinationRowOf(d client.Destination) destinationRow {
	row := destinationRow{Destination: d, Wants: matchText(d.Match)}
	row.Trouble, row.Grave = troubleOf(d)
	if row.Trouble == failsSince {
		row.At = d.FailingSince
	}
	return row
}

// matchText says in words which events a match wants.
func matchText(m client.Match) string {
	var parts []string
	if len(m.Types) > 0 {
		parts = append(parts, strings.Join(m.Types, ", "))
	}
	if len(m.Sources) > 0 {
		parts = append(parts, "from "+strings.Join(m.Sources, ", "))
	}
	if m.Where != "" {
		parts = append(parts, "where "+m.Where)
	}
	if len(parts) == 0 {
		return "every event"
	}
	return strings.Join(parts, " ")
}

// destinationPage is what the page of a destination shows.
type destinationPage struct {
	destinationRow
	Kind     client.DestinationType
	Path     link
	Shown    []shownSetting
	Access   []shownSetting
	Limits   []shownSetting
	Pausable bool        // it is active
	Rotates  bool        // its secret can be replaced with a grace
	OldUntil client.Time // until when its old secret signs too; zero if there is none
	Retries  retryLine
	Health   health
	Newest   []client.Delivery
	Slow     bool
	Test     command
	Show     command
}

func (s *server) showDestination(v *visit) error { return v.showsDestination(http.StatusOK) }

// showsDestination shows the destination of the path.
func (v *visit) showsDestination(status int) error {
	d, kind, err := v.destination()
	if err != nil {
		return err
	}
	return v.showsThisDestination(status, d, kind)
}

// destination returns the destination of the path with its type.
func (v *visit) destination() (d client.Destination, kind client.DestinationType, err error) {
	d, err = v.API.Destination(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return d, kind, err
	}
	kind, err = v.destinationType(d.Type)
	return d, kind, err
}

func (v *visit) showsThisDestination(status int, d client.Destination, kind client.DestinationType) error {
	page := destinationPage{destinationRow: destinationRowOf(d), Kind: kind, Path: destinationPath(d),
		Shown: shownSettings(kind.Settings, d.Settings), Access: shownSettings(kind.Access, d.Access),
		Limits: shownLimits(d), Pausable: d.State == "active", Rotates: rotates(d), OldUntil: v.graceEnd(d),
		Retries: newRetryLine(d.Retry),
		Test:    v.post("destinations test "+quote(d.Name), "/destinations/"+d.ID+"/test", ""),
		Show:    v.get("destinations show "+quote(d.Name), "/destinations/"+d.ID)}
	var err error
	page.Health, page.Newest, page.Slow, err = v.healthOf(d)
	if err != nil {
		return err
	}
	v.show(status, "destination", "Destination "+d.Name, page)
	return nil
}

// destinationPath returns the path of the page of a destination.
func destinationPath(d client.Destination) link {
	return link(Root + "destinations/" + url.PathEscape(d.ID))
}

// destinationType returns the type of that name. If the server does not have it, all but the name is zero.
func (v *visit) destinationType(name string) (client.DestinationType, error) {
	all, err := v.API.DestinationTypes(v.ctx)
	if err != nil {
		return client.DestinationType{}, err
	}
	i := slices.IndexFunc(all, func(t client.DestinationType) bool { return t.Name == name })
	if i < 0 {
		return client.DestinationType{Name: name, Title: name}, nil
	}
	return all[i], nil
}

// shownLimits returns how a destination is delivered to.
func shownLimits(d client.Destination) (all []shownSetting) {
	texts := destinationTexts(d)
	for _, g := range deliveryGroups(d) {
		for _, f := range g.Fields {
			if text := texts[f.Name]; text != "" {
				all = append(all, shownSetting{Name: f.Name, Title: f.Label, Value: lines(text)})
			}
		}
	}
	return all
}

// destinationTexts returns the members of a destination as they are typed, by the names of their fields.
func destinationTexts(d client.Destination) map[string]string {
	texts := map[string]string{
		"name": d.Name, "url": d.URL, "timeout": d.Timeout, "order": d.Order, "handshake": d.Handshake,
		"match.sources": strings.Join(d.Match.Sources, "\n"), "match.types": strings.Join(d.Match.Types, "\n"),
		"match.where": d.Match.Where, "retry.schedule": strings.Join(d.Retry.Schedule, ", "),
		"retry.max_age": d.Retry.MaxAge, "tenants": strings.Join(d.Tenants, "\n"), "expires_at": iso(d.ExpiresAt),
	}
	if d.Concurrency > 0 {
		texts["concurrency"] = strconv.Itoa(d.Concurrency)
	}
	if d.Rate != nil {
		texts["rate.per_second"] = strconv.FormatFloat(d.Rate.PerSecond, 'f', -1, 64)
		if d.Rate.Burst > 0 {
			texts["rate.burst"] = strconv.Itoa(d.Rate.Burst)
		}
	}
	var outcomes []string
	for _, key := range slices.Sorted(maps.Keys(d.Retry.Outcomes)) {
		outcomes = append(outcomes, key+": "+string(d.Retry.Outcomes[key]))
	}
	texts["retry.outcomes"] = strings.Join(outcomes, "\n")
	if d.Breaker.Failures != nil {
		texts["breaker.failures"] = strconv.Itoa(*d.Breaker.Failures)
	}
	texts["breaker.for"], texts["breaker.disable_after"] = d.Breaker.For, d.Breaker.DisableAfter
	if d.Batch != nil {
		texts["batch.max_events"], texts["batch.max_wait"] = strconv.Itoa(d.Batch.MaxEvents), d.Batch.MaxWait
	}
	return texts
}

func (s *server) testDestination(v *visit) error {
	trial, err := s.API.TestDestination(v.ctx, v.r.PathValue("id"))
	if v.refused(err) {
		return v.showsDestination(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(Root+"deliveries/"+url.PathEscape(trial.DeliveryID), "tested")
}

func (s *server) pauseDestination(v *visit) error {
	_, err := s.API.PauseDestination(v.ctx, v.r.PathValue("id"))
	return v.switched(err, "paused")
}

func (s *server) resumeDestination(v *visit) error {
	_, err := s.API.ResumeDestination(v.ctx, v.r.PathValue("id"))
	return v.switched(err, "resumed")
}

// switched ends an action on a destination, whose error is err.
func (v *visit) switched(err error, notice string) error {
	if v.refused(err) {
		return v.showsDestination(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(Root+"destinations/"+url.PathEscape(v.r.PathValue("id")), notice)
}

// rotates reports whether the secret of a destination can be replaced by one that signs beside it for a while.
func rotates(d client.Destination) bool { return d.Type == "http" || d.Type == "pull" }

// graceEnd returns until when the old secret of d signs too; the zero time if it no longer does.
func (v *visit) graceEnd(d client.Destination) (until client.Time) {
	text, _ := d.Settings["secret_until"].(string)
	at, err := time.Parse(time.RFC3339, text)
	if err == nil && at.After(v.Now()) {
		until.Time = at
	}
	return until
}

// A rotatePage asks for the new secret of a destination.
type rotatePage struct {
	entry
	Name     string
	Path     link
	OldUntil client.Time
	Command  command
}

// rotateEntry is the form of a rotation.
func rotateEntry(d client.Destination) entry {
	return entry{ETag: d.ETag, Groups: groups{{Fields: form{
		{Name: "secret", Label: "New secret", Kind: "secret", Secret: true,
			Hint: "`whsec_…`. Empty has one made, which is shown once."},
		{Name: "grace", Label: "The old one signs too for", Kind: "text", Value: "24h",
			Hint: "A length of time up to 720h, in which the receiver changes to the new one. 0s ends the old one " +
				"now."},
	}}}}
}

func (s *server) askRotate(v *visit) error {
	d, err := s.API.Destination(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.showRotate(http.StatusOK, d, rotateEntry(d))
}

func (v *visit) showRotate(status int, d client.Destination, e entry) error {
	v.show(status, "rotate", "Replace the secret of "+d.Name, rotatePage{e, d.Name, destinationPath(d), v.graceEnd(d),
		v.post("destinations rotate-secret "+quote(d.Name)+" --grace 24h", "/destinations/"+d.ID+"/rotate-secret",
			`{"grace":"24h"}`)})
	return nil
}

// rotate gives a destination a new secret. One that the gateway made is shown in the answer, and never again.
func (s *server) rotate(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	d, kind, err := v.destination()
	if err != nil {
		return err
	}
	e := rotateEntry(d)
	_, err = v.read(&e, "rotation of "+d.ID)
	if err != nil {
		return err
	}
	rotated, err := s.API.IfMatch(e.ETag).RotateSecret(v.ctx, d.ID, client.Rotation{Secret: e.Groups.get("secret"),
		Grace: e.Groups.get("grace")})
	status, err := v.answered(&e, d.ETag, err)
	switch {
	case err != nil:
		return err
	case status != 0:
		return v.showRotate(status, d, e)
	}
	if rotated.Secret == "" {
		return v.back(string(destinationPath(d)), "resigned")
	}
	v.made = []shownSecret{{"The new secret", rotated.Secret}}
	return v.showsThisDestination(http.StatusOK, rotated.Destination, kind)
}

// A matchPage shows which of the newest events a stored destination wants.
type matchPage struct {
	Name    string
	Path    link
	Wants   string
	Matched client.MatchedEvents
	Command command
}

func (s *server) matchDestination(v *visit) error {
	d, err := s.API.Destination(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	request := client.MatchRequest{Destination: d.ID, Limit: shownMatched}
	found, err := s.API.MatchEvents(v.ctx, request)
	if err != nil {
		return err
	}
	v.show(http.StatusOK, "match", "What "+d.Name+" wants", matchPage{d.Name, destinationPath(d), matchText(d.Match),
		found, s.post("destinations match "+quote(d.Name), "/destinations/match", jsonOf(request))})
	return nil
}

// shownMatched is how many of the newest events a page tries a match on.
const shownMatched = 100

// jsonOf returns v as JSON of one line.
func jsonOf(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(encoded)
}

func (s *server) askDeleteDestination(v *visit) error { return v.asksDeleteDestination(http.StatusOK) }

func (v *visit) asksDeleteDestination(status int) error {
	d, err := v.API.Destination(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	pending, err := v.pendingText(client.DeliveryFilter{Destination: d.ID})
	if err != nil {
		return err
	}
	if pending != "" {
		pending += ". They are cancelled."
	}
	v.show(status, "delete", "Delete destination "+d.Name, deletion{Noun: "destination", Name: d.Name,
		Plural: Root + "destinations", Path: destinationPath(d), Pending: pending,
		Text:    "It gets no more events. Its deliveries stay on record as long as their events.",
		Command: v.command("DELETE", "destinations delete "+quote(d.Name), "/destinations/"+d.ID, "")})
	return nil
}

func (s *server) deleteDestination(v *visit) error {
	err := s.API.DeleteDestination(v.ctx, v.r.PathValue("id"))
	if v.refused(err) {
		return v.asksDeleteDestination(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(Root+"destinations", "deleted")
}
