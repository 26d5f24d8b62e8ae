package sharepoint_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/sharepoint"
)

var registration = provider.Registration{
	Resource: "Ada's list", Settings: []byte(`{"site":"/sites/lab"}`), URL: "https://hooks.example.com/in/sharepoint",
	ClientState: "A0A354EC-97D4-4D83-9DDB-144077ADB449", ExpiresAt: time.Date(2027, 5, 20, 16, 17, 57, 9, time.UTC),
}

func second[T any](_ T, err error) error { return err }

func TestSubscriptionCalls(t *testing.T) {
	const list, id = "5c77031a-9621-4dfc-bb5d-57803a94e91d", "a8e6d5e6-9f7f-497a-b97f-8ffe8f559dc7"
	api := (&providertest.RecordedAPI{}).AnswerFile(t, 201, "create-subscription-response.json").Answer(204, "").
		AnswerFile(t, 200, "subscription-minimal-metadata.json").Answer(204, "").
		AnswerFile(t, 200, "list-with-foreign-subscription.json").
		Answer(403,
			`{"odata.error":{"code":"-2147024891, System.UnauthorizedAccessException","message":{"value":"Access denied."}}}`)
	calls := sharepoint.Provider{}.OpenSubscriptions(provider.Env{Now: time.Now}, api)
	made, err := calls.Create(t.Context(), registration)
	if err != nil || made.ID != id || made.Resource != list || made.ClientState != registration.ClientState {
		t.Errorf("created %+v, %v", made, err)
	}
	r := registration
	r.RemoteResource = made.Resource
	renewed, err := calls.Renew(t.Context(), id, r)
	if err != nil || !renewed.ExpiresAt.Equal(time.Date(2027, 5, 27, 10, 0, 0, 0, time.UTC)) ||
		renewed.ClientState != "" {
		t.Errorf("renewed %+v, %v", renewed, err)
	}
	if err := calls.Delete(t.Context(), id, r); err != nil {
		t.Error(err)
	}
	all, err := calls.List(t.Context(), r)
	if err != nil || len(all) != 2 || all[0].ClientState != "cs-5b1f" || all[1].ClientState != "" {
		t.Errorf("listed %+v, %v", all, err)
	}
	providertest.CheckAPIError(t, second(calls.List(t.Context(), r)),
		provider.APIError{Kind: provider.APIForbidden, Permission: "Sites.FullControl.All"})
	byID := "/sites/lab/_api/web/lists('" + list + "')/subscriptions"
	providertest.CheckCalls(t, api.Calls(),
		`POST /sites/lab/_api/web/lists/getByTitle('Ada%27%27s%20list')/subscriptions `+
			`{"resource":"sites/lab/_api/web/lists/getByTitle('Ada%27%27s%20list')/subscriptions",`+
			`"notificationUrl":"https://hooks.example.com/in/sharepoint","expirationDateTime":"2027-05-20T16:17:57Z",`+
			`"clientState":"A0A354EC-97D4-4D83-9DDB-144077ADB449"}`,
		"PATCH "+byID+"('"+id+`') {"expirationDateTime":"2027-05-20T16:17:57Z"}`,
		"GET "+byID+"('"+id+"')", "DELETE "+byID+"('"+id+"')", "GET "+byID, "GET "+byID)
	if got := api.LastHeader().Get("Accept"); got != "application/json;odata=nometadata" {
		t.Errorf("Accept is %s", got)
	}
}

func TestSubscriptionFailures(t *testing.T) {
	providertest.CheckFailures(t, sharepoint.Provider{}, registration, []providertest.Failure{
		{Name: "validation", Status: 400, Body: "validation-failed-response.json", Want: provider.APIError{
			Kind: provider.APIHandshake, Code: "-1, System.InvalidOperationException",
			Message: "Failed to validate the notification URL 'https://hooks.example.com/…'."}},
		{Name: "expiry", Status: 400, Body: "error-400-expiry.json",
			Want: provider.APIError{Kind: provider.APITooLong, Code: "-1, System.ArgumentException"}},
		{Name: "a secret's token", Status: 401, Body: "error-401-secret-app-only.json", Want: provider.APIError{
			Kind: provider.APISignedOut, Message: "Unsupported app only token.", Remedy: "certificate"}},
		{Name: "another audience", Status: 401, Body: "error-401-wrong-audience.json",
			Want: provider.APIError{Kind: provider.APISignedOut, Remedy: "yes"}},
		{Name: "rights", Status: 403,
			Body: `{"odata.error":{"code":"-2147024891","message":{"lang":"en-US","value":"Access denied."}}}`,
			Want: provider.APIError{Kind: provider.APIForbidden, Code: "-2147024891", Message: "Access denied.",
				Permission: "Sites.ReadWrite.All", Remedy: "yes"}},
		{Name: "no such list", Status: 404,
			Body: `{"odata.error":{"code":"-2130575322","message":{"value":"List does not exist."}}}`,
			Want: provider.APIError{Kind: provider.APIInvalid, Code: "-2130575322", Remedy: "yes"}},
		{Name: "overload", Status: 503, Header: []string{"Retry-After", "10", "RateLimit-Reset", "31"},
			Want: provider.APIError{Kind: provider.APITemporary, RetryAfter: 31 * time.Second}},
		{Name: "the sign-in page", Status: 200, Body: "<!DOCTYPE html>",
			Want: provider.APIError{Kind: provider.APIForeign, MaybeDone: true}},
		{Name: "a redirect to sign in", Status: 302, Header: []string{"Location", "https://login.example.com"},
			Want: provider.APIError{Kind: provider.APIForeign}},
	})
}

func TestCheckRegistration(t *testing.T) {
	for _, c := range []struct{ resource, settings, path, scope string }{
		{"Documents", "", "", "/_api/web/lists/getByTitle('Documents')/subscriptions"},
		{"{5c77031a-9621-4dfc-bb5d-57803a94e91d}", `{"site":"/sites/my lab/"}`, "",
			"/sites/my%20lab/_api/web/lists('5c77031a-9621-4dfc-bb5d-57803a94e91d')/subscriptions"},
		{"https://contoso.sharepoint.com/sites/a/_api/web/Lists('x')", "", "",
			"https://contoso.sharepoint.com/sites/a/_api/web/Lists('x')/subscriptions"},
		{"/sites/a/_api/web/lists/getByTitle('My list')", "", "",
			"/sites/a/_api/web/lists/getByTitle('My%20list')/subscriptions"},
		{"/sites/Ⱥ/_API/Web/lists('x')", "", "", "/sites/Ⱥ/_API/Web/lists('x')/subscriptions"}, // longer in lower case
		{"/sites/ȺȺȺȺ/_api/web/lists", "", "resource", ""},
		{"/sites/\x99/_api/web/lists", "", "resource", ""},
		{"", "", "resource", ""},
		{"https://contoso.sharepoint.com/sites/a/Shared Documents", "", "resource", ""},
		{"https://contoso.sharepoint.com/_api/web/lists", "", "resource", ""},
		{"/_api/web/lists('x')?$select=a", "", "resource", ""},
		{"Documents", `{"site":"lab"}`, "settings.site", ""},
		{"Documents", `{"site":"//evil.example"}`, "settings.site", ""},
		{"Documents", `{"Site":"/a"}`, "settings.Site", ""},
	} {
		r := provider.Registration{Resource: c.resource, Settings: []byte(c.settings)}
		terms, err := sharepoint.Provider{}.CheckRegistration(r, nil)
		switch {
		case terms.Longest != 179*24*time.Hour:
			t.Errorf("%s: %+v", c.resource, terms)
		case c.path != "":
			providertest.CheckPath(t, c.resource, err, c.path)
		case err != nil:
			t.Errorf("%s: %v", c.resource, err)
		default:
			if got := (sharepoint.Provider{}).OpenSubscriptions(provider.Env{}, nil).ListScope(r); got != c.scope {
				t.Errorf("%s: path %s, want %s", c.resource, got, c.scope)
			}
		}
	}
	_, err := sharepoint.Provider{}.CheckRegistration(provider.Registration{Resource: "x",
		ChangeTypes: []string{"updated"}}, nil)
	providertest.CheckPath(t, "change types", err, "change_types")
}

// An item is taken by its own client state or that of the header, if it is that of the item's subscription.
func TestSubscribedStates(t *testing.T) {
	own := &providertest.Subscribed{States: map[string]string{"known": "own-state"},
		Pending: []string{"pending-state"}}
	for _, c := range []struct {
		header, id, item string
		refused          bool
	}{
		{"", "known", "own-state", false}, {"", "other", "own-state", true}, {"", "new", "pending-state", false},
		{"", "known", "pending-state", true}, {"own-state", "known", "", false}, {"own-state", "other", "", true},
		{"own-state", "known", "own-state", false}, {"pending-state", "new", "", false}, {"", "known", "", true},
		{state, "known", "", false},
	} {
		receiver, err := sharepoint.Provider{}.Open(provider.Env{Subscribed: own},
			[]byte(`{"client_state":"`+state+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		req := &provider.Request{Method: "POST", Target: "/in/x", Header: map[string][]string{},
			Body: []byte(`{"value":[{"subscriptionId":"` + c.id + `","clientState":"` + c.item +
				`","resource":"r"}]}`)}
		if c.header != "" {
			req.Header.Set("ClientState", c.header)
		}
		receipt, err := receiver.Receive(t.Context(), req)
		heard := []provider.Heard{{RemoteID: c.id}}
		if c.refused {
			heard = nil
		}
		if err != nil || (len(receipt.Refused) == 1) != c.refused || !slices.Equal(receipt.Heard, heard) {
			t.Errorf("%+v: %+v, %v", c, receipt, err)
		}
	}
	// The handshake of a subscription that is being made has its state in the header.
	receiver, err := sharepoint.Provider{}.Open(provider.Env{Subscribed: own},
		[]byte(`{"subscriptions_only":true,"strict_handshake":true}`))
	if err != nil {
		t.Fatal(err)
	}
	for header, ok := range map[string]bool{"pending-state": true, "other": false, "": false} {
		req := &provider.Request{Method: "POST", Target: "/in/x?validationtoken=abc", Header: map[string][]string{}}
		if header != "" {
			req.Header.Set("ClientState", header)
		}
		receipt, err := receiver.Receive(t.Context(), req)
		if (err == nil && receipt.Reply != nil) != ok {
			t.Errorf("handshake with %q: %+v, %v", header, receipt, err)
		}
	}
}

func FuzzSubscriptions(f *testing.F) {
	providertest.FuzzSubscriptions(f, sharepoint.Provider{}, registration, `{"id":"a","clientState":null}`,
		`{"value":[{"id":"a"}],"odata.nextLink":"x"}`, `{"odata.error":{"code":"c","message":{"value":"m"}}}`)
}
