package outlook

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
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
	got      chan notification

	mu  sync.Mutex
	now time.Time
}

// A notification is the header ClientState and the only item.
type notification struct {
	state string
	item  map[string]any
}

func newRig(t *testing.T, opts Options) *rig {
	t.Helper()
	r := &rig{t: t, got: make(chan notification, 100), now: time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)}
	r.host = emulator.New(emulator.Options{Speed: 1e9, Now: func() time.Time {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.now
	}})
	tokens := entra.New(r.host, entra.Options{Key: testKey()})
	r.System = New(r.host, tokens, opts)
	r.host.Add(tokens, r.System)
	server := httptest.NewServer(r.host)
	receiver := httptest.NewServer(http.HandlerFunc(r.receive))
	t.Cleanup(func() { server.Close(); r.host.Close(); receiver.Close() })
	r.base, r.receiver = server.URL, receiver.URL
	r.token = r.tokenOf("https://outlook.office.com/.default")
	return r
}

// receive echoes handshakes, and passes notifications on.
func (r *rig) receive(w http.ResponseWriter, req *http.Request) {
	if token := req.URL.Query().Get("validationToken"); token != "" {
		if strings.HasSuffix(req.URL.Path, "/json") {
			token = `"` + token + `"`
		}
		io.WriteString(w, token)
		return
	}
	var body struct{ Value []map[string]any }
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil || len(body.Value) != 1 {
		r.t.Errorf("the body has %d items, %v", len(body.Value), err)
	}
	r.got <- notification{req.Header.Get("ClientState"), body.Value[0]}
}

func (r *rig) tokenOf(scope string) string {
	r.t.Helper()
	res, err := http.PostForm(r.base+"/contoso.example/oauth2/v2.0/token",
		url.Values{"grant_type": {"client_credentials"},
			"client_id": {entra.DefaultClient}, "client_secret": {entra.DefaultSecret}, "scope": {scope}})
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
func (r *rig) call(method, path string, body any) (int, map[string]any) {
	r.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	if !strings.HasPrefix(path, "http") {
		path = r.base + "/api/v2.0/" + path
	}
	req, err := http.NewRequest(method, path, bytes.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	var v map[string]any
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &v); err != nil {
			r.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, answer)
		}
	}
	return res.StatusCode, v
}

type fields = map[string]any

func (r *rig) wanted() fields {
	return fields{"@odata.type": odataType, "Resource": r.base + "/api/v2.0/me/events",
		"NotificationURL": r.receiver + "/in/o",
		"ChangeType":      "Created,Updated,Deleted", "ClientState": "state"}
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	status, made := r.call("POST", "me/subscriptions", r.wanted())
	id, _ := made["Id"].(string)
	if status != 201 || made["ClientState"] != "state" || made["ChangeType"] != "Created, Updated, Deleted, Missed" ||
		made["SubscriptionExpirationDateTime"] != formatTime(r.now.Add(longest)) {
		t.Fatalf("created: %d %v", status, made)
	}
	for _, path := range []string{"me/subscriptions('" + url.PathEscape(id) + "')",
		"Me/Subscriptions/" + url.PathEscape(id)} {
		if status, got := r.call("GET", path, nil); status != 200 || got["Id"] != id || got["ClientState"] != nil {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	path := "me/subscriptions/" + url.PathEscape(id)
	for wish, want := range map[string]time.Duration{"": longest, formatTime(r.now.Add(time.Hour)): time.Hour,
		formatTime(r.now.Add(100 * time.Hour)): longest} {
		body := fields{"@odata.type": odataType}
		if wish != "" {
			body["SubscriptionExpirationDateTime"] = wish
		}
		if status, got := r.call("PATCH", path, body); status != 200 ||
			got["SubscriptionExpirationDateTime"] != formatTime(r.now.Add(want)) {
			t.Errorf("renewed until %q: %d %v", wish, status, got)
		}
	}
	if status, _ := r.call("GET", "me/subscriptions", nil); status != 400 {
		t.Errorf("there is a list: %d", status)
	}
	if status, _ := r.call("DELETE", path, nil); status != 204 {
		t.Errorf("delete answered %d", status)
	}
	if status, got := r.call("GET", path, nil); status != 404 || !strings.Contains(fmt.Sprint(got), "ErrorItemNotFound") {
		t.Errorf("after delete: %d %v", status, got)
	}
	for name, change := range map[string]func(fields){
		"no type":       func(f fields) { delete(f, "@odata.type") },
		"no resource":   func(f fields) { delete(f, "Resource") },
		"a change type": func(f fields) { f["ChangeType"] = "Read" },
		"past":          func(f fields) { f["SubscriptionExpirationDateTime"] = formatTime(r.now) },
		"no date":       func(f fields) { f["SubscriptionExpirationDateTime"] = "soon" },
		"no URL":        func(f fields) { delete(f, "NotificationURL") },
		"quoted token":  func(f fields) { f["NotificationURL"] = r.receiver + "/json" },
		"long state":    func(f fields) { f["ClientState"] = strings.Repeat("x", 256) },
	} {
		body := r.wanted()
		change(body)
		if status, got := r.call("POST", "me/subscriptions", body); status != 400 || got["error"] == nil {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	r.token = r.tokenOf("https://graph.microsoft.com/.default")
	if status, _ := r.call("GET", "me/events", nil); status != 401 {
		t.Errorf("with a token of Graph: %d", status)
	}
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{PageSize: 2})
	r.call("POST", "me/subscriptions", r.wanted())
	happen := func(change string, data fields) map[string]any {
		t.Helper()
		n, err := r.host.Happen(emulator.Event{Resource: "/me/events", ChangeType: change, Data: data})
		if n != 1 || err != nil {
			t.Fatalf("%d notifications, %v", n, err)
		}
		got := <-r.got
		if got.state != "state" || got.item["@odata.type"] != "#Microsoft.OutlookServices.Notification" {
			t.Errorf("the notification is %v", got)
		}
		return got.item
	}
	first := happen("created", fields{"Subject": "Quay"})
	if first["SequenceNumber"] != 1.0 || first["ChangeType"] != "Created" {
		t.Errorf("the first is %v", first)
	}
	status, item := r.call("GET", first["Resource"].(string), nil)
	if status != 200 || item["Subject"] != "Quay" ||
		item["@odata.etag"] != first["ResourceData"].(fields)["@odata.etag"] {
		t.Errorf("the item is %d %v", status, item)
	}
	happen("created", nil)
	happen("created", nil)
	_, page := r.call("GET", "me/events", nil)
	_, rest := r.call("GET", page["@odata.nextLink"].(string), nil)
	if len(page["value"].([]any)) != 2 || len(rest["value"].([]any)) != 1 {
		t.Errorf("pages: %v, %v", page, rest)
	}
	since := "me/events?$filter=" + url.QueryEscape("LastModifiedDateTime ge "+formatTime(r.now.Add(time.Second)))
	if status, page := r.call("GET", since, nil); status != 200 || len(page["value"].([]any)) != 0 {
		t.Errorf("since later: %d %v", status, page)
	}
	if err := r.host.Fault(emulator.Fault{Kind: emulator.FaultMissed, System: "outlook"}); err != nil {
		t.Fatal(err)
	}
	if missed := (<-r.got).item; missed["SequenceNumber"] != 5.0 || missed["ChangeType"] != "Missed" ||
		missed["Resource"] != nil {
		t.Errorf("missed is %v", missed)
	}
	if last := happen("deleted", fields{"Id": item["Id"]}); last["SequenceNumber"] != 6.0 {
		t.Errorf("the deletion is %v", last)
	}
	if status, _ := r.call("GET", first["Resource"].(string), nil); status != 404 {
		t.Errorf("the deleted item: %d", status)
	}
	if err := r.host.Fault(emulator.Fault{Kind: emulator.FaultExpire, System: "outlook"}); err != nil {
		t.Fatal(err)
	}
	if n, err := r.host.Happen(emulator.Event{Resource: "/me/events", ChangeType: "created"}); n != 0 || err != nil {
		t.Errorf("after the end: %d notifications, %v", n, err)
	}
	if _, err := r.host.Happen(emulator.Event{Resource: "Documents", ChangeType: "created"}); err == nil {
		t.Error("a resource of another system was taken")
	}
	if status, me := r.call("GET", "me", nil); status != 200 || me["EmailAddress"] != entra.UserName {
		t.Errorf("me: %d %v", status, me)
	}
}
