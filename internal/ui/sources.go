package ui

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
	v.show(statusOf(f), "sources", "Sources", sourcesPage{Rows: l.Data, listing: newListing(v.r, Root+"sources", f, l,
		s.get("sources", "/sources", flagValue{"provider", "provider", filter.Provider},
			flagValue{"tenant", "tenant", filter.Tenant}))})
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
	client.Source
	Provider client.Provider // of the name alone if the server does not have it
	Path     link
	State    string
	FullURL  string
	Fills    string // the setting whose value stands in braces in the URL; "" if none does
	Shown    []shownSetting
	Steps    []string
	Warnings []string
	Events   []client.Event // the newest
	Slow     bool           // there was no time to find them
	Requests []client.Request
	Show     command
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
	page := sourcePage{Source: src, Provider: known, Path: sourcePath(src), State: "active", FullURL: src.URL,
		Shown: shownSettings(known.Settings, src.Settings), Steps: stepsFor(known.Setup, src.URL),
		Warnings: src.Warnings,
		Show:     v.get("sources show "+quote(src.Name), "/sources/"+src.ID)}
	if src.Disabled {
		page.State = "disabled"
	}
	if src.URLQuery != "" {
		page.FullURL += "?" + src.URLQuery
		_, placeholder, _ := strings.Cut(src.URLQuery, "=")
		page.Fills = strings.Trim(placeholder, "{}")
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
// it, and there may have been none for long.
const newestWait = 150 * time.Millisecond

// soon returns a context of a call that a page can do without.
func (v *visit) soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(v.ctx, newestWait)
}

// newestOf returns the newest events of a source, or that they are not found soon.
func (v *visit) newestOf(src client.Source) (events []client.Event, slow bool, err error) {
	ctx, cancel := v.soon()
	defer cancel()
	l, err := v.API.Events(ctx, client.EventFilter{Source: src.ID}, client.Page{Limit: shownOnOverview})
	if ctx.Err() != nil && v.ctx.Err() == nil {
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

// newSource asks for the provider, or shows the form for it.
func (s *server) newSource(v *visit) error {
	name := v.r.URL.Query().Get("provider")
	all, err := s.API.Providers(v.ctx)
	if err != nil {
		return err
	}
	if name == "" {
		page := choosing{Noun: "source", Plural: Root + "sources", Text: "Which system will call it?"}
		for _, p := range all {
			page.Choices = append(page.Choices, kindChoice{p.Title, p.Summary,
				link(Root + "sources/new?provider=" + url.QueryEscape(p.Name))})
		}
		v.show(http.StatusOK, "choose", "New source", page)
		return nil
	}
	known, err := v.providerOf(name)
	if err != nil {
		return err
	}
	return v.showSourceForm(http.StatusOK, known, nil, sourceEntry(known, client.Source{}, v.person.Tenant == ""))
}

// sourceEntry returns the form of a source, with the values of one that is stored.
func sourceEntry(p client.Provider, src client.Source, tenants bool) entry {
	first := form{{Name: "name", Label: "Name", Value: typed(src.Name), IsRequired: true, Kind: "text",
		Hint: "The last part of its URL: letters, digits, dots, dashes and underscores."}}
	more := form{
		{Name: "expect_every", Label: "Expect an event every", Value: typed(src.ExpectEvery), Kind: "text",
			Hint: "A length of time such as 24h: if nothing comes for so long, bellhop.source.silent is published."},
		{Name: "max_body_bytes", Label: "Largest body, in bytes", Kind: "text",
			Hint: "At most 33554432. Default: the provider's, mostly 1 MiB."},
	}
	if src.MaxBodyBytes > 0 {
		more[1].Value = typed(strconv.FormatInt(src.MaxBodyBytes, 10))
	}
	if tenants && src.ID == "" {
		more = append(more, field{Name: "tenant", Label: "Tenant", Kind: "text",
			Hint: "Whose source it is. It cannot be changed. Default: nobody's."})
	}
	required, optional := split(settingFields("settings.", p.Settings, src.Settings))
	return entry{ETag: src.ETag, Groups: groups{{Fields: append(first, required...)},
		{Title: "Further settings of " + p.Title, Fields: optional}, {Title: "More", Fields: more}}}
}

// split returns the fields that a form shows at once, which may be required, are secret or set, and the others.
func split(fields []field) (first, others form) {
	for _, f := range fields {
		if f.IsRequired || f.Secret || f.Value != "" || strings.Contains(f.Hint, "Required") {
			first = append(first, f)
		} else {
			others = append(others, f)
		}
	}
	return first, others
}

// sourceForm is the page that creates or changes a source.
type sourceForm struct {
	entry
	Provider client.Provider
	Source   *client.Source // that is changed; nil for a new one
	Path     link           // of the source, or of the list
	Action   link
	Command  command
}

func (v *visit) showSourceForm(status int, p client.Provider, src *client.Source, e entry) error {
	page := sourceForm{entry: e, Provider: p, Source: src, Path: Root + "sources", Action: Root + "sources/new"}
	title := "New source of " + p.Title
	if src == nil {
		page.Command = v.post("sources create NAME --provider "+quote(p.Name)+settingFlags(p.Settings), "/sources",
			`{"name":"NAME","provider":"`+p.Name+`","settings":{…}}`)
	} else {
		title = "Change source " + src.Name
		page.Path = sourcePath(*src)
		page.Action = page.Path + "/edit"
		page.Command = v.patch("sources update "+quote(src.Name)+" --set SETTING=VALUE", "/sources/"+src.ID,
			`{"settings":{"SETTING":"VALUE"}}`)
	}
	v.show(status, "source_form", title, page)
	return nil
}

// settingFlags returns the flags of a command for the settings that are required. A secret comes from the environment.
func settingFlags(settings []client.Setting) (flags string) {
	for _, s := range settings {
		switch {
		case s.Secret && s.Required:
			flags += " --set " + s.Name + "=env:" + strings.ToUpper(s.Name)
		case s.Required:
			flags += " --set " + s.Name + "=VALUE"
		}
	}
	return flags
}

func (s *server) createSource(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	known, err := v.providerOf(v.r.PostForm.Get("provider"))
	if err != nil {
		return err
	}
	e := sourceEntry(known, client.Source{}, v.person.Tenant == "")
	made, err := v.read(&e, "source of "+known.Name)
	if err != nil {
		return err
	}
	n := client.NewSource{Name: e.Groups.get("name"), Provider: known.Name, Settings: e.Groups.settings("settings.",
		nil),
		ExpectEvery: e.Groups.get("expect_every"), MaxBodyBytes: e.Groups.whole("max_body_bytes"),
		Tenant: e.Groups.get("tenant")}
	if e.Groups.Invalid() {
		return v.showSourceForm(http.StatusUnprocessableEntity, known, nil, e)
	}
	src, err := s.API.CreateSource(v.ctx, n)
	err = e.Groups.accepts(err)
	switch {
	case e.Groups.Invalid():
		v.made = made
		return v.showSourceForm(http.StatusUnprocessableEntity, known, nil, e)
	case v.refused(err):
		v.made = made
		return v.showSourceForm(statusOfRefusal(err), known, nil, e)
	case err != nil:
		return err
	case len(made) > 0 || len(src.Warnings) > 0:
		v.made = made
		return v.showsSource(http.StatusCreated, src)
	}
	return v.back(string(sourcePath(src)), "created")
}

// source returns the source of the path with its provider.
func (v *visit) source() (src client.Source, p client.Provider, err error) {
	src, err = v.API.Source(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return src, p, err
	}
	p, err = v.providerOf(src.Provider)
	return src, p, err
}

func (s *server) editSource(v *visit) error {
	src, p, err := v.source()
	if err != nil {
		return err
	}
	return v.showSourceForm(http.StatusOK, p, &src, sourceEntry(p, src, false))
}

func (s *server) updateSource(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	src, p, err := v.source()
	if err != nil {
		return err
	}
	e := sourceEntry(p, src, false)
	made, err := v.read(&e, "source "+src.ID)
	if err != nil {
		return err
	}
	changes := e.Groups.changes(map[string]string{"name": src.Name, "expect_every": src.ExpectEvery})
	if size := e.Groups.whole("max_body_bytes"); size != src.MaxBodyBytes {
		changes["max_body_bytes"] = size
	}
	settings := e.Groups.settings("settings.", src.Settings)
	if len(settings) > 0 {
		changes["settings"] = settings
	}
	if e.Groups.Invalid() {
		return v.showSourceForm(http.StatusUnprocessableEntity, p, &src, e)
	}
	changed, err := s.API.IfMatch(e.ETag).UpdateSource(v.ctx, src.ID, changes)
	err = e.Groups.accepts(err)
	switch {
	case e.Groups.Invalid():
		v.made = made
		return v.showSourceForm(http.StatusUnprocessableEntity, p, &src, e)
	case v.overtaken(err, &e, src.ETag), v.refused(err):
		v.made = made
		return v.showSourceForm(statusOfRefusal(err), p, &src, e)
	case err != nil:
		return err
	case len(made) > 0 || len(changed.Warnings) > 0:
		v.made = made
		return v.showsSource(http.StatusOK, changed)
	}
	return v.back(string(sourcePath(src)), "saved")
}

// overtaken reports whether err says that the noun of an entry was changed meanwhile. The entry then has the tag of
// the version that is stored, so that a second attempt replaces it.
func (v *visit) overtaken(err error, e *entry, stored string) bool {
	refused, ok := asRefusal(err)
	if !ok || refused.Status != http.StatusPreconditionFailed {
		return false
	}
	e.ETag = stored
	v.problem = "Somebody else changed this meanwhile. Below is what you entered; save again to put it in place of " +
		"theirs."
	return true
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
