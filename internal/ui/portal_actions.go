package ui

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file holds what visitors of a portal do, as far as their link allows.

func (s *server) portalActions() {
	s.portalAct("/deliveries/{id}/retry", operator, s.portalRetry)
	s.portalPage("/deliveries/many", operator, s.portalCountMany)
	s.portalAct("/deliveries/many", operator, s.portalRetryMany)
	s.portalAct("/events/{id}/replay", operator, s.portalReplay)
	s.portalPage("/destinations/new", admin, s.portalNew)
	s.portalAct("/destinations/new", admin, s.portalCreate)
	s.portalPage("/destinations/{id}/edit", admin, s.portalEdit)
	s.portalAct("/destinations/{id}/edit", admin, s.portalUpdate)
	s.portalAct("/destinations/{id}/test", admin, s.portalTest)
	s.portalAct("/destinations/{id}/pause", admin, s.portalPause)
	s.portalAct("/destinations/{id}/resume", admin, s.portalResume)
	s.portalPage("/destinations/{id}/delete", admin, s.portalAskDelete)
	s.portalAct("/destinations/{id}/delete", admin, s.portalDelete)
}

// did ends an action whose error is err: it leads to a page with a notice, or shows the noun again with what is wrong.
func (v *visit) did(err error, to link, notice string, again func(status int) error) error {
	if v.refused(err) {
		return again(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(string(to), notice)
}

func (s *server) portalRetry(v *visit) error {
	id := v.r.PathValue("id")
	_, err := s.API.RetryDelivery(v.ctx, id)
	return v.did(err, portalPath("deliveries", id), "retried", v.showsPortalDelivery)
}

func (s *server) portalReplay(v *visit) error {
	id := v.r.PathValue("id")
	made, err := s.API.ReplayEvent(v.ctx, id, v.r.PostFormValue("to"))
	if err == nil && len(made) == 0 {
		err = &client.Error{Status: http.StatusConflict, Detail: "no destination wants this event now: choose " +
			"one to send it to all the same"}
	}
	return v.did(err, portalPath("events", id), "replayed", v.showsPortalEvent)
}

// portalMany reads which dead deliveries are meant.
func (v *visit) portalMany(values url.Values) (page bulkPage, retry client.NewRetry) {
	f := newForm(values, field{Name: "destination", Label: "Destination", Known: v.destinationNames()},
		field{Name: "event", Label: "Event", Kind: "hidden"},
		field{Name: "since", Label: "Since", Hint: whenHint}, field{Name: "until", Label: "Until", Hint: whenHint})
	retry = client.NewRetry{State: "dead", Choice: client.Choice{Destination: f.get("destination"),
		Event: f.get("event")}}
	retry.Since, retry.Until = f.when("since", v.Now()), f.when("until", v.Now())
	// A repair says what it is about: everything is meant only if it is said.
	retry.All = retry.Destination == "" && retry.Event == "" && retry.Since.IsZero() && retry.Until.IsZero()
	return bulkPage{Title: "Retry deliveries", Verb: "Retry", Path: PortalRoot + "deliveries/many",
		Back: PortalRoot + "deliveries?state=dead", Fields: f}, retry
}

func (s *server) portalCountMany(v *visit) error {
	page, retry := v.portalMany(v.r.URL.Query())
	return v.countsMany(http.StatusOK, page, retry)
}

// countsMany shows how many deliveries a retry would make due.
func (v *visit) countsMany(status int, page bulkPage, retry client.NewRetry) error {
	if !page.Fields.Invalid() {
		n, err := searched(v, func(ctx context.Context) (client.RepairCount, error) {
			return v.API.CountRetry(ctx, retry)
		})
		err = page.Fields.accepts(err)
		switch {
		case err == nil && !page.Fields.Invalid():
			page.counts(v, n)
		case v.refused(err):
			status = statusOfRefusal(err)
		case err != nil:
			return err
		}
	}
	v.show(max(status, statusOf(page.Fields)), "portal_bulk", page.Title, page)
	return nil
}

func (s *server) portalRetryMany(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	page, retry := v.portalMany(v.r.PostForm)
	if page.Fields.Invalid() {
		return v.countsMany(http.StatusUnprocessableEntity, page, retry)
	}
	_, err = s.API.RetryDeliveries(v.ctx, retry)
	err = page.Fields.accepts(err)
	if page.Fields.Invalid() {
		return v.countsMany(http.StatusUnprocessableEntity, page, retry)
	}
	if v.refused(err) {
		return v.countsMany(statusOfRefusal(err), page, retry)
	}
	if err != nil {
		return err
	}
	return v.back(PortalRoot+"deliveries", "begun")
}

// portalForm is the page that creates or changes a destination.
type portalForm struct {
	entry
	Kind   client.DestinationType
	Stored *client.Destination // that is changed; nil for a new one
	Path   link                // of the destination, or of the list
	Action link
	Try    *client.Try // what came back from a try
}

// portalEntry returns the form of a destination for visitors: sources are not theirs to see.
func (v *visit) portalEntry(kind client.DestinationType, d client.Destination) entry {
	e := v.destinationEntry(kind, d)
	for i := range e.Groups {
		e.Groups[i].Fields = slices.DeleteFunc(e.Groups[i].Fields, func(f field) bool {
			return f.Name == "match.sources"
		})
	}
	return e
}

func (v *visit) showPortalForm(status int, page portalForm) error {
	title := "New destination: " + page.Kind.Title
	page.Path, page.Action = PortalRoot, PortalRoot+"destinations/new"
	if page.Stored != nil {
		title = "Change destination " + page.Stored.Name
		page.Path = portalPath("destinations", page.Stored.ID)
		page.Action = page.Path + "/edit"
	}
	v.show(status, "portal_form", title, page)
	return nil
}

// typeForVisitors returns the type of that name, if visitors create destinations of it.
func (v *visit) typeForVisitors(name string) (client.DestinationType, error) {
	kind, err := v.destinationType(name)
	if err == nil && !isForVisitors(kind) {
		err = &client.Error{Status: http.StatusForbidden, Detail: "A destination of this type is for whoever runs " +
			"this server to make and change."}
	}
	return kind, err
}

// portalNew asks for the type, or shows the form for it.
func (s *server) portalNew(v *visit) error {
	name := v.r.URL.Query().Get("type")
	if name != "" {
		kind, err := v.typeForVisitors(name)
		if err != nil {
			return err
		}
		return v.showPortalForm(http.StatusOK,
			portalForm{Kind: kind, entry: v.portalEntry(kind, client.Destination{})})
	}
	all, err := s.API.DestinationTypes(v.ctx)
	if err != nil {
		return err
	}
	page := choosing{Noun: "destination", Plural: PortalRoot, Text: "Where do the events go?"}
	for _, t := range all {
		if isForVisitors(t) {
			page.Choices = append(page.Choices, kindChoice{t.Title, t.Summary,
				link(PortalRoot + "destinations/new?type=" + url.QueryEscape(t.Name))})
		}
	}
	v.show(http.StatusOK, "choose", "New destination", page)
	return nil
}

// portalCreate creates what was typed, or tries it: the button says which.
func (s *server) portalCreate(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	kind, err := v.typeForVisitors(v.r.PostForm.Get("type"))
	if err != nil {
		return err
	}
	page := portalForm{Kind: kind, entry: v.portalEntry(kind, client.Destination{})}
	v.made, err = v.read(&page.entry, "destination of "+kind.Name)
	if err != nil {
		return err
	}
	n, err := newDestinationOf(kind.Name, page.Groups.destinationChanges(client.Destination{}, v.Now()))
	if again, err := v.portalReturns(&page, err); again || err != nil {
		return err
	}
	if v.r.PostForm.Get("do") == "try" {
		t, err := s.API.TryDestination(v.ctx, n, nil)
		if again, err := v.portalReturns(&page, withoutPrefix(err, "destination.")); again || err != nil {
			return err
		}
		page.Try = &t
		return v.showPortalForm(http.StatusOK, page)
	}
	d, err := s.API.CreateDestination(v.ctx, n)
	if again, err := v.portalReturns(&page, err); again || err != nil {
		return err
	}
	if len(v.made) > 0 || len(d.Warnings) > 0 {
		return v.showsThisInPortal(http.StatusCreated, d, kind)
	}
	return v.back(string(portalPath("destinations", d.ID)), "created")
}

// portalReturns shows the form again if err says what is wrong with it.
func (v *visit) portalReturns(page *portalForm, err error) (again bool, _ error) {
	err = page.Groups.accepts(err)
	stored := ""
	if page.Stored != nil {
		stored = page.Stored.ETag
	}
	switch {
	case page.Groups.Invalid():
		return true, v.showPortalForm(http.StatusUnprocessableEntity, *page)
	case v.overtaken(err, &page.entry, stored), v.refused(err):
		return true, v.showPortalForm(statusOfRefusal(err), *page)
	}
	return false, err
}

func (s *server) portalEdit(v *visit) error {
	page, err := v.storedForm()
	if err != nil {
		return err
	}
	return v.showPortalForm(http.StatusOK, page)
}

// storedForm returns the form that changes the destination of the path.
func (v *visit) storedForm() (page portalForm, err error) {
	d, err := v.API.Destination(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return page, err
	}
	kind, err := v.typeForVisitors(d.Type)
	return portalForm{Kind: kind, Stored: &d, entry: v.portalEntry(kind, d)}, err
}

func (s *server) portalUpdate(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	page, err := v.storedForm()
	if err != nil {
		return err
	}
	d := *page.Stored
	v.made, err = v.read(&page.entry, "destination "+d.ID)
	if err != nil {
		return err
	}
	changes := page.Groups.destinationChanges(d, v.Now())
	if page.Groups.Invalid() {
		return v.showPortalForm(http.StatusUnprocessableEntity, page)
	}
	changed, err := s.API.IfMatch(page.ETag).UpdateDestination(v.ctx, d.ID, changes)
	if again, err := v.portalReturns(&page, err); again || err != nil {
		return err
	}
	if len(v.made) > 0 || len(changed.Warnings) > 0 {
		return v.showsThisInPortal(http.StatusOK, changed, page.Kind)
	}
	return v.back(string(portalPath("destinations", d.ID)), "saved")
}

func (s *server) portalTest(v *visit) error {
	trial, err := s.API.TestDestination(v.ctx, v.r.PathValue("id"))
	return v.did(err, portalPath("deliveries", trial.DeliveryID), "tested", v.showsPortalDestination)
}

func (s *server) portalPause(v *visit) error {
	_, err := s.API.PauseDestination(v.ctx, v.r.PathValue("id"))
	return v.did(err, portalPath("destinations", v.r.PathValue("id")), "paused", v.showsPortalDestination)
}

func (s *server) portalResume(v *visit) error {
	_, err := s.API.ResumeDestination(v.ctx, v.r.PathValue("id"))
	return v.did(err, portalPath("destinations", v.r.PathValue("id")), "resumed", v.showsPortalDestination)
}

func (s *server) portalAskDelete(v *visit) error { return v.asksPortalDelete(http.StatusOK) }

func (v *visit) asksPortalDelete(status int) error {
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
	v.show(status, "portal_delete", "Delete destination "+d.Name, deletion{Noun: "destination", Name: d.Name,
		Plural: PortalRoot, Path: portalPath("destinations", d.ID), Pending: pending,
		Text: "It gets no more events. Its deliveries stay on record as long as their events."})
	return nil
}

func (s *server) portalDelete(v *visit) error {
	err := s.API.DeleteDestination(v.ctx, v.r.PathValue("id"))
	return v.did(err, PortalRoot, "deleted", v.asksPortalDelete)
}
