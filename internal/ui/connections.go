package ui

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) connections() {
	s.page("/connections", viewer, s.listConnections)
	s.page("/connections/new", admin, s.newConnection)
	s.act("/connections/new", admin, s.createConnection)
	s.page("/connections/{id}", viewer, s.showConnection)
	s.page("/connections/{id}/edit", admin, s.editConnection)
	s.act("/connections/{id}/edit", admin, s.updateConnection)
	s.act("/connections/{id}/login", admin, s.loginConnection)
	s.act("/connections/{id}/logout", admin, s.logoutConnection)
	s.act("/connections/{id}/test", operator, s.testConnection)
	s.page("/connections/{id}/delete", admin, s.askDeleteConnection)
	s.act("/connections/{id}/delete", admin, s.deleteConnection)
}

// connectionsPage is what the list of connections shows.
type connectionsPage struct {
	listing
	Rows []client.Connection
}

func (s *server) listConnections(v *visit) error {
	query := v.r.URL.Query()
	f := newForm(query, field{Name: "provider", Label: "Provider"},
		field{Name: "state", Label: "State", Known: []string{"ready", "signed_out", "failing"}})
	f = append(f, v.tenantFilter()...)
	filter := client.ConnectionFilter{Provider: f.get("provider"), State: f.get("state"), Tenant: f.get("tenant")}
	l, err := s.API.Connections(v.ctx, filter, client.Page{Cursor: query.Get("cursor")})
	err = f.accepts(err)
	if err != nil {
		return err
	}
	v.show(statusOf(f), "connections", "Connections", connectionsPage{Rows: l.Data,
		listing: newListing(v.r, Root+"connections", f, l, s.get("connections", "/connections",
			flagValue{"provider", "provider", filter.Provider}, flagValue{"state", "state", filter.State},
			flagValue{"tenant", "tenant", filter.Tenant}))})
	return nil
}

// connectionPage is what the page of a connection shows.
type connectionPage struct {
	client.Connection
	Kind  client.Connector
	Path  link
	Shown []shownSetting
	Began *client.Login          // a sign-in that was begun just now
	Test  *client.ConnectionTest // of a moment ago
	Show  command
}

func (s *server) showConnection(v *visit) error { return v.showsConnection(http.StatusOK, nil, nil) }

// showsConnection shows the connection of the path, with what was done a moment ago.
func (v *visit) showsConnection(status int, began *client.Login, test *client.ConnectionTest) error {
	c, kind, err := v.connection()
	if err != nil {
		return err
	}
	return v.showsThisConnection(status, connectionPage{Connection: c, Kind: kind, Began: began, Test: test})
}

func (v *visit) showsThisConnection(status int, page connectionPage) error {
	c := page.Connection
	page.Path, page.Shown = connectionPath(c), shownSettings(page.Kind.Settings, c.Settings)
	page.Show = v.get("connections show "+quote(c.Name), "/connections/"+c.ID)
	v.show(status, "connection", "Connection "+c.Name, page)
	return nil
}

// connectionPath returns the path of the page of a connection.
func connectionPath(c client.Connection) link {
	return link(Root + "connections/" + url.PathEscape(c.ID))
}

// connection returns the connection of the path with its system.
func (v *visit) connection() (c client.Connection, kind client.Connector, err error) {
	c, err = v.API.Connection(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return c, kind, err
	}
	kind, err = v.connector(c.Provider)
	return c, kind, err
}

// connector returns the connector of that name. If the server does not have it, all but the name is zero.
func (v *visit) connector(name string) (client.Connector, error) {
	all, err := v.API.Connectors(v.ctx)
	if err != nil {
		return client.Connector{}, err
	}
	i := slices.IndexFunc(all, func(k client.Connector) bool { return k.Name == name })
	if i < 0 {
		return client.Connector{Name: name, Title: name}, nil
	}
	return all[i], nil
}

// nounForm is the page that creates or changes a noun whose form has nothing of its own beside it.
type nounForm struct {
	entry
	Noun    string // "connection"
	Plural  link
	Name    string // of the noun that is changed; "" for a new one
	Kind    string // that was chosen, of a new one
	Summary string
	Setup   []string
	Lacks   []lack
	Path    link // where Back leads
	Action  link
	Command command
}

// A lack is something that has to be made before a form can be filled in, and where.
type lack struct {
	Text string
	Verb string
	To   link
}

func (v *visit) showConnectionForm(status int, kind client.Connector, c client.Connection, e entry) error {
	page := nounForm{entry: e, Noun: "connection", Plural: Root + "connections", Kind: kind.Name,
		Summary: kind.Summary,
		Setup:   kind.Setup, Path: Root + "connections", Action: Root + "connections/new",
		Command: v.post("connections create NAME --provider "+quote(kind.Name)+settingFlags(kind.Settings),
			"/connections",
			`{"name":"NAME","provider":"`+kind.Name+`","settings":{…}}`)}
	title := "New connection: " + kind.Title
	if c.ID != "" {
		title, page.Name, page.Path = "Change connection "+c.Name, c.Name, connectionPath(c)
		page.Action = page.Path + "/edit"
		page.Command = v.patch("connections update "+quote(c.Name)+" --set SETTING=VALUE", "/connections/"+c.ID,
			`{"settings":{"SETTING":"VALUE"}}`)
	}
	v.show(status, "noun_form", title, page)
	return nil
}

// connectionEntry returns the form of a connection, with the values of one that is stored.
func connectionEntry(kind client.Connector, c client.Connection, tenants bool) entry {
	first := form{{Name: "name", Label: "Name", Kind: "text", IsRequired: true, Value: typed(c.Name)}}
	var more form
	if tenants && c.ID == "" {
		more = append(more, field{Name: "tenant", Label: "Tenant", Kind: "text",
			Hint: "Whose connection it is. It cannot be changed. Default: nobody's."})
	}
	if c.ID != "" {
		more = append(more, field{Name: "keep_secrets", Label: "Send the stored secrets to a changed address, too",
			Kind: "check"})
	}
	required, optional := split(settingFields("settings.", kind.Settings, c.Settings))
	return entry{ETag: c.ETag, Groups: groups{{Fields: append(first, required...)},
		{Title: "Further settings of " + kind.Title, Fields: optional}, {Title: "More", Fields: more}}}
}

// newConnection asks for the system, or shows the form for it.
func (s *server) newConnection(v *visit) error {
	name := v.r.URL.Query().Get("provider")
	if name != "" {
		kind, err := v.connector(name)
		if err != nil {
			return err
		}
		return v.showConnectionForm(http.StatusOK, kind, client.Connection{},
			connectionEntry(kind, client.Connection{}, v.person.Tenant == ""))
	}
	all, err := s.API.Connectors(v.ctx)
	if err != nil {
		return err
	}
	page := choosing{Noun: "connection", Plural: Root + "connections", Text: "At which system's API?"}
	for _, k := range all {
		page.Choices = append(page.Choices, kindChoice{k.Title, k.Summary,
			link(Root + "connections/new?provider=" + url.QueryEscape(k.Name))})
	}
	v.show(http.StatusOK, "choose", "New connection", page)
	return nil
}

func (s *server) createConnection(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	kind, err := v.connector(v.r.PostForm.Get("kind"))
	if err != nil {
		return err
	}
	e := connectionEntry(kind, client.Connection{}, v.person.Tenant == "")
	v.made, err = v.read(&e, "connection of "+kind.Name)
	if err != nil {
		return err
	}
	n := client.NewConnection{Name: e.Groups.get("name"), Provider: kind.Name, Tenant: e.Groups.get("tenant"),
		Settings: e.Groups.settings("settings.", nil)}
	if e.Groups.Invalid() {
		return v.showConnectionForm(http.StatusUnprocessableEntity, kind, client.Connection{}, e)
	}
	c, err := s.API.CreateConnection(v.ctx, n)
	status, err := v.answered(&e, "", err)
	switch {
	case err != nil:
		return err
	case status != 0:
		return v.showConnectionForm(status, kind, client.Connection{}, e)
	case len(v.made) > 0 || len(c.Warnings) > 0:
		return v.showsThisConnection(http.StatusCreated, connectionPage{Connection: c, Kind: kind})
	}
	return v.back(string(connectionPath(c)), "created")
}

// answered puts what the API says of an entry at its fields, or into the page. status is that of the page that shows
// the entry again; 0 if all was accepted. The error is any other.
func (v *visit) answered(e *entry, stored string, err error) (status int, _ error) {
	err = e.Groups.accepts(err)
	switch {
	case e.Groups.Invalid():
		return http.StatusUnprocessableEntity, nil
	case v.overtaken(err, e, stored), v.refused(err):
		return statusOfRefusal(err), nil
	}
	return 0, err
}

func (s *server) editConnection(v *visit) error {
	c, kind, err := v.connection()
	if err != nil {
		return err
	}
	return v.showConnectionForm(http.StatusOK, kind, c, connectionEntry(kind, c, false))
}

func (s *server) updateConnection(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	c, kind, err := v.connection()
	if err != nil {
		return err
	}
	e := connectionEntry(kind, c, false)
	v.made, err = v.read(&e, "connection "+c.ID)
	if err != nil {
		return err
	}
	changes := e.Groups.changes(map[string]string{"name": c.Name})
	if settings := e.Groups.settings("settings.", c.Settings); len(settings) > 0 {
		changes["settings"] = settings
	}
	if e.Groups.get("keep_secrets") != "" {
		changes["keep_secrets"] = true
	}
	if e.Groups.Invalid() {
		return v.showConnectionForm(http.StatusUnprocessableEntity, kind, c, e)
	}
	changed, err := s.API.IfMatch(e.ETag).UpdateConnection(v.ctx, c.ID, changes)
	status, err := v.answered(&e, c.ETag, err)
	switch {
	case err != nil:
		return err
	case status != 0:
		return v.showConnectionForm(status, kind, c, e)
	case len(v.made) > 0 || len(changed.Warnings) > 0:
		return v.showsThisConnection(http.StatusOK, connectionPage{Connection: changed, Kind: kind})
	}
	return v.back(string(connectionPath(c)), "saved")
}

// loginConnection begins a sign-in, and shows the link or the code for it. Nothing is redirected: the policy of the
// pages lets no form lead elsewhere.
func (s *server) loginConnection(v *visit) error {
	login, err := s.API.LoginConnection(v.ctx, v.r.PathValue("id"),
		client.LoginRequest{Device: v.r.PostFormValue("device") == "1"})
	if v.refused(err) {
		return v.showsConnection(statusOfRefusal(err), nil, nil)
	}
	if err != nil {
		return err
	}
	return v.showsConnection(http.StatusOK, &login, nil)
}

func (s *server) logoutConnection(v *visit) error {
	_, err := s.API.LogoutConnection(v.ctx, v.r.PathValue("id"))
	if v.refused(err) {
		return v.showsConnection(statusOfRefusal(err), nil, nil)
	}
	if err != nil {
		return err
	}
	return v.back(Root+"connections/"+url.PathEscape(v.r.PathValue("id")), "forgotten")
}

func (s *server) testConnection(v *visit) error {
	test, err := s.API.TestConnection(v.ctx, v.r.PathValue("id"))
	if v.refused(err) {
		return v.showsConnection(statusOfRefusal(err), nil, nil)
	}
	if err != nil {
		return err
	}
	return v.showsConnection(http.StatusOK, nil, &test)
}

func (s *server) askDeleteConnection(v *visit) error { return v.asksDeleteConnection(http.StatusOK) }

func (v *visit) asksDeleteConnection(status int) error {
	c, err := v.API.Connection(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.show(status, "delete", "Delete connection "+c.Name, deletion{Noun: "connection", Name: c.Name,
		Plural: Root + "connections", Path: connectionPath(c), Text: "Its tokens are forgotten.",
		Command: v.command("DELETE", "connections delete "+quote(c.Name), "/connections/"+c.ID, "")})
	return nil
}

func (s *server) deleteConnection(v *visit) error {
	err := s.API.DeleteConnection(v.ctx, v.r.PathValue("id"))
	if v.refused(err) {
		return v.asksDeleteConnection(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(Root+"connections", "deleted")
}
