package ui

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file is the form that creates or changes a destination, and tries it before it is stored.

// newDestination asks for the type, or shows the form for it.
func (s *server) newDestination(v *visit) error {
	name := v.r.URL.Query().Get("type")
	if name != "" {
		kind, err := v.destinationType(name)
		if err != nil {
			return err
		}
		if kind.Summary == "" {
			return noSuchKind("type of destinations", "destinations/new")
		}
		return v.showDestinationForm(http.StatusOK, destinationForm{Kind: kind,
			entry: v.destinationEntry(kind, client.Destination{})})
	}
	all, err := s.API.DestinationTypes(v.ctx)
	if err != nil {
		return err
	}
	page := choosing{Noun: "destination", Plural: Root + "destinations", Text: "Where do the events go?"}
	for _, t := range all {
		page.Choices = append(page.Choices, kindChoice{t.Title, t.Summary,
			link(Root + "destinations/new?type=" + url.QueryEscape(t.Name))})
	}
	v.show(http.StatusOK, "choose", "New destination", page)
	return nil
}

// destinationForm is the page that creates or changes a destination.
type destinationForm struct {
	entry
	Kind    client.DestinationType
	Stored  *client.Destination // that is changed; nil for a new one
	Path    link                // of the destination, or of the list
	Action  link
	Command command
	Try     *client.Try           // what came back from a try
	Matched *client.MatchedEvents // what the match wants of the newest events
}

func (v *visit) showDestinationForm(status int, page destinationForm) error {
	title := "New destination: " + page.Kind.Title
	page.Path, page.Action = Root+"destinations", Root+"destinations/new"
	if page.Stored == nil {
		words := "destinations create NAME"
		if page.Kind.Name != "http" {
			words += " --type " + quote(page.Kind.Name)
		}
		if page.Kind.NeedsURL {
			words += " --url URL"
		}
		page.Command = v.post(words+settingFlags(page.Kind.Settings), "/destinations",
			`{"name":"NAME","type":"`+page.Kind.Name+`","url":"URL","settings":{…}}`)
	} else {
		title = "Change destination " + page.Stored.Name
		page.Path = destinationPath(*page.Stored)
		page.Action = page.Path + "/edit"
		page.Command = v.patch("destinations update "+quote(page.Stored.Name)+" --set SETTING=VALUE",
			"/destinations/"+page.Stored.ID, `{"settings":{"SETTING":"VALUE"}}`)
	}
	v.show(status, "destination_form", title, page)
	return nil
}

// destinationEntry returns the form of a destination, with the values of one that is stored.
func (v *visit) destinationEntry(kind client.DestinationType, d client.Destination) entry {
	texts := destinationTexts(d)
	first := form{{Name: "name", Label: "Name", IsRequired: true, Kind: "text", Value: typed(texts["name"])}}
	if kind.NeedsURL {
		u := field{Name: "url", Label: "URL", IsRequired: d.ID == "", Kind: "text", Value: typed(texts["url"]),
			Hint: "Where requests are sent, such as `https://billing.example.com/hooks`."}
		if kind.SecretURL {
			u.Secret, u.IsSet, u.Value, u.Kind = true, d.ID != "", "", "secret"
			u.Hint = "It is a secret: whoever has it can post there."
		}
		first = append(first, u)
	}
	required, optional := split(settingFields("settings.", kind.Settings, d.Settings))
	match := form{
		{Name: "match.types", Label: "Types", Kind: "lines", Rows: 3, Value: typed(texts["match.types"]),
			Hint: "One a line: a whole type, or a beginning and `*`. Empty is every type.", Adds: v.typesToAdd()},
		{Name: "match.sources", Label: "Sources", Kind: "lines", Rows: 3, Value: typed(texts["match.sources"]),
			Hint: "One name a line. Empty is every source."},
		{Name: "match.where", Label: "Where", Kind: "lines", Rows: 2, Value: typed(texts["match.where"]),
			Hint: "An expression that must be true: `data.amount > 100`, `subject startsWith 'invoices/'`. Empty is " +
				"always."},
	}
	delivery := deliveryGroups(d)
	last := &delivery[len(delivery)-1].Fields
	if v.person.Tenant == "" {
		if d.ID == "" {
			*last = append(*last, field{Name: "tenant", Label: "Tenant", Kind: "text",
				Hint: "Whose destination it is. It cannot be changed. Default: nobody's."})
		}
		*last = append(*last, field{Name: "tenants", Label: "Further tenants", Kind: "lines", Rows: 2,
			Value: typed(texts["tenants"]), Hint: "Whose events it gets too, one a line; `*` alone is all."})
	}
	if d.ID != "" {
		first = append(first, field{Name: "keep_secrets", Label: "Send the stored secrets to a changed URL, too",
			Kind: "check"})
	}
	first = append(first, required...)
	if d.ID == "" {
		first = append(first, field{Name: "paused", Label: "Paused at first", Kind: "check",
			Hint: "Its deliveries wait, from the first event on, until somebody resumes it."})
	}
	return entry{ETag: d.ETag, Groups: append(groups{{Fields: first},
		{Title: "Which events", Fields: match, Stays: true},
		{Title: "Further settings of " + kind.Title, Fields: optional},
		{Title: "Signing in there", Fields: settingFields("access.", kind.Access, d.Access)}}, delivery...)}
}

// maxAdded is how many types a form offers.
const maxAdded = 12

// typesToAdd are the most frequent types of the newest events. Without them the form works too.
func (v *visit) typesToAdd() (all []option) {
	page, err := v.newestTypes()
	if err != nil {
		return nil
	}
	slices.SortStableFunc(page.Rows, func(a, b typeRow) int { return cmp.Compare(b.Count, a.Count) })
	for _, row := range page.Rows {
		if len(all) < maxAdded && strings.TrimSpace(row.Type) == row.Type && visible(row.Type, false) == row.Type {
			all = append(all, option{row.Type, row.Type + ", " + count(row.Count) + " of the newest " +
				count(page.LookedAt)})
		}
	}
	return all
}

// deliveryGroups are the fields that say how a destination is delivered to, with the values that are stored.
func deliveryGroups(d client.Destination) groups {
	orders := []option{{"", "as by default"}, {"none", "none: as they come"},
		{"source", "events of a source one after the other"}, {"subject", "events of a subject one after the other"}}
	all := groups{
		{Title: "Limits", Fields: form{
			{Name: "timeout", Label: "Timeout", Kind: "text", Hint: "Of an attempt: 10ms to 5m. Default: 5s."},
			{Name: "concurrency", Label: "Attempts at the same time", Kind: "text", Hint: "1 to 1024. Default: 16."},
			{Name: "rate.per_second", Label: "Attempts a second", Kind: "text",
				Hint: "Default: the type's, mostly no limit."},
			{Name: "rate.burst", Label: "Burst", Kind: "text",
				Hint: "Attempts at once after a pause. Default: the rate."},
		}},
		{Title: "Order and batches", Fields: form{
			{Name: "order", Label: "Order", Kind: "choice", Choices: orders},
			{Name: "batch.max_events", Label: "Events in one request", Kind: "text",
				Hint: "2 to 1000, where the type allows it. Default: one."},
			{Name: "batch.max_wait", Label: "Wait for a batch", Kind: "text", Hint: "Up to 1m. Default: 1s."},
		}},
		{Title: "Retries", Fields: form{
			{Name: "retry.schedule", Label: "Retries after", Kind: "text",
				Hint: "Waits such as `5s, 5m, 1h`, or `default`, `none`, `sharepoint`, `eventgrid`, `day`."},
			{Name: "retry.max_age", Label: "Give up after", Kind: "text", Hint: "A length of time such as 24h. " +
				"Default: never."},
			{Name: "retry.outcomes", Label: "What an answer means", Kind: "lines", Rows: 3,
				Hint: "One a line, such as `404: dead`, `4xx: retry` or `timeout: dead`: a status, a class of them, " +
					"or the code of an error, and `delivered`, `retry`, `dead` or `disable`."},
		}},
		{Title: "When it keeps failing", Fields: form{
			{Name: "breaker.failures", Label: "Hold it back after so many failures in a row", Kind: "text",
				Hint: "Then there is one attempt at a time, until one succeeds. 0 is never. Default: 16."},
			{Name: "breaker.for", Label: "If they have lasted for", Kind: "text",
				Hint: "Of a destination that answers at all. Default: 10s."},
			{Name: "breaker.disable_after", Label: "Disable it after", Kind: "text",
				Hint: "A time without a success, such as 48h. 0s is never. Default: 120h."},
		}},
		{Title: "Handshake, end and tenants", Fields: form{
			{Name: "handshake", Label: "Handshake", Kind: "text",
				Hint: "How the receiver is asked to agree first: `none`, or the type's."},
			{Name: "expires_at", Label: "Expires", Kind: "text",
				Hint: "When it gets no more events: 30d, 12h, 2026-12-31 or 2026-12-31 14:30, in UTC. Default: " +
					"never."},
		}},
	}
	texts := destinationTexts(d)
	for i := range all {
		all[i].Shut = true
		for j := range all[i].Fields {
			f := &all[i].Fields[j]
			f.Value = typed(texts[f.Name])
		}
	}
	return all
}

// destinationChanges returns the members that were typed and differ from those of a stored destination; of a new one,
// those that were given. A member that was emptied is nil.
func (g groups) destinationChanges(d client.Destination, now time.Time) map[string]any {
	stored := destinationTexts(d)
	changes := map[string]any{}
	differs := func(name string) bool {
		return g.has(name) && g.get(name) != stored[name]
	}
	for _, name := range []string{"name", "url", "timeout", "order", "handshake", "tenant"} {
		if differs(name) && (name != "url" || g.get(name) != "") {
			changes[name] = orNil(g.get(name))
		}
	}
	if differs("concurrency") {
		changes["concurrency"] = orNil(g.number("concurrency"))
	}
	if differs("tenants") {
		changes["tenants"] = wholeLines(g.get("tenants"))
	}
	if differs("expires_at") {
		changes["expires_at"] = orNil(g.until("expires_at", now))
	}
	if match := g.members("match", differs, map[string]func(string) any{
		"sources": func(name string) any { return wholeLines(g.get(name)) },
		"types":   func(name string) any { return wholeLines(g.get(name)) },
		"where":   func(name string) any { return g.get(name) },
	}); match != nil {
		changes["match"] = match
	}
	if retry := g.members("retry", differs, map[string]func(string) any{
		"schedule": func(name string) any { return scheduleOf(g.get(name)) },
		"max_age":  func(name string) any { return orNil(g.get(name)) },
		"outcomes": func(name string) any { return g.outcomes(name, d.Retry) },
	}); retry != nil {
		changes["retry"] = retry
	}
	if breaker := g.members("breaker", differs, map[string]func(string) any{
		"failures":      g.number,
		"for":           func(name string) any { return orNil(g.get(name)) },
		"disable_after": func(name string) any { return orNil(g.get(name)) },
	}); breaker != nil {
		changes["breaker"] = breaker
	}
	if differs("rate.per_second") || differs("rate.burst") {
		changes["rate"] = g.pair("rate.per_second", "per_second", g.number("rate.per_second"), "burst",
			g.number("rate.burst"))
	}
	if differs("batch.max_events") || differs("batch.max_wait") {
		changes["batch"] = g.pair("batch.max_events", "max_events", g.number("batch.max_events"), "max_wait",
			orNil(g.get("batch.max_wait")))
	}
	for _, prefix := range []string{"settings", "access"} {
		of := d.Settings
		if prefix == "access" {
			of = client.Settings(d.Access)
		}
		if given := g.settings(prefix+".", of); len(given) > 0 {
			changes[prefix] = given
		}
	}
	if g.get("paused") != "" {
		changes["paused"] = true
	}
	if g.get("keep_secrets") != "" {
		changes["keep_secrets"] = true
	}
	return changes
}

// members returns the members of an object that differ; nil if none does.
func (g groups) members(prefix string, differs func(string) bool, read map[string]func(string) any) map[string]any {
	var object map[string]any
	for member, value := range read {
		name := prefix + "." + member
		if !differs(name) {
			continue
		}
		if object == nil {
			object = map[string]any{}
		}
		object[member] = value(name)
	}
	return object
}

// pair returns an object of two members, the first of which it needs; nil without both.
func (g groups) pair(needed, first string, one any, second string, two any) any {
	switch {
	case one == nil && two == nil:
		return nil
	case one == nil:
		g.fault(needed, "required with the field below")
		return nil
	case two == nil:
		return map[string]any{first: one}
	}
	return map[string]any{first: one, second: two}
}

// outcomes reads what answers mean, one a line. An entry that is stored and no longer there is nil.
func (g groups) outcomes(name string, stored client.Retry) any {
	object := map[string]any{}
	for _, line := range wholeLines(g.get(name)) {
		key, outcome, ok := strings.Cut(line, ":")
		key, outcome = strings.TrimSpace(key), strings.TrimSpace(outcome)
		if !ok || key == "" || outcome == "" {
			g.fault(name, "write one a line: 404: dead")
			return nil
		}
		object[key] = outcome
	}
	for key := range stored.Outcomes {
		if _, stays := object[key]; !stays {
			object[key] = nil
		}
	}
	return object
}

// orNil returns a text, or nil for "".
func orNil(value any) any {
	if value == "" {
		return nil
	}
	return value
}

// number returns the number that was typed into a field; nil if it is empty. It puts an error at the field if it is
// none.
func (g groups) number(name string) any {
	text := g.get(name)
	if text == "" {
		return nil
	}
	var n json.Number
	err := json.Unmarshal([]byte(text), &n)
	if err != nil || strings.HasPrefix(text, `"`) {
		g.fault(name, "use a number")
		return nil
	}
	return n
}

// until returns the time that was typed into a field, in RFC 3339; "" if it is empty. A length of time is from now on.
func (g groups) until(name string, now time.Time) string {
	text := g.get(name)
	at, err := parseWhen(text, now)
	if err != nil {
		g.fault(name, err.Error())
		return ""
	}
	if at.IsZero() {
		return ""
	}
	if isSpan := !strings.ContainsAny(text, "-:"); isSpan {
		at = now.Add(now.Sub(at))
	}
	return at.UTC().Format(time.RFC3339)
}

// scheduleOf reads the waits of a schedule, or the name of one.
func scheduleOf(text string) any {
	if text == "" {
		return nil
	}
	var waits client.Schedule
	for wait := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		waits = append(waits, strings.TrimSpace(wait))
	}
	return waits
}

// newDestinationOf returns a new destination with these members.
func newDestinationOf(kind string, members map[string]any) (d client.NewDestination, err error) {
	for name, value := range members {
		if value == nil {
			delete(members, name)
		}
	}
	encoded, err := json.Marshal(members)
	if err == nil {
		err = json.Unmarshal(encoded, &d)
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) { // 1.5 where a whole number is wanted
		err = &client.Error{Status: http.StatusUnprocessableEntity, Code: "invalid",
			Detail: wrong.Field + ": use a whole number", Errors: []client.FieldError{{Path: wrong.Field,
				Message: "use a whole number"}}}
	}
	d.Type = kind
	return d, err
}

// createDestination creates what was typed, or tries it: the button says which.
func (s *server) createDestination(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	kind, err := v.destinationType(v.r.PostForm.Get("type"))
	if err != nil {
		return err
	}
	page := destinationForm{Kind: kind, entry: v.destinationEntry(kind, client.Destination{})}
	v.made, err = v.read(&page.entry, "destination of "+kind.Name)
	if err != nil {
		return err
	}
	n, err := newDestinationOf(kind.Name, page.Groups.destinationChanges(client.Destination{}, v.Now()))
	if again, err := v.returns(&page, err); again || err != nil {
		return err
	}
	switch v.r.PostForm.Get("do") {
	case "try":
		return v.tryDestination(page, n)
	case "match":
		return v.tryMatch(page, client.MatchRequest{Match: n.Match, Tenant: n.Tenant, Tenants: n.Tenants})
	}
	d, err := s.API.CreateDestination(v.ctx, n)
	if again, err := v.returns(&page, err); again || err != nil {
		return err
	}
	if len(v.made) > 0 || len(d.Warnings) > 0 {
		return v.showsThisDestination(http.StatusCreated, d, kind)
	}
	return v.back(string(destinationPath(d)), "created")
}

// returns shows the form again if err says what is wrong with it.
func (v *visit) returns(page *destinationForm, err error) (again bool, _ error) {
	err = page.Groups.accepts(err)
	stored := ""
	if page.Stored != nil {
		stored = page.Stored.ETag
	}
	switch {
	case page.Groups.Invalid():
		return true, v.showDestinationForm(http.StatusUnprocessableEntity, *page)
	case v.overtaken(err, &page.entry, stored), v.refused(err):
		return true, v.showDestinationForm(statusOfRefusal(err), *page)
	}
	return false, err
}

// tryDestination sends a test message to what was typed, without storing it, and shows what came back.
func (v *visit) tryDestination(page destinationForm, n client.NewDestination) error {
	t, err := v.API.TryDestination(v.ctx, n, nil)
	return v.triedDestination(page, t, withoutPrefix(err, "destination."))
}

// triedDestination shows the form with what came back from a try.
func (v *visit) triedDestination(page destinationForm, t client.Try, err error) error {
	if again, err := v.returns(&page, err); again || err != nil {
		return err
	}
	page.Try = &t
	return v.showDestinationForm(http.StatusOK, page)
}

// tryMatch shows which of the newest events the match that was typed wants.
func (v *visit) tryMatch(page destinationForm, r client.MatchRequest) error {
	r.Limit = shownMatched
	if r.Match == nil {
		r.Match = &client.Match{}
	}
	found, err := v.API.MatchEvents(v.ctx, r)
	if again, err := v.returns(&page, err); again || err != nil {
		return err
	}
	page.Matched = &found
	return v.showDestinationForm(http.StatusOK, page)
}

// withoutPrefix returns an error of the API whose paths begin within a member of what was sent.
func withoutPrefix(err error, prefix string) error {
	refused, ok := asRefusal(err)
	if !ok {
		return err
	}
	shortened := *refused
	shortened.Errors = append([]client.FieldError{}, refused.Errors...)
	for i := range shortened.Errors {
		shortened.Errors[i].Path = strings.TrimPrefix(shortened.Errors[i].Path, prefix)
	}
	return &shortened
}

func (s *server) editDestination(v *visit) error {
	d, kind, err := v.destination()
	if err != nil {
		return err
	}
	return v.showDestinationForm(http.StatusOK, destinationForm{Kind: kind, Stored: &d,
		entry: v.destinationEntry(kind, d)})
}

func (s *server) updateDestination(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	d, kind, err := v.destination()
	if err != nil {
		return err
	}
	page := destinationForm{Kind: kind, Stored: &d, entry: v.destinationEntry(kind, d)}
	v.made, err = v.read(&page.entry, "destination "+d.ID)
	if err != nil {
		return err
	}
	changes := page.Groups.destinationChanges(d, v.Now())
	if page.Groups.Invalid() {
		return v.showDestinationForm(http.StatusUnprocessableEntity, page)
	}
	switch v.r.PostForm.Get("do") {
	case "try":
		t, err := s.API.TryChanges(v.ctx, d.ID, changes, nil)
		return v.triedDestination(page, t, withoutPrefix(err, "changes."))
	case "match":
		return v.tryMatch(page, client.MatchRequest{Destination: d.ID, Match: &client.Match{
			Sources: wholeLines(page.Groups.get("match.sources")), Types: wholeLines(page.Groups.get("match.types")),
			Where: page.Groups.get("match.where")}})
	}
	changed, err := s.API.IfMatch(page.ETag).UpdateDestination(v.ctx, d.ID, changes)
	if again, err := v.returns(&page, err); again || err != nil {
		return err
	}
	if len(v.made) > 0 || len(changed.Warnings) > 0 {
		return v.showsThisDestination(http.StatusOK, changed, kind)
	}
	return v.back(string(destinationPath(d)), "saved")
}
