package sharepoint

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
	answer   func(token string) (int, string) // of a handshake
	got      chan received

	mu  sync.Mutex
	now time.Time
}

// received is a notification: the header ClientState and the items.
type received struct {
	state string
	items []map[string]any
}

func newRig(t *testing.T, opts Options) *rig {
	t.Helper()
	r := &rig{t: t, got: make(chan received, 100), now: time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC),
		answer: func(token string) (int, string) { return 200, token }}
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
	return r
}

// receive echoes handshakes, and passes notifications on.
func (r *rig) receive(w http.ResponseWriter, req *http.Request) {
	if token := req.URL.Query().Get("validationtoken"); token != "" {
		status, body := r.answer(token)
		w.WriteHeader(status)
		io.WriteString(w, body)
		return
	}
	var body struct{ Value []map[string]any }
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		r.t.Error(err)
	}
	r.got <- received{req.Header.Get("ClientState"), body.Value}
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// call calls the API and returns the status and the JSON of the answer.
func (r *rig) call(method, path, accept string, body any) (int, map[string]any) {
	r.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequest(method, r.base+path, bytes.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	req.Header.Set("Accept", accept)
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

const (
	plain = "application/json;odata=nometadata"
	lists = "/_api/web/lists('" + DefaultListID + "')"
	subs  = lists + "/subscriptions"
)

type fields = map[string]any

func (r *rig) wanted() fields {
	return fields{"resource": r.base + lists, "notificationUrl": r.receiver + "/in/sp", "clientState": "state",
		"expirationDateTime": formatTime(r.host.Now().Add(179 * 24 * time.Hour))}
}

func TestForms(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{AnyToken: true})
	for _, path := range []string{"/_api/web/lists/getByTitle('Documents')", "/_API/Web/Lists/GetByTitle('documents')",
		lists, "/sites/lab/_api/web/lists(guid'" + DefaultListID + "')", "/_api/web/lists/getById('" + DefaultListID +
			"')"} {
		status, got := r.call("GET", path+"?$select=Title,Id", plain, nil)
		if status != 200 || got["Id"] != DefaultListID || got["Title"] != DefaultList || len(got) != 2 {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	if _, got := r.call("GET", lists, "application/json", nil); got["odata.type"] != "SP.List" {
		t.Errorf("minimal: %v", got)
	}
	if _, got := r.call("GET", lists, "application/json; odata=verbose", nil); got["d"].(fields)["__metadata"] == nil {
		t.Errorf("verbose: %v", got)
	}
	for path, want := range map[string]string{"/_api/web/lists/getByTitle('None')": "-2130575322",
		"/_api/web/nothing": "-1",
		lists + "/nothing":  "-1", subs + "('x')": "-1"} {
		status, got := r.call("GET", path, plain, nil)
		e, _ := got["odata.error"].(fields)
		if code, _ := e["code"].(string); status != 404 || !strings.HasPrefix(code, want) {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	if r.Owns("/_api/webx") || r.Owns("/v1.0/me") || !r.Owns("/_api/web") {
		t.Error("it owns other paths than its own")
	}
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{AnyToken: true})
	status, made := r.call("POST", "/_api/web/Lists(guid'"+DefaultListID+"')/Subscriptions", plain, r.wanted())
	id, _ := made["id"].(string)
	if status != 201 || made["resource"] != DefaultListID || made["clientState"] != "state" {
		t.Fatalf("created: %d %v", status, made)
	}
	one := subs + "('" + id + "')"
	if status, got := r.call("GET", one, plain, nil); status != 200 || got["id"] != id || len(got) != 4 {
		t.Errorf("shown: %d %v", status, got)
	}
	if status, got := r.call("PATCH", one, plain,
		fields{"expirationDateTime": "2026-12-24T10:00:00+01:00"}); status != 204 {
		t.Errorf("renewed: %d %v", status, got)
	}
	_, got := r.call("GET", subs, plain, nil)
	all := got["value"].([]any)
	if len(all) != 2 || all[0].(fields)["expirationDateTime"] != "2026-12-24T09:00:00Z" ||
		!strings.Contains(fmt.Sprint(all[1]), "pushnp.svc.ms") {
		t.Errorf("the list is %v", got)
	}
	if status, _ := r.call("DELETE", one, plain, nil); status != 204 {
		t.Errorf("delete answered %d", status)
	}
	if status, _ := r.call("DELETE", one, plain, nil); status != 404 {
		t.Errorf("the second delete answered %d", status)
	}

	for name, change := range map[string]func(fields){
		"too long":    func(f fields) { f["expirationDateTime"] = formatTime(r.now.Add(181 * 24 * time.Hour)) },
		"past":        func(f fields) { f["expirationDateTime"] = formatTime(r.now) },
		"no date":     func(f fields) { f["expirationDateTime"] = "soon" },
		"no URL":      func(f fields) { delete(f, "notificationUrl") },
		"nobody":      func(f fields) { f["notificationUrl"] = "http://127.0.0.1:1/" },
		"202":         func(fields) { r.answer = func(token string) (int, string) { return 202, token } },
		"a quotation": func(fields) { r.answer = func(token string) (int, string) { return 200, `"` + token + `"` } },
	} {
		body := r.wanted()
		change(body)
		if status, got := r.call("POST", subs, plain, body); status != 400 || got["odata.error"] == nil {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{AnyToken: true})
	r.call("POST", "/sites/lab"+subs, plain, r.wanted())
	r.call("POST", "/sites/lab"+subs, plain, r.wanted())
	other := r.wanted()
	delete(other, "clientState")
	r.call("POST", subs, plain, other)
	if n, err := r.host.Happen(emulator.Event{Resource: DefaultList, ChangeType: "created"}); n != 2 || err != nil {
		t.Fatalf("%d notifications, %v", n, err)
	}
	byState := map[string][]map[string]any{}
	for range 2 {
		got := <-r.got
		byState[got.state] = got.items
	}
	if len(byState["state"]) != 2 || len(byState[""]) != 1 || byState[""][0]["clientState"] != nil ||
		byState["state"][0]["siteUrl"] != "/sites/lab" || byState["state"][0]["resource"] != DefaultListID {
		t.Errorf("the notifications are %v", byState)
	}
	if err := r.host.Fault(emulator.Fault{Kind: emulator.FaultExpire, System: "sharepoint"}); err != nil {
		t.Fatal(err)
	}
	if n, err := r.host.Happen(emulator.Event{Resource: DefaultList, ChangeType: "created"}); n != 0 || err != nil {
		t.Errorf("after the end: %d notifications, %v", n, err)
	}
	if _, err := r.host.Happen(emulator.Event{Resource: "/me/events", ChangeType: "created"}); err == nil {
		t.Error("a path of another system was taken")
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{AnyToken: true, FetchLimit: 2})
	_, got := r.call("GET", lists+"?$select=CurrentChangeToken", plain, nil)
	start := got["CurrentChangeToken"].(fields)["StringValue"].(string)
	for _, change := range []string{"created", "updated", "created", "deleted"} {
		r.pass(time.Minute)
		if _, err := r.host.Happen(emulator.Event{Resource: DefaultList, ChangeType: change}); err != nil {
			t.Fatal(err)
		}
	}
	query := func(start string, more fields) fields {
		q := fields{"Item": true, "Add": "True", "Update": true, "DeleteObject": true,
			"ChangeTokenStart": fields{"StringValue": start}}
		for name, value := range more {
			q[name] = value
		}
		return fields{"query": q}
	}
	var kinds []string
	for token := start; ; {
		status, page := r.call("POST", lists+"/getchanges", plain, query(token, nil))
		if status != 200 {
			t.Fatalf("GetChanges answered %d %v", status, page)
		}
		changes := page["value"].([]any)
		if len(changes) == 0 {
			break
		}
		for _, c := range changes {
			kinds = append(kinds, fmt.Sprintf("%v/%v", c.(fields)["ItemId"], c.(fields)["ChangeType"]))
			token = c.(fields)["ChangeToken"].(fields)["StringValue"].(string)
		}
	}
	if text := strings.Join(kinds, " "); text != "1/1 1/2 2/1 2/3" {
		t.Errorf("the changes are %s", text)
	}
	if _, page := r.call("POST", lists+"/GetChanges", plain,
		query(start, fields{"Add": false, "FetchLimit": 100})); len(page["value"].([]any)) != 2 {
		t.Errorf("without additions: %v", page)
	}
	byTime := formatToken(DefaultListID, r.now.Add(-90*time.Second), -1)
	if _, page := r.call("POST", lists+"/getchanges", plain, query(byTime, nil)); len(page["value"].([]any)) != 2 {
		t.Errorf("by time: %v", page)
	}
	for _, bad := range []string{"nonsense", "1;3;" + webID + ";1;1", "1;3;" + DefaultListID + ";x;1"} {
		if status, page := r.call("POST", lists+"/getchanges", plain, query(bad, nil)); status < 400 {
			t.Errorf("token %s: %d %v", bad, status, page)
		}
	}
	if status, page := r.call("GET", lists+"/items(1)", plain, nil); status != 200 || page["Title"] != "Item 1" {
		t.Errorf("the item: %d %v", status, page)
	}
	if status, _ := r.call("GET", lists+"/items(2)", plain, nil); status != 404 {
		t.Errorf("the deleted item: %d", status)
	}
	r.pass(61 * 24 * time.Hour)
	if status, page := r.call("POST", lists+"/getchanges", plain, query(start, nil)); status != 200 ||
		len(page["value"].([]any)) != 0 {
		t.Errorf("an old token: %d %v", status, page)
	}
	r.opts.ExpiredFails = true
	if status, page := r.call("POST", lists+"/getchanges", plain, query(start, nil)); status != 500 {
		t.Errorf("an old token that fails: %d %v", status, page)
	}
}

// TestTokens shows which tokens SharePoint takes.
func TestTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	get := func(form url.Values) string {
		t.Helper()
		form.Set("client_id", entra.DefaultClient)
		form.Set("client_secret", entra.DefaultSecret)
		res, err := http.PostForm(r.base+"/contoso.example/oauth2/v2.0/token", form)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var answer struct {
			Token string `json:"access_token"`
		}
		if json.NewDecoder(res.Body).Decode(&answer); answer.Token == "" {
			t.Fatalf("no token for %v", form)
		}
		return answer.Token
	}
	app := func(scope string) string {
		return get(url.Values{"grant_type": {"client_credentials"}, "scope": {scope}})
	}
	user := func(scope string) string {
		t.Helper()
		res, err := http.PostForm(r.base+"/contoso.example/oauth2/v2.0/devicecode",
			url.Values{"client_id": {entra.DefaultClient}, "scope": {scope}})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var device struct {
			Code string `json:"device_code"`
		}
		json.NewDecoder(res.Body).Decode(&device)
		return get(url.Values{"grant_type": {"device_code"}, "device_code": {device.Code}})
	}
	for _, tt := range []struct {
		name, token, path string
		status            int
		text              string
	}{
		{"none", "", lists, 403, "Access denied"},
		{"nonsense", "x.y.z", lists, 401, "Invalid issuer or signature."},
		{"of Graph", app("https://graph.microsoft.com/.default"), lists, 401, "Invalid issuer or signature."},
		{"by a secret", app("https://contoso.sharepoint.com/.default"), lists, 401, "Unsupported app only token."},
		{"of a user who reads", user("https://contoso.sharepoint.com/AllSites.Read"), lists, 200, "Documents"},
		{"of a user who reads, at webhooks", user("https://contoso.sharepoint.com/AllSites.Read"), subs, 403,
			"Access denied"},
		{"of a user who writes, listing", user("https://contoso.sharepoint.com/AllSites.Write"), subs, 403, "Access denied"},
		{"of a user in full control", user("https://contoso.sharepoint.com/AllSites.FullControl"), subs, 200, "pushnp"},
	} {
		r.token = tt.token
		status, got := r.call("GET", tt.path, plain, nil)
		if status != tt.status || !strings.Contains(fmt.Sprint(got), tt.text) {
			t.Errorf("%s: %d %v; want %d %s", tt.name, status, got, tt.status, tt.text)
		}
	}
	r.host.Fault(emulator.Fault{Kind: emulator.FaultThrottle, Value: "31", System: "sharepoint"})
	if status, got := r.call("GET", lists, plain, nil); status != 429 || got != nil {
		t.Errorf("throttled: %d %v", status, got)
	}
}
