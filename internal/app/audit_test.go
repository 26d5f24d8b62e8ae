package app

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// unaudited are the operations that change something, or might, without an entry in the audit, with the reason.
var unaudited = map[string]string{
	"POST /events":                   "the event itself is on record",
	"POST /sources/{id}/sample":      "what the source makes of it is on record",
	"POST /destinations/{id}/test":   "the test event and its delivery are on record",
	"POST /destinations/try":         "stores nothing",
	"POST /destinations/preview":     "stores nothing",
	"POST /destinations/match":       "stores nothing",
	"POST /requests/{id}/verify":     "stores nothing",
	"POST /connections/{id}/test":    "asks the provider, as any call in the name of the connection does",
	"POST /config/plan":              "stores nothing",
	"POST /destinations/{id}/listen": "a program takes deliveries; each attempt is on record",
	"POST /destinations/{id}/pull":   "a program takes deliveries; each attempt is on record",
	"POST /deliveries/{id}/answer":   "a program ends an attempt, which is on record",
	"POST /deliveries/{id}/ack":      "a program ends an attempt, which is on record",
	"POST /deliveries/{id}/nack":     "a program ends an attempt, which is on record",
	"POST /deliveries/{id}/extend":   "a program goes on with an attempt, which is on record",
	"POST /sign-in-links":            "signs in the holder of the same key, by whose name its changes are noted",
	"POST /subscriptions/sync":       "what the server mends by itself; the calls of each subscription are on record",
	"POST /subscriptions/{id}/fill":  "asks the provider; what it tells are events, and the gap is on record",
}

// auditedElsewhere are the operations whose entries other tests look at, because they need a file or a provider.
var auditedElsewhere = map[string]string{
	"POST /standby/resume":            "internal/app/backup_test.go",
	"DELETE /files/{id}":              "cmd/bellhop/testdata/script/files.txtar",
	"POST /subscriptions":             "cmd/bellhop/testdata/script/subscriptions.txtar",
	"PATCH /subscriptions/{id}":       "cmd/bellhop/testdata/script/subscriptions.txtar",
	"DELETE /subscriptions/{id}":      "cmd/bellhop/testdata/script/subscriptions.txtar",
	"POST /subscriptions/{id}/renew":  "cmd/bellhop/testdata/script/subscriptions.txtar",
	"POST /subscriptions/{id}/pause":  "cmd/bellhop/testdata/script/subscriptions.txtar",
	"POST /subscriptions/{id}/resume": "cmd/bellhop/testdata/script/subscriptions.txtar",
}

// An auditStep is a call that has to leave an entry.
type auditStep struct {
	operation  string // of the document
	path, body string
	want       string // "action noun name"; "" is none, for a step that prepares another
}

// TestEveryChangeIsAudited walks the operations of the OpenAPI document that change something: each leaves an entry
// with who did what to which noun, or is in unaudited with the reason.
func TestEveryChangeIsAudited(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer receiver.Close()
	r := run(t, options(t, func(o *Options) {
		o.Config.AllowPrivate, o.Providers, o.Connectors = true, all.Providers(), all.Connectors()
	}))
	event, delivery, repair, link := "", "", "", ""
	newestOf := func(list string) string {
		code, body := r.call("GET", "/api/v1/"+list, "")
		var l struct{ Data []struct{ ID string } }
		if err := json.Unmarshal([]byte(body), &l); err != nil || code != 200 || len(l.Data) == 0 {
			t.Fatalf("%s: %d %s %v", list, code, body, err)
		}
		return l.Data[0].ID
	}
	steps := []auditStep{
		{"POST /tenants", "/tenants", `{"name":"acme"}`, "created tenant acme"},
		{"PATCH /tenants/{id}", "/tenants/acme", `{"limits":{"destinations":9}}`, "updated tenant acme"},
		{"POST /portal-links", "/portal-links", `{"tenant":"acme","rights":"read"}`, "created portal_link "},
		{"DELETE /portal-links/{id}", "/portal-links/{link}", "", "deleted portal_link "},
		{"DELETE /tenants/{id}", "/tenants/acme", "", "deleted tenant acme"},
		{"POST /sources", "/sources", `{"name":"media","provider":"generic","settings":{"scheme":"none"}}`,
			"created source media"},
		{"PATCH /sources/{id}", "/sources/media", `{"disabled":true}`, "updated source media"},
		{"DELETE /sources/{id}", "/sources/media", "", "deleted source media"},
		{"POST /sources", "/sources", `{"name":"shop","provider":"generic","settings":{"scheme":"hmac",` +
			`"header":"X-Signature","secret":"a-long-secret-of-a-shop"}}`, "created source shop"},
		{"POST /sources/{id}/rotate-secret", "/sources/shop/rotate-secret", `{}`, "updated source shop"},
		{"POST /sources/{id}/drop-secret", "/sources/shop/drop-secret", `{}`, "updated source shop"},
		{"POST /destinations", "/destinations", `{"name":"billing","type":"http","url":"` + receiver.URL +
			`","settings":{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},"retry":{"schedule":["1h"]}}`,
			"created destination billing"},
		{"PATCH /destinations/{id}", "/destinations/billing", `{"timeout":"2s"}`, "updated destination billing"},
		{"POST /destinations/{id}/rotate-secret", "/destinations/billing/rotate-secret",
			`{}`, "updated destination billing"},
		{"POST /destinations/{id}/pause", "/destinations/billing/pause", "", "paused destination billing"},
		{"POST /events", "/events", `{"type":"invoice.paid","data":{}}`, ""},
		{"POST /deliveries/{id}/cancel", "/deliveries/{delivery}/cancel", "", "cancelled delivery billing"},
		{"POST /deliveries/{id}/retry", "/deliveries/{delivery}/retry", "", "retried delivery billing"},
		{"POST /destinations/{id}/resume", "/destinations/billing/resume", "", "resumed destination billing"},
		{"POST /events/{id}/replay", "/events/{event}/replay", `{}`, "replayed event "},
		{"POST /events", "/events", `{"type":"invoice.paid","data":{}}`, ""},
		{"POST /events", "/events", `{"type":"invoice.paid","data":{}}`, ""},
		{"POST /events/replay", "/events/replay", `{"all":true,"rate":0.001}`, "began a replay repair "},
		{"POST /repairs/{id}/cancel", "/repairs/{repair}/cancel", "", "cancelled repair "},
		{"POST /deliveries/retry", "/deliveries/retry", `{"destination":"billing"}`, "began a retry repair "},
		{"POST /deliveries/cancel", "/deliveries/cancel", `{"destination":"billing"}`, "began a cancel repair "},
		{"POST /connections", "/connections", `{"name":"work","provider":"graph","settings":{"tenant":"contoso",` +
			`"client_id":"app","authority":"` + receiver.URL + `","api_url":"` + receiver.URL +
			`","grant":"user"}}`, "created connection work"},
		{"PATCH /connections/{id}", "/connections/work", `{"name":"home"}`, "updated connection home"},
		{"POST /connections/{id}/login", "/connections/home/login", `{}`, "began a sign-in connection home"},
		{"POST /connections/{id}/logout", "/connections/home/logout", "", "signed out connection home"},
		{"DELETE /connections/{id}", "/connections/home", "", "deleted connection home"},
		{"POST /keys", "/keys", `{"name":"ci","scope":"read"}`, "created key ci"},
		{"DELETE /keys/{id}", "/keys/ci", "", "deleted key ci"},
		{"POST /config/apply", "/config/apply", `{"sources":[{"name":"declared","provider":"generic","settings":` +
			`{"scheme":"none"}}]}`, "created source declared"},
		{"DELETE /destinations/{id}", "/destinations/billing", "", "deleted destination billing"},
		{"POST /backup", "/backup", `{"at":"2026-11-22T10:00:00Z","bytes":1,"to":"a disk"}`, "backup noted server "},
		{"POST /log-level", "/log-level", `{"level":"warn"}`, "info to warn server log level"},
		{"POST /keys/rotate-admin", "/keys/rotate-admin", `{"grace":"1h"}`, "rotated key admin"},
	}
	audited := map[string]bool{}
	for _, step := range steps {
		audited[step.operation] = step.want != ""
		method, _, _ := strings.Cut(step.operation, " ")
		path := strings.NewReplacer("{event}", event, "{delivery}", delivery, "{repair}", repair,
			"{link}", link).Replace(step.path)
		if code, body := r.call(method, "/api/v1"+path, step.body); code > 299 {
			t.Fatalf("%s %s: %d %s", method, path, code, body)
		}
		switch step.operation {
		case "POST /events":
			event, delivery = newestOf("events"), newestOf("deliveries")
		case "POST /portal-links":
			link = newestOf("portal-links")
		case "POST /events/replay":
			repair = newestOf("repairs")
		}
		if step.want == "" {
			continue
		}
		code, body := r.call("GET", "/api/v1/audit?limit=1", "")
		var l client.List[client.AuditEntry]
		if err := json.Unmarshal([]byte(body), &l); err != nil || code != 200 || len(l.Data) != 1 {
			t.Fatalf("%d %s %v", code, body, err)
		}
		e := l.Data[0]
		if got := e.Action + " " + e.Noun + " " + e.Name; got != step.want || e.Key != "admin" || e.KeyID != "" {
			t.Errorf("%s: %q by %q, want %q", step.operation, got, e.Key, step.want)
		}
	}
	known := r.changing()
	for operation := range known {
		listed := 0
		for _, here := range []bool{audited[operation], unaudited[operation] != "",
			auditedElsewhere[operation] != ""} {
			if here {
				listed++
			}
		}
		if listed != 1 {
			t.Errorf("%s leaves an entry in the audit, or unaudited says why not: it is in %d tables",
				operation, listed)
		}
	}
	for _, table := range []map[string]string{unaudited, auditedElsewhere} {
		for _, operation := range slices.Sorted(maps.Keys(table)) {
			if !known[operation] {
				t.Errorf("%s is no operation of the document", operation)
			}
		}
	}
}

// changing returns the operations of the document that are no GET.
func (r *running) changing() map[string]bool {
	code, body := r.call("GET", "/openapi.json", "")
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil || code != 200 {
		r.t.Fatalf("%d %v", code, err)
	}
	all := map[string]bool{}
	for path, item := range document.Paths {
		for method := range item {
			if method != "get" {
				all[strings.ToUpper(method)+" "+strings.TrimPrefix(path, "/api/v1")] = true
			}
		}
	}
	return all
}
