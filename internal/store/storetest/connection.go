package storetest

import (
	"encoding/json"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// connections shows that connections are stored, read, updated and deleted whole, and their tokens beside them.
func connections(w *world) {
	at := w.clock.now()
	c := bellhop.Connection{ID: "con_1", Name: "work", Provider: "graph", Tenant: "acme",
		Settings: json.RawMessage(
			`{"client_secret":"é"}`,
		), State: bellhop.ConnectionSignedOut, Reason: "nobody has signed in",
		CreatedAt: at, UpdatedAt: at.Add(1000), SecretsAt: bellhop.SecretTimes{"settings.client_secret": at}}
	w.must(w.CreateConnection(w.ctx, c))
	read := func(idOrName string) bellhop.Connection {
		w.Helper()
		got, err := w.Connection(w.ctx, idOrName)
		w.must(err)
		return got
	}
	tokens := func() string {
		w.Helper()
		b, err := w.ConnectionTokens(w.ctx, c.ID)
		w.must(err)
		return string(b)
	}
	settle := func(o bellhop.ConnectionOutcome) bool {
		w.Helper()
		current, err := w.SettleConnection(w.ctx, o)
		w.must(err)
		return current
	}
	w.equal("by id", read("con_1"), c)
	w.equal("by name", read("work"), c)
	w.equal("tokens of a new one", tokens(), "")

	o := bellhop.ConnectionOutcome{ID: c.ID, Version: c.UpdatedAt, State: bellhop.ConnectionReady, Account: "ada",
		ExpiresAt: at.Add(time.Hour), Tokens: []byte("first")}
	w.equal("settled", settle(o), true)
	c.State, c.Reason, c.Account, c.ExpiresAt = o.State, "", o.Account, o.ExpiresAt
	w.equal("after that, with the same UpdatedAt", read("work"), c)
	w.equal("its tokens", tokens(), "first")

	o.Tokens, o.State, o.Reason, o.ExpiresAt = nil, bellhop.ConnectionFailing, "no answer", time.Time{}
	w.equal("settled without tokens", settle(o), true)
	c.State, c.Reason, c.ExpiresAt = o.State, o.Reason, o.ExpiresAt
	w.equal("failing", read("work"), c)
	w.equal("the tokens stay", tokens(), "first")

	w.must(w.UseConnections(w.ctx, map[string]time.Time{c.ID: at.Add(2 * time.Hour), "con_unknown": at}))
	c.UsedAt = at.Add(2 * time.Hour)
	changed := c
	changed.Name, changed.Settings, changed.UpdatedAt, changed.SecretsAt = "home", json.RawMessage(`{}`),
		at.Add(3000), bellhop.SecretTimes{}
	changed.State, changed.Reason, changed.Account = bellhop.ConnectionReady, "", ""
	user := w.newAction("by-work", "work")
	others := []string{w.newAction("by-other", "other"), w.newDestination("plain")}
	before := w.settingsOf(others...)
	followed, err := w.UpdateConnection(w.ctx, changed)
	w.must(err)
	w.equal("actions that follow the name", followed, []string{"by-work"})
	w.equal("their settings", w.settingsOf(user), []string{`{"connection":"home","fold":"1s"}`})
	w.equal("other settings", w.settingsOf(others...), before)
	followed, err = w.UpdateConnection(w.ctx, changed)
	w.must(err)
	w.equal("without another name", len(followed), 0)
	c.Name, c.Settings, c.UpdatedAt, c.SecretsAt = changed.Name, changed.Settings, changed.UpdatedAt, nil
	w.equal("updated, except its state", read("home"), c)
	_, err = w.Connection(w.ctx, "work")
	w.refused("by the old name", err, bellhop.CodeNotFound)

	o.Tokens, o.State = []byte("second"), bellhop.ConnectionReady
	w.equal("an outcome of the earlier settings is current", settle(o), false)
	w.equal("it does not change the state", read("home"), c)
	w.equal("it stores the tokens", tokens(), "second")
	o.Tokens, o.Version = []byte{}, c.UpdatedAt
	w.equal("signed out", settle(o), true)
	w.equal("tokens afterwards", tokens(), "")

	other := c
	other.ID = "con_2"
	w.refused("a taken name", w.CreateConnection(w.ctx, other), bellhop.CodeConflict)
	other.Name, other.Tenant, other.State = "second", "", bellhop.ConnectionReady
	w.must(w.CreateConnection(w.ctx, other))
	other.Name = "home"
	w.refused("renamed to a taken name", second(w.UpdateConnection(w.ctx, other)), bellhop.CodeConflict)
	for what, l := range map[string]struct {
		filter bellhop.ConnectionFilter
		want   []string
	}{
		"all, newest first": {bellhop.ConnectionFilter{}, []string{"second", "home"}},
		"of a tenant":       {bellhop.ConnectionFilter{Tenant: "acme"}, []string{"home"}},
		"in a state":        {bellhop.ConnectionFilter{State: bellhop.ConnectionFailing}, nil},
	} {
		list, next, err := w.Connections(w.ctx, l.filter, bellhop.Page{})
		w.must(err)
		var names []string
		for _, c := range list {
			names = append(names, c.Name)
		}
		w.equal(what, names, l.want)
		w.equal(what+": the next page", next, "")
	}

	w.must(w.DeleteConnection(w.ctx, c.ID))
	for what, err := range map[string]error{"read": second(w.Connection(w.ctx, c.ID)),
		"tokens": second(w.ConnectionTokens(w.ctx, c.ID)), "update": second(w.UpdateConnection(w.ctx, c)),
		"settle": second(w.SettleConnection(w.ctx, o)), "delete": w.DeleteConnection(w.ctx, c.ID)} {
		w.refused(what, err, bellhop.CodeNotFound)
	}
	c.ID = "con_3"
	w.must(w.CreateConnection(w.ctx, c))
	w.equal("tokens of another with its name", tokens(), "")
}

// newAction creates a destination of an action that names a connection, and returns its id.
func (w *world) newAction(name, connection string) (id string) {
	w.Helper()
	d, err := w.Destination(w.ctx, w.newDestination(name+"-of"))
	w.must(err)
	d.ID, d.Name, d.Type, d.URL = w.newID(bellhop.PrefixDestination), name, "graph.fetch", ""
	d.Settings = json.RawMessage(`{"fold":"1s","connection":"` + connection + `"}`)
	w.must(w.CreateDestination(w.ctx, d))
	return d.ID
}

// settingsOf returns the settings of destinations.
func (w *world) settingsOf(ids ...string) (list []string) {
	w.Helper()
	for _, id := range ids {
		d, err := w.Destination(w.ctx, id)
		w.must(err)
		list = append(list, string(d.Settings))
	}
	return list
}
