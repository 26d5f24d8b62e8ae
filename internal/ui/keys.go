package ui

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) keys() {
	s.page("/keys", admin, s.listKeys)
	s.page("/keys/new", admin, s.newKey)
	s.act("/keys/new", admin, s.createKey)
	s.page("/keys/{id}/delete", admin, s.askDeleteKey)
	s.act("/keys/{id}/delete", admin, s.deleteKey)
	s.page("/tenants", viewer, s.listTenants)
	s.page("/tenants/new", admin, s.newTenant)
	s.act("/tenants/new", admin, s.createTenant)
	s.page("/tenants/{id}/edit", admin, s.editTenant)
	s.act("/tenants/{id}/edit", admin, s.updateTenant)
	s.page("/tenants/{id}/delete", admin, s.askDeleteTenant)
	s.act("/tenants/{id}/delete", admin, s.deleteTenant)
}

// keyScopes are what a key may do.
var keyScopes = []option{{"read", "read: see everything"}, {"operate", "operate: also retry, replay, pause, test"},
	{"admin", "admin: everything"}, {"publish", "publish: only publish events"}}

// keysPage is what the list of keys shows.
type keysPage struct {
	listing
	Rows []keyRow
}

// A keyRow is a key of the list.
type keyRow struct {
	client.Key
	Expired bool
}

func (s *server) listKeys(v *visit) error { return v.listsKeys(http.StatusOK) }

func (v *visit) listsKeys(status int) error {
	query := v.r.URL.Query()
	f := newForm(query, field{Name: "scope", Label: "Scope", Known: []string{"admin", "operate", "read", "publish"}})
	f = append(f, v.tenantFilter()...)
	filter := client.KeyFilter{Scope: f.get("scope"), Tenant: f.get("tenant")}
	l, err := v.API.Keys(v.ctx, filter, client.Page{Cursor: query.Get("cursor")})
	err = f.accepts(err)
	if err != nil {
		return err
	}
	var rows []keyRow
	for _, key := range l.Data {
		rows = append(rows, keyRow{key, !key.ExpiresAt.IsZero() && !key.ExpiresAt.After(v.Now())})
	}
	v.show(max(status, statusOf(f)), "keys", "Keys", keysPage{Rows: rows, listing: newListing(v.r, Root+"keys", f, l,
		v.get("keys", "/keys", flagValue{"scope", "scope", filter.Scope}, flagValue{"tenant", "tenant",
			filter.Tenant}))})
	return nil
}

// keyEntry returns the form of a new key.
func (v *visit) keyEntry() entry {
	fields := form{{Name: "name", Label: "Name", Kind: "text", IsRequired: true, Hint: "Whose it is: a person or a " +
		"program."},
		{Name: "scope", Label: "Scope", Kind: "choice", Choices: keyScopes,
			Hint: "Each scope includes those above it, but publish, which can do nothing else. Who signs in to " +
				"these pages with a key of scope read is a viewer, with operate an operator, with admin an " +
				"administrator."},
		{Name: "expires_at", Label: "Expires", Kind: "text",
			Hint: "30d, 12h, 2026-12-31 or 2026-12-31 14:30, in UTC. Empty is never."}}
	if v.person.Tenant == "" {
		fields = append(fields, field{Name: "tenant", Label: "Tenant", Kind: "text",
			Hint: "It sees the nouns of that one alone. Empty is all."})
	}
	return entry{Groups: groups{{Fields: fields}}}
}

func (v *visit) showKeyForm(status int, e entry) error {
	v.show(status, "noun_form", "New key", nounForm{entry: e, Noun: "key", Plural: Root + "keys", Path: Root + "keys",
		Action: Root + "keys/new", Summary: "Its text is shown once, when it is made.",
		Command: v.post("keys create NAME --scope read", "/keys", `{"name":"NAME","scope":"read"}`)})
	return nil
}

func (s *server) newKey(v *visit) error { return v.showKeyForm(http.StatusOK, v.keyEntry()) }

func (s *server) createKey(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	e := v.keyEntry()
	_, err = v.read(&e, "key")
	if err != nil {
		return err
	}
	n := client.NewKey{Name: e.Groups.get("name"), Scope: e.Groups.get("scope"), Tenant: e.Groups.get("tenant")}
	if text := e.Groups.until("expires_at", v.Now()); text != "" {
		err = n.ExpiresAt.UnmarshalJSON([]byte(strconv.Quote(text)))
		if err != nil {
			return err
		}
	}
	if e.Groups.Invalid() {
		return v.showKeyForm(http.StatusUnprocessableEntity, e)
	}
	key, err := s.API.CreateKey(v.ctx, n)
	status, err := v.answered(&e, "", err)
	switch {
	case err != nil:
		return err
	case status != 0:
		return v.showKeyForm(status, e)
	}
	v.made = []shownSecret{{"Key " + key.Name, key.Text}}
	return v.listsKeys(http.StatusCreated)
}

func (s *server) askDeleteKey(v *visit) error { return v.asksDeleteKey(http.StatusOK) }

func (v *visit) asksDeleteKey(status int) error {
	key, err := v.API.Key(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.show(status, "delete", "Revoke key "+key.Name, deletion{Noun: "key", Name: key.Name, Plural: Root + "keys",
		Path: link(Root + "keys/" + url.PathEscape(key.ID)), Keep: Root + "keys",
		Text:    "It is refused from then on, and whoever is signed in with it is signed out.",
		Command: v.command("DELETE", "keys delete "+quote(key.Name), "/keys/"+key.ID, "")})
	return nil
}

func (s *server) deleteKey(v *visit) error {
	err := s.API.DeleteKey(v.ctx, v.r.PathValue("id"))
	if v.refused(err) {
		return v.asksDeleteKey(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(Root+"keys", "revoked")
}

// tenantsPage is what the list of tenants shows.
type tenantsPage struct {
	listing
	Rows []client.Tenant
}

func (s *server) listTenants(v *visit) error {
	l, err := s.API.Tenants(v.ctx, client.Page{Cursor: v.r.URL.Query().Get("cursor")})
	if err != nil {
		return err
	}
	v.show(http.StatusOK, "tenants", "Tenants", tenantsPage{Rows: l.Data,
		listing: newListing(v.r, Root+"tenants", nil, l,
			s.get("tenants", "/tenants"))})
	return nil
}

// tenantEntry returns the form of a tenant, with the limits of one that is stored.
func tenantEntry(t client.Tenant) entry {
	texts := tenantTexts(t)
	var fields form
	if t.ID == "" {
		fields = form{{Name: "name", Label: "Name", Kind: "text", IsRequired: true, Hint: "It cannot be changed."}}
	}
	for _, f := range (form{
		{Name: "limits.events.per_second", Label: "Events a second", Hint: "Accepted at the door. Empty is no limit."},
		{Name: "limits.stored_bytes", Label: "Stored bytes", Hint: "1073741824 is 1 GiB. Empty is no limit."},
		{Name: "limits.destinations", Label: "Destinations", Hint: "Empty is no limit."},
	}) {
		f.Kind, f.Value = "text", typed(texts[f.Name])
		fields = append(fields, f)
	}
	return entry{ETag: t.ETag, Groups: groups{{Fields: fields}}}
}

// tenantTexts returns the limits of a tenant as they are typed, by the names of their fields.
func tenantTexts(t client.Tenant) map[string]string {
	texts := map[string]string{}
	if rate := t.Limits.Events; rate != nil {
		texts["limits.events.per_second"] = strconv.FormatFloat(rate.PerSecond, 'f', -1, 64)
	}
	if n := t.Limits.StoredBytes; n > 0 {
		texts["limits.stored_bytes"] = strconv.FormatInt(n, 10)
	}
	if n := t.Limits.Destinations; n > 0 {
		texts["limits.destinations"] = strconv.Itoa(n)
	}
	return texts
}

// tenantLimits reads the limits that were typed.
func (f groups) tenantLimits() (limits client.TenantLimits) {
	limits.StoredBytes = f.whole("limits.stored_bytes")
	limits.Destinations = int(f.whole("limits.destinations"))
	text := f.get("limits.events.per_second")
	if text == "" {
		return limits
	}
	perSecond, err := strconv.ParseFloat(text, 64)
	if err != nil || !(perSecond > 0 && perSecond < 1e9) {
		f.fault("limits.events.per_second", "use a number greater than 0")
	}
	limits.Events = &client.Rate{PerSecond: perSecond}
	return limits
}

// showTenantForm shows the form of a new tenant, or of t if that is stored.
func (v *visit) showTenantForm(status int, t client.Tenant, e entry) error {
	page := nounForm{entry: e, Noun: "tenant", Plural: Root + "tenants", Path: Root + "tenants",
		Action:  Root + "tenants/new",
		Summary: "A tenant keeps one customer's sources, events and destinations from another's.",
		Command: v.post("tenants create NAME --events 50 --max-stored 1GiB --max-destinations 5", "/tenants",
			`{"name":"NAME","limits":{"events":{"per_second":50},"stored_bytes":1073741824,"destinations":5}}`)}
	if t.ID == "" {
		v.show(status, "noun_form", "New tenant", page)
		return nil
	}
	page.Name, page.Action = t.Name, link(Root+"tenants/"+url.PathEscape(t.ID)+"/edit")
	page.Command = v.patch("tenants update "+quote(t.Name)+" --events 50", "/tenants/"+t.ID,
		`{"limits":{"events":{"per_second":50}}}`)
	v.show(status, "noun_form", "Change the limits of "+t.Name, page)
	return nil
}

func (s *server) newTenant(v *visit) error {
	return v.showTenantForm(http.StatusOK, client.Tenant{}, tenantEntry(client.Tenant{}))
}

func (s *server) createTenant(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	e := tenantEntry(client.Tenant{})
	_, err = v.read(&e, "tenant")
	if err != nil {
		return err
	}
	n := client.NewTenant{Name: e.Groups.get("name"), Limits: e.Groups.tenantLimits()}
	if e.Groups.Invalid() {
		return v.showTenantForm(http.StatusUnprocessableEntity, client.Tenant{}, e)
	}
	_, err = s.API.CreateTenant(v.ctx, n)
	status, err := v.answered(&e, "", err)
	switch {
	case err != nil:
		return err
	case status != 0:
		return v.showTenantForm(status, client.Tenant{}, e)
	}
	return v.back(Root+"tenants", "created")
}

func (s *server) editTenant(v *visit) error {
	t, err := s.API.Tenant(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.showTenantForm(http.StatusOK, t, tenantEntry(t))
}

// updateTenant replaces the limits of a tenant by those that were typed.
func (s *server) updateTenant(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	t, err := s.API.Tenant(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	e := tenantEntry(t)
	_, err = v.read(&e, "tenant "+t.ID)
	if err != nil {
		return err
	}
	limits := e.Groups.tenantLimits()
	if e.Groups.Invalid() {
		return v.showTenantForm(http.StatusUnprocessableEntity, t, e)
	}
	changes := map[string]any{}
	for name, value := range map[string]any{"events": limits.Events, "stored_bytes": limits.StoredBytes,
		"destinations": limits.Destinations} {
		field := "limits." + name
		if name == "events" {
			field += ".per_second"
		}
		text := e.Groups.get(field)
		switch {
		case text == tenantTexts(t)[field]:
		case text == "":
			changes[name] = nil
		default:
			changes[name] = value
		}
	}
	_, err = s.API.IfMatch(e.ETag).UpdateTenant(v.ctx, t.ID, map[string]any{"limits": changes})
	status, err := v.answered(&e, t.ETag, err)
	switch {
	case err != nil:
		return err
	case status != 0:
		return v.showTenantForm(status, t, e)
	}
	return v.back(Root+"tenants", "saved")
}

func (s *server) askDeleteTenant(v *visit) error { return v.asksDeleteTenant(http.StatusOK) }

func (v *visit) asksDeleteTenant(status int) error {
	tenant, err := v.API.Tenant(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.show(status, "delete", "Delete tenant "+tenant.Name, deletion{Noun: "tenant", Name: tenant.Name,
		Plural: Root + "tenants", Path: link(Root + "tenants/" + url.PathEscape(tenant.ID)), Keep: Root + "tenants",
		Text:    "It can be deleted once nothing belongs to it any more.",
		Command: v.command("DELETE", "tenants delete "+quote(tenant.Name), "/tenants/"+tenant.ID, "")})
	return nil
}

func (s *server) deleteTenant(v *visit) error {
	err := s.API.DeleteTenant(v.ctx, v.r.PathValue("id"))
	if v.refused(err) {
		return v.asksDeleteTenant(statusOfRefusal(err))
	}
	if err != nil {
		return err
	}
	return v.back(Root+"tenants", "deleted")
}
