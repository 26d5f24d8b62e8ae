package outlook_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/outlook"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

var registration = provider.Registration{
	Resource: "/me/events", ChangeTypes: []string{"created", "updated", "deleted"},
	URL: "https://hooks.example.com/in/outlook", ClientState: "c75831bd-fad3-4191-9a66-280a48528679",
	ExpiresAt: time.Date(2026, 12, 1, 8, 15, 30, 0, time.UTC),
}

func second[T any](_ T, err error) error { return err }

func TestSubscriptionCalls(t *testing.T) {
	api := (&providertest.RecordedAPI{}).AnswerFile(t, 201, "create-subscription-response.json").
		AnswerFile(t, 200, "renew-response.json").AnswerFile(t, 200, "renew-response.json").Answer(204, "").
		AnswerFile(t, 404, "error-404-item.json")
	calls := outlook.Provider{}.OpenSubscriptions(provider.Env{Now: time.Now}, api)
	made, err := calls.Create(t.Context(), registration)
	if err != nil || made.ID != "Mjk3QNERDQQ==" || !slices.Equal(made.ChangeTypes, registration.ChangeTypes) ||
		!made.ExpiresAt.Equal(time.Date(2026, 11, 25, 8, 15, 30, 880504700, time.UTC)) {
		t.Errorf("created %+v, %v", made, err)
	}
	renewed, err := calls.Renew(t.Context(), "a/b+c==", registration)
	if err != nil || renewed.ExpiresAt.IsZero() || renewed.ClientState != "" {
		t.Errorf("renewed %+v, %v", renewed, err)
	}
	r := registration
	r.Resource = "https://outlook.office365.com/api/v2.0/Users('ada@example.com')/messages"
	for _, err := range []error{second(calls.Get(t.Context(), "x", r)), calls.Delete(t.Context(), "x", registration),
		calls.Delete(t.Context(), "x", registration)} {
		if err != nil {
			t.Error(err)
		}
	}
	providertest.CheckAPIError(t, second(calls.List(t.Context(), registration)),
		provider.APIError{Kind: provider.APIInvalid})
	providertest.CheckCalls(t, api.Calls(),
		`POST /api/v2.0/me/subscriptions {"@odata.type":"#Microsoft.OutlookServices.PushSubscription",`+
			`"Resource":"https://outlook.office.com/api/v2.0/me/events","NotificationURL":"https://hooks.example.com/in/outlook",`+
			`"ChangeType":"Created,Updated,Deleted","ClientState":"c75831bd-fad3-4191-9a66-280a48528679",`+
			`"SubscriptionExpirationDateTime":"2026-12-01T08:15:30.0000000Z"}`,
		`PATCH /api/v2.0/me/subscriptions('a%2Fb%2Bc%3D%3D') {"@odata.type":"#Microsoft.OutlookServices.PushSubscription",`+
			`"SubscriptionExpirationDateTime":"2026-12-01T08:15:30.0000000Z"}`,
		`GET /api/v2.0/Users('ada@example.com')/subscriptions('x')`,
		`DELETE /api/v2.0/me/subscriptions('x')`, `DELETE /api/v2.0/me/subscriptions('x')`)
}

func TestSubscriptionFailures(t *testing.T) {
	providertest.CheckFailures(t, outlook.Provider{}, registration, []providertest.Failure{
		{Name: "no such mailbox", Status: 404, Body: "error-404-item.json",
			Want: provider.APIError{Kind: provider.APIInvalid, Code: "ErrorItemNotFound", Remedy: "yes"}},
		{Name: "validation", Status: 400,
			Body: `{"error":{"code":"ErrorInvalidRequest","message":"Notification URL failed validation."}}`,
			Want: provider.APIError{Kind: provider.APIHandshake, Code: "ErrorInvalidRequest"}},
		{Name: "scope", Status: 403, Body: `{"error":{"code":"ErrorAccessDenied","message":"Access is denied."}}`,
			Want: provider.APIError{Kind: provider.APIForbidden, Code: "ErrorAccessDenied",
				Permission: "Calendars.Read",
				Remedy:     "yes"}},
		{Name: "no body", Status: 401, Header: []string{"X-Ms-Diagnostics", "2000003"},
			Want: provider.APIError{Kind: provider.APISignedOut, Remedy: "yes"}},
		{Name: "a 404 without body", Status: 404, Header: []string{"Request-Id", "1"},
			Want: provider.APIError{Kind: provider.APIInvalid, Remedy: "yes"}},
		{Name: "throttled", Status: 429, Header: []string{"Retry-After", "9"},
			Want: provider.APIError{Kind: provider.APITemporary, RetryAfter: 9 * time.Second}},
		{Name: "a text", Status: 201, Body: `"ok"`, Want: provider.APIError{Kind: provider.APIForeign,
			MaybeDone: true}},
	})
}

func TestCheckRegistration(t *testing.T) {
	for _, c := range []struct{ resource, changes, settings, path string }{
		{"/me/events", "created", "", ""},
		{"me/mailfolders('Inbox')/messages?$filter=x", "Created,updated", "{}", ""},
		{"https://outlook.office.com/api/v2.0/me/tasks", "deleted", "", ""},
		{"/users/ada@example.com/contacts", "deleted", "", ""},
		// letters that are longer in lower case
		{"https://outlook.office.com/ȺȺ/API/v2.0/", "created", "", "resource"},
		{"İ/api/v2.0/", "created", "", "resource"},
		{"", "created", "", "resource"},
		{"/me/drive", "created", "", "resource"},
		{"https://example.com/events", "created", "", "resource"},
		{"/me/events", "missed", "", "change_types[0]"},
		{"/me/events", "created", `{"a":1}`, "settings.a"},
	} {
		terms, err := outlook.Provider{}.CheckRegistration(provider.Registration{Resource: c.resource,
			ChangeTypes: strings.Split(c.changes, ","), Settings: []byte(c.settings)}, nil)
		if terms.Longest != 72*time.Hour {
			t.Errorf("%s: %+v", c.resource, terms)
		}
		if c.path == "" && err != nil {
			t.Errorf("%+v: %v", c, err)
		} else if c.path != "" {
			providertest.CheckPath(t, c.resource, err, c.path)
		}
	}
}

// The header has the client state of one subscription, so only that subscription's items are taken.
func TestSubscribedStates(t *testing.T) {
	own := &providertest.Subscribed{States: map[string]string{"known": "own-state", "second": "second-state"},
		Pending: []string{"pending-state"}}
	for _, c := range []struct {
		state, ids string
		heard      []provider.Heard
		refused    int
		err        error
	}{
		{"source-state", "known any", []provider.Heard{{RemoteID: "known"}, {RemoteID: "any"}}, 0, nil},
		{"own-state", "known second new", []provider.Heard{{RemoteID: "known"}}, 2, nil},
		{"pending-state", "new known", []provider.Heard{{RemoteID: "new"}}, 1, nil},
		{"other", "known", nil, 0, provider.ErrForbidden},
		{"", "known", nil, 0, signature.ErrMissing},
	} {
		receiver := openWith(t, own)
		var items []string
		for _, id := range strings.Fields(c.ids) {
			items = append(items, `{"SubscriptionId":"`+id+`","ChangeType":"Created"}`)
		}
		req := &provider.Request{Method: "POST", Target: "/in/x", Header: map[string][]string{},
			Body: []byte(`{"value":[` + strings.Join(items, ",") + `]}`)}
		if c.state != "" {
			req.Header.Set("ClientState", c.state)
		}
		receipt, err := receiver.Receive(t.Context(), req)
		if !errors.Is(err, c.err) || !slices.Equal(receipt.Heard, c.heard) || len(receipt.Refused) != c.refused {
			t.Errorf("%+v: %+v, %v", c, receipt, err)
		}
	}
}

// Outlook's own Missed and a jump of the numbers are both heard as lost notifications.
func TestHeardMissed(t *testing.T) {
	own := &providertest.Subscribed{States: map[string]string{"known": "own-state"}}
	req := &provider.Request{Method: "POST", Target: "/in/x",
		Header: map[string][]string{"Clientstate": {"own-state"}},
		Body: []byte(`{"value":[{"SubscriptionId":"known","ChangeType":"Created","SequenceNumber":1},
			{"SubscriptionId":"known","ChangeType":"Created","SequenceNumber":4},
			{"SubscriptionId":"known","ChangeType":"Missed","SequenceNumber":5}]}`)}
	receipt, err := openWith(t, own).Receive(t.Context(), req)
	missed := provider.Heard{RemoteID: "known", Kind: provider.HeardMissed}
	want := []provider.Heard{{RemoteID: "known"}, missed, {RemoteID: "known"}, missed}
	if err != nil || !slices.Equal(receipt.Heard, want) {
		t.Errorf("%+v, %v", receipt.Heard, err)
	}
}

func openWith(t *testing.T, own provider.Subscribed) provider.Receiver {
	t.Helper()
	receiver, err := outlook.Provider{}.Open(provider.Env{Now: time.Now, Subscribed: own},
		[]byte(`{"client_state":"source-state"}`))
	if err != nil {
		t.Fatal(err)
	}
	return receiver
}

func FuzzSubscriptions(f *testing.F) {
	providertest.FuzzSubscriptions(f, outlook.Provider{}, registration, `{"Id":"a","ChangeType":"Created, Missed"}`,
		`{"error":{"code":"c","message":"validation"}}`, `[]`)
}
