package api

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/auth"
)

// A holder authenticates every request as the holder of a key with a scope.
type holder struct{ scope bellhop.Scope }

func (h holder) Authenticate(*http.Request) (auth.Principal, error) {
	return auth.Principal{Name: "ci", KeyID: "key_1", Scope: h.scope}, nil
}

// neededScopes are the operations of the OpenAPI document by the least scope that they need, as docs/KEYS.md promises.
var neededScopes = map[bellhop.Scope]string{
	bellhop.ScopePublish: `
		POST /events`,
	bellhop.ScopeRead: `
		POST /sign-in-links
		GET /destination-types
		GET /connectors
		GET /sources
		GET /sources/{id}
		GET /destinations
		GET /destinations/{id}
		GET /events
		GET /events/{id}
		GET /events/{id}/body
		GET /events/{id}/chain
		GET /deliveries
		GET /deliveries/{id}
		GET /repairs
		GET /repairs/{id}
		GET /requests
		GET /requests/{id}
		GET /connections
		GET /connections/{id}
		GET /connections/{id}/remote
		GET /subscriptions
		GET /subscriptions/{id}
		GET /subscriptions/{id}/history
		GET /files
		GET /files/{id}
		GET /files/{id}/content
		GET /tenants
		GET /tenants/{id}
		GET /stream
		GET /stats
		GET /series
		GET /standby
		GET /providers`,
	bellhop.ScopeOperate: `
		POST /destinations/{id}/pause
		POST /destinations/{id}/resume
		POST /destinations/{id}/test
		POST /destinations/preview
		POST /destinations/match
		POST /destinations/{id}/listen
		POST /destinations/{id}/pull
		POST /requests/{id}/verify
		POST /sources/{id}/sample
		POST /events/{id}/replay
		POST /events/replay
		POST /deliveries/{id}/retry
		POST /deliveries/{id}/cancel
		POST /deliveries/retry
		POST /deliveries/cancel
		POST /deliveries/{id}/answer
		POST /deliveries/{id}/ack
		POST /deliveries/{id}/nack
		POST /deliveries/{id}/extend
		POST /repairs/{id}/cancel
		POST /connections/{id}/test
		POST /subscriptions
		PATCH /subscriptions/{id}
		DELETE /subscriptions/{id}
		POST /subscriptions/{id}/renew
		POST /subscriptions/{id}/pause
		POST /subscriptions/{id}/resume
		POST /subscriptions/{id}/fill
		POST /subscriptions/sync
		DELETE /files/{id}`,
	bellhop.ScopeAdmin: `
		POST /sources
		PATCH /sources/{id}
		DELETE /sources/{id}
		POST /sources/{id}/rotate-secret
		POST /sources/{id}/drop-secret
		POST /destinations
		POST /destinations/try
		PATCH /destinations/{id}
		DELETE /destinations/{id}
		POST /destinations/{id}/rotate-secret
		POST /connections
		PATCH /connections/{id}
		DELETE /connections/{id}
		POST /connections/{id}/login
		POST /connections/{id}/logout
		GET /keys
		POST /keys
		GET /keys/{id}
		DELETE /keys/{id}
		POST /keys/rotate-admin
		POST /tenants
		PATCH /tenants/{id}
		DELETE /tenants/{id}
		GET /portal-links
		POST /portal-links
		GET /portal-links/{id}
		DELETE /portal-links/{id}
		GET /audit
		GET /settings
		GET /doctor
		GET /backup
		POST /backup
		GET /backup/archive
		POST /standby/resume
		GET /log-level
		POST /log-level
		GET /config
		POST /config/plan
		POST /config/apply`,
}

// includedIn are the scopes that include a scope.
var includedIn = map[bellhop.Scope][]bellhop.Scope{
	bellhop.ScopePublish: {bellhop.ScopePublish, bellhop.ScopeOperate, bellhop.ScopeAdmin},
	bellhop.ScopeRead:    {bellhop.ScopeRead, bellhop.ScopeOperate, bellhop.ScopeAdmin},
	bellhop.ScopeOperate: {bellhop.ScopeOperate, bellhop.ScopeAdmin},
	bellhop.ScopeAdmin:   {bellhop.ScopeAdmin},
}

// documented returns the operations of the OpenAPI document: "GET /sources/{id}" and what the document says of it.
func (r *rig) documented() map[string]map[string]any {
	all := map[string]map[string]any{}
	for path, item := range r.send("GET", "/openapi.json", "").is(200)["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			all[strings.ToUpper(method)+" "+strings.TrimPrefix(path, Prefix)] = operation.(map[string]any)
		}
	}
	return all
}

// TestScopesOfOperations walks all operations of the OpenAPI document with a key of each scope, and compares the
// answers, and what the document says of scopes, with neededScopes.
func TestScopesOfOperations(t *testing.T) {
	needed := map[string]bellhop.Scope{}
	for scope, list := range neededScopes {
		for operation := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == '\n' || r == '\t' }) {
			needed[operation] = scope
		}
	}
	document := newRig(t).documented()
	if got, want := slices.Sorted(maps.Keys(document)), slices.Sorted(maps.Keys(needed)); !slices.Equal(got, want) {
		t.Fatalf("the document has the operations\n%q, the table has\n%q", got, want)
	}
	bodies := map[string]string{}
	for _, route := range routes {
		bodies[route.method+" "+route.path] = route.body
	}
	for operation, described := range document {
		scope := string(needed[operation])
		security, _ := described["security"].([]any)
		if len(security) != 1 || !slices.Equal(security[0].(map[string]any)["key"].([]any), []any{scope}) {
			t.Errorf("%s: the document says %v, want %s", operation, security, scope)
		}
		if text := described["description"].(string); !strings.Contains(text, " Scope: "+scope) {
			t.Errorf("%s: the description does not name %s: %s", operation, scope, text)
		}
	}
	for _, given := range append([]bellhop.Scope{"", "root"}, bellhop.Scopes...) {
		t.Run("with "+string(given), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for operation, scope := range needed {
				r.tryScope(given, operation, scope, bodies[operation])
			}
		})
	}
}

// tryScope makes the request of an operation, which needs a scope, with a key of the scope given.
func (r *rig) tryScope(given bellhop.Scope, operation string, needed bellhop.Scope, body string) {
	r.fillFor(operation)
	r.changes, r.woken, r.kept, r.logins, r.rotated = 0, nil, nil, nil, nil
	var forbidden []bellhop.Scope
	s := r.handler.(*server)
	s.Auth, s.Forbidden = holder{given}, func(scope bellhop.Scope) { forbidden = append(forbidden, scope) }
	method, path, _ := strings.Cut(operation, " ")
	a := r.send(method, concrete(path), body)
	if slices.Contains(includedIn[needed], given) {
		if a.status < 200 || a.status > 299 || len(forbidden) > 0 {
			r.t.Errorf("%s with %q: %d %s", operation, given, a.status, a.body)
		}
		return
	}
	a.refused(403, bellhop.CodeForbidden)
	if !strings.Contains(a.body, "scope "+string(needed)) || !slices.Equal(forbidden, []bellhop.Scope{needed}) {
		r.t.Errorf("%s with %q: counted %q: %s", operation, given, forbidden, a.body)
	}
	if r.changes > 0 || len(r.woken)+len(r.kept)+len(r.logins)+len(r.rotated) > 0 || len(r.keys) != 1 ||
		len(r.portalLinks) != 1 {
		r.t.Errorf("%s with %q: something changed", operation, given)
	}
}

// TestScopeOfMetrics: metrics need the scope read, since they name sources and destinations.
func TestScopeOfMetrics(t *testing.T) {
	for _, scope := range bellhop.Scopes {
		r := newRig(t)
		o := r.handler.(*server).Options
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "figures") })
		o.Auth = holder{scope}
		r.handler = New(o)
		a := r.send("GET", "/metrics", "")
		if scope == bellhop.ScopePublish {
			a.refused(403, bellhop.CodeForbidden)
		} else if a.status != 200 || a.body != "figures" {
			t.Errorf("%s: %d %s", scope, a.status, a.body)
		}
	}
}

// TestScopeOfNoRoute: every key hears that a path or a method does not exist, and HEAD needs what GET needs.
func TestScopeOfNoRoute(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.handler.(*server).Auth = holder{bellhop.ScopePublish}
	r.send("GET", "/api/v1/nothing", "").refused(404, bellhop.CodeNotFound)
	r.send("PUT", "/api/v1/events", "").refused(405, bellhop.CodeMalformed)
	if a := r.send("HEAD", "/api/v1/sources", ""); a.status != 403 {
		t.Errorf("HEAD: %d", a.status)
	}
	if a := r.send("GET", "/openapi.json", ""); a.status != 200 {
		t.Errorf("the document: %d", a.status)
	}
	if log := r.logged.String(); !strings.Contains(log, "msg=api.forbidden") ||
		!strings.Contains(log, "key_id=key_1") {
		t.Errorf("the log: %s", log)
	}
}

// TestRouteWithoutScope: a route that was added without a scope is nobody's, and an operation without one is not
// added.
func TestRouteWithoutScope(t *testing.T) {
	r := newRig(t)
	s := r.handler.(*server)
	s.mux.HandleFunc("GET /api/v1/forgotten", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "open")
	})
	for _, scope := range bellhop.Scopes {
		s.Auth = holder{scope}
		r.send("GET", "/api/v1/forgotten", "").refused(403, bellhop.CodeForbidden)
	}
	defer func() {
		if recover() == nil {
			t.Error("an operation without a scope was added")
		}
	}()
	handle(s, op{http.MethodGet, "/events/forgotten", "forgotten", "Forgotten", 0}, s.showEvent)
}
