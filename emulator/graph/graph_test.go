package graph

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/graph"
)

// A rig is a stand-in with entra beside it.
type rig struct {
	*emulatortest.Rig
	*System
	t *testing.T
}

func newRig(t *testing.T, opts Options) *rig {
	t.Helper()
	r := &rig{t: t}
	r.Rig = emulatortest.Start(t, func(host *emulator.Host) []emulator.System {
		tokens := entra.New(host, entra.Options{Key: emulatortest.Key(), Clients: []entra.Client{
			{ID: "narrow", Secret: "secret", Roles: []string{"Calendars.Read"}}}})
		r.System = New(host, tokens, opts)
		return []emulator.System{tokens, r.System}
	})
	r.Token = r.tokenOf(entra.DefaultClient)
	return r
}

func (r *rig) tokenOf(client string) string {
	r.t.Helper()
	return r.AppToken(client, "secret", "https://graph.microsoft.com/.default")
}

// call calls the API and returns the status and the JSON of the answer. A path that begins with "http" is a whole URL.
func (r *rig) call(method, path string, body any, header ...string) (int, map[string]any) {
	r.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = "/v1.0/" + path
	}
	answer := r.Call(method, path, body, header...)
	if answer.Header.Get("Request-Id") == "" || answer.Header.Get("Date") == "" {
		r.t.Errorf("%s %s: no request-id or Date", method, path)
	}
	return answer.Status, answer.JSON
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
	body := fields{"changeType": "created,updated,deleted", "notificationUrl": r.HookURL + "/in/g",
		"resource":           "me/events",
		"expirationDateTime": formatTime(r.Host.Now().Add(24 * time.Hour)), "clientState": "state"}
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
	n, err := r.Host.Happen(emulator.Event{Resource: resource, ChangeType: change, Data: data})
	if err != nil || n != notified {
		r.t.Fatalf("%s %s: %d notifications, %v; want %d", resource, change, n, err, notified)
	}
}

// next returns the items of the next notification, with its validation tokens as the member "tokens" of the first.
func (r *rig) next() []fields {
	r.t.Helper()
	n := r.Next()
	if tokens, ok := n.Body["validationTokens"].([]any); ok {
		n.Items[0]["tokens"] = tokens
	}
	return n.Items
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
	at := formatTime(r.Host.Now().Add(48 * time.Hour))
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
	r.Token = r.tokenOf("narrow")
	if status, _ := r.call("GET", "subscriptions/"+id, nil); status != 404 {
		t.Errorf("another application sees it: %d", status)
	}
	r.Token = r.tokenOf(entra.DefaultClient)
	if status, _ := r.call("DELETE", "subscriptions/"+id, nil); status != 204 {
		t.Errorf("delete answered %d", status)
	}
	if status, got := r.call("DELETE", "subscriptions/"+id, nil); status != 404 {
		t.Errorf("deleted twice: %d %v", status, got)
	}
	r.Pass(25 * time.Hour)
	r.Token = r.tokenOf(entra.DefaultClient)
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
		"too long": {fields{"expirationDateTime": formatTime(r.Now().Add(8 * 24 * time.Hour))}, 400, "ExtensionError",
			"Subscription expiration can only be 10080 minutes in the future."},
		"past":    {fields{"expirationDateTime": formatTime(r.Now())}, 400, "InvalidRequest", "future"},
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
	r.AnswerHandshakes(func(string) (int, string) { return 404, "" })
	if _, answer := r.call("POST", "subscriptions", r.wanted(nil)); !strings.Contains(fmt.Sprint(answer),
		"HTTP 'NotFound'") {
		t.Errorf("a refused handshake: %v", answer)
	}
	if status, answer := r.call("PATCH", "subscriptions/"+first, fields{}); status != 400 {
		t.Errorf("an empty PATCH: %d %v", status, answer)
	}
	r.Token = r.tokenOf("narrow")
	if status, answer := r.call("POST", "subscriptions", r.wanted(fields{"resource": "me/messages"})); status != 403 ||
		!strings.Contains(fmt.Sprint(answer), "Mail.Read") {
		t.Errorf("without the permission: %d %v", status, answer)
	}
	if status, answer := r.call("GET", "me/messages/1", nil); status != 403 || !strings.Contains(fmt.Sprint(answer),
		"Mail.Read") {
		t.Errorf("reading without the permission: %d %v", status, answer)
	}
	for token, want := range map[string]string{"": "Access token is empty.", "x": "CompactToken"} {
		r.Token = token
		status, answer := r.call("GET", "subscriptions", nil, "Authorization", strings.TrimSuffix("Bearer "+token,
			" "))
		if _, message := codeOf(answer); status != 401 || !strings.HasPrefix(message, want) {
			t.Errorf("token %q: %d %v", token, status, answer)
		}
	}
	r.Token = r.tokenOf(entra.DefaultClient)
	r.Host.Fault(emulator.Fault{Kind: emulator.FaultThrottle, Value: "9", System: "graph"})
	if status, answer := r.call("GET", "subscriptions", nil); status != 429 {
		t.Errorf("throttled: %d %v", status, answer)
	}
}

func TestClamp(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Clamp: true, OutlookMinutes: 4230})
	_, made := r.call("POST", "subscriptions",
		r.wanted(fields{"expirationDateTime": formatTime(r.Now().Add(1000 * time.Hour))}))
	if want := formatTime(r.Now().Add(4230 * time.Minute)); made["expirationDateTime"] != want {
		t.Errorf("clamped to %v, want %s", made, want)
	}
	_, made = r.call("POST", "subscriptions",
		r.wanted(fields{"expirationDateTime": formatTime(r.Now().Add(time.Minute))}))
	if want := formatTime(r.Now().Add(45 * time.Minute)); made["expirationDateTime"] != want {
		t.Errorf("raised to %v, want %s", made, want)
	}
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	events := r.create(nil)
	r.create(fields{"resource": "me/events", "clientState": "second", "changeType": "deleted"})
	r.create(fields{"resource": "me/messages", "notificationUrl": r.HookURL + "/in/mail"})
	r.create(fields{"resource": "drives/b!9/root", "changeType": "updated", "notificationUrl": r.HookURL +
		"/in/drive"})

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
	if _, err := r.Host.Happen(emulator.Event{Resource: "nothing", ChangeType: "created"}); err == nil {
		t.Error("nothing happened to nothing")
	}
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(fields{"lifecycleNotificationUrl": r.HookURL + "/in/life"})
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
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultMissed, System: "graph"}); err != nil {
		t.Fatal(err)
	}
	want("missed")
	r.Host.Fault(emulator.Fault{Kind: emulator.FaultExpire, System: "graph", Value: silent})
	if status, _ := r.call("GET", "subscriptions/"+silent, nil); status != 404 {
		t.Errorf("the expired one: %d", status)
	}
	r.Host.Fault(emulator.Fault{Kind: emulator.FaultRevoke, System: "graph", Value: id})
	want("subscriptionRemoved")
	if status, _ := r.call("GET", "subscriptions/"+id, nil); status != 404 {
		t.Errorf("the removed one: %d", status)
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultRevoke, System: "graph", Value: id}); err == nil {
		t.Error("it was removed twice")
	}
}

func TestContent(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &emulatortest.Key().PublicKey,
		emulatortest.Key())
	if err != nil {
		t.Fatal(err)
	}
	id := r.create(fields{"includeResourceData": true, "encryptionCertificate": base64.StdEncoding.EncodeToString(der),
		"encryptionCertificateId": "one", "expirationDateTime": formatTime(r.Now().Add(time.Hour))})
	r.happen("me/events", "created", fields{"subject": "secret plan"}, 1)
	n := r.next()[0]
	text, _ := json.Marshal(n["encryptedContent"])
	var content graph.EncryptedContent
	if err := json.Unmarshal(text, &content); err != nil {
		t.Fatal(err)
	}
	plain, err := graph.Unseal(content, emulatortest.Key())
	if err != nil || !strings.Contains(string(plain), "secret plan") || content.CertificateID != "one" {
		t.Errorf("the content is %s, %v", plain, err)
	}
	if tokens, _ := n["tokens"].([]any); len(tokens) != 1 {
		t.Errorf("the validation tokens are %v", n["tokens"])
	}
	r.replaceCertificate(id)
	if status, answer := r.call("POST", "subscriptions", r.wanted(fields{"includeResourceData": true,
		"encryptionCertificate":   base64.StdEncoding.EncodeToString(der),
		"encryptionCertificateId": "one",
		"expirationDateTime":      formatTime(r.Now().Add(25 * time.Hour))})); status != 400 {
		t.Errorf("content for longer than a day: %d %v", status, answer)
	}
}

// replaceCertificate shows that a renewal replaces the certificate of a subscription, if it is a good one with an id.
func (r *rig) replaceCertificate(id string) {
	r.t.Helper()
	made, err := provider.NewCertificate("two", r.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	until := formatTime(r.Now().Add(2 * time.Hour))
	for what, change := range map[string]fields{
		"no certificate": {"encryptionCertificate": "AAAA", "encryptionCertificateId": "two",
			"expirationDateTime": until},
		"no id": {"encryptionCertificate": made.Cert, "expirationDateTime": until},
	} {
		if status, answer := r.call("PATCH", "subscriptions/"+id, change); status != 400 {
			r.t.Errorf("%s: %d %v", what, status, answer)
		}
	}
	if _, shown := r.call("GET", "subscriptions/"+id, nil); shown["encryptionCertificateId"] != "one" {
		r.t.Errorf("the certificate after a refused renewal is %v", shown["encryptionCertificateId"])
	}
	status, shown := r.call("PATCH", "subscriptions/"+id, fields{"encryptionCertificate": made.Cert,
		"encryptionCertificateId": "two", "expirationDateTime": until})
	if status != 200 || shown["encryptionCertificateId"] != "two" {
		r.t.Fatalf("the renewal: %d %v", status, shown)
	}
	r.happen("me/events", "created", fields{"subject": "another plan"}, 1)
	var content graph.EncryptedContent
	text, _ := json.Marshal(r.next()[0]["encryptedContent"])
	if err := json.Unmarshal(text, &content); err != nil {
		r.t.Fatal(err)
	}
	key, err := made.PrivateKey()
	if err != nil {
		r.t.Fatal(err)
	}
	plain, err := graph.Unseal(content, key)
	if err != nil || !strings.Contains(string(plain), "another plan") || content.CertificateID != "two" {
		r.t.Errorf("the content is %s, %v", plain, err)
	}
}

func TestDelta(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		collection, delta, token string
		lost                     int // the status for a token that is too old
		code, inner              string
	}{
		{"me/mailFolders('Inbox')/messages", "me/mailFolders/inbox/messages/delta", "$deltatoken", 410,
			"resyncRequired", ""},
		{"me/events", "me/calendarView/delta?startDateTime=2026-11-01T00:00:00Z&endDateTime=2027-01-01", "$deltatoken",
			400, "SyncStateNotFound", ""},
		{"drives/b!9/root", "drives/b!9/root/delta", "token", 410, "resyncRequired", "resyncChangesApplyDifferences"},
		{"users", "users/delta", "$deltatoken", 400, "syncStateNotFound", ""},
	} {
		r := newRig(t, Options{})
		r.create(fields{"resource": tt.collection, "changeType": "updated"}) // "me" is the user of its token
		do := func(change, id string) {
			t.Helper()
			if _, err := r.Host.Happen(emulator.Event{Resource: tt.collection, ChangeType: change,
				Data: fields{"id": id}}); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range []string{"a", "b", "c"} {
			do("created", id)
		}
		_, page := r.call("GET", tt.delta, nil, "Prefer", "odata.maxpagesize=2")
		next, _ := page["@odata.nextLink"].(string)
		_, last := r.call("GET", next, nil)
		link, _ := last["@odata.deltaLink"].(string)
		if ids(page) != "a b" || ids(last) != "c" || !strings.Contains(link, tt.token+"=v") {
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
		with := func(token string) string {
			if strings.Contains(tt.delta, "?") {
				return tt.delta + "&" + tt.token + "=" + token
			}
			return tt.delta + "?" + tt.token + "=" + token
		}
		if _, latest := r.call("GET", with("latest"), nil); ids(latest) != "" {
			t.Errorf("%s: from now on: %v", tt.delta, latest)
		}
		r.Host.Fault(emulator.Fault{Kind: emulator.FaultExpire, System: "graph", Value: "delta"})
		old := r.Call("GET", link, nil)
		if code, _ := codeOf(old.JSON); old.Status != tt.lost || code != tt.code ||
			!strings.Contains(old.Text, tt.inner) || (old.Header.Get("Location") != "") != (tt.lost == 410) {
			t.Errorf("%s: an old token: %d %s, Location %q", tt.delta, old.Status, old.Text,
				old.Header.Get("Location"))
		}
		if status, answer := r.call("GET", with("nonsense"), nil); status != 400 {
			t.Errorf("%s: no token: %d %v", tt.delta, status, answer)
		}
	}
	r := newRig(t, Options{})
	for path, want := range map[string]int{"/v1.0/me/messages/delta": 400, "/v1.0/me/events/delta": 400,
		"/beta/me/events/delta": 200} {
		if answer := r.Call("GET", path, nil); answer.Status != want {
			t.Errorf("%s: %d %s, want %d", path, answer.Status, answer.Text, want)
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
	r.Token = "anything"
	for range 3 {
		if _, err := r.Host.Happen(emulator.Event{Resource: "me/messages", ChangeType: "created"}); err != nil {
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
