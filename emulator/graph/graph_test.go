package graph

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/provider/graph"
)

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// A rig is a stand-in with entra beside it, a receiver of notifications, and a clock that the test moves.
type rig struct {
	*System
	t        *testing.T
	host     *emulator.Host
	base     string
	token    string
	receiver string
	got      chan map[string]any // notifications
	refuse   chan struct{}       // each makes one handshake fail

	mu  sync.Mutex
	now time.Time
}

func newRig(t *testing.T, opts Options) *rig {
	t.Helper()
	r := &rig{t: t, got: make(chan map[string]any, 100), refuse: make(chan struct{}, 10),
		now: time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)}
	r.host = emulator.New(emulator.Options{Speed: 1e9, Now: func() time.Time {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.now
	}})
	tokens := entra.New(r.host, entra.Options{Key: testKey(), Clients: []entra.Client{
		{ID: "narrow", Secret: "secret", Roles: []string{"Calendars.Read"}}}})
	r.System = New(r.host, tokens, opts)
	r.host.Add(tokens, r.System)
	server := httptest.NewServer(r.host)
	receiver := httptest.NewServer(http.HandlerFunc(r.receive))
	t.Cleanup(func() { server.Close(); r.host.Close(); receiver.Close() })
	r.base, r.receiver = server.URL, receiver.URL
	r.token = r.tokenOf(entra.DefaultClient)
	return r
}

// receive echoes handshakes and passes notifications on.
func (r *rig) receive(w http.ResponseWriter, req *http.Request) {
	if token := req.URL.Query().Get("validationToken"); token != "" {
		select {
		case <-r.refuse:
			http.NotFound(w, req)
		default:
			io.WriteString(w, token)
		}
		return
	}
	var body map[string]any
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		r.t.Error(err)
	}
	w.WriteHeader(http.StatusAccepted)
	r.got <- body
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) tokenOf(client string) string {
	r.t.Helper()
	res, err := http.PostForm(r.base+"/contoso.example/oauth2/v2.0/token",
		url.Values{"grant_type": {"client_credentials"},
			"client_id": {client}, "client_secret": {"secret"}, "scope": {"https://graph.microsoft.com/.default"}})
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if json.NewDecoder(res.Body).Decode(&answer); answer.Token == "" {
		r.t.Fatal("there is no token")
	}
	return answer.Token
}

// call calls the API and returns the status and the JSON of the answer. A path that begins with "http" is a whole URL.
func (r *rig) call(method, path string, body any, header ...string) (int, map[string]any) {
	r.t.Helper()
	text := []byte{}
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			r.t.Fatal(err)
		}
	}
	if !strings.HasPrefix(path, "http") {
		path = r.base + "/v1.0/" + path
	}
	req, err := http.NewRequest(method, path, bytes.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if res.Header.Get("Request-Id") == "" || res.Header.Get("Date") == "" {
		r.t.Errorf("%s %s: no request-id or Date", method, path)
	}
	var v map[string]any
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &v); err != nil {
			r.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, answer)
		}
	}
	return res.StatusCode, v
}

// codeOf returns code and message of an error.
func codeOf(answer map[string]any) (code, message string) {
	e, _ := answer["error"].(map[string]any)
	code, _ = e["code"].(string)
	message, _ = e["message"].(string)
	return code, message
}

type fields = map[string]any

// wanted is the body that creates a subscription, with other fields. A nil field is left out.
func (r *rig) wanted(change fields) fields {
	body := fields{"changeType": "created,updated,deleted", "notificationUrl": r.receiver + "/in/g",
		"resource":           "me/events",
		"expirationDateTime": formatTime(r.host.Now().Add(24 * time.Hour)), "clientState": "state"}
	for name, value := range change {
		if body[name] = value; value == nil {
			delete(body, name)
		}
	}
	return body
}

// create creates a subscription and returns its id.
func (r *rig) create(change fields) string {
	r.t.Helper()
	status, made := r.call("POST", "subscriptions", r.wanted(change))
	if status != http.StatusCreated {
		r.t.Fatalf("create answered %d %v", status, made)
	}
	return made["id"].(string)
}

// happen lets something happen.
func (r *rig) happen(resource, change string, data fields, notified int) {
	r.t.Helper()
	n, err := r.host.Happen(emulator.Event{Resource: resource, ChangeType: change, Data: data})
	if err != nil || n != notified {
		r.t.Fatalf("%s %s: %d notifications, %v; want %d", resource, change, n, err, notified)
	}
}

// next returns the items of the next notification.
func (r *rig) next() []fields {
	r.t.Helper()
	select {
	case body := <-r.got:
		var items []fields
		for _, v := range body["value"].([]any) {
			items = append(items, v.(fields))
		}
		if tokens, ok := body["validationTokens"].([]any); ok {
			items[0]["tokens"] = tokens
		}
		return items
	case <-time.After(time.Minute):
		r.t.Fatal("no notification came")
		return nil
	}
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{PageSize: 2})
	status, made := r.call("POST", "Subscriptions", r.wanted(fields{"resource": "/me/events"}))
	id, _ := made["id"].(string)
	if status != 201 || made["clientState"] != "state" || made["resource"] != "/me/events" ||
		made["encryptionCertificate"] != nil {
		t.Fatalf("created: %d %v", status, made)
	}
	if status, got := r.call("GET", "subscriptions/"+id, nil); status != 200 || got["clientState"] != nil {
		t.Errorf("shown: %d %v", status, got)
	}
	at := formatTime(r.host.Now().Add(48 * time.Hour))
	if status, got := r.call("PATCH", "subscriptions/"+id, fields{"expirationDateTime": at}); status != 200 ||
		got["expirationDateTime"] != at {
		t.Errorf("renewed: %d %v", status, got)
	}
	if status, _ := r.call("POST", "subscriptions/"+id+"/reauthorize", fields{}); status != 204 {
		t.Errorf("reauthorize answered %d", status)
	}
	r.create(fields{"resource": "me/messages"})
	r.create(fields{"resource": "me/contacts"})
	_, page := r.call("GET", "subscriptions", nil)
	next, _ := page["@odata.nextLink"].(string)
	if _, rest := r.call("GET", next, nil); len(page["value"].([]any)) != 2 || len(rest["value"].([]any)) != 1 {
		t.Errorf("pages: %v, %v", page, rest)
	}
	r.token = r.tokenOf("narrow")
	if status, _ := r.call("GET", "subscriptions/"+id, nil); status != 404 {
		t.Errorf("another application sees it: %d", status)
	}
	r.token = r.tokenOf(entra.DefaultClient)
	if status, _ := r.call("DELETE", "subscriptions/"+id, nil); status != 204 {
		t.Errorf("delete answered %d", status)
	}
	if status, got := r.call("DELETE", "subscriptions/"+id, nil); status != 404 {
		t.Errorf("deleted twice: %d %v", status, got)
	}
	r.pass(25 * time.Hour)
	r.token = r.tokenOf(entra.DefaultClient)
	if _, page := r.call("GET", "subscriptions", nil); len(page["value"].([]any)) != 0 {
		t.Errorf("after their time: %v", page)
	}
}

// TestRefused shows each refusal of the API with its status, code and message.
func TestRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	drive := fields{"resource": "drives/b!9/root", "changeType": "updated"}
	first := r.create(drive)
	for name, tt := range map[string]struct {
		change        fields
		status        int
		code, message string
	}{
		"too long": {fields{"expirationDateTime": formatTime(r.now.Add(8 * 24 * time.Hour))}, 400, "ExtensionError",
			"Subscription expiration can only be 10080 minutes in the future."},
		"past":    {fields{"expirationDateTime": formatTime(r.now)}, 400, "InvalidRequest", "future"},
		"no date": {fields{"expirationDateTime": "soon"}, 400, "InvalidRequest", "date"},
		"unknown field": {fields{"clientstates": "x"}, 400, "InvalidRequest",
			"Could not process subscription creation payload"},
		"exists": {drive, 409, "ObjectIdentifierInUse", "Subscription Id " + first + " already exists"},
		"change of a drive": {fields{"resource": "drives/b!9/root", "changeType": "created"}, 400, "InvalidRequest",
			"changeType"},
		"no resource":    {fields{"resource": "me/nothing"}, 400, "ExtensionError", "not supported"},
		"no lifecycle":   {fields{"resource": "chats/1/messages"}, 400, "InvalidRequest", "lifecycleNotificationUrl"},
		"no certificate": {fields{"includeResourceData": true}, 400, "InvalidRequest", "encryptionCertificate"},
		"bad URL":        {fields{"notificationUrl": "nowhere"}, 400, "InvalidRequest", "URL"},
		"no URL":         {fields{"notificationUrl": nil}, 400, "InvalidRequest", "URL"},
		"long state":     {fields{"clientState": strings.Repeat("x", 129)}, 400, "InvalidRequest", "128"},
		"nobody is there": {fields{"notificationUrl": "http://127.0.0.1:1/"}, 400, "ValidationError",
			"must respond with 200 OK"},
	} {
		status, answer := r.call("POST", "subscriptions", r.wanted(tt.change))
		if code, message := codeOf(answer); status != tt.status || code != tt.code || !strings.Contains(message,
			tt.message) {
			t.Errorf("%s: %d %v; want %d %s %s", name, status, answer, tt.status, tt.code, tt.message)
		}
	}
	r.refuse <- struct{}{}
	if _, answer := r.call("POST", "subscriptions", r.wanted(nil)); !strings.Contains(fmt.Sprint(answer),
		"HTTP 'NotFound'") {
		t.Errorf("a refused handshake: %v", answer)
	}
	if status, answer := r.call("PATCH", "subscriptions/"+first, fields{}); status != 400 {
		t.Errorf("an empty PATCH: %d %v", status, answer)
	}
	r.token = r.tokenOf("narrow")
	if status, answer := r.call("POST", "subscriptions", r.wanted(fields{"resource": "me/messages"})); status != 403 ||
		!strings.Contains(fmt.Sprint(answer), "Mail.Read") {
		t.Errorf("without the permission: %d %v", status, answer)
	}
	if status, answer := r.call("GET", "me/messages/1", nil); status != 403 || !strings.Contains(fmt.Sprint(answer),
		"Mail.Read") {
		t.Errorf("reading without the permission: %d %v", status, answer)
	}
	for token, want := range map[string]string{"": "Access token is empty.", "x": "CompactToken"} {
		r.token = token
		status, answer := r.call("GET", "subscriptions", nil, "Authorization", strings.TrimSuffix("Bearer "+token, " "))
		if _, message := codeOf(answer); status != 401 || !strings.HasPrefix(message, want) {
			t.Errorf("token %q: %d %v", token, status, answer)
		}
	}
	r.token = r.tokenOf(entra.DefaultClient)
	r.host.Fault(emulator.Fault{Kind: emulator.FaultThrottle, Value: "9", System: "graph"})
	if status, answer := r.call("GET", "subscriptions", nil); status != 429 {
		t.Errorf("throttled: %d %v", status, answer)
	}
}

func TestClamp(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Clamp: true, OutlookMinutes: 4230})
	_, made := r.call("POST", "subscriptions",
		r.wanted(fields{"expirationDateTime": formatTime(r.now.Add(1000 * time.Hour))}))
	if want := formatTime(r.now.Add(4230 * time.Minute)); made["expirationDateTime"] != want {
		t.Errorf("clamped to %v, want %s", made, want)
	}
	_, made = r.call("POST", "subscriptions", r.wanted(fields{"expirationDateTime": formatTime(r.now.Add(time.Minute))}))
	if want := formatTime(r.now.Add(45 * time.Minute)); made["expirationDateTime"] != want {
		t.Errorf("raised to %v, want %s", made, want)
	}
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	events := r.create(nil)
	r.create(fields{"resource": "me/events", "clientState": "second", "changeType": "deleted"})
	r.create(fields{"resource": "me/messages", "notificationUrl": r.receiver + "/in/mail"})
	r.create(fields{"resource": "drives/b!9/root", "changeType": "updated", "notificationUrl": r.receiver + "/in/drive"})

	r.happen("/me/events", "created", fields{"subject": "Lens"}, 1)
	first := r.next()
	if len(first) != 1 || first[0]["subscriptionId"] != events || first[0]["clientState"] != "state" ||
		first[0]["changeType"] != "created" || first[0]["tenantId"] == "" {
		t.Errorf("the notification is %v", first)
	}
	resource := first[0]["resource"].(string)
	if !strings.HasPrefix(resource, "Users/") || !strings.Contains(resource, "/Events/AAMk") {
		t.Errorf("the resource is %s", resource)
	}
	_, item := r.call("GET", resource+"?$select=subject", nil)
	if item["subject"] != "Lens" || item["id"] == nil || item["body"] != nil ||
		item["@odata.etag"] != first[0]["resourceData"].(fields)["@odata.etag"] {
		t.Errorf("the item is %v", item)
	}

	r.happen("me/events", "deleted", nil, 1)
	if both := r.next(); len(both) != 2 || both[1]["clientState"] != "second" {
		t.Errorf("the batch is %v", both)
	}
	if status, answer := r.call("GET", resource, nil); status != 404 {
		t.Errorf("the deleted item: %d %v", status, answer)
	}
	r.happen("me/mailFolders('Inbox')/messages", "created", nil, 1)
	mail := r.next()[0]
	if status, item := r.call("GET", mail["resource"].(string), nil); status != 200 || item["subject"] == nil {
		t.Errorf("the message %v: %d %v", mail, status, item)
	}
	r.happen("drives/b!9/root", "created", fields{"name": "a.txt"}, 1)
	if drive := r.next()[0]; drive["changeType"] != "updated" || drive["resource"] != "drives/b!9/root" {
		t.Errorf("the drive's notification is %v", drive)
	}
	if _, err := r.host.Happen(emulator.Event{Resource: "nothing", ChangeType: "created"}); err == nil {
		t.Error("nothing happened to nothing")
	}
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(fields{"lifecycleNotificationUrl": r.receiver + "/in/life"})
	silent := r.create(fields{"resource": "me/contacts"})
	want := func(event string) {
		t.Helper()
		if n := r.next(); len(n) != 1 || n[0]["lifecycleEvent"] != event || n[0]["subscriptionId"] != id ||
			n[0]["organizationId"] == nil ||
			n[0]["changeType"] != nil {
			t.Errorf("the notification is %v, want %s", n, event)
		}
	}
	r.happen("subscriptions/"+id, "reauthorizationRequired", nil, 1)
	want("reauthorizationRequired")
	r.happen("me/events", "created", nil, 0)
	r.call("POST", "subscriptions/"+id+"/reauthorize", nil)
	r.happen("me/events", "created", nil, 1)
	r.next()
	if err := r.host.Fault(emulator.Fault{Kind: emulator.FaultMissed, System: "graph"}); err != nil {
		t.Fatal(err)
	}
	want("missed")
	r.host.Fault(emulator.Fault{Kind: emulator.FaultExpire, System: "graph", Value: silent})
	if status, _ := r.call("GET", "subscriptions/"+silent, nil); status != 404 {
		t.Errorf("the expired one: %d", status)
	}
	r.host.Fault(emulator.Fault{Kind: emulator.FaultRevoke, System: "graph", Value: id})
	want("subscriptionRemoved")
	if status, _ := r.call("GET", "subscriptions/"+id, nil); status != 404 {
		t.Errorf("the removed one: %d", status)
	}
	if err := r.host.Fault(emulator.Fault{Kind: emulator.FaultRevoke, System: "graph", Value: id}); err == nil {
		t.Error("it was removed twice")
	}
}

func TestContent(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &testKey().PublicKey, testKey())
	if err != nil {
		t.Fatal(err)
	}
	r.create(fields{"includeResourceData": true, "encryptionCertificate": base64.StdEncoding.EncodeToString(der),
		"encryptionCertificateId": "one", "expirationDateTime": formatTime(r.now.Add(time.Hour))})
	r.happen("me/events", "created", fields{"subject": "secret plan"}, 1)
	n := r.next()[0]
	text, _ := json.Marshal(n["encryptedContent"])
	var content graph.EncryptedContent
	if err := json.Unmarshal(text, &content); err != nil {
		t.Fatal(err)
	}
	plain, err := graph.Unseal(content, testKey())
	if err != nil || !strings.Contains(string(plain), "secret plan") || content.CertificateID != "one" {
		t.Errorf("the content is %s, %v", plain, err)
	}
	if tokens, _ := n["tokens"].([]any); len(tokens) != 1 {
		t.Errorf("the validation tokens are %v", n["tokens"])
	}
	if status, answer := r.call("POST", "subscriptions", r.wanted(fields{"includeResourceData": true,
		"encryptionCertificate":   base64.StdEncoding.EncodeToString(der),
		"encryptionCertificateId": "one", "expirationDateTime": formatTime(r.now.Add(25 * time.Hour))})); status != 400 {
		t.Errorf("content for longer than a day: %d %v", status, answer)
	}
}

func TestDelta(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ collection, delta, token string }{
		{"me/mailFolders('Inbox')/messages", "me/mailFolders/inbox/messages/delta", "$deltatoken"},
		{"me/events", "me/calendarView/delta", "$deltatoken"},
		{"drives/b!9/root", "drives/b!9/root/delta", "token"},
	} {
		r := newRig(t, Options{})
		r.create(fields{"resource": tt.collection, "changeType": "updated"})
		drain := func() {
			for len(r.got) > 0 {
				<-r.got
			}
		}
		do := func(change, id string) {
			t.Helper()
			if _, err := r.host.Happen(emulator.Event{Resource: tt.collection, ChangeType: change,
				Data: fields{"id": id}}); err != nil {
				t.Fatal(err)
			}
			drain()
		}
		for _, id := range []string{"a", "b", "c"} {
			do("created", id)
		}
		_, page := r.call("GET", tt.delta, nil, "Prefer", "odata.maxpagesize=2")
		next, _ := page["@odata.nextLink"].(string)
		_, last := r.call("GET", next, nil)
		link, _ := last["@odata.deltaLink"].(string)
		if ids(page) != "a b" || ids(last) != "c" || !strings.Contains(link, "?"+tt.token+"=") {
			t.Fatalf("%s: the first round is %v, %v", tt.delta, page, last)
		}
		if _, empty := r.call("GET", link, nil); ids(empty) != "" {
			t.Errorf("%s: nothing has changed: %v", tt.delta, empty)
		}
		do("updated", "b")
		do("deleted", "a")
		_, changed := r.call("GET", link, nil)
		if ids(changed) != "b a" || !strings.Contains(fmt.Sprint(changed), "deleted") {
			t.Errorf("%s: the changes are %v", tt.delta, changed)
		}
		if _, latest := r.call("GET", tt.delta+"?"+tt.token+"=latest", nil); ids(latest) != "" {
			t.Errorf("%s: from now on: %v", tt.delta, latest)
		}
		r.host.Fault(emulator.Fault{Kind: emulator.FaultExpire, System: "graph", Value: "delta"})
		if status, answer := r.call("GET", link, nil); status != 410 {
			t.Errorf("%s: an old token: %d %v", tt.delta, status, answer)
		}
		if status, answer := r.call("GET", tt.delta+"?"+tt.token+"=nonsense", nil); status != 400 {
			t.Errorf("%s: no token: %d %v", tt.delta, status, answer)
		}
	}
}

// ids returns the ids of a page, with blanks between them.
func ids(page map[string]any) string {
	var list []string
	for _, v := range page["value"].([]any) {
		list = append(list, v.(fields)["id"].(string))
	}
	return strings.Join(list, " ")
}

func TestLists(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{PageSize: 2, AnyToken: true})
	r.token = "anything"
	for range 3 {
		if _, err := r.host.Happen(emulator.Event{Resource: "me/messages", ChangeType: "created"}); err != nil {
			t.Fatal(err)
		}
	}
	_, page := r.call("GET", "me/messages", nil)
	_, rest := r.call("GET", page["@odata.nextLink"].(string), nil)
	if len(page["value"].([]any)) != 2 || len(rest["value"].([]any)) != 1 {
		t.Errorf("pages: %v, %v", page, rest)
	}
	if status, me := r.call("GET", "me", nil); status != 200 || me["userPrincipalName"] != entra.UserName {
		t.Errorf("me: %d %v", status, me)
	}
	if status, _ := r.call("POST", "me/messages", fields{}); status != 405 {
		t.Errorf("writing: %d", status)
	}
	if r.Owns("/v1.0/") || r.Owns("/v2/x") || !r.Owns("/Beta/me") {
		t.Error("it owns other paths than its own")
	}
}
