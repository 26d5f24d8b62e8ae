package ams

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/provider/ams"
)

type fields = map[string]any

// A rig is a stand-in with entra beside it. Its client "bellhop" is Contributor of the account, and "reader" is not.
type rig struct {
	*emulatortest.Rig
	*System
	t *testing.T
}

func newRig(t *testing.T, opts Options) *rig {
	t.Helper()
	r := &rig{t: t}
	opts.Key = emulatortest.Key()
	opts.Contributors = []string{entra.DefaultClient}
	r.Rig = emulatortest.Start(t, func(host *emulator.Host) []emulator.System {
		tokens := entra.New(host, entra.Options{Key: emulatortest.Key(), Clients: []entra.Client{
			{ID: "reader", Secret: entra.DefaultSecret}}})
		r.System = New(host, tokens, opts)
		return []emulator.System{tokens, r.System}
	})
	r.Token = r.tokenV1(entra.DefaultClient, Resource)
	return r
}

// tokenV1 returns a token of an application from the endpoint v1, for a resource.
func (r *rig) tokenV1(client, resource string) string {
	r.t.Helper()
	answer := r.Post("/contoso.example/oauth2/token", url.Values{"grant_type": {"client_credentials"},
		"client_id": {client}, "client_secret": {entra.DefaultSecret}, "resource": {resource}})
	token, _ := answer.JSON["access_token"].(string)
	if token == "" {
		r.t.Fatalf("no token: %d %s", answer.Status, answer.Text)
	}
	return token
}

// api calls the account API in JSON light, or with other headers: names and values.
func (r *rig) api(method, path string, body any, header ...string) emulatortest.Answer {
	r.t.Helper()
	return r.Call(method, "/api/"+path, body, append([]string{"X-Ms-Version", "2.19", "DataServiceVersion", "3.0",
		"MaxDataServiceVersion", "3.0", "Accept", "application/json"}, header...)...)
}

// wants checks the status of an answer, and that it has a text.
func (r *rig) wants(what string, a emulatortest.Answer, status int, text string) emulatortest.Answer {
	r.t.Helper()
	if a.Status != status || !strings.Contains(a.Text, text) {
		r.t.Errorf("%s: %d %s, want %d and %q", what, a.Status, a.Text, status, text)
	}
	return a
}

var verbose = []string{"Accept", "application/json;odata=verbose", "Content-Type", "application/json;odata=verbose"}

// sealed returns a key encrypted for the account's certificate, which it gets from the API.
func (r *rig) sealed(key []byte) (credential, id string) {
	r.t.Helper()
	id, _ = r.api("GET", "GetProtectionKeyId?contentKeyType=2", nil).JSON["value"].(string)
	text, _ := r.api("GET", "GetProtectionKey?protectionKeyId='"+id+"'", nil).JSON["value"].(string)
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		r.t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		r.t.Fatal(err)
	}
	sum := sha1.Sum(der)
	if id != strings.ToUpper(fmt.Sprintf("%x", sum)) {
		r.t.Errorf("the id of the protection key is %s", id)
	}
	out, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, certificate.PublicKey.(*rsa.PublicKey), key, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(out), id
}

// wanted is the body of a creation, with changes; nil removes a property.
func (r *rig) wanted(key []byte, change fields) fields {
	credential, id := r.sealed(key)
	body := fields{"Name": "FunctionWebHook", "EndPointType": 3, "EndPointAddress": r.HookURL + "/in/media?code=3f9c",
		"CredentialType": 1, "EncryptedEndPointCredential": credential, "ProtectionKeyType": 0, "ProtectionKeyId": id}
	for name, value := range change {
		if body[name] = value; value == nil {
			delete(body, name)
		}
	}
	return body
}

// next returns the event type and the properties of the next notification. It checks its signature.
func (r *rig) next(key []byte) (eventType float64, properties map[string]any) {
	r.t.Helper()
	n := r.Next()
	for _, call := range r.Host.Calls() {
		if text, _ := json.Marshal(n.Body["ETag"]); strings.Contains(string(call.RequestBody), string(text)) {
			err := ams.Verify(http.Header{ams.SignatureHeader: n.Header[ams.SignatureHeader]}, call.RequestBody, key)
			if (err == nil) != (key != nil) {
				r.t.Errorf("the signature: %v", err)
			}
		}
	}
	eventType, _ = n.Body["EventType"].(float64)
	properties, _ = n.Body["Properties"].(map[string]any)
	if n.Header.Get(ams.AccountHeader) != AccountID || properties["AccountId"] != AccountID {
		r.t.Errorf("the account is %v, %v", n.Header, properties)
	}
	return eventType, properties
}

// TestLife shows an endpoint from its creation to its end, in both JSON forms, and the notifications that its key
// signs.
func TestLife(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	key := []byte(strings.Repeat("k", 64))
	made := r.wants("create", r.api("POST", "NotificationEndPoints", r.wanted(key, nil)), 201, `"CredentialType":1`)
	id, _ := made.JSON["Id"].(string)
	path := "NotificationEndPoints('" + url.QueryEscape(id) + "')"
	if made.Header.Get("Location") != r.URL+"/api/"+path || made.JSON["EncryptedEndPointCredential"] != nil ||
		made.JSON["odata.metadata"] != r.URL+"/api/$metadata#NotificationEndPoints/@Element" ||
		!strings.HasPrefix(id, "nb:nepid:UUID:") || made.Header.Get("Request-Id") == "" ||
		made.Header.Get("Dataserviceversion") != "3.0;" {
		t.Errorf("%v %s", made.Header, made.Text)
	}
	if kind, p := r.next(key); kind != 2 || p["State"] != "Registered" || p["NotificationEndPointId"] != id ||
		p["Created"] != "2026-11-29T10:00:00" {
		t.Errorf("event %v: %v", kind, p)
	}

	r.wants("show", r.api("GET", path, nil), 200, `"Name":"FunctionWebHook"`)
	shown := r.wants("show, verbose", r.api("GET", path, nil, verbose...), 200,
		`"Created":"/Date(1795946400000)/"`)
	if d, _ := shown.JSON["d"].(fields); d["__metadata"].(fields)["type"] !=
		"Microsoft.Cloud.Media.Vod.Rest.Data.Models.NotificationEndPoint" {
		t.Errorf("%s", shown.Text)
	}
	r.wants("the id of the key, verbose", r.api("GET", "GetProtectionKeyId?contentKeyType=2", nil, verbose...), 200,
		`{"d":{"GetProtectionKeyId":"`)
	r.wants("found by name", r.api("GET", "NotificationEndPoints?$filter="+url.QueryEscape("Name eq "+
		"'FunctionWebHook'"),
		nil), 200, id)
	r.wants("not found by name", r.api("GET", "NotificationEndPoints?$filter="+url.QueryEscape("Name eq 'O''Hara'"),
		nil),
		200, `"value":[]`)
	r.wants("found by id, verbose", r.api("GET", "NotificationEndPoints()?$filter="+url.QueryEscape("Id eq '"+id+"'"),
		nil, verbose...), 200, `{"d":{"results":[{`)

	r.wants("renamed", r.api("MERGE", path, fields{"Name": "O'Hara"}), 204, "")
	r.wants("renamed by POST", r.api("POST", path, fields{"Name": "Other"}, "X-HTTP-Method", "MERGE"), 204, "")
	r.wants("moved", r.api("PATCH", path, fields{"EndPointAddress": r.HookURL}), 400,
		"when the entity is created only")
	r.wants("shown", r.api("GET", path, nil), 200, `"Name":"Other"`)

	r.wants("deleted", r.api("DELETE", path, nil), 204, "")
	if kind, p := r.next(key); kind != 3 || p["State"] != "Unregistered" || p["Name"] != "Other" {
		t.Errorf("event %v: %v", kind, p)
	}
	r.wants("deleted again", r.api("DELETE", path, nil), 404, `"odata.error"`)
	r.wants("deleted again, verbose", r.api("DELETE", path, nil, verbose...), 404, `{"error":`)
}

// TestRefused shows which creations and calls are refused, and that nothing is told of them.
func TestRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	key := []byte("key")
	wrongHash := func() string {
		out, _ := rsa.EncryptOAEP(sha256.New(), rand.Reader, &emulatortest.Key().PublicKey, key, nil)
		return base64.StdEncoding.EncodeToString(out)
	}
	for what, tt := range map[string]struct {
		change fields
		text   string
	}{
		"no name":             {fields{"Name": ""}, "'Name'"},
		"no type":             {fields{"EndPointType": 0}, "'EndPointType'"},
		"a type that is none": {fields{"EndPointType": "x"}, "'EndPointType'"},
		"no address":          {fields{"EndPointAddress": nil}, "'EndPointAddress'"},
		"no URL":              {fields{"EndPointAddress": "hooks"}, "not a valid URL"},
		"a queue with a key":  {fields{"EndPointType": 1}, "WebHook only"},
		"another certificate": {fields{"ProtectionKeyId": "AB"}, "'ProtectionKeyId'"},
		"another protection":  {fields{"ProtectionKeyType": 1}, "'ProtectionKeyType'"},
		"no credential":       {fields{"EncryptedEndPointCredential": nil}, "cannot be decrypted"},
		"OAEP with SHA-256":   {fields{"EncryptedEndPointCredential": wrongHash()}, "cannot be decrypted"},
		"a credential alone":  {fields{"CredentialType": 0}, "needs the CredentialType 1"},
		"an unknown property": {fields{"Address": "x"}, "'Address' does not exist on type"},
		"verbose in light":    {fields{"__metadata": fields{"type": "x"}}, "'__metadata' does not exist"},
		"an id":               {fields{"Id": "nb:nepid:UUID:1"}, "'Id'"},
	} {
		r.wants(what, r.api("POST", "NotificationEndPoints", r.wanted(key, tt.change)), 400, tt.text)
	}
	r.wants("a list as body", r.api("POST", "NotificationEndPoints", []string{}), 400, "not a JSON object")
	r.wants("an odd filter", r.api("GET", "NotificationEndPoints?$filter=State%20eq%201", nil), 400, "$filter")
	r.wants("an odd number", r.api("GET", "NotificationEndPoints?$top=x", nil), 400, "$top")
	r.wants("no such set", r.api("GET", "Channels", nil), 404, "segment 'Channels'")
	r.wants("no such path", r.api("GET", "", nil), 404, "odata.error")
	r.wants("another method", r.api("PUT", "NotificationEndPoints", nil), 405, "PUT")
	r.wants("a key by POST", r.api("POST", "GetProtectionKeyId", nil), 405, "POST")
	r.wants("no kind of key", r.api("GET", "GetProtectionKeyId", nil), 400, "contentKeyType")
	r.wants("an unknown key", r.api("GET", "GetProtectionKey?ProtectionKeyId='AB'", nil), 404, "not found")
	r.wants("a key without quotes", r.api("GET", "GetProtectionKey?protectionKeyId=AB", nil), 400, "quotes")
	if calls := outgoing(r); calls != 0 {
		t.Errorf("%d notifications were sent", calls)
	}
	// What the reference page spells in another way, quoted numbers, and what verbose JSON adds, are taken.
	r.wants("another spelling", r.api("POST", "NotificationEndPoints", r.wanted(key, fields{"EndPointType": nil,
		"EndpointType": "3", "EndPointAddress": nil, "EndpointAddress": r.HookURL,
		"__metadata": fields{"type": "x"}}), verbose...), 201, `"d":{`)
	r.next(key)
	r.wants("without a key", r.api("POST", "NotificationEndPoints", fields{"Name": "plain", "EndPointType": 3,
		"EndPointAddress": r.HookURL}), 201, `"CredentialType":0`)
	r.next(nil)
	r.wants("a queue", r.api("POST", "NotificationEndPoints", fields{"Name": "queue", "EndPointType": 1,
		"EndPointAddress": "jobs"}), 201, `"EndPointType":1`)
	wantOutgoing(t, r, 2)
}

// wantOutgoing waits until n notifications are in the log: a call is logged after its receiver has passed it on.
func wantOutgoing(t *testing.T, r *rig, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); outgoing(r) < n && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if got := outgoing(r); got != n {
		t.Errorf("%d notifications, want %d", got, n)
	}
}

func outgoing(r *rig) (n int) {
	for _, call := range r.Host.Calls() {
		if call.Direction == emulator.CallOut {
			n++
		}
	}
	return n
}

// TestAccess shows the tokens and versions that are refused, and where the shared host leads.
func TestAccess(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	list := func() emulatortest.Answer { return r.api("GET", "NotificationEndPoints", nil) }
	r.wants("a token", list(), 200, "value")
	good := r.Token
	r.Token = r.tokenV1("reader", Resource)
	r.wants("no Contributor", list(), 403, "neither Contributor nor Owner")
	r.Token = r.tokenV1(entra.DefaultClient, "https://graph.microsoft.com")
	r.wants("another resource", list(), 401, "is not for https://rest.media.azure.net")
	r.Token = ""
	r.wants("no token", list(), 401, "no valid bearer token")
	r.Token = r.AppToken(entra.DefaultClient, entra.DefaultSecret, Resource+"/.default")
	r.wants("a token of v2", list(), 200, "value")
	r.Token = good
	for _, version := range []string{"", "2.99", "3.0", "x"} {
		r.wants("version "+version, r.api("GET", "NotificationEndPoints", nil, "X-Ms-Version", version), 400,
			"x-ms-version")
	}
	r.wants("data version", r.api("GET", "NotificationEndPoints", nil, "DataServiceVersion", "4.0"), 400,
		"DataServiceVersion")
	r.wants("of the SDK", r.api("GET", "NotificationEndPoints", nil, "DataServiceVersion", "1.0;NetFx",
		"MaxDataServiceVersion", "3.0;NetFx", "x-ms-client-request-id", "mine"), 200, "value")
	moved := r.Call("POST", "/media.windows.net/API/NotificationEndPoints?a=b", fields{})
	if moved.Status != 301 || moved.Header.Get("Location") != r.URL+"/api/NotificationEndPoints?a=b" {
		t.Errorf("%d %v", moved.Status, moved.Header)
	}
	r.Pass(2 * time.Hour)
	r.wants("an old token", list(), 401, "expired")
	for path, owned := range map[string]bool{"/api/": true, "/API/Jobs": true, "/api/v2.0/me": false,
		"/api/events": false,
		"/v1.0/me":    false, "/apis/x": false, "/media.windows.net/API/": true} {
		if r.Owns(path) != owned {
			t.Errorf("%s is owned: %t", path, !owned)
		}
	}
}

// TestPages shows lists in pages, in both forms.
func TestPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{PageSize: 2})
	for i := range 5 {
		r.wants("create", r.api("POST", "NotificationEndPoints", fields{"Name": fmt.Sprint("e", i), "EndPointType": 1,
			"EndPointAddress": "queue"}), 201, "")
	}
	for _, form := range [][]string{nil, verbose} {
		var names []string
		for path := "NotificationEndPoints?$top=4"; path != ""; {
			page := r.api("GET", path, nil, form...).JSON
			list, next := page["value"], page["odata.nextLink"]
			if form != nil {
				list, next = page["d"].(fields)["results"], page["d"].(fields)["__next"]
			}
			for _, e := range list.([]any) {
				names = append(names, e.(fields)["Name"].(string))
			}
			path, _ = next.(string)
			path = strings.TrimPrefix(path, r.URL+"/api/")
		}
		if fmt.Sprint(names) != "[e0 e1 e2 e3]" {
			t.Errorf("%v", names)
		}
	}
	r.wants("skipped", r.api("GET", "NotificationEndPoints?$skip=9", nil), 200, `"value":[]`)
}

// TestHappen shows the notifications of jobs and tasks, that they are sent again until they are accepted, and the
// faults.
func TestHappen(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	key := []byte("key")
	r.api("POST", "NotificationEndPoints", r.wanted(key, nil))
	r.next(key)
	happen := func(resource, state string, data fields) (float64, map[string]any) {
		t.Helper()
		n, err := r.Host.Happen(emulator.Event{Resource: resource, ChangeType: state, Data: data})
		if err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		return r.next(key)
	}
	r.RefuseNext(500, 404)
	kind, p := happen("jobs/7", "processing", fields{"JobName": "Nightly"})
	if kind != 1 || p["JobId"] != "nb:jid:UUID:7" || p["OldState"] != "Queued" || p["NewState"] != "Processing" ||
		p["JobName"] != "Nightly" || p["AccountName"] != AccountName {
		t.Errorf("%v %v", kind, p)
	}
	if kind, p = happen("jobs/7", "Finished", nil); kind != 1 || p["OldState"] != "Processing" {
		t.Errorf("%v %v", kind, p)
	}
	kind, p = happen("tasks/8", "Error", fields{"JobId": "nb:jid:UUID:7"})
	if kind != 4 || p["TaskId"] != "nb:tid:UUID:8" || p["JobId"] != "nb:jid:UUID:7" {
		t.Errorf("%v %v", kind, p)
	}
	kind, p = happen("tasks", "progress", fields{"LastComputedProgress": 87,
		"NotificationEndPoint": "FunctionWebHook"})
	if kind != 5 || p["LastComputedProgress"] != "87" || p["NewState"] != nil {
		t.Errorf("%v %v", kind, p)
	}
	for _, e := range []emulator.Event{{Resource: "jobs", ChangeType: "updated"}, {Resource: "jobs",
		ChangeType: "progress"},
		{Resource: "assets/1", ChangeType: "Finished"},
		{Resource: "jobs", ChangeType: "Error", Data: fields{"NotificationEndPoint": "none"}}} {
		if n, err := r.Host.Happen(e); err == nil || n != 0 {
			t.Errorf("%+v: %d", e, n)
		}
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultRevoke, Value: "FunctionWebHook"}); err != nil {
		t.Fatal(err)
	}
	if kind, p := r.next(key); kind != 3 || p["State"] != "Unregistered" {
		t.Errorf("%v %v", kind, p)
	}
	for _, f := range []emulator.Fault{{Kind: emulator.FaultExpire, Value: "FunctionWebHook"},
		{Kind: emulator.FaultMissed}} {
		if err := r.Host.Fault(f); err == nil {
			t.Errorf("%s of nothing is taken", f.Kind)
		}
	}
	for value, status := range map[string]int{"401": 401, "403": 403, "404": 404, "409": 409, "500": 500, "503": 503,
		"418": 418} {
		if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultError, Value: value}); err != nil {
			t.Fatal(err)
		}
		r.wants("fault "+value, r.api("GET", "NotificationEndPoints", nil), status,
			`{"odata.error":{"code":"","message":{`)
	}
}

// FuzzCalls shows that any call of the API is answered by JSON, and that the only fault of a server is the one that
// Media Services has too: of a policy without a duration.
func FuzzCalls(f *testing.F) {
	f.Add("GET", "NotificationEndPoints('x')", "", "")
	f.Add("POST", "NotificationEndPoints", "", `{"Name":"n","EndPointType":"3","EndPointAddress":"http://a.example"}`)
	f.Add("POST", "NotificationEndPoints", "", `{"CredentialType":1,"EncryptedEndPointCredential":"AAAA"}`)
	f.Add("GET", "NotificationEndPoints()", "$filter=Name eq 'O''Hara'&$top=1&$skip=2", "")
	f.Add("GET", "GetProtectionKey", "protectionKeyId='AB'", "")
	f.Add("POST", "Jobs", "", `{"Name":"n","InputMediaAssets@odata.bind":["http://a/api/Assets('x')"],"Tasks":[{}]}`)
	f.Add("POST", "Locators", "", `{"AssetId":"a","AccessPolicyId":"p","Type":"2","StartTime":"/Date(1)/"}`)
	f.Add("POST", "AccessPolicies", "", `{"Name":"n","DurationInMinutes":1,"Permissions":1}`)
	f.Add("GET", "Assets('"+FirstAsset+"')/Files", "$filter=ParentAssetId eq 'x'", "")
	f.Add("GET", "CancelJob", "jobid='x'", "")
	f.Add("POST", "$batch", "", "--a\r\n")
	f.Add("GET", "../media.windows.net/API/x", "", "")
	host := emulator.New(emulator.Options{Client: &http.Client{Transport: nobody{}}})
	f.Cleanup(host.Close)
	tokens := entra.New(host, entra.Options{Key: emulatortest.Key()})
	s := New(host, tokens, Options{Key: emulatortest.Key(), AnyToken: true})
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		req := httptest.NewRequest(http.MethodGet, "/api/", strings.NewReader(body))
		req.Method, req.URL.Path, req.URL.RawQuery = method, "/api/"+path, query
		req.Header.Set("X-Ms-Version", "2.19")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if w.Code >= 500 && !strings.HasPrefix(path, "AccessPolicies") || w.Body.Len() > 0 &&
			!json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// nobody answers nobody.
type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrHandlerTimeout }
