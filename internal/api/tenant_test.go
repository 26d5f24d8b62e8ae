package api

import (
	"net/http"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/auth"
)

// A resident authenticates every request as an administrator of one tenant.
type resident struct{ tenant string }

func (r resident) Authenticate(*http.Request) (auth.Principal, error) {
	return auth.Principal{Name: "boss", KeyID: "key_" + r.tenant, Scope: bellhop.ScopeAdmin, Tenant: r.tenant}, nil
}

// TestTenants: limits are set, changed and removed; the name stays.
func TestTenants(t *testing.T) {
	r := newRig(t)
	a := r.do("POST", "/api/v1/tenants", `{"name":"acme","limits":{"events":{"per_second":2.5},"stored_bytes":1024}}`)
	made := a.is(201)
	if r.tenants[0].Limits != (bellhop.TenantLimits{Events: bellhop.Rate{PerSecond: 2.5, Burst: 2},
		StoredBytes: 1024}) ||
		a.header.Get("Location") != "/api/v1/tenants/"+made["id"].(string) {
		t.Errorf("%+v %s", r.tenants, a.body)
	}
	r.do("PATCH", "/api/v1/tenants/acme", `{"name":"acme","limits":{"events":null,"destinations":2}}`).is(200)
	if r.tenants[0].Limits != (bellhop.TenantLimits{StoredBytes: 1024, Destinations: 2}) {
		t.Errorf("%+v", r.tenants)
	}
	for body, path := range map[string]string{`{"name":"globex"}`: "name",
		`{"limits":{"destinations":-1}}`:         "limits.destinations",
		`{"limits":{"events":{"per_second":0}}}`: "limits.events.per_second",
		`{"limits":{"files":1}}`:                 "limits.files"} {
		r.do("PATCH", "/api/v1/tenants/acme", body).refused(422, bellhop.CodeInvalid, path)
	}
	tag := r.do("GET", "/api/v1/tenants/acme", "").header.Get("ETag")
	r.do("PATCH", "/api/v1/tenants/acme", `{"limits":{"destinations":4}}`, "If-Match: "+tag).is(200)
	r.do("PATCH", "/api/v1/tenants/acme", `{"limits":{"destinations":5}}`, "If-Match: "+tag).refused(412,
		bellhop.CodeChanged)
	r.do("DELETE", "/api/v1/tenants/acme", "", "If-Match: "+tag).refused(412, bellhop.CodeChanged)
	if r.tenants[0].Limits.Destinations != 4 {
		t.Errorf("after a change of an earlier version: %+v", r.tenants)
	}
	r.do("POST", "/api/v1/tenants", `{"name":"acme"}`).refused(409, bellhop.CodeConflict)
	r.do("POST", "/api/v1/tenants", `{"name":"A b"}`).refused(422, bellhop.CodeInvalid, "name")
	r.do("DELETE", "/api/v1/tenants/acme", "").is(204)
}

// TestOwners: a noun belongs to the tenant of the key that made it, or to the one that a key of all tenants names.
// Only the latter lets events cross.
func TestOwners(t *testing.T) {
	bodies := map[string]string{
		"sources":      `{"name":"n","provider":"lock","settings":{"key":"` + canary + `"}`,
		"destinations": `{"name":"n","url":"https://x.example.com"`,
		"connections":  `{"name":"n","provider":"crm","settings":{"api_url":"https://x"}`,
		"keys":         `{"name":"n","scope":"read"`,
	}
	for noun, body := range bodies {
		r := newRig(t)
		r.tenants = []bellhop.Tenant{{ID: "ten_1", Name: "acme"}, {ID: "ten_2", Name: "globex"}}
		r.do("POST", "/api/v1/"+noun, body+`,"tenant":"nobody"}`).refused(422, bellhop.CodeInvalid, "tenant")
		if made := r.do("POST", "/api/v1/"+noun, body+`,"tenant":"ten_2"}`).is(201); made["tenant"] != "globex" {
			t.Errorf("%s of a named tenant: %v", noun, made["tenant"])
		}
		if noun != "keys" {
			r.do("PATCH", "/api/v1/"+noun+"/n", `{"tenant":"acme"}`).refused(422, bellhop.CodeInvalid, "tenant")
		}
		r.do("DELETE", "/api/v1/"+noun+"/n", "").is(204)
		r.handler.(*server).Auth = resident{"acme"}
		if made := r.send("POST", "/api/v1/"+noun, body+`}`).is(201); made["tenant"] != "acme" {
			t.Errorf("%s by a key of a tenant: %v", noun, made["tenant"])
		}
	}

	r := newRig(t)
	r.tenants = []bellhop.Tenant{{ID: "ten_1", Name: "acme", Limits: bellhop.TenantLimits{Destinations: 1}},
		{ID: "ten_2", Name: "globex"}}
	d := bodies["destinations"]
	for tenants, path := range map[string]string{`["nobody"]`: "tenants[0]", `["globex","*"]`: "tenants[1]",
		`["ten_2"]`: "tenants[0]"} {
		r.do("POST", "/api/v1/destinations", d+`,"tenants":`+tenants+`}`).refused(422, bellhop.CodeInvalid, path)
	}
	r.do("POST", "/api/v1/destinations", d+`,"tenants":["*"]}`).is(201)
	r.do("PATCH", "/api/v1/destinations/n", `{"tenants":["globex"]}`).is(200)
	r.do("DELETE", "/api/v1/destinations/n", "").is(204)
	r.handler.(*server).Auth = resident{"acme"}
	r.send("POST", "/api/v1/destinations", d+`,"tenants":["globex"]}`).refused(422, bellhop.CodeInvalid, "tenants")
	r.send("POST", "/api/v1/destinations", d+`}`).is(201)
	r.send("PATCH", "/api/v1/destinations/n", `{"tenants":["*"]}`).refused(422, bellhop.CodeInvalid, "tenants")
	r.send("POST", "/api/v1/destinations", `{"name":"one-more","url":"https://x.example.com"}`).refused(403,
		bellhop.CodeForbidden)
	// A repeat of a key that another tenant has used is not one.
	d2 := `{"name":"n2","url":"https://x.example.com"}`
	r.send("DELETE", "/api/v1/destinations/n", "").is(204)
	first := r.send("POST", "/api/v1/destinations", d2, "Idempotency-Key: k").is(201)
	r.handler.(*server).Auth = resident{"globex"}
	// It is done, and finds the name taken.
	r.send("POST", "/api/v1/destinations", d2, "Idempotency-Key: k").refused(409, bellhop.CodeConflict)
	r.handler.(*server).Auth = resident{"acme"}
	again := r.send("POST", "/api/v1/destinations", d2, "Idempotency-Key: k")
	if again.is(201)["id"] != first["id"] || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("a repeat: %s", again.body)
	}
	ev := r.send("POST", "/api/v1/events", `{"type":"t","data":1}`, "Idempotency-Key: k").is(202)
	if ev["tenant"] != "acme" || ev["provider_id"] != "acme/k" {
		t.Errorf("published: %v", ev)
	}
	r.send("POST", "/api/v1/events", `{"type":"t","data":1,"tenant":"globex"}`).refused(422, bellhop.CodeInvalid,
		"tenant")
}

// TestAboutAllTenants: what is about all tenants is not for a key of one, whatever its scope.
func TestAboutAllTenants(t *testing.T) {
	r := newRig(t)
	r.fill()
	o := r.handler.(*server).Options
	o.Auth = resident{"acme"}
	o.Metrics = http.NotFoundHandler()
	r.handler = New(o)
	for _, route := range []struct{ method, path, body string }{
		{"POST", "/api/v1/keys/rotate-admin", ""}, {"POST", "/api/v1/tenants", `{"name":"mine"}`},
		{"PATCH", "/api/v1/tenants/acme", `{"limits":{}}`}, {"DELETE", "/api/v1/tenants/acme", ""},
		{"GET", "/api/v1/stats", ""}, {"POST", "/api/v1/subscriptions/sync", ""}, {"GET", "/metrics", ""},
		{"GET", "/api/v1/config", ""}, {"POST", "/api/v1/config/plan", `{}`}, {"POST", "/api/v1/config/apply", `{}`},
		{"GET", "/api/v1/settings", ""}, {"GET", "/api/v1/doctor", ""},
	} {
		r.send(route.method, route.path, route.body).refused(403, bellhop.CodeForbidden)
	}
	if len(r.rotated)+len(r.kept) > 0 || len(r.tenants) != 1 {
		t.Error("something changed")
	}
}
