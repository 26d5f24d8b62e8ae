package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/auth"
)

// TestPortalLinks: the URL of a link is in the answer to its creation alone, and each wrong value is named.
func TestPortalLinks(t *testing.T) {
	r := newRig(t)
	r.fill()
	a := r.do("POST", "/api/v1/portal-links", `{"tenant":"acme","rights":"manage","expires_in":"2h",`+
		`"frame_ancestors":["App.example.com"]}`)
	made := a.is(201)
	if made["url"] != "https://hooks.example.com/ui/portal/open/admin" || made["key"] != "admin" ||
		made["opened_at"] != nil || made["expires_at"] != "2026-11-22T11:30:00.123Z" || a.header.Get("Location") !=
		"/api/v1/portal-links/plk_2" || made["frame_ancestors"].([]any)[0] != "https://app.example.com" {
		t.Error(a.body)
	}
	shown, listed := r.do("GET", "/api/v1/portal-links/plk_2", ""), r.do("GET", "/api/v1/portal-links?tenant=acme", "")
	if shown.is(200)["rights"] != "manage" || len(listed.is(200)["data"].([]any)) != 2 ||
		strings.Contains(shown.body+listed.body, "/open/") {
		t.Errorf("%s %s", shown.body, listed.body)
	}
	if none := r.do("GET", "/api/v1/portal-links?tenant=globex", ""); len(none.is(200)["data"].([]any)) != 0 {
		t.Error(none.body)
	}
	for body, paths := range map[string]string{
		`{}`:                                  "rights",
		`{"rights":"read"}`:                   "tenant",
		`{"tenant":"nobody","rights":"read"}`: "tenant",
		`{"tenant":"acme","rights":"root"}`:   "rights",
		`{"tenant":"acme","rights":"read","expires_in":"soon"}`:              "expires_in",
		`{"tenant":"acme","rights":"read","expires_in":"13h"}`:               "expires_in",
		`{"tenant":"acme","rights":"read","expires_in":"-1h"}`:               "expires_in",
		`{"tenant":"nobody","rights":"read","expires_in":"9"}`:               "expires_in tenant",
		`{"tenant":"acme","rights":"read","frame_ancestors":["a.b","*"]}`:    "frame_ancestors[1]",
		`{"tenant":"acme","rights":"read","frame_ancestors":["a; default"]}`: "frame_ancestors[0]",
		`{"tenant":"acme","rights":"read","hash":"00"}`:                      "hash",
	} {
		r.do("POST", "/api/v1/portal-links", body).refused(422, bellhop.CodeInvalid, strings.Fields(paths)...)
	}
	r.do("DELETE", "/api/v1/portal-links/plk_2", "").is(204)
	r.do("DELETE", "/api/v1/portal-links/plk_2", "").refused(404, bellhop.CodeNotFound)
	s := newServer(r.handler.(*server).Options)
	s.PortalLinks = nil
	r.handler = New(s.Options)
	r.do("POST", "/api/v1/portal-links", `{"tenant":"acme","rights":"read"}`).refused(409, bellhop.CodeConflict)
	r.do("DELETE", "/api/v1/portal-links/plk_1", "").refused(409, bellhop.CodeConflict)
}

// TestClientPortalLinks: the client makes, lists, shows and revokes links to portals.
func TestClientPortalLinks(t *testing.T) {
	r, c := newClient(t)
	r.tenants = []bellhop.Tenant{{ID: "ten_1", Name: "acme"}}
	ctx := t.Context()
	made, err := c.CreatePortalLink(ctx, client.NewPortalLink{Tenant: "ten_1", Rights: "retry", ExpiresIn: "1h"})
	if err != nil || made.Tenant != "acme" || made.URL == "" || made.ExpiresAt.Sub(made.CreatedAt.Time) != time.Hour {
		t.Fatalf("%+v %v", made, err)
	}
	list, err := c.PortalLinks(ctx, client.PortalLinkFilter{Tenant: "acme"}, client.Page{})
	if err != nil || len(list.Data) != 1 || list.Data[0].ID != made.ID {
		t.Fatal(list, err)
	}
	if shown, err := c.PortalLink(ctx, made.ID); err != nil || shown.Rights != "retry" {
		t.Fatal(shown, err)
	}
	if err := c.DeletePortalLink(ctx, made.ID); err != nil || len(r.portalLinks) != 0 {
		t.Fatal(err)
	}
}

// A visitor authenticates every request as the visitor of a portal.
type visitor struct{ rights bellhop.PortalRights }

func (v visitor) Authenticate(*http.Request) (auth.Principal, error) {
	return auth.Principal{Name: "portal of acme", KeyID: "plk_1", Scope: v.rights.Scope(), Tenant: "acme",
		Portal: v.rights}, nil
}

// visitorsMay are the operations of the OpenAPI document that are for visitors of portals, by the rights they need, as
// docs/PORTAL.md promises.
var visitorsMay = map[bellhop.PortalRights][]string{
	bellhop.PortalRead: {"GET /destinations", "GET /destinations/{id}", "GET /destination-types", "GET /events",
		"GET /events/{id}", "GET /events/{id}/body", "GET /deliveries", "GET /deliveries/{id}",
		"GET /stream"},
	bellhop.PortalRetry: {"POST /deliveries/{id}/retry", "POST /deliveries/retry", "POST /events/{id}/replay"},
	bellhop.PortalManage: {"POST /destinations", "PATCH /destinations/{id}", "DELETE /destinations/{id}",
		"POST /destinations/{id}/pause", "POST /destinations/{id}/resume", "POST /destinations/{id}/test",
		"POST /destinations/try"},
}

// TestVisitorsOfPortals walks all operations of the OpenAPI document as a visitor with each rights: what is not among
// theirs is refused, and changes nothing.
func TestVisitorsOfPortals(t *testing.T) {
	needed := map[string]bellhop.PortalRights{}
	for rights, operations := range visitorsMay {
		for _, operation := range operations {
			needed[operation] = rights
		}
	}
	document, bodies := newRig(t).documented(), map[string]string{}
	for _, route := range routes {
		bodies[route.method+" "+route.path] = route.body
	}
	// no event of others
	bodies["POST /destinations/try"] = `{"destination":{"url":"https://x.example.com","settings":{}}}`
	for operation := range needed {
		if document[operation] == nil {
			t.Errorf("there is no operation %s", operation)
		}
	}
	for _, rights := range []bellhop.PortalRights{bellhop.PortalRead, bellhop.PortalRetry, bellhop.PortalManage,
		"root"} {
		t.Run(string(rights), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for operation := range document {
				r.fillFor(operation)
				r.changes, r.woken, r.logins, r.rotated = 0, nil, nil, nil
				r.handler.(*server).Auth = visitor{rights}
				method, path, _ := strings.Cut(operation, " ")
				a := r.send(method, concrete(path), bodies[operation])
				may := needed[operation]
				if may != "" && rights.Includes(may) {
					if a.status < 200 || a.status > 299 {
						t.Errorf("%s: %d %s", operation, a.status, a.body)
					}
					continue
				}
				a.refused(403, bellhop.CodeForbidden)
				if r.changes > 0 || len(r.woken)+len(r.logins)+len(r.rotated) > 0 || len(r.keys) != 1 {
					t.Errorf("%s: something changed", operation)
				}
			}
		})
	}
}
