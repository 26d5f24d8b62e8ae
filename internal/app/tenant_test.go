package app

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// A house is a server with two tenants. acme has one of every noun that needs no provider; globex has a key.
type house struct {
	*running
	admin, acme, globex *client.Client
	keys                map[string]string // of all and of globex, for requests without the client
	ids                 map[string]string // of the nouns of acme, by the names of their paths
}

func newHouse(t *testing.T) *house {
	r := run(t, options(t, func(o *Options) {
		o.Config.AllowPrivate = true
		o.Providers, o.Connectors = all.Providers(), all.Connectors()
	}))
	h := &house{running: r, admin: client.New(r.URL(), r.opts.AdminKey, nil), ids: map[string]string{},
		keys: map[string]string{"all": r.opts.AdminKey}}
	ctx := t.Context()
	for _, name := range []string{"acme", "globex"} {
		tenant, err := h.admin.CreateTenant(ctx, client.NewTenant{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		key, err := h.admin.CreateKey(ctx, client.NewKey{Name: name + "-boss", Scope: "admin", Tenant: name})
		if err != nil {
			t.Fatal(err)
		}
		h.keys[name] = key.Text
		if name == "acme" {
			h.acme, h.ids["tenants"], h.ids["keys"] = client.New(r.URL(), key.Text, nil), tenant.ID, key.ID
		} else {
			h.globex = client.New(r.URL(), key.Text, nil)
		}
	}
	h.fill()
	return h
}

// fill makes one of every noun for acme, with its own key.
func (h *house) fill() {
	h.t.Helper()
	ctx := h.t.Context()
	src, err := h.acme.CreateSource(ctx, client.NewSource{Name: "orders", Provider: "generic",
		Settings: client.Settings{"scheme": "none"}})
	h.must(err)
	d, err := h.acme.CreateDestination(ctx, client.NewDestination{Name: "billing", URL: "http://127.0.0.1:9",
		Settings: client.Settings{"format": "raw"}})
	h.must(err)
	_, err = h.acme.PauseDestination(ctx, d.ID) // so that nothing of it changes by itself
	h.must(err)
	con, err := h.acme.CreateConnection(ctx, client.NewConnection{Name: "crm", Provider: "oauth2",
		Settings: client.Settings{"token_url": "http://127.0.0.1:9/token", "client_id": "us",
			"client_secret": "s3cret", "api_url": "http://127.0.0.1:9"}})
	h.must(err)
	ev, _, err := h.acme.Publish(ctx, client.NewEvent{Type: "paid", Data: json.RawMessage(`{"n":1}`)}, "key-1")
	h.must(err)
	h.ids["sources"], h.ids["destinations"], h.ids["connections"], h.ids["events"] = src.ID, d.ID, con.ID, ev.ID
	deliveries, err := h.acme.Deliveries(ctx, client.DeliveryFilter{Event: ev.ID}, client.Page{})
	h.must(err)
	if len(deliveries.Data) != 1 {
		h.t.Fatalf("%d deliveries of the event of acme, want 1", len(deliveries.Data))
	}
	h.ids["deliveries"] = deliveries.Data[0].ID
	reply, err := http.Get(src.URL) // refused: another method is expected
	h.must(err)
	reply.Body.Close()
	poll(h.t, "the refused request", func() bool {
		list, err := h.acme.Requests(ctx, client.RequestFilter{}, client.Page{})
		if err != nil || len(list.Data) == 0 {
			return false
		}
		h.ids["requests"] = list.Data[0].ID
		return true
	})
	repair, err := h.acme.ReplayEvents(ctx, client.NewReplay{Source: "orders"})
	h.must(err)
	h.ids["repairs"] = repair.ID
	file, err := h.store.BeginFile(ctx, bellhop.File{ID: bellhop.PrefixFile + "00000000000000000001", Name: "call.mp4",
		Total: 10, EventID: ev.ID, DestinationID: d.ID, CreatedAt: ev.ReceivedAt.Time})
	h.must(err)
	h.ids["files"] = file.ID
	portal, err := h.acme.CreatePortalLink(ctx, client.NewPortalLink{Rights: "manage"})
	h.must(err)
	h.ids["portal-links"] = portal.ID
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// ask makes a request with a key, and returns the status and the body of the answer.
func (h *house) ask(key, method, path, body string) (int, string) {
	h.t.Helper()
	before := h.opts.AdminKey
	h.opts.AdminKey = h.keys[key]
	defer func() { h.opts.AdminKey = before }()
	return h.call(method, path, body)
}

// shown returns everything that the administrator of all tenants sees of the nouns of acme, but for those that change
// by themselves.
func (h *house) shown() string {
	h.t.Helper()
	var all strings.Builder
	for _, noun := range slices.Sorted(maps.Keys(h.ids)) {
		if noun == "keys" || noun == "repairs" || noun == "connections" { // uses, progress, tokens
			continue
		}
		code, body := h.ask("all", "GET", "/api/v1/"+noun+"/"+h.ids[noun], "")
		fmt.Fprintln(&all, noun, code, body)
	}
	return all.String()
}

// foreignBodies are bodies that name the nouns of acme, by operation. An operation that is not here gets none.
var foreignBodies = map[string]string{
	"POST /sources":                         `{"name":"s","provider":"generic","settings":{},"tenant":"acme"}`,
	"POST /destinations":                    `{"name":"d","url":"http://127.0.0.1:9","tenant":"acme"}`,
	"POST /connections":                     `{"name":"c","provider":"oauth2","settings":{},"tenant":"acme"}`,
	"POST /portal-links":                    `{"rights":"manage","tenant":"acme"}`,
	"POST /keys":                            `{"name":"k","scope":"admin","tenant":"acme"}`,
	"POST /events":                          `{"type":"t","data":1,"tenant":"acme"}`,
	"POST /tenants":                         `{"name":"t"}`,
	"POST /subscriptions":                   `{"name":"s","source":"orders","connection":"crm","resource":"/me"}`,
	"POST /destinations/preview":            `{"destination":"billing","event":"{event}"}`,
	"POST /deliveries/retry":                `{"destination":"billing"}`,
	"POST /deliveries/cancel":               `{"destination":"billing"}`,
	"POST /events/replay":                   `{"source":"orders"}`,
	"PATCH /sources/{id}":                   `{"disabled":true}`,
	"PATCH /destinations/{id}":              `{"timeout":"2s"}`,
	"PATCH /connections/{id}":               `{"name":"mine"}`,
	"PATCH /subscriptions/{id}":             `{"name":"mine"}`,
	"PATCH /tenants/{id}":                   `{"limits":{}}`,
	"POST /destinations/{id}/rotate-secret": `{}`,
	"POST /subscriptions/{id}/fill":         `{}`,
	"POST /deliveries/{id}/answer":          `{"token":"t","status":200}`,
	"POST /deliveries/{id}/ack":             `{"token":"t"}`,
	"POST /deliveries/{id}/nack":            `{"token":"t"}`,
	"POST /deliveries/{id}/extend":          `{"token":"t"}`,
}

// openToAll are the operations without an id that every key may use, whatever there is. A link to sign in is for the
// holder of the key that makes it.
var openToAll = []string{"GET /providers", "GET /destination-types", "GET /connectors", "POST /sign-in-links"}

// counted is a count of a series that is not zero.
var counted = regexp.MustCompile(`"(accepted|refused|delivered|failed)":[1-9]`)

// TestForeignKey walks every operation of the OpenAPI document with a key of another tenant: an id of acme is 404, by
// its id and by its name, a list is empty, a body that names a noun of acme is refused, and nothing of acme changes.
func TestForeignKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	before := h.shown()
	_, text := h.call("GET", "/openapi.json", "")
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	h.must(json.Unmarshal([]byte(text), &document))
	walked := 0
	for path, item := range document.Paths {
		for method := range item {
			if path == "/api/v1/stream" {
				continue // it has no end: see TestStreamStaysWithinTenant
			}
			h.walk(strings.ToUpper(method), strings.TrimPrefix(path, "/api/v1"))
			walked++
		}
	}
	if walked < 65 {
		t.Errorf("%d operations", walked)
	}
	if after := h.shown(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if con, err := h.admin.Connection(t.Context(), h.ids["connections"]); err != nil || con.Name != "crm" {
		t.Errorf("the connection: %+v %v", con, err)
	}
}

// walk makes the request of one operation with the key of globex.
func (h *house) walk(method, path string) {
	h.t.Helper()
	operation := method + " " + path
	noun, _, _ := strings.Cut(path[1:], "/")
	body := strings.ReplaceAll(foreignBodies[operation], "{event}", h.ids["events"])
	names := map[string]string{"sources": "orders", "destinations": "billing", "connections": "crm",
		"files": "call.mp4", "keys": "acme-boss", "tenants": "acme"}
	switch {
	case strings.Contains(path, "{id}"):
		for _, id := range []string{h.ids[noun], names[noun]} {
			if id == "" && noun == "subscriptions" {
				id = "none" // acme has none: the provider would have to be there
			}
			code, answer := h.ask("globex", method, "/api/v1"+strings.ReplaceAll(path, "{id}", id), body)
			about := noun == "tenants" && method != "GET" // such an operation is not for a key of one tenant at all
			if id != "" && code != 404 && !(about && code == 403) {
				h.t.Errorf("%s of %s: %d %s", operation, id, code, answer)
			}
		}
	case method == "GET" && !slices.Contains(openToAll, operation):
		code, answer := h.ask("globex", method, "/api/v1"+path, "")
		empty := strings.HasPrefix(answer, `{"data":[],`) ||
			slices.Contains([]string{"keys", "tenants", "audit"}, noun) && !strings.Contains(answer, "acme") ||
			noun == "series" && strings.Contains(answer, `"sources":[],"destinations":[]`) && !counted.MatchString(answer)
		if code != 403 && (code != 200 || !empty) {
			h.t.Errorf("%s: %d %s", operation, code, answer)
		}
	case method != "GET" && !slices.Contains(openToAll, operation):
		code, answer := h.ask("globex", method, "/api/v1"+path, body)
		// A repair of everything that globex has is accepted, and touches nothing.
		repair := code == 202 && strings.Contains(answer, `"id":"rpr_`) && strings.Contains(answer, `"kind"`)
		if code < 400 && !repair {
			h.t.Errorf("%s: %d %s", operation, code, answer)
		}
	}
}

// TestForeignFilters: an id of another tenant in a filter is answered as one that nobody has.
func TestForeignFilters(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	lists := map[string]string{"source": "events deliveries requests files subscriptions",
		"destination": "deliveries files", "connection": "subscriptions", "event": "deliveries files",
		"caused_by": "events"}
	bodies := map[string]map[string]string{
		"source": {"events/replay": `{"source":"%s"}`},
		"destination": {"events/replay": `{"all":true,"destination":"%s"}`,
			"deliveries/retry": `{"destination":"%s"}`},
		"event": {"deliveries/cancel": `{"event":"%s"}`},
	}
	unknown := map[string]string{"source": "src_00000000000000000001", "destination": "dst_00000000000000000001",
		"connection": "con_00000000000000000001"}
	for parameter, nouns := range lists {
		foreign, nobody := h.ids[parameter+"s"], unknown[parameter]
		if nobody == "" { // the id of an event begins with its time
			foreign = h.ids["events"]
			nobody = bellhop.PrefixEvent + "1" + foreign[len(bellhop.PrefixEvent)+1:]
		}
		if foreign == "" || foreign == nobody {
			t.Fatalf("%s: the ids are %q and %q", parameter, foreign, nobody)
		}
		same := func(what string, ask func(id string) (int, string)) {
			t.Helper()
			code, answer := ask(foreign)
			wantCode, want := ask(nobody)
			if code != wantCode || strings.ReplaceAll(answer, foreign, nobody) != want {
				t.Errorf("%s: %d %s for the id of another, %d %s for that of nobody", what, code, answer,
					wantCode, want)
			}
		}
		for noun := range strings.FieldsSeq(nouns) {
			same(noun+" by "+parameter, func(id string) (int, string) {
				return h.ask("globex", "GET", "/api/v1/"+noun+"?"+parameter+"="+id, "")
			})
		}
		for path, body := range bodies[parameter] {
			same(path+" with "+parameter, func(id string) (int, string) {
				return h.ask("globex", "POST", "/api/v1/"+path, fmt.Sprintf(body, id))
			})
		}
	}
}

// TestEventsStayWithinTenants: an event goes to the destinations of its tenant, and to those that name it; a replay
// does not lead out of it either.
func TestEventsStayWithinTenants(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	made := func(by *client.Client, name string, tenants ...string) {
		t.Helper()
		_, err := by.CreateDestination(ctx, client.NewDestination{Name: name, URL: "http://127.0.0.1:9",
			Settings: client.Settings{"format": "raw"}, Tenants: tenants})
		h.must(err)
	}
	made(h.globex, "of-globex")
	made(h.admin, "of-none")
	made(h.admin, "of-all", "*")
	made(h.admin, "of-both", "acme", "globex")
	to := func(by *client.Client) string {
		t.Helper()
		ev, _, err := by.Publish(ctx, client.NewEvent{Type: "t", Data: json.RawMessage("1")}, "")
		h.must(err)
		list, err := h.admin.Deliveries(ctx, client.DeliveryFilter{Event: ev.ID}, client.Page{})
		h.must(err)
		var names []string
		for _, d := range list.Data {
			names = append(names, d.Destination)
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	for who, c := range map[string]struct {
		by   *client.Client
		want string
	}{"acme": {h.acme, "billing of-all of-both"}, "globex": {h.globex, "of-all of-both of-globex"},
		"nobody": {h.admin, "of-all of-both of-none"}} {
		if got := to(c.by); got != c.want {
			t.Errorf("an event of %s goes to %q, want %q", who, got, c.want)
		}
	}
	if _, err := h.admin.ReplayEvent(ctx, h.ids["events"], "of-globex"); err == nil ||
		!strings.Contains(err.Error(), "belongs to tenant acme") {
		t.Errorf("replayed to another tenant: %v", err)
	}
	if made, err := h.admin.ReplayEvent(ctx, h.ids["events"], "of-both"); err != nil || len(made) != 1 {
		t.Errorf("replayed to a destination that names the tenant: %v %v", made, err)
	}
	if made, err := h.admin.ReplayEvent(ctx, h.ids["events"], ""); err != nil || len(made) != 3 {
		t.Errorf("replayed by an administrator: %v %v", made, err)
	}
	if made, err := h.acme.ReplayEvent(ctx, h.ids["events"], ""); err != nil || len(made) != 1 ||
		made[0].Destination != "billing" {
		t.Errorf("replayed by the tenant, which is told of its own destination: %v %v", made, err)
	}
	for _, name := range []string{"of-both", "of-globex", "nobody"} {
		_, err := h.acme.ReplayEvent(ctx, h.ids["events"], name)
		if got, want := fmt.Sprint(err), strings.ReplaceAll(unknownDestination(ctx, h.acme, h.ids["events"]), "nobody",
			name); got != want {
			t.Errorf("replayed by the tenant to %s: %s, want %s", name, got, want)
		}
	}
}

// unknownDestination returns the error of a replay to a destination that nobody has.
func unknownDestination(ctx context.Context, by *client.Client, event string) string {
	_, err := by.ReplayEvent(ctx, event, "nobody")
	return fmt.Sprint(err)
}

// TestExecBelongsToNoTenant: a program can reach what belongs to every tenant, so no tenant may choose one.
func TestExecBelongsToNoTenant(t *testing.T) {
	t.Parallel()
	cfg := func(o *Options) { o.Config.AllowExec = true }
	r := run(t, options(t, cfg))
	admin := client.New(r.URL(), r.opts.AdminKey, nil)
	if _, err := admin.CreateTenant(t.Context(), client.NewTenant{Name: "acme"}); err != nil {
		t.Fatal(err)
	}
	key, err := admin.CreateKey(t.Context(), client.NewKey{Name: "boss", Scope: "admin", Tenant: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	exec := client.NewDestination{Name: "run", Type: "exec", Settings: client.Settings{"command": []string{"true"}}}
	if _, err := client.New(r.URL(), key.Text, nil).CreateDestination(t.Context(), exec); err == nil ||
		!strings.Contains(err.Error(), "exec runs a program that can reach what belongs to every tenant") {
		t.Errorf("%v", err)
	}
	if _, err := admin.CreateDestination(t.Context(), exec); err != nil {
		t.Errorf("of no tenant: %v", err)
	}
}
