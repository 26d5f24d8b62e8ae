package graph_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	emulated "github.com/bellhop-gateway/bellhop/emulator/graph"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

var registration = provider.Registration{
	Resource: "/me/mailFolders('Inbox')/messages", ChangeTypes: []string{"created", "updated"},
	URL: "https://hooks.example.com/in/graph", ClientState: "a1b2c3-secret-client-state",
	ExpiresAt: time.Date(2026, 11, 28, 18, 23, 45, 935691300, time.UTC),
}

// The calls that a registration's life consists of, byte for byte, and what is read from recorded answers.
func TestSubscriptionCalls(t *testing.T) {
	const id = "7f105c7d-2dc5-4530-97cd-4e7ae6534c07"
	api := (&providertest.RecordedAPI{}).AnswerFile(t, 201, "create-subscription-response.json").
		AnswerFile(t, 200, "renew-response.json").Answer(204, "").AnswerFile(t, 200,
		"create-subscription-response.json").
		Answer(204, "").AnswerFile(t, 404, "error-404-subscription.json").
		AnswerFile(t, 200, "list-subscriptions-response.json").Answer(200, `{"value":[{"id":"second"}]}`)
	calls := graph.Provider{}.OpenSubscriptions(provider.Env{Now: time.Now}, api)
	made, err := calls.Create(t.Context(), registration)
	if err != nil || made.ID != id || !made.ExpiresAt.Equal(registration.ExpiresAt) ||
		made.ClientState != registration.ClientState || !slices.Equal(made.ChangeTypes, registration.ChangeTypes) {
		t.Errorf("created %+v, %v", made, err)
	}
	renewed, err := calls.Renew(t.Context(), id, registration)
	if err != nil || !renewed.ExpiresAt.Equal(time.Date(2026, 12, 6, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("renewed %+v, %v", renewed, err)
	}
	for what, err := range map[string]error{
		"reauthorize": calls.Reauthorize(t.Context(), id, registration),
		"get":         second(calls.Get(t.Context(), id, registration)),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := calls.Delete(t.Context(), "a/b", registration); err != nil {
		t.Error(err)
	}
	if err := calls.Delete(t.Context(), id, registration); err != nil {
		t.Errorf("deleted twice: %v", err)
	}
	all, err := calls.List(t.Context(), registration)
	if err != nil || len(all) != 2 || all[1].ID != "second" {
		t.Errorf("listed %+v, %v", all, err)
	}
	got := api.Calls()
	slices.Sort(got[2:4]) // a map's order
	providertest.CheckCalls(t, got,
		`POST /v1.0/subscriptions {"resource":"me/mailFolders('Inbox')/messages","changeType":"created,updated",`+
			`"clientState":"a1b2c3-secret-client-state","notificationUrl":"https://hooks.example.com/in/graph",`+
			`"lifecycleNotificationUrl":"https://hooks.example.com/in/graph",`+
			`"expirationDateTime":"2026-11-28T18:23:45.9356913Z"}`,
		`PATCH /v1.0/subscriptions/`+id+` {"expirationDateTime":"2026-11-28T18:23:45.9356913Z"}`,
		`GET /v1.0/subscriptions/`+id,
		`POST /v1.0/subscriptions/`+id+`/reauthorize`,
		`DELETE /v1.0/subscriptions/a%2Fb`,
		`DELETE /v1.0/subscriptions/`+id,
		`GET /v1.0/subscriptions`,
		`GET https://graph.microsoft.com/v1.0/subscriptions?$skiptoken=c2Vjb25k`)
}

func second[T any](_ T, err error) error { return err }

func TestRichSubscription(t *testing.T) {
	r := registration
	r.Settings = []byte(`{"include_resource_data":true,"immutable_ids":true}`)
	r.Certificate = provider.Certificate{ID: "cert-1", Cert: "MII="}
	api := (&providertest.RecordedAPI{}).AnswerFile(t, 201, "create-subscription-response.json")
	_, err := graph.Provider{}.OpenSubscriptions(provider.Env{Now: time.Now}, api).Create(t.Context(), r)
	if err != nil || api.LastHeader().Get("Prefer") != `IdType="ImmutableId"` || !strings.HasSuffix(api.Calls()[0],
		`"includeResourceData":true,"encryptionCertificate":"MII=","encryptionCertificateId":"cert-1"}`) {
		t.Errorf("%v, %v, %v", err, api.LastHeader(), api.Calls())
	}
}

func TestSubscriptionFailures(t *testing.T) {
	providertest.CheckFailures(t, graph.Provider{}, registration, []providertest.Failure{
		{Name: "too long", Status: 400, Body: "error-400-expiry-too-long.json",
			Want: provider.APIError{Kind: provider.APITooLong, Code: "ExtensionError"}},
		{Name: "payload", Status: 400, Body: "error-400-payload.json",
			Want: provider.APIError{Kind: provider.APIInvalid, Code: "InvalidRequest"}},
		{Name: "token", Status: 401, Body: "error-401-expired.json",
			Want: provider.APIError{Kind: provider.APISignedOut, Code: "InvalidAuthenticationToken", Remedy: "yes"}},
		{Name: "permission", Status: 403, Body: "error-403-permission.json", Want: provider.APIError{
			Kind: provider.APIForbidden, Code: "Authorization_RequestDenied", Permission: "Mail.Read", Remedy: "yes"}},
		{Name: "quota", Status: 403, Body: "error-403-quota.json",
			Want: provider.APIError{Kind: provider.APIInvalid, Code: "ExtensionError", Remedy: "yes"}},
		{Name: "no such resource", Status: 404, Body: "error-404-subscription.json",
			Want: provider.APIError{Kind: provider.APIInvalid, Code: "ResourceNotFound", Remedy: "yes"}},
		{Name: "exists", Status: 409, Body: "error-409-already-exists.json", Want: provider.APIError{
			Kind: provider.APIExists, Code: "ObjectIdentifierInUse",
			ExistingID: "3f0c9b1e-52d7-4a86-b9e3-7d2c60f1a845"}},
		{Name: "validation", Status: 400, Body: "validation-failed-response.json",
			Want: provider.APIError{Kind: provider.APIHandshake, Code: "ValidationError"}},
		{Name: "validation timed out", Status: 400, Body: "validation-timeout-response.json",
			Want: provider.APIError{Kind: provider.APIHandshake, Code: "InvalidRequest"}},
		{Name: "throttled", Status: 429, Body: `{"error":{"code":"TooManyRequests","message":"slow"}}`,
			Header: []string{"Retry-After", "5"},
			Want: provider.APIError{Kind: provider.APITemporary, Code: "TooManyRequests",
				RetryAfter: 5 * time.Second}},
		{Name: "a date", Status: 503, Header: []string{"Retry-After", "Sun, 22 Nov 2026 09:02:00 GMT"},
			Want: provider.APIError{Kind: provider.APITemporary, RetryAfter: 2 * time.Minute}},
		{Name: "a broken gateway", Status: 502, Body: "<html>",
			Want: provider.APIError{Kind: provider.APITemporary, MaybeDone: true}},
		{Name: "the inner code", Status: 400, Body: `{"error":{"code":"","message":"m","innererror":{"code":"fine"}}}`,
			Want: provider.APIError{Kind: provider.APIInvalid, Code: "fine"}},
		{Name: "a redirect", Status: 302, Body: "", Want: provider.APIError{Kind: provider.APIForeign}},
		{Name: "a proxy's 404", Status: 404, Body: "<h1>Not found</h1>",
			Want: provider.APIError{Kind: provider.APIForeign}},
		{Name: "a page", Status: 200, Body: "<html>", Want: provider.APIError{Kind: provider.APIForeign,
			MaybeDone: true}},
		{Name: "truncated", Status: 201, Body: `{"id":"7f10`, Want: provider.APIError{Kind: provider.APIForeign,
			MaybeDone: true}},
		{Name: "without an id", Status: 201, Body: `{}`, Want: provider.APIError{Kind: provider.APIForeign,
			MaybeDone: true}},
		{Name: "a URL in the message", Status: 400,
			Body: `{"error":{"code":"c","message":"see https://hooks.example.com/in/x?code=secret\u0007."}}`,
			Want: provider.APIError{Kind: provider.APIInvalid, Code: "c",
				Message: "see https://hooks.example.com/… ."}},
	})
}

func TestCheckRegistration(t *testing.T) {
	const withApp = `{"app_id":"24d3b144-21ae-4080-943f-7067b395b913"}`
	for _, c := range []struct {
		resource, changes, settings, source string
		path                                string // of the error; "" is none
		longest, fallback                   time.Duration
	}{
		{"/me/events", "created,deleted", "", "", "", 10080 * time.Minute, 4200 * time.Minute},
		{"users/ada@example.com/mailFolders('Inbox')/messages", "updated", "", "", "", 10080 * time.Minute,
			4200 * time.Minute},
		{"/me/events?$select=subject", "created", `{"include_resource_data":true}`, withApp, "", 1440 * time.Minute,
			0},
		{"/me/events", "created", `{"include_resource_data":true}`, withApp, "resource", 1440 * time.Minute, 0},
		{"/teams/1/channels/2/messages", "created", `{"include_resource_data":true}`, `{}`, "source",
			4320 * time.Minute, 0},
		{"/drives/b!1/root", "updated", "", "", "", 42300 * time.Minute, 0},
		{"/me/drive/root", "created", "", "", "change_types[0]", 42300 * time.Minute, 0},
		{"users", "updated,deleted", "", "", "", 41760 * time.Minute, 0},
		{"communications/presences/1", "updated", "", "", "", time.Hour, 0},
		{"something/new", "created", "", "", "", 4200 * time.Minute, 0},
		{"", "created", "", "", "resource", 4200 * time.Minute, 0},
		{"https://graph.microsoft.com/v1.0/me/events", "created", "", "", "resource", 4200 * time.Minute, 0},
		{"/me/events", "", "", "", "change_types", 10080 * time.Minute, 4200 * time.Minute},
		{"/me/events", "created,Created", "", "", "change_types[1]", 10080 * time.Minute, 4200 * time.Minute},
		{"/me/events", "created,moved", "", "", "change_types[1]", 10080 * time.Minute, 4200 * time.Minute},
		{"/me/events", "created", `{"x":1}`, "", "settings.x", 10080 * time.Minute, 4200 * time.Minute},
	} {
		var changes []string
		if c.changes != "" {
			changes = strings.Split(c.changes, ",")
		}
		terms, err := graph.Provider{}.CheckRegistration(provider.Registration{Resource: c.resource,
			ChangeTypes: changes,
			Settings:    []byte(c.settings)}, []byte(c.source))
		if terms.Longest != c.longest || terms.Fallback != c.fallback {
			t.Errorf("%s: terms %+v", c.resource, terms)
		}
		if c.path == "" && err != nil || c.path != "" && err == nil {
			t.Errorf("%s %s %s: %v", c.resource, c.changes, c.settings, err)
		}
		if c.path != "" {
			providertest.CheckPath(t, c.resource, err, c.path)
		}
	}
}

// The same calls at the stand-in, whose validation of the URL, conflicts and expiry are those of Graph.
func TestSubscriptionsAtTheStandIn(t *testing.T) {
	host := emulator.New(emulator.Options{})
	t.Cleanup(host.Close)
	tokens := entra.New(host, entra.Options{})
	host.Add(emulated.New(host, tokens, emulated.Options{AnyToken: true}))
	server := httptest.NewServer(host)
	t.Cleanup(server.Close)
	door := httptest.NewServer(providertest.Echo("validationToken"))
	t.Cleanup(door.Close)
	calls := graph.Provider{}.OpenSubscriptions(provider.Env{Now: time.Now}, providertest.HTTPAPI{Base: server.URL})

	r := provider.Registration{Resource: "/drives/b1/root", ChangeTypes: []string{"updated"}, URL: door.URL +
		"/in/files",
		ClientState: "state", ExpiresAt: time.Now().Add(24 * time.Hour)}
	made, err := calls.Create(t.Context(), r)
	if err != nil || made.ExpiresAt.Sub(r.ExpiresAt).Abs() > time.Millisecond {
		t.Fatalf("%+v, %v", made, err)
	}
	want(t, second(calls.Create(t.Context(), r)), provider.APIError{Kind: provider.APIExists, ExistingID: made.ID})
	r.ExpiresAt = time.Now().Add(40 * 24 * time.Hour)
	want(t, second(calls.Renew(t.Context(), made.ID, r)), provider.APIError{Kind: provider.APITooLong})
	all, err := calls.List(t.Context(), r)
	if err != nil || len(all) != 1 || all[0].ID != made.ID || all[0].ClientState != "" {
		t.Errorf("%+v, %v", all, err)
	}
	if err := calls.Delete(t.Context(), made.ID, r); err != nil {
		t.Error(err)
	}
	want(t, second(calls.Get(t.Context(), made.ID, r)), provider.APIError{Kind: provider.APIGone})
	r.URL, r.ExpiresAt = door.URL+"/nobody", time.Now().Add(time.Hour)
	want(t, second(calls.Create(context.Background(), r)), provider.APIError{Kind: provider.APIHandshake})
}

func want(t *testing.T, err error, want provider.APIError) {
	t.Helper()
	providertest.CheckAPIError(t, err, want)
}

// A source takes a client state of a subscription for that subscription alone, and tells what it heard.
func TestSubscribedStates(t *testing.T) {
	own := &providertest.Subscribed{States: map[string]string{"known": "own-state"},
		Pending: []string{"pending-state"}}
	item := func(id, state, more string) string {
		return `{"subscriptionId":"` + id + `","clientState":"` + state + `","resource":"me/events",` + more + `}`
	}
	const change = `"changeType":"created"`
	for _, c := range []struct {
		settings, item string
		heard          []provider.Heard
	}{
		{`{"client_state":"source-state"}`, item("any", "source-state", change), []provider.Heard{{RemoteID: "any"}}},
		{`{"client_state":"source-state"}`, item("known", "own-state", change), []provider.Heard{{RemoteID: "known"}}},
		{`{"client_state":"source-state"}`, item("other", "own-state", change), nil},
		{`{"subscriptions_only":true}`, item("known", "own-state", change), []provider.Heard{{RemoteID: "known"}}},
		{`{"subscriptions_only":true}`, item("known", "pending-state", change), nil},
		{`{"subscriptions_only":true}`, item("new", "pending-state", change), []provider.Heard{{RemoteID: "new"}}},
		{`{"subscriptions_only":true}`, item("new", "", change), nil},
		{`{"subscriptions_only":true}`, item("known", "own-state", `"lifecycleEvent":"missed"`),
			[]provider.Heard{{RemoteID: "known", Kind: provider.HeardMissed}}},
		{`{"subscriptions_only":true}`, item("known", "own-state", `"lifecycleEvent":"subscriptionRemoved"`),
			[]provider.Heard{{RemoteID: "known", Kind: provider.HeardRemoved}}},
		{`{"subscriptions_only":true}`, item("known", "own-state", `"lifecycleEvent":"reauthorizationRequired"`),
			[]provider.Heard{{RemoteID: "known", Kind: provider.HeardReauthorize}}},
	} {
		receiver, err := graph.Provider{}.Open(provider.Env{Now: time.Now, Subscribed: own}, []byte(c.settings))
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := receiver.Receive(t.Context(), &provider.Request{Method: "POST", Target: "/in/x",
			Body: []byte(`{"value":[` + c.item + `]}`)})
		if err != nil || !slices.Equal(receipt.Heard, c.heard) || len(receipt.Events) != len(c.heard) {
			t.Errorf("%s, %s: %+v, %v", c.settings, c.item, receipt, err)
		}
	}
	if _, err := (graph.Provider{}).Open(provider.Env{},
		[]byte(`{"client_state":"a","subscriptions_only":true}`)); err == nil {
		t.Error("a client state and subscriptions_only")
	}
}

func FuzzSubscriptions(f *testing.F) {
	providertest.FuzzSubscriptions(f, graph.Provider{}, registration,
		`{"id":"a","expirationDateTime":"2026-12-06T10:00:00Z"}`,
		`{"value":[],"@odata.nextLink":"/v1.0/subscriptions?x"}`, `{"error":{"code":"c","message":{"value":"m"}}}`, "")
}
