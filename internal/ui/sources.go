package ui

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) sources() {
	s.page("/sources", viewer, s.listSources)
	s.page("/sources/new", admin, s.newSource)
	s.act("/sources/new", admin, s.createSource)
	s.page("/sources/{id}", viewer, s.showSource)
	s.page("/sources/{id}/edit", admin, s.editSource)
	s.act("/sources/{id}/edit", admin, s.updateSource)
	s.act("/sources/{id}/switch", admin, s.switchSource)
	s.page("/sources/{id}/delete", admin, s.askDeleteSource)
	s.act("/sources/{id}/delete", admin, s.deleteSource)
	s.sourceSetup()
}

// sourcesPage is what the list of sources shows.
type sourcesPage struct {
	listing
	Rows []client.Source
}

func (s *server) listSources(v *visit) error {
	providers, err := s.API.Providers(v.ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, p := range providers {
		names = append(names, p.Name)
	}
	f := newForm(v.r.URL.Query(), field{Name: "provider", Label: "Provider", Known: names})
	f = append(f, v.tenantFilter()...)
	filter := client.SourceFilter{Provider: f.get("provider"), Tenant: f.get("tenant")}
	l, err := s.API.Sources(v.ctx, filter, client.Page{Cursor: v.r.URL.Query().Get("cursor")})
	err = f.accepts(err)
	if err != nil {
		return err
	}
	page := sourcesPage{Rows: l.Data, listing: newListing(v.r, Root+"sources", f, l,
		s.get("sources", "/sources", flagValue{"provider", "provider", filter.Provider},
			flagValue{"tenant", "tenant", filter.Tenant}))}
	page.follows(v, "source.changed", "tenant")
	v.show(statusOf(f), "sources", "Sources", page)
	return nil
}

// tenantFilter returns the field that narrows a list to a tenant, for people who see all of them.
func (v *visit) tenantFilter() form {
	if v.person.Tenant != "" {
		return nil
	}
	return newForm(v.r.URL.Query(), field{Name: "tenant", Label: "Tenant"})
}

// sourcePage is what the page of a source shows.
type sourcePage struct {
	sourceURL
	client.Source
	Provider client.Provider // of the name alone if the server does not have it
	Path     link
	State    string
	Shown    []shownSetting
	Steps    []string
	Warnings []string
	Events   []client.Event // the newest
	Slow     bool           // there was no time to find them
	Requests []client.Request
	Secrets  []rotation
	Show     command
	Rotate   command
}

func (s *server) showSource(v *visit) error {
	src, err := s.API.Source(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.showsSource(http.StatusOK, src)
}

// showsSource shows a source.
func (v *visit) showsSource(status int, src client.Source) error {
	known, err := v.providerOf(src.Provider)
	if err != nil {
		return err
	}
	page := sourcePage{Source: src, Provider: known, Path: sourcePath(src), State: "active", sourceURL: v.urlOf(src),
		Shown: shownSettings(known.Settings, src.Settings), Steps: stepsFor(known.Setup, src.URL),
		Warnings: src.Warnings, Secrets: rotationsOf(known, src),
		Show:   v.get("sources show "+quote(src.Name), "/sources/"+src.ID),
		Rotate: v.post("sources rotate-secret "+quote(src.Name), "/sources/"+src.ID+"/rotate-secret", "{}")}
	if src.Disabled {
		page.State = "disabled"
	}
	page.Events, page.Slow, err = v.newestOf(src)
	if err != nil {
		return err
	}
	requests, err := v.API.Requests(v.ctx, client.RequestFilter{Source: src.ID}, client.Page{Limit: shownOnOverview})
	if err != nil {
		return err
	}
	page.Requests = requests.Data
	v.show(status, "source", "Source "+src.Name, page)
	return nil
}

// sourcePath returns the path of the page of a source.
func sourcePath(src client.Source) link { return link(Root + "sources/" + url.PathEscape(src.ID)) }

// newestWait bounds the search for the newest events of one source, or deliveries to one destination: no index serves
// it, and there may have been none for long. The search gets half of it.
const newestWait = 2 * searchTime

// clockError is by how much the clock may have been set back since a source was created.
const clockError = time.Hour

// soon returns a context of a call that a page can do without.
func (v *visit) soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(v.ctx, newestWait)
}

// newestOf returns the newest events of a source, or that they are not found soon. None is older than the source, so a
// new source has few events to look through.
func (v *visit) newestOf(src client.Source) (events []client.Event, slow bool, err error) {
	ctx, cancel := v.soon()
	defer cancel()
	filter := client.EventFilter{Source: src.ID, Since: src.CreatedAt.Add(-clockError)}
	l, err := v.API.Events(ctx, filter, client.Page{Limit: shownOnOverview})
	if err != nil && ctx.Err() != nil && v.ctx.Err() == nil {
		return nil, true, nil
	}
	return l.Data, l.Incomplete, err
}

// providerOf returns the provider of that name. If the server does not have it, all but the name is zero.
func (v *visit) providerOf(name string) (client.Provider, error) {
	all, err := v.API.Providers(v.ctx)
	if err != nil {
		return client.Provider{}, err
	}
	i := slices.IndexFunc(all, func(p client.Provider) bool { return p.Name == name })
	if i < 0 {
		return client.Provider{Name: name, Title: name}, nil
	}
	return all[i], nil
}

// A choosing is a page that asks of which kind a new noun is.
type choosing struct {
	Noun    string // "source"
	Plural  link
	Text    string
	Choices []kindChoice
}

// A kindChoice is a kind of noun to choose, and the form for it.
type kindChoice struct {
	Title, Summary string
	To             link
}

// switchSource disables a source, or enables it.
func (s *server) switchSource(v *visit) error {
	disabled := v.r.PostFormValue("disabled") == "1"
	src, err := s.API.UpdateSource(v.ctx, v.r.PathValue("id"), map[string]any{"disabled": disabled})
	if err != nil {
		return err
	}
	notice := "enabled"
	if disabled {
		notice = "disabled"
	}
	return v.back(string(sourcePath(src)), notice)
}

// A deletion is a page that asks whether something is to be deleted.
type deletion struct {
	Noun    string // "source"
	Name    string
	Plural  link
	Path    link
	Text    string // what happens
	Pending string // how many deliveries are pending, and what happens to them; "" for none
	Forces  bool   // deleting needs a further consent, because deliveries are pending
	Keep    link   // where the page comes from, if the noun has no page of its own
	Consent string // what else can be chosen; "" is nothing
	Command command
}

// maxPendingCounted bounds the pending deliveries that a page counts.
const maxPendingCounted = 250

// pendingText returns how many deliveries of a filter are pending, in words; "" for none.
func (v *visit) pendingText(f client.DeliveryFilter) (string, error) {
	f.State = "pending"
	l, err := v.API.Deliveries(v.ctx, f, client.Page{Limit: maxPendingCounted})
	switch n := len(l.Data); {
	case err != nil:
		return "", err
	case n == 0 && !l.Incomplete:
		return "", nil
	case l.Next != "":
		return "More than " + count(int64(n)) + " deliveries are pending", nil
	case n == 1:
		return "1 delivery is pending", nil
	default:
		return count(int64(n)) + " deliveries are pending", nil
	}
}

func (s *server) askDeleteSource(v *visit) error { return v.asksDeleteSource(http.StatusOK) }

func (v *visit) asksDeleteSource(status int) error {
	src, err := v.API.Source(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	pending, err := v.pendingText(client.DeliveryFilter{Source: src.ID})
	if err != nil {
		return err
	}
	page := deletion{Noun: "source", Name: src.Name, Plural: Root + "sources", Path: sourcePath(src),
		Text: "Requests at its URL are answered with 404 from then on. Its events stay stored.", Pending: pending,
		Forces: pending != "", Command: v.command("DELETE", "sources delete "+quote(src.Name), "/sources/"+src.ID, "")}
	if pending != "" {
		page.Pending += " of its events. They are still made."
	}
	v.show(status, "delete", "Delete source "+src.Name, page)
	return nil
}

func (s *server) deleteSource(v *visit) error {
	remove := s.API.DeleteSource
	if v.r.PostFormValue("force") == "1" {
		remove = s.API.ForceDeleteSource
	}
	err := remove(v.ctx, v.r.PathValue("id"))
	if v.refused(err) {
		return v.asksDeleteSource(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(Root+"sources", "deleted")
}
