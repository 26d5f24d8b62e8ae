package ui

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) subscriptions() {
	s.page("/subscriptions", viewer, s.listSubscriptions)
	s.act("/subscriptions/sync", operator, s.syncSubscriptions)
	s.page("/subscriptions/new", operator, s.newSubscription)
	s.act("/subscriptions/new", operator, s.createSubscription)
	s.page("/subscriptions/{id}", viewer, s.showSubscription)
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
		page.follows("subscription.changed", "tenant")
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
	Show    command
	Changes string
}

func (s *server) showSubscription(v *visit) error { return v.showsSubscription(http.StatusOK, nil) }

// showsSubscription shows the subscription of the path, with a fill that was asked for just now.
func (v *visit) showsSubscription(status int, fill *client.SubscriptionFill) error {
	sub, err := v.API.Subscription(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	known, err := v.providerOf(sub.Provider)
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
		return v.showSubscriptionForm(http.StatusOK, known, v.subscriptionEntry(known))
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

// subscriptionEntry returns the form of a new subscription.
func (v *visit) subscriptionEntry(p client.Provider) entry {
	first := form{{Name: "name", Label: "Name", Kind: "text", IsRequired: true},
		{Name: "source", Label: "Source", Kind: "text", IsRequired: true, Known: v.sourcesOf(p.Name),
			Hint: "A source of " + p.Title + ": its URL is registered."},
		{Name: "connection", Label: "Connection", Kind: "text", IsRequired: true, Known: v.connectionsOf(p.Connector),
			Hint: "Who we are when we ask for it."},
		{Name: "resource", Label: "Resource", Kind: "text", IsRequired: true, Hint: sentence(p.Resource)}}
	if len(p.ChangeTypes) > 0 {
		first = append(first, field{Name: "change_types", Label: "Change types", Kind: "text",
			Hint: "One or more of " + strings.Join(p.ChangeTypes, ", ") + ", separated by commas."})
	}
	return entry{Groups: groups{{Fields: first},
		{Title: "Settings of " + p.Title, Fields: settingFields("settings.", p.SubscriptionSettings, nil)},
		{Title: "More", Fields: form{{Name: "expect_every", Label: "Expect an event every", Kind: "text",
			Hint: "A length of time such as 24h."}}}}}
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

func (v *visit) showSubscriptionForm(status int, p client.Provider, e entry) error {
	v.show(status, "noun_form", "New subscription at "+p.Title, nounForm{entry: e, Noun: "subscription",
		Plural: Root + "subscriptions", Kind: p.Name, Path: Root + "subscriptions", Action: Root + "subscriptions/new",
		Summary: "The registration is made at once, and renewed before it expires.",
		Command: v.post("subscriptions create NAME --source SOURCE --connection CONNECTION --resource RESOURCE",
			"/subscriptions", `{"name":"NAME","source":"SOURCE","connection":"CONNECTION","resource":"RESOURCE"}`)})
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
	e := v.subscriptionEntry(known)
	v.made, err = v.read(&e, "subscription at "+known.Name)
	if err != nil {
		return err
	}
	n := client.NewSubscription{Name: e.Groups.get("name"), Provider: known.Name, Source: e.Groups.get("source"),
		Connection: e.Groups.get("connection"), Resource: e.Groups.get("resource"),
		Settings: e.Groups.settings("settings.", nil), ExpectEvery: e.Groups.get("expect_every")}
	for change := range strings.FieldsFuncSeq(e.Groups.get("change_types"), func(r rune) bool {
		return r == ',' || r == ' ' || r == '\n'
	}) {
		n.ChangeTypes = append(n.ChangeTypes, change)
	}
	if e.Groups.Invalid() {
		return v.showSubscriptionForm(http.StatusUnprocessableEntity, known, e)
	}
	sub, err := s.API.CreateSubscription(v.ctx, n)
	status, err := v.answered(&e, "", err)
	switch {
	case err != nil:
		return err
	case status != 0:
		return v.showSubscriptionForm(status, known, e)
	}
	return v.back(string(subscriptionPath(sub)), "created")
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

// fillSubscription asks the provider for what was missed, and shows what it found.
func (s *server) fillSubscription(v *visit) error {
	fill, err := s.API.FillSubscription(v.ctx, v.r.PathValue("id"), time.Time{})
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
