package ui

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) repairs() {
	s.page("/repairs", viewer, s.listRepairs)
	s.page("/repairs/{id}", viewer, s.showRepair)
	s.act("/repairs/{id}/cancel", operator, s.cancelRepair)
	s.page("/events/replay", operator, s.countReplay)
	s.act("/events/replay", operator, s.beginReplay)
	s.page("/deliveries/many", operator, s.countMany)
	s.act("/deliveries/many", operator, s.beginMany)
}

// repairsPage is what the list of repairs shows.
type repairsPage struct {
	listing
	Tabs     []tab
	Narrowed bool
	Rows     []client.Repair
	Running  bool // one of them runs or waits: the page looks again by itself
}

// repairStates are the tabs of the list.
var repairStates = []option{{"", "All"}, {"waiting", "Waiting"}, {"running", "Running"}, {"done", "Done"},
	{"cancelled", "Cancelled"}, {"failed", "Failed"}}

func (s *server) listRepairs(v *visit) error {
	query := v.r.URL.Query()
	f := newForm(query,
		field{Name: "kind", Label: "Kind", Known: []string{"replay", "retry", "cancel"}},
		field{Name: "since", Label: "Since", Hint: whenHint},
		field{Name: "until", Label: "Until", Hint: whenHint},
		field{Name: "state", Label: "State", Kind: "hidden"})
	q := client.RepairQuery{Kind: f.get("kind"), State: f.get("state"), Since: f.when("since", v.Now()),
		Until: f.when("until", v.Now())}
	var l client.List[client.Repair]
	if !f.Invalid() {
		var err error
		l, err = s.API.Repairs(v.ctx, q, client.Page{Cursor: query.Get("cursor")})
		err = f.accepts(err)
		if err != nil {
			return err
		}
	}
	running := slices.ContainsFunc(l.Data, func(r client.Repair) bool { return !r.Ended() })
	v.show(statusOf(f), "repairs", "Repairs", repairsPage{Rows: l.Data, Running: running,
		Narrowed: f.Narrowed() || q.State != "",
		Tabs:     tabs(query, Root+"repairs", "state", repairStates),
		listing: newListing(v.r, Root+"repairs", f, l, s.get("repairs", "/repairs",
			flagValue{"kind", "kind", q.Kind}, flagValue{"state", "state", q.State},
			flagValue{"since", "since", iso(client.Time{Time: q.Since})},
			flagValue{"until", "until", iso(client.Time{Time: q.Until})}))})
	return nil
}

// undoFor is how long a repair that a page begins waits, so that the person can take it back.
const undoFor = 10 * time.Second

// repairPage is what the page of a repair shows.
type repairPage struct {
	client.Repair
	Path    link // of the repair
	Here    link // and with how many deliveries were counted before it began
	Waits   bool
	Runs    bool
	Seconds int   // until it begins, if it waits
	Of      int64 // deliveries that were counted before it began; 0 is unknown
	Handled int64 // of them so far
	Again   link  // the form that counts, and begins, another one of the same; "" if it has no field for what this did
	Show    command
	Cancel  command
}

func (s *server) showRepair(v *visit) error { return v.showsRepair(http.StatusOK) }

// showsRepair shows the repair of the path.
func (v *visit) showsRepair(status int) error {
	r, err := v.API.Repair(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	page := repairPage{Repair: r, Path: repairPath(r), Here: repairPath(r), Waits: r.State == "waiting",
		Runs: r.State == "running", Handled: r.Changed + r.Skipped,
		Seconds: int(math.Ceil(r.StartsAt.Sub(v.Now()).Seconds())),
		Show:    v.get("repairs show "+quote(r.ID), "/repairs/"+r.ID),
		Cancel:  v.post("repairs cancel "+quote(r.ID), "/repairs/"+r.ID+"/cancel", "")}
	if r.Ended() && v.person.Operates() {
		page.Again = againPath(r)
	}
	counted := v.r.URL.Query().Get("of")
	of, err := strconv.ParseInt(counted, 10, 64)
	if err == nil && of > 0 {
		page.Of, page.Handled = of, min(of, page.Handled)
		page.Here = withQuery(string(page.Path), url.Values{"of": {counted}})
	}
	v.show(status, "repair", repairTitle(r.Kind), page)
	return nil
}

// againPath returns the path of the form that begins a repair of the same as r; "" if the form cannot say it.
func againPath(r client.Repair) link {
	f, with, path := r.Filter, url.Values{}, Root+"deliveries/many"
	set := func(name, value string) {
		if value != "" {
			with.Set(name, value)
		}
	}
	switch {
	case len(f.SourceIDs) > 1 || f.Tenant != "" || r.Kind != "replay" && (f.Type != "" || len(f.SourceIDs) > 0):
		return ""
	case r.Kind == "replay":
		if f.EventID != "" {
			return ""
		}
		path = Root + "events/replay"
		set("source", strings.Join(f.SourceIDs, ""))
		set("type", f.Type)
		set("where", f.Where)
		if f.Missed {
			set("missed", "1")
		}
	default:
		set("kind", r.Kind)
		set("state", f.State)
		set("error", f.Error)
		set("event", f.EventID)
	}
	set("destination", f.DestinationID)
	set("since", iso(f.Since))
	set("until", iso(f.Until))
	if r.Rate > 0 {
		set("rate", strconv.FormatFloat(r.Rate, 'f', -1, 64))
	}
	return withQuery(path, with)
}

// repairPath returns the path of the page of a repair.
func repairPath(r client.Repair) link { return link(Root + "repairs/" + url.PathEscape(r.ID)) }

// repairTitle returns the name of a kind of repairs.
func repairTitle(kind string) string {
	switch kind {
	case "replay":
		return "Replay of many events"
	case "retry":
		return "Retry of many deliveries"
	case "cancel":
		return "Cancel of many deliveries"
	}
	return "Repair"
}

func (s *server) cancelRepair(v *visit) error {
	r, err := s.API.CancelRepair(v.ctx, v.r.PathValue("id"))
	if v.refused(err) {
		return v.showsRepair(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	notice := "stopped"
	if r.Changed == 0 && r.LookedAt == 0 {
		notice = "undone"
	}
	return v.back(string(repairPath(r)), notice)
}

// A bulkPage counts what a repair would do, and begins it. What is counted is what begins: the same fields.
type bulkPage struct {
	Title   string
	Verb    string // of the button
	Path    link
	Back    link
	Fields  form
	Count   *client.RepairCount // nil if something cannot be counted
	Further link                // counts for longer; "" if all are counted, or the time is up for good
	Command command
}

// counts notes what a repair would do.
func (page *bulkPage) counts(v *visit, count client.RepairCount) {
	page.Count = &count
	if count.Complete || v.r.URL.Query().Has("further") {
		return
	}
	with := url.Values{"further": {"1"}}
	for _, each := range page.Fields {
		with.Set(each.Name, string(each.Value))
	}
	page.Further = withQuery(string(page.Path), with)
}

// rateField is how many deliveries a second a repair makes.
var rateField = field{Name: "rate", Label: "Deliveries a second", Hint: "0 is no limit. Default: 200."}

// pace returns the pace that was typed, with the time in which it can be undone. A choice that nothing narrows is of
// all, which the person sees counted.
func (f form) pace(narrowed bool) client.Pace {
	pace := client.Pace{All: !narrowed, StartIn: undoFor.String()}
	text := f.get("rate")
	if text == "" {
		return pace
	}
	rate, err := strconv.ParseFloat(text, 64)
	if err != nil || rate < 0 || rate > 100000 {
		f.fault("rate", "use a number from 0 to 100000")
		return pace
	}
	pace.Rate = &rate
	return pace
}

// begun ends the beginning of a repair: with its page, or with the form that says why there is none.
func (v *visit) begun(page bulkPage, r client.Repair, err error) error {
	err = page.Fields.accepts(err)
	switch {
	case page.Fields.Invalid():
		v.show(http.StatusUnprocessableEntity, "bulk", page.Title, page)
	case v.refused(err):
		v.show(statusOfRefusal(err), "bulk", page.Title, page)
	case err != nil:
		return err
	default:
		notice := "begun"
		if r.State == "waiting" {
			notice = "" // the page says when it begins
		}
		return v.back(string(withQuery(string(repairPath(r)), url.Values{"of": {v.r.PostForm.Get("of")}})), notice)
	}
	return nil
}

// counted shows the form with what a repair would do.
func (v *visit) counted(page bulkPage, count client.RepairCount, err error) error {
	err = page.Fields.accepts(err)
	status := http.StatusOK
	switch {
	case page.Fields.Invalid():
		status = http.StatusUnprocessableEntity
	case v.refused(err):
		status = statusOfRefusal(err)
	case err != nil:
		return err
	default:
		page.counts(v, count)
	}
	v.show(status, "bulk", page.Title, page)
	return nil
}

// replay reads the form of a replay.
func (v *visit) replay(values url.Values) (bulkPage, client.NewReplay) {
	f := newForm(values,
		field{Name: "source", Label: "Source", Known: v.sourceNames()},
		field{Name: "type", Label: "Type", Hint: "A whole type, or a beginning and *"},
		field{Name: "where", Label: "Where", Hint: "An expression, such as `data.amount > 100`"},
		field{Name: "destination", Label: "To", Known: v.destinationNames(), Hint: "Empty is each destination that " +
			"wants the event."},
		field{Name: "missed", Label: "Only what it wants and never had", Kind: "check",
			Hint: "With a destination: events that its match wants and that it has no delivery of."},
		field{Name: "since", Label: "Since", Hint: whenHint},
		field{Name: "until", Label: "Until", Hint: whenHint}, rateField)
	n := client.NewReplay{Source: f.get("source"), Type: f.get("type"), Where: f.get("where"),
		Destination: f.get("destination"), Missed: f.get("missed") != "",
		Range: client.Range{Since: f.when("since", v.Now()), Until: f.when("until", v.Now())}}
	n.Pace = f.pace(n.Source != "" || n.Type != "" || n.Where != "" || !n.Since.IsZero() || !n.Until.IsZero())
	shown := n
	shown.DryRun = false
	return bulkPage{Title: "Replay events", Verb: "Replay", Path: Root + "events/replay", Back: Root + "events",
		Fields:  f,
		Command: v.post(withFlags("replay", f)+undoFlag, "/events/replay", jsonOf(shown))}, n
}

// undoFlag is the flag of the commands that lets a repair wait as the pages do.
var undoFlag = " --start-in " + undoFor.String()

// withFlags returns a command with the values of a form as flags.
func withFlags(words string, f form) string {
	for _, each := range f {
		if each.Value == "" || each.Kind == "hidden" {
			continue
		}
		words += " --" + flagOf(each.Name)
		if each.Kind != "check" {
			words += " " + quote(string(each.Value))
		}
	}
	return words
}

// flagOf returns the flag of the commands for a field.
func flagOf(name string) string {
	if name == "destination" {
		return "to"
	}
	return name
}

func (s *server) countReplay(v *visit) error {
	page, n := v.replay(v.r.URL.Query())
	if page.Fields.Invalid() {
		return v.counted(page, client.RepairCount{}, nil)
	}
	count, err := searched(v, func(ctx context.Context) (client.RepairCount, error) {
		return s.API.CountReplay(ctx, n)
	})
	return v.counted(page, count, err)
}

func (s *server) beginReplay(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	page, n := v.replay(v.r.PostForm)
	if page.Fields.Invalid() {
		return v.begun(page, client.Repair{}, nil)
	}
	r, err := s.API.ReplayEvents(v.ctx, n)
	return v.begun(page, r, err)
}

// many reads the form of a retry or a cancel.
func (v *visit) many(values url.Values) (page bulkPage, isCancel bool, state string, choice client.Choice) {
	isCancel = values.Get("kind") == "cancel"
	f := newForm(values, field{Name: "kind", Kind: "hidden"})
	words, path := "deliveries cancel", "/deliveries/cancel"
	page = bulkPage{Title: "Cancel deliveries", Verb: "Cancel"}
	if !isCancel {
		words, path = "deliveries retry", "/deliveries/retry"
		page = bulkPage{Title: "Retry deliveries", Verb: "Retry"}
		f = append(f, newForm(values, field{Name: "state", Label: "State", Kind: "choice",
			Choices: []option{{"dead", "dead"}, {"cancelled", "cancelled"}, {"pending", "waiting"}}})...)
	}
	f = append(f, newForm(values,
		field{Name: "destination", Label: "Destination", Known: v.destinationNames()},
		field{Name: "error", Label: "Error", Hint: "Of the latest attempt, such as timeout or 5xx"},
		field{Name: "event", Label: "Event", Hint: "The id of an event"},
		field{Name: "since", Label: "Since", Hint: whenHint},
		field{Name: "until", Label: "Until", Hint: whenHint}, rateField)...)
	choice = client.Choice{Destination: f.get("destination"), Error: f.get("error"), Event: f.get("event"),
		Range: client.Range{Since: f.when("since", v.Now()), Until: f.when("until", v.Now())}}
	choice.Pace = f.pace(choice.Destination != "" || choice.Error != "" || choice.Event != "" ||
		!choice.Since.IsZero() || !choice.Until.IsZero())
	state = f.get("state")
	var body any = client.NewRetry{State: state, Choice: choice}
	if isCancel {
		body = client.NewCancel{Choice: choice}
	}
	for _, each := range f {
		if each.Value != "" && each.Kind != "hidden" {
			words += " --" + each.Name + " " + quote(string(each.Value))
		}
	}
	page.Path, page.Back, page.Fields = Root+"deliveries/many", Root+"deliveries", f
	page.Command = v.post(words+undoFlag, path, jsonOf(body))
	return page, isCancel, state, choice
}

func (s *server) countMany(v *visit) error {
	page, isCancel, state, choice := v.many(v.r.URL.Query())
	if page.Fields.Invalid() {
		return v.counted(page, client.RepairCount{}, nil)
	}
	count, err := searched(v, func(ctx context.Context) (client.RepairCount, error) {
		if isCancel {
			return s.API.CountCancel(ctx, choice)
		}
		return s.API.CountRetry(ctx, client.NewRetry{State: state, Choice: choice})
	})
	return v.counted(page, count, err)
}

func (s *server) beginMany(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	page, isCancel, state, choice := v.many(v.r.PostForm)
	if page.Fields.Invalid() {
		return v.begun(page, client.Repair{}, nil)
	}
	if isCancel {
		r, err := s.API.CancelDeliveries(v.ctx, choice)
		return v.begun(page, r, err)
	}
	r, err := s.API.RetryDeliveries(v.ctx, client.NewRetry{State: state, Choice: choice})
	return v.begun(page, r, err)
}
