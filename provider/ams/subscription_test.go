package ams_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/ams"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

var registration = provider.Registration{
	Resource: "O'Hara", URL: "https://hooks.example.com/in/ams/contoso?code=3f9c",
	Source: []byte(`{"signing_key":["` + newKey(7) + `","` + newKey(9) + `"]}`),
}

// protection returns a key, and the answers of an account that has its certificate.
func protection(t *testing.T) (key *rsa.PrivateKey, thumbprint, id, certificate string) {
	t.Helper()
	made, err := provider.NewCertificate("account", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if key, err = made.PrivateKey(); err != nil {
		t.Fatal(err)
	}
	der, err := base64.StdEncoding.DecodeString(made.Cert)
	if err != nil {
		t.Fatal(err)
	}
	thumbprint = strings.ToUpper(fmt.Sprintf("%x", sha1.Sum(der)))
	return key, thumbprint, `{"value":"` + thumbprint + `"}`, `{"value":"` + made.Cert + `"}`
}

func openCalls(api provider.API) provider.Subscriptions {
	return ams.Provider{}.OpenSubscriptions(provider.Env{Now: time.Now, Rand: rand.Reader}, api)
}

func second[T any](_ T, err error) error { return err }

// TestSubscriptionCalls shows each call, and that the source's first key is encrypted for the account's certificate.
func TestSubscriptionCalls(t *testing.T) {
	const id = "nb:nepid:UUID:2b8d6e90-3f17-4a5c-b0e4-f7c1d29a8853"
	const path = "/NotificationEndPoints('nb%3Anepid%3AUUID%3A2b8d6e90-3f17-4a5c-b0e4-f7c1d29a8853')"
	key, thumbprint, keyID, certificate := protection(t)
	api := (&providertest.RecordedAPI{}).Answer(200, `{"value":[]}`).Answer(200, keyID).Answer(200, certificate).
		AnswerFile(t, 201, "create-notification-endpoint-response.json").
		AnswerFile(t, 200, "create-notification-endpoint-response.json").
		AnswerFile(t, 200, "create-notification-endpoint-response.json").
		Answer(404, `{"odata.error":{"code":"","message":{"value":"Resource Not Found"}}}`).
		Answer(200,
			`{"value":[{"Id":"a","Name":"x","EndPointType":1,"EndPointAddress":"q"}],"odata.nextLink":"https://a/p2"}`).
		Answer(200, `{"value":[{"Id":"b"}]}`)
	calls := openCalls(api)
	made, err := calls.Create(t.Context(), registration)
	if err != nil || made.ID != id || made.Resource != "FunctionWebHook" || made.URL != registration.URL ||
		!made.ExpiresAt.IsZero() {
		t.Errorf("created %+v, %v", made, err)
	}
	if got, err := calls.Renew(t.Context(), id, registration); err != nil || got.ID != id {
		t.Errorf("renewed %+v, %v", got, err)
	}
	elsewhere := registration
	elsewhere.URL = "https://hooks.example.com/in/other"
	providertest.CheckAPIError(t, second(calls.Renew(t.Context(), id, elsewhere)),
		provider.APIError{Kind: provider.APIExists, ExistingID: id})
	if err := calls.Delete(t.Context(), id, registration); err != nil {
		t.Error(err)
	}
	if all, err := calls.List(t.Context(), registration); err != nil || len(all) != 2 || all[0].URL != "q" {
		t.Errorf("listed %+v, %v", all, err)
	}
	if err := calls.Reauthorize(t.Context(), id, registration); err != nil {
		t.Error(err)
	}
	got := api.Calls()
	body := strings.TrimPrefix(got[3], "POST /NotificationEndPoints ")
	var sent struct {
		Name, EndPointAddress, EncryptedEndPointCredential, ProtectionKeyId string
		EndPointType, CredentialType, ProtectionKeyType                     int
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil {
		t.Fatalf("%v: %s", err, got[3])
	}
	sealed, err := base64.StdEncoding.DecodeString(sent.EncryptedEndPointCredential)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, key, sealed, nil)
	if err != nil || string(plain) != string(decodeKey(newKey(7))) {
		t.Errorf("the credential is %x, %v", plain, err)
	}
	if sent.Name != "O'Hara" || sent.EndPointAddress != registration.URL || sent.EndPointType != 3 ||
		sent.CredentialType != 1 || sent.ProtectionKeyType != 0 || sent.ProtectionKeyId != thumbprint {
		t.Errorf("%+v", sent)
	}
	providertest.CheckCalls(t, append(got[:3:3], got[4:]...),
		"GET /NotificationEndPoints?$filter=Name+eq+%27O%27%27Hara%27", "GET /GetProtectionKeyId?contentKeyType=2",
		"GET /GetProtectionKey?protectionKeyId='"+thumbprint+"'", "GET "+path, "GET "+path, "DELETE "+path,
		"GET /NotificationEndPoints", "GET https://a/p2")
}

// TestExistingEndpoint shows that an endpoint of the same name is left alone, and that the setting replace deletes it.
func TestExistingEndpoint(t *testing.T) {
	_, _, keyID, certificate := protection(t)
	const there = `{"value":[{"Id":"nb:nepid:UUID:1","Name":"O'Hara","EndPointAddress":"https://a.example/in/x"}]}`
	api := (&providertest.RecordedAPI{}).Answer(200, there)
	providertest.CheckAPIError(t, second(openCalls(api).Create(t.Context(), registration)),
		provider.APIError{Kind: provider.APIExists, ExistingID: "nb:nepid:UUID:1"})
	if calls := api.Calls(); len(calls) != 1 {
		t.Errorf("%q", calls)
	}
	api = (&providertest.RecordedAPI{}).Answer(200, there).Answer(204, "").Answer(200, keyID).Answer(200, certificate).
		AnswerFile(t, 201, "create-notification-endpoint-response.json")
	replacing := registration
	replacing.Settings = []byte(`{"replace":true}`)
	if _, err := openCalls(api).Create(t.Context(), replacing); err != nil {
		t.Error(err)
	}
	if calls := api.Calls(); len(calls) != 5 || calls[1] != "DELETE /NotificationEndPoints('nb%3Anepid%3AUUID%3A1')" {
		t.Errorf("%q", calls)
	}
}

func TestSubscriptionFailures(t *testing.T) {
	providertest.CheckFailures(t, ams.Provider{}, registration, []providertest.Failure{
		{Name: "no role", Status: 403, Body: `{"odata.error":{"code":"","message":{"value":"Forbidden"}}}`,
			Want: provider.APIError{Kind: provider.APIForbidden, Message: "Forbidden", Permission: "Contributor",
				Remedy: "yes"}},
		{Name: "a disabled account", Status: 403,
			Body: `{"odata.error":{"code":"","message":{"value":"The account is disabled."}}}`,
			Want: provider.APIError{Kind: provider.APIForbidden, Remedy: "yes"}},
		{Name: "a quota", Status: 403, Body: "error-403-quota-verbose.json",
			Want: provider.APIError{Kind: provider.APIInvalid, Remedy: "yes"}},
		{Name: "a conflict", Status: 409, Body: "error-409-five-locators-light.json",
			Want: provider.APIError{Kind: provider.APIExists}},
		{Name: "the token", Status: 401, Body: `{"odata.error":{"code":"","message":{"value":"Unauthorized"}}}`,
			Want: provider.APIError{Kind: provider.APISignedOut, Remedy: "yes"}},
		{Name: "busy", Status: 503, Header: []string{"Retry-After", "9"},
			Body: `{"odata.error":{"code":"","message":{"value":"Server is busy."}}}`,
			Want: provider.APIError{Kind: provider.APITemporary, RetryAfter: 9 * time.Second}},
		{Name: "the shared host", Status: 301,
			Header: []string{"Location", "https://a.restv2.westus.media.azure.net/api/NotificationEndPoints?x=secret"},
			Want: provider.APIError{Kind: provider.APIForeign, Message: "the API of the account is elsewhere",
				Remedy: "yes"}},
		{Name: "a page", Status: 200, Body: "<!DOCTYPE html>",
			Want: provider.APIError{Kind: provider.APIForeign, MaybeDone: true}},
	})
	_, err := openCalls((&providertest.RecordedAPI{}).Answer(301, "", "Location",
		"https://a.restv2.westus.media.azure.net/api/NotificationEndPoints?x=secret")).Create(t.Context(),
		registration)
	if err == nil || strings.Contains(err.Error(), "secret") ||
		!strings.HasSuffix(err.Error(), "account: https://a.restv2.westus.media.azure.net/api") {
		t.Errorf("%v", err)
	}
}

// TestForeignCertificate shows that a key is not encrypted for a certificate other than the named one.
func TestForeignCertificate(t *testing.T) {
	_, _, keyID, certificate := protection(t)
	_, _, otherID, _ := protection(t)
	for name, answers := range map[string][2]string{
		"another one": {otherID, certificate}, "no Base64": {keyID, `{"value":"?"}`}, "no certificate": {keyID,
			`{"value":"AAAA"}`},
	} {
		api := (&providertest.RecordedAPI{}).Answer(200, `{"value":[]}`).Answer(200, answers[0]).Answer(200,
			answers[1])
		_, err := openCalls(api).Create(t.Context(), registration)
		providertest.CheckAPIError(t, err, provider.APIError{Kind: provider.APIForeign})
		if calls := api.Calls(); len(calls) != 3 {
			t.Errorf("%s: %q", name, calls)
		}
	}
}

func TestCheckRegistration(t *testing.T) {
	source := func(key string) string { return `{"signing_key":` + key + `}` }
	depends := map[string]bool{}
	for _, c := range []struct{ resource, settings, source, path string }{
		{"Bellhop", "", source(`"` + newKey(1) + `"`), ""},
		{"Bellhop", `{"replace":true}`, source(`["` + newKey(2) + `","` + newKey(1) + `"]`), ""},
		{"Bellhop", "", "", ""},
		{"", "", "", "resource"},
		{"a\nb", "", "", "resource"},
		{strings.Repeat("x", 256), "", "", "resource"},
		{"https://hooks.example.com/in/x", "", "", "resource"},
		{"Bellhop", `{"Replace":true}`, "", "settings.Replace"},
		{"Bellhop", "", `{"account_id":"x"}`, "source"},
		{"Bellhop", "", source(`"` + base64.StdEncoding.EncodeToString(make([]byte, 215)) + `"`), "source"},
	} {
		r := provider.Registration{Resource: c.resource, Settings: []byte(c.settings)}
		terms, err := ams.Provider{}.CheckRegistration(r, []byte(c.source))
		if c.path != "" {
			providertest.CheckPath(t, c.resource, err, c.path)
		} else if err != nil || terms.Longest != 0 || depends[terms.Depends] {
			t.Errorf("%+v: %+v, %v", c, terms, err)
		}
		depends[terms.Depends] = c.path == ""
	}
	_, err := ams.Provider{}.CheckRegistration(provider.Registration{Resource: "x", ChangeTypes: []string{"created"}},
		nil)
	providertest.CheckPath(t, "change types", err, "change_types")
}

// TestHeard shows what a receipt tells about the endpoint of a notification.
func TestHeard(t *testing.T) {
	own := &providertest.Subscribed{States: map[string]string{"nb:nepid:UUID:1": ""}}
	for _, c := range []struct {
		subscribed provider.Subscribed
		eventType  int
		endpoint   string
		want       []provider.Heard
	}{
		{own, 1, "nb:nepid:UUID:1", []provider.Heard{{RemoteID: "nb:nepid:UUID:1"}}},
		{own, 3, "nb:nepid:UUID:1", []provider.Heard{{RemoteID: "nb:nepid:UUID:1", Kind: provider.HeardRemoved}}},
		{own, 1, "", nil},
		{nil, 1, "nb:nepid:UUID:1", nil},
		{&providertest.Subscribed{}, 1, "nb:nepid:UUID:1", nil},
	} {
		receiver, err := ams.Provider{}.Open(provider.Env{Subscribed: c.subscribed},
			[]byte(`{"signing_key":"`+newKey(0)+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Sprintf(`{"EventType":%d,"Properties":{"AccountId":%q,"NotificationEndPointId":%q}}`, c.eventType,
			account,
			c.endpoint)
		receipt, err := receiver.Receive(t.Context(), sign(newKey(0), account, []byte(body)))
		if err != nil || fmt.Sprint(receipt.Heard) != fmt.Sprint(c.want) {
			t.Errorf("%+v: %+v, %v", c, receipt.Heard, err)
		}
	}
}

func FuzzSubscriptions(f *testing.F) {
	made, err := provider.NewCertificate("account", time.Now())
	if err != nil {
		f.Fatal(err)
	}
	providertest.FuzzSubscriptions(f, ams.Provider{}, registration, `{"value":[]}`, `{"value":"`+made.Cert+`"}`,
		`{"value":[{"Id":"a","Name":"O'Hara"}],"odata.nextLink":"x"}`,
		`{"odata.error":{"code":"","message":{"value":"m"}}}`)
}
