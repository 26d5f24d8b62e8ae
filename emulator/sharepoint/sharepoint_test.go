package sharepoint

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
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
		tokens := entra.New(host, entra.Options{Key: emulatortest.Key()})
		r.System = New(host, tokens, opts)
		return []emulator.System{tokens, r.System}
	})
	return r
}

// call calls the API and returns the status and the JSON of the answer.
func (r *rig) call(method, path, accept string, body any) (int, map[string]any) {
	r.t.Helper()
	answer := r.Call(method, path, body, "Accept", accept)
	return answer.Status, answer.JSON
}

const (
	plain = "application/json;odata=nometadata"
	lists = "/_api/web/lists('" + DefaultListID + "')"
	subs  = lists + "/subscriptions"
)

type fields = map[string]any

func (r *rig) wanted() fields {
	return fields{"resource": r.URL + lists, "notificationUrl": r.HookURL + "/in/sp", "clientState": "state",
		"expirationDateTime": formatTime(r.Host.Now().Add(179 * 24 * time.Hour))}
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
		"too long": func(f fields) { f["expirationDateTime"] = formatTime(r.Now().Add(181 * 24 * time.Hour)) },
		"past":     func(f fields) { f["expirationDateTime"] = formatTime(r.Now()) },
		"no date":  func(f fields) { f["expirationDateTime"] = "soon" },
		"no URL":   func(f fields) { delete(f, "notificationUrl") },
		"nobody":   func(f fields) { f["notificationUrl"] = "http://127.0.0.1:1/" },
		"202":      func(fields) { r.AnswerHandshakes(func(token string) (int, string) { return 202, token }) },
		"a quotation": func(fields) {
			r.AnswerHandshakes(func(token string) (int, string) { return 200, `"` + token + `"` })
		},
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
	if n, err := r.Host.Happen(emulator.Event{Resource: DefaultList, ChangeType: "created"}); n != 2 || err != nil {
		t.Fatalf("%d notifications, %v", n, err)
	}
	byState := map[string][]map[string]any{}
	for range 2 {
		got := r.Next()
		byState[got.Header.Get("ClientState")] = got.Items
	}
	if len(byState["state"]) != 2 || len(byState[""]) != 1 || byState[""][0]["clientState"] != nil ||
		byState["state"][0]["siteUrl"] != "/sites/lab" || byState["state"][0]["resource"] != DefaultListID {
		t.Errorf("the notifications are %v", byState)
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultExpire, System: "sharepoint"}); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Host.Happen(emulator.Event{Resource: DefaultList, ChangeType: "created"}); n != 0 || err != nil {
		t.Errorf("after the end: %d notifications, %v", n, err)
	}
	if _, err := r.Host.Happen(emulator.Event{Resource: "/me/events", ChangeType: "created"}); err == nil {
		t.Error("a path of another system was taken")
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{AnyToken: true, FetchLimit: 2})
	_, got := r.call("GET", lists+"?$select=CurrentChangeToken", plain, nil)
	start := got["CurrentChangeToken"].(fields)["StringValue"].(string)
	for _, change := range []string{"created", "updated", "created", "deleted"} {
		r.Pass(time.Minute)
		if _, err := r.Host.Happen(emulator.Event{Resource: DefaultList, ChangeType: change}); err != nil {
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
	byTime := formatToken(DefaultListID, r.Now().Add(-90*time.Second), -1)
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
	r.Pass(61 * 24 * time.Hour)
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
	app := func(scope string) string {
		t.Helper()
		return r.AppToken(entra.DefaultClient, entra.DefaultSecret, scope)
	}
	user := func(scope string) string {
		t.Helper()
		return r.UserToken(entra.DefaultClient, scope)
	}
	for _, tt := range []struct {
		name, token, path string
		status            int
		text              string
	}{
		{"none", "", lists, 403, "Access denied"},
		{"nonsense", "x.y.z", lists, 401, "Unsupported security token."},
		{"of Graph", app("https://graph.microsoft.com/.default"), lists, 401, "Invalid issuer or signature."},
		{"by a secret", app("https://contoso.sharepoint.com/.default"), lists, 401, "Unsupported app only token."},
		{"of a user who reads", user("https://contoso.sharepoint.com/AllSites.Read"), lists, 200, "Documents"},
		{"of a user who reads, at webhooks", user("https://contoso.sharepoint.com/AllSites.Read"), subs, 403,
			"Access denied"},
		{"of a user who writes, listing", user("https://contoso.sharepoint.com/AllSites.Write"), subs, 403,
			"Access denied"},
		{"of a user in full control", user("https://contoso.sharepoint.com/AllSites.FullControl"), subs, 200,
			"pushnp"},
	} {
		r.Token = tt.token
		status, got := r.call("GET", tt.path, plain, nil)
		if status != tt.status || !strings.Contains(fmt.Sprint(got), tt.text) {
			t.Errorf("%s: %d %v; want %d %s", tt.name, status, got, tt.status, tt.text)
		}
	}
	r.Host.Fault(emulator.Fault{Kind: emulator.FaultThrottle, Value: "31", System: "sharepoint"})
	if status, got := r.call("GET", lists, plain, nil); status != 429 || got != nil {
		t.Errorf("throttled: %d %v", status, got)
	}
}
