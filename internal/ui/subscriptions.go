package ui

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) subscriptions() {
	s.page("/subscriptions", viewer, s.listSubscriptions)
	s.act("/subscriptions/sync", operator, s.syncSubscriptions)
	s.page("/subscriptions/new", operator, s.newSubscription)
	s.act("/subscriptions/new", operator, s.createSubscription)
	s.page("/subscriptions/{id}", viewer, s.showSubscription)
	s.page("/subscriptions/{id}/edit", operator, s.editSubscription)
	s.act("/subscriptions/{id}/edit", operator, s.updateSubscription)
	s.act("/subscriptions/{id}/renew", operator, s.renewSubscription)
	s.act("/subscriptions/{id}/pause", operator, s.pauseSubscription)
	s.act("/subscriptions/{id}/resume", operator, s.resumeSubscription)
	s.act("/subscriptions/{id}/fill", operator, s.fillSubscription)
	s.page("/subscriptions/{id}/delete", operator, s.askDeleteSubscription)
	s.act("/subscriptions/{id}/delete", operator, s.deleteSubscription)
}

// subscriptionsPage is what the list of subscriptions shows.
type subscriptionsPage struct {
	listing
	Tabs     []tab
	Narrowed bool
	Rows     []client.Subscription
	Sync     *client.SubscriptionSync // of a comparison just now
}

// subscriptionStates are the tabs of the list.
var subscriptionStates = []option{{"", "All"}, {"active", "Active"}, {"pending", "Pending"}, {"paused", "Paused"},
	{"expired", "Expired"}, {"removed", "Removed"}, {"failed", "Failed"}}

func (s *server) listSubscriptions(v *visit) error { return v.listsSubscriptions(http.StatusOK, nil) }

func (v *visit) listsSubscriptions(status int, sync *client.SubscriptionSync) error {
	query := v.r.URL.Query()
	f := newForm(query, field{Name: "source", Label: "Source", Known: v.sourceNames()},
		field{Name: "connection", Label: "Connection"}, field{Name: "provider", Label: "Provider"},
		field{Name: "state", Label: "State", Kind: "hidden"})
	f = append(f, v.tenantFilter()...)
	filter := client.SubscriptionFilter{Source: f.get("source"), Connection: f.get("connection"),
		State:    f.get("state"),
		Provider: f.get("provider"), Tenant: f.get("tenant")}
	l, err := v.API.Subscriptions(v.ctx, filter, client.Page{Cursor: query.Get("cursor")})
	err = f.accepts(err)
	if err != nil {
		return err
	}
	page := subscriptionsPage{Rows: l.Data, Sync: sync,
		Tabs:     tabs(query, Root+"subscriptions", "state", subscriptionStates),
		Narrowed: f.Narrowed() || filter.State != "",
		listing: newListing(v.r, Root+"subscriptions", f, l, v.get("subscriptions", "/subscriptions",
			flagValue{"source", "source", filter.Source}, flagValue{"connection", "connection", filter.Connection},
			flagValue{"state", "state", filter.State}, flagValue{"provider", "provider", filter.Provider},
			flagValue{"tenant", "tenant", filter.Tenant}))}
	if sync == nil { // the answer to a comparison has no address of its own to look at again
		page.follows(v, "subscription.changed", "tenant")
	}
	v.show(max(status, statusOf(f)), "subscriptions", "Subscriptions", page)
	return nil
}

// syncSubscriptions compares all subscriptions with their providers, and shows what that found.
func (s *server) syncSubscriptions(v *visit) error {
	sync, err := s.API.SyncSubscriptions(v.ctx)
	if v.refused(err) {
		return v.listsSubscriptions(statusOfRefusal(err), nil)
	}
	if err != nil {
		return err
	}
	return v.listsSubscriptions(http.StatusOK, &sync)
}

// subscriptionPage is what the page of a subscription shows.
type subscriptionPage struct {
	client.Subscription
	Path    link
	Shown   []shownSetting
	Calls   []client.SubscriptionCall // newest first
	Paused  bool
	Open    bool // there is a gap that is not filled
	Fill    *client.SubscriptionFill
	Renew   command
	Fills   command
	Show    command
	Changes string
}

func (s *server) showSubscription(v *visit) error { return v.showsSubscription(http.StatusOK, nil) }

// showsSubscription shows the subscription of the path, with a fill that was asked for just now.
func (v *visit) showsSubscription(status int, fill *client.SubscriptionFill) error {
	sub, known, err := v.subscription()
	if err != nil {
		return err
	}
	calls, err := v.API.SubscriptionHistory(v.ctx, sub.ID)
	if err != nil {
		return err
	}
	v.show(status, "subscription", "Subscription "+sub.Name, subscriptionPage{Subscription: sub,
		Path: subscriptionPath(sub), Shown: shownSettings(known.SubscriptionSettings, sub.Settings), Calls: calls.Data,
		Paused: sub.State == "paused", Fill: fill, Changes: strings.Join(sub.ChangeTypes, ", "),
		Open: slices.ContainsFunc(sub.Gaps, func(g client.Gap) bool {
			return g.State == "open" ||
				g.State == "unknown"
		}),
		Renew: v.post("subscriptions renew "+quote(sub.Name), "/subscriptions/"+sub.ID+"/renew", ""),
		Fills: v.post("subscriptions fill "+quote(sub.Name), "/subscriptions/"+sub.ID+"/fill", ""),
		Show:  v.get("subscriptions show "+quote(sub.Name), "/subscriptions/"+sub.ID)})
	return nil
}

// subscriptionPath returns the path of the page of a subscription.
func subscriptionPath(sub client.Subscription) link {
	return link(Root + "subscriptions/" + url.PathEscape(sub.ID))
}

// newSubscription asks for the provider, or shows the form for it.
func (s *server) newSubscription(v *visit) error {
	name := v.r.URL.Query().Get("provider")
	if name != "" {
		known, err := v.providerOf(name)
		if err != nil {
			return err
		}
		return v.showSubscriptionForm(http.StatusOK, known, client.Subscription{},
			v.subscriptionEntry(known, client.Subscription{}))
	}
	all, err := s.API.Providers(v.ctx)
	if err != nil {
		return err
	}
	page := choosing{Noun: "subscription", Plural: Root + "subscriptions",
		Text: "Which system is to call a source? A source and a connection for it come first."}
	for _, p := range all {
		if p.Subscribes {
			page.Choices = append(page.Choices, kindChoice{p.Title, sentence(cmp.Or(p.Resource, p.Summary)),
				link(Root + "subscriptions/new?provider=" + url.QueryEscape(p.Name))})
		}
	}
	v.show(http.StatusOK, "choose", "New subscription", page)
	return nil
}

// subscriptionEntry returns the form of a subscription, with the values of one that is stored.
func (v *visit) subscriptionEntry(p client.Provider, sub client.Subscription) entry {
	texts := subscriptionTexts(sub)
	first := form{{Name: "name", Label: "Name", Kind: "text", IsRequired: true, Value: typed(texts["name"])}}
	if sub.ID == "" {
		first = append(first,
			field{Name: "source", Label: "Source", Kind: "text", IsRequired: true, Known: v.sourcesOf(p.Name),
				Hint: "A source of " + p.Title + ": its URL is registered."},
			field{Name: "connection", Label: "Connection", Kind: "text", IsRequired: true,
				Known: v.connectionsOf(p.Connector), Hint: "Who we are when we ask for it."})
	}
	first = append(first, field{Name: "resource", Label: "Resource", Kind: "text", IsRequired: true,
		Hint: sentence(p.Resource), Value: typed(texts["resource"])})
	if len(p.ChangeTypes) > 0 {
		first = append(first, field{Name: "change_types", Label: "Change types", Kind: "text",
			Value: typed(texts["change_types"]),
			Hint:  "One or more of " + strings.Join(p.ChangeTypes, ", ") + ", separated by commas."})
	}
	return entry{ETag: sub.ETag, Groups: groups{{Fields: first},
		{Title: "Settings of " + p.Title, Fields: settingFields("settings.", p.SubscriptionSettings, sub.Settings)},
		{Title: "More", Fields: form{{Name: "expect_every", Label: "Expect an event every", Kind: "text",
			Value: typed(texts["expect_every"]),
			Hint:  "A length of time such as 24h: an event of ours says if none came for so long."}}}}}
}

// subscriptionTexts returns the members of a subscription as they are typed, by the names of their fields.
func subscriptionTexts(sub client.Subscription) map[string]string {
	return map[string]string{"name": sub.Name, "resource": sub.Resource, "expect_every": sub.ExpectEvery,
		"change_types": strings.Join(sub.ChangeTypes, ", ")}
}

// changeTypes reads change types that are separated by commas or blanks.
func changeTypes(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
}

// sourcesOf returns names of sources of a provider to offer. Without them the page works too.
func (v *visit) sourcesOf(provider string) (names []string) {
	l, err := v.API.Sources(v.ctx, client.SourceFilter{Provider: provider}, client.Page{Limit: 250})
	if err != nil {
		return nil
	}
	for _, src := range l.Data {
		names = append(names, src.Name)
	}
	return names
}

// connectionsOf is sourcesOf for connections.
func (v *visit) connectionsOf(provider string) (names []string) {
	l, err := v.API.Connections(v.ctx, client.ConnectionFilter{Provider: provider}, client.Page{Limit: 250})
	if err != nil {
		return nil
	}
	for _, c := range l.Data {
		names = append(names, c.Name)
	}
	return names
}

// showSubscriptionForm shows the form of a new subscription, or of sub if that is stored.
func (v *visit) showSubscriptionForm(status int, p client.Provider, sub client.Subscription, e entry) error {
	page := nounForm{entry: e, Noun: "subscription", Plural: Root + "subscriptions", Kind: p.Name,
		Path: Root + "subscriptions", Action: Root + "subscriptions/new",
		Summary: "The registration is made at once, and renewed before it expires.",
		Command: v.post("subscriptions create NAME --source SOURCE --connection CONNECTION --resource RESOURCE",
			"/subscriptions", `{"name":"NAME","source":"SOURCE","connection":"CONNECTION","resource":"RESOURCE"}`)}
	if sub.ID != "" {
		page.Name, page.Path, page.Action = sub.Name, subscriptionPath(sub), subscriptionPath(sub)+"/edit"
		page.Command = v.patch("subscriptions update "+quote(sub.Name)+" --resource RESOURCE",
			"/subscriptions/"+sub.ID, `{"resource":"RESOURCE"}`)
		v.show(status, "noun_form", "Change subscription "+sub.Name, page)
		return nil
	}
	for _, f := range e.Groups[0].Fields {
		switch {
		case len(f.Known) > 0:
		case f.Name == "source" && v.person.Administers():
			page.Lacks = append(page.Lacks, lack{"There is no source of " + p.Title + " yet, which it calls.",
				"Create one", link(Root + "sources/new?provider=" + url.QueryEscape(p.Name))})
		case f.Name == "connection" && p.Connector != "" && v.person.Administers():
			page.Lacks = append(page.Lacks, lack{"There is no connection for " + p.Title + " yet: who we are there.",
				"Create one", link(Root + "connections/new?provider=" + url.QueryEscape(p.Connector))})
		}
	}
	v.show(status, "noun_form", "New subscription at "+p.Title, page)
	return nil
}

func (s *server) createSubscription(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	known, err := v.providerOf(v.r.PostForm.Get("kind"))
	if err != nil {
		return err
	}
	e := v.subscriptionEntry(known, client.Subscription{})
	v.made, err = v.read(&e, "subscription at "+known.Name)
	if err != nil {
		return err
	}
	n := client.NewSubscription{Name: e.Groups.get("name"), Provider: known.Name, Source: e.Groups.get("source"),
		Connection: e.Groups.get("connection"), Resource: e.Groups.get("resource"),
		ChangeTypes: changeTypes(e.Groups.get("change_types")), Settings: e.Groups.settings("settings.", nil),
		ExpectEvery: e.Groups.get("expect_every")}
	if e.Groups.Invalid() {
		return v.showSubscriptionForm(http.StatusUnprocessableEntity, known, client.Subscription{}, e)
	}
	sub, err := s.API.CreateSubscription(v.ctx, n)
	status, err := v.answered(&e, "", err)
	switch {
	case err != nil:
		return err
	case status != 0:
		return v.showSubscriptionForm(status, known, client.Subscription{}, e)
	}
	return v.back(string(subscriptionPath(sub)), "created")
}

// subscription returns the subscription of the path with its provider.
func (v *visit) subscription() (sub client.Subscription, known client.Provider, err error) {
	sub, err = v.API.Subscription(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return sub, known, err
	}
	known, err = v.providerOf(sub.Provider)
	return sub, known, err
}

func (s *server) editSubscription(v *visit) error {
	sub, known, err := v.subscription()
	if err != nil {
		return err
	}
	return v.showSubscriptionForm(http.StatusOK, known, sub, v.subscriptionEntry(known, sub))
}

// updateSubscription changes what was typed. For anything but its name and what it expects there is a new
// registration.
func (s *server) updateSubscription(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	sub, known, err := v.subscription()
	if err != nil {
		return err
	}
	e := v.subscriptionEntry(known, sub)
	_, err = v.read(&e, "subscription "+sub.ID)
	if err != nil {
		return err
	}
	stored := subscriptionTexts(sub)
	if !e.Groups.has("change_types") {
		delete(stored, "change_types")
	}
	changes := e.Groups.changes(stored)
	if _, differs := changes["change_types"]; differs {
		changes["change_types"] = changeTypes(e.Groups.get("change_types"))
	}
	if settings := e.Groups.settings("settings.", sub.Settings); len(settings) > 0 {
		changes["settings"] = settings
	}
	if e.Groups.Invalid() {
		return v.showSubscriptionForm(http.StatusUnprocessableEntity, known, sub, e)
	}
	_, err = s.API.IfMatch(e.ETag).UpdateSubscription(v.ctx, sub.ID, changes)
	status, err := v.answered(&e, sub.ETag, err)
	switch {
	case err != nil:
		return err
	case status != 0:
		return v.showSubscriptionForm(status, known, sub, e)
	}
	return v.back(string(subscriptionPath(sub)), "saved")
}

func (s *server) renewSubscription(v *visit) error {
	_, err := s.API.RenewSubscription(v.ctx, v.r.PathValue("id"))
	return v.changedSubscription(err, "renewed")
}

func (s *server) pauseSubscription(v *visit) error {
	_, err := s.API.PauseSubscription(v.ctx, v.r.PathValue("id"))
	return v.changedSubscription(err, "ended")
}

func (s *server) resumeSubscription(v *visit) error {
	_, err := s.API.ResumeSubscription(v.ctx, v.r.PathValue("id"))
	return v.changedSubscription(err, "registered")
}

// changedSubscription ends an action on a subscription, whose error is err.
func (v *visit) changedSubscription(err error, notice string) error {
	if v.refused(err) {
		return v.showsSubscription(statusOfRefusal(err), nil)
	}
	if err != nil {
		return err
	}
	return v.back(Root+"subscriptions/"+url.PathEscape(v.r.PathValue("id")), notice)
}

// fillSubscription asks the provider for what was missed, in the gaps or since a time, and shows what it found.
func (s *server) fillSubscription(v *visit) error {
	since, err := parseWhen(v.r.PostFormValue("since"), v.Now())
	if err != nil {
		v.problem = "Since when: " + sentence(err.Error())
		return v.showsSubscription(http.StatusUnprocessableEntity, nil)
	}
	fill, err := s.API.FillSubscription(v.ctx, v.r.PathValue("id"), since)
	if v.refused(err) {
		return v.showsSubscription(statusOfRefusal(err), nil)
	}
	if err != nil {
		return err
	}
	return v.showsSubscription(http.StatusOK, &fill)
}

func (s *server) askDeleteSubscription(v *visit) error {
	return v.asksDeleteSubscription(http.StatusOK)
}

func (v *visit) asksDeleteSubscription(status int) error {
	sub, err := v.API.Subscription(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.show(status, "delete", "Delete subscription "+sub.Name, deletion{Noun: "subscription", Name: sub.Name,
		Plural: Root + "subscriptions", Path: subscriptionPath(sub), Consent: "Leave the registration at the " +
			"provider until it expires", Text: "Its registration at the provider is deleted too. Nothing more comes " +
			"because of it.",
		Command: v.command("DELETE", "subscriptions delete "+quote(sub.Name), "/subscriptions/"+sub.ID, "")})
	return nil
}

func (s *server) deleteSubscription(v *visit) error {
	err := s.API.DeleteSubscription(v.ctx, v.r.PathValue("id"), v.r.PostFormValue("force") == "1")
	if v.refused(err) {
		return v.asksDeleteSubscription(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(Root+"subscriptions", "deleted")
}
