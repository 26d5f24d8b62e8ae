package outlook

import (
	"fmt"
	"net/url"
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
	r.Token = r.tokenOf("https://outlook.office.com/.default")
	return r
}

func (r *rig) tokenOf(scope string) string {
	r.t.Helper()
	return r.AppToken(entra.DefaultClient, entra.DefaultSecret, scope)
}

// call calls the API and returns the status and the JSON of the answer. A path that begins with "http" is a whole URL.
func (r *rig) call(method, path string, body any) (int, map[string]any) {
	r.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = "/api/v2.0/" + path
	}
	answer := r.Call(method, path, body)
	return answer.Status, answer.JSON
}

type fields = map[string]any

func (r *rig) wanted() fields {
	return fields{"@odata.type": odataType, "Resource": r.URL + "/api/v2.0/me/events",
		"NotificationURL": r.HookURL + "/in/o",
		"ChangeType":      "Created,Updated,Deleted", "ClientState": "state"}
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	status, made := r.call("POST", "me/subscriptions", r.wanted())
	id, _ := made["Id"].(string)
	if status != 201 || made["ClientState"] != "state" || made["ChangeType"] != "Created, Updated, Deleted, Missed" ||
		made["SubscriptionExpirationDateTime"] != formatTime(r.Now().Add(longest)) {
		t.Fatalf("created: %d %v", status, made)
	}
	for _, path := range []string{"me/subscriptions('" + url.PathEscape(id) + "')",
		"Me/Subscriptions/" + url.PathEscape(id)} {
		if status, got := r.call("GET", path, nil); status != 200 || got["Id"] != id || got["ClientState"] != nil {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	path := "me/subscriptions/" + url.PathEscape(id)
	for wish, want := range map[string]time.Duration{"": longest, formatTime(r.Now().Add(time.Hour)): time.Hour,
		formatTime(r.Now().Add(100 * time.Hour)): longest} {
		body := fields{"@odata.type": odataType}
		if wish != "" {
			body["SubscriptionExpirationDateTime"] = wish
		}
		if status, got := r.call("PATCH", path, body); status != 200 ||
			got["SubscriptionExpirationDateTime"] != formatTime(r.Now().Add(want)) {
			t.Errorf("renewed until %q: %d %v", wish, status, got)
		}
	}
	if status, _ := r.call("GET", "me/subscriptions", nil); status != 400 {
		t.Errorf("there is a list: %d", status)
	}
	if status, _ := r.call("DELETE", path, nil); status != 204 {
		t.Errorf("delete answered %d", status)
	}
	if status, got := r.call("GET", path, nil); status != 404 ||
		!strings.Contains(fmt.Sprint(got), "ErrorItemNotFound") {
		t.Errorf("after delete: %d %v", status, got)
	}
	for name, change := range map[string]func(fields){
		"no type":       func(f fields) { delete(f, "@odata.type") },
		"no resource":   func(f fields) { delete(f, "Resource") },
		"a change type": func(f fields) { f["ChangeType"] = "Read" },
		"past":          func(f fields) { f["SubscriptionExpirationDateTime"] = formatTime(r.Now()) },
		"no date":       func(f fields) { f["SubscriptionExpirationDateTime"] = "soon" },
		"no URL":        func(f fields) { delete(f, "NotificationURL") },
		"quoted token": func(fields) {
			r.AnswerHandshakes(func(token string) (int, string) { return 200, `"` + token + `"` })
		},
		"long state": func(f fields) { f["ClientState"] = strings.Repeat("x", 256) },
	} {
		body := r.wanted()
		change(body)
		if status, got := r.call("POST", "me/subscriptions", body); status != 400 || got["error"] == nil {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	r.Token = r.tokenOf("https://graph.microsoft.com/.default")
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
		n, err := r.Host.Happen(emulator.Event{Resource: "/me/events", ChangeType: change, Data: data})
		if n != 1 || err != nil {
			t.Fatalf("%d notifications, %v", n, err)
		}
		got := r.Next()
		if len(got.Items) != 1 || got.Header.Get("ClientState") != "state" ||
			got.Items[0]["@odata.type"] != "#Microsoft.OutlookServices.Notification" {
			t.Fatalf("the notification is %v", got)
		}
		return got.Items[0]
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
	since := "me/events?$filter=" + url.QueryEscape("LastModifiedDateTime ge "+formatTime(r.Now().Add(time.Second)))
	if status, page := r.call("GET", since, nil); status != 200 || len(page["value"].([]any)) != 0 {
		t.Errorf("since later: %d %v", status, page)
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultMissed, System: "outlook"}); err != nil {
		t.Fatal(err)
	}
	if missed := r.Next().Items[0]; missed["SequenceNumber"] != 5.0 || missed["ChangeType"] != "Missed" ||
		missed["Resource"] != nil {
		t.Errorf("missed is %v", missed)
	}
	if last := happen("deleted", fields{"Id": item["Id"]}); last["SequenceNumber"] != 6.0 {
		t.Errorf("the deletion is %v", last)
	}
	if status, _ := r.call("GET", first["Resource"].(string), nil); status != 404 {
		t.Errorf("the deleted item: %d", status)
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultExpire, System: "outlook"}); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Host.Happen(emulator.Event{Resource: "/me/events", ChangeType: "created"}); n != 0 || err != nil {
		t.Errorf("after the end: %d notifications, %v", n, err)
	}
	if _, err := r.Host.Happen(emulator.Event{Resource: "Documents", ChangeType: "created"}); err == nil {
		t.Error("a resource of another system was taken")
	}
	if status, me := r.call("GET", "me", nil); status != 200 || me["EmailAddress"] != entra.UserName {
		t.Errorf("me: %d %v", status, me)
	}
}

// TestUnauthorized shows how tokens are refused, and the answers that the fault error goes through.
func TestUnauthorized(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	want := func(reason, category string) {
		t.Helper()
		answer := r.Call("GET", "/api/v2.0/me/events", nil)
		diagnostics := answer.Header.Get("X-Ms-Diagnostics")
		if answer.Status != 401 || answer.Text != "" ||
			diagnostics != `2000003;reason="`+reason+`";error_category="`+category+`"` ||
			!strings.HasPrefix(answer.Header.Get("Www-Authenticate"), `Bearer client_id="00000002-0000-0ff1-ce00-`) {
			t.Errorf("answered %d %q, %s; want %s", answer.Status, answer.Text, diagnostics, reason)
		}
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultError, System: "outlook", Value: "401",
		Times: 3}); err != nil {
		t.Fatal(err)
	}
	want("The token is missing or invalid.", "invalid_token")
	want("The token has expired.", "invalid_lifetime")
	want("The audience claim value is invalid.", "invalid_resource")
	r.Pass(2 * time.Hour)
	want("The token has expired.", "invalid_lifetime")
	r.Pass(-3 * time.Hour)
	want("The token is not yet valid.", "invalid_lifetime")
}

// TestCalendarView shows a span of the calendar, and the changes in it after a delta link.
func TestCalendarView(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{AnyToken: true})
	change := func(kind, id, hour string) {
		t.Helper()
		data := fields{"Id": id, "Start": fields{"DateTime": "2026-12-24T" + hour + ":00:00.0000000",
			"TimeZone": "UTC"},
			"End": fields{"DateTime": "2026-12-24T" + hour + ":30:00.0000000", "TimeZone": "UTC"}}
		if _, err := r.Host.Happen(emulator.Event{Resource: "/me/events", ChangeType: kind, Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	ids := func(answer emulatortest.Answer) string {
		t.Helper()
		list, ok := answer.JSON["value"].([]any)
		if !ok {
			t.Fatalf("answered %d %s", answer.Status, answer.Text)
		}
		var ids []string
		for _, v := range list {
			id := v.(fields)["Id"].(string)
			if v.(fields)["@removed"] != nil {
				id = "-" + id
			}
			ids = append(ids, id)
		}
		return strings.Join(ids, " ")
	}
	for i, hour := range []string{"08", "10", "12", "20"} {
		change("created", string(rune('a'+i)), hour)
	}
	const view = "/api/v2.0/me/calendarview?startDateTime=2026-12-24T08:10:00Z&endDateTime=2026-12-24T18:00:00"
	const prefer = "odata.track-changes, odata.maxpagesize=2"
	if got := r.Call("GET", view, nil); ids(got) != "a b c" || got.JSON["@odata.deltaLink"] != nil {
		t.Errorf("the view is %s", got.Text)
	}
	first := r.Call("GET", view, nil, "Prefer", prefer)
	next, _ := first.JSON["@odata.nextLink"].(string)
	last := r.Call("GET", next, nil, "Prefer", prefer)
	link, _ := last.JSON["@odata.deltaLink"].(string)
	if ids(first) != "a b" || ids(last) != "c" || link == "" {
		t.Fatalf("the first round is %s, %s", first.Text, last.Text)
	}
	change("updated", "b", "11")
	change("updated", "d", "21")
	change("deleted", "a", "08")
	if got := r.Call("GET", link, nil); ids(got) != "b -a" || got.JSON["@odata.deltaLink"] == nil {
		t.Errorf("the changes are %s", got.Text)
	}
	for path, want := range map[string]int{"/api/v2.0/me/calendarview": 400, view + "&$deltatoken=99": 410,
		view + "&$deltatoken=x": 410} {
		if got := r.Call("GET", path, nil); got.Status != want || got.JSON["error"] == nil {
			t.Errorf("%s: %d %s, want %d", path, got.Status, got.Text, want)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, path := range []string{"me/subscriptions('a%3D%3D')", "Users('u@t')/Events('x')", "me", "users", "me/%zz",
		"me//events", "Me/calendarview", "users('a/b')/events"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		parts, ok := splitPath(path)
		if ok && len(parts) > 0 && parts[0] != strings.ToLower(parts[0]) {
			t.Errorf("%q is split into %q", path, parts)
		}
	})
}
