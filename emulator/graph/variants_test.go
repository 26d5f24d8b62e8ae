package graph

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
)

// TestUnauthorized shows the answers to tokens that are too old, too new or foreign, and those that the fault error
// goes through.
func TestUnauthorized(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	good := r.Token
	want := func(method, code, message string) {
		t.Helper()
		answer := r.Call(method, "/v1.0/subscriptions", nil)
		gotCode, gotMessage := codeOf(answer.JSON)
		if answer.Status != 401 || gotCode != code || !strings.Contains(gotMessage, message) ||
			!strings.HasPrefix(answer.Header.Get("Www-Authenticate"), `Bearer realm="", authorization_uri=`) {
			t.Errorf("answered %d %s %v; want %s %s", answer.Status, answer.Text, answer.Header, code, message)
		}
	}
	r.Token = r.AppToken(entra.DefaultClient, entra.DefaultSecret, "https://outlook.office.com/.default")
	want("GET", "InvalidAuthenticationToken", "Invalid audience")

	// A sign-in whose clock is ahead issues tokens that are not valid yet.
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultClock, System: "entra", Value: "10m"}); err != nil {
		t.Fatal(err)
	}
	r.Token = r.tokenOf(entra.DefaultClient)
	want("GET", "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")
	r.Token = good
	r.Pass(time.Hour)
	want("GET", "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
	r.Host.Reset()

	fault := emulator.Fault{Kind: emulator.FaultError, Value: "401", System: "graph", Times: 9}
	if err := r.Host.Fault(fault); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"CompactToken validation failed with reason code: 80049228.",
		"Lifetime validation failed, the token is expired.", "Access token has expired or is not yet valid."} {
		want("GET", "InvalidAuthenticationToken", text)
	}
	want("GET", "unauthenticated", "not authenticated")
	want("POST", "ExtensionError", "[Status Code: Unauthorized; Reason: Authentication failed]")
}

// TestExtensionErrors shows refusals that come from the service behind a resource.
func TestExtensionErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Quota: 2})
	r.create(nil)
	r.create(nil)
	status, answer := r.call("POST", "subscriptions", r.wanted(nil))
	if code, text := codeOf(answer); status != 403 || code != "ExtensionError" ||
		text != "Operation: Create; Exception: "+
			"[Status Code: Forbidden; Reason: Number of subscriptions on item has exceeded limit]" {
		t.Errorf("beyond the quota: %d %v", status, answer)
	}
	records := fields{"resource": "communications/callRecords"}
	r.create(records)
	r.Token = r.UserToken(entra.DefaultClient, "https://graph.microsoft.com/CallRecords.Read.All "+
		"https://graph.microsoft.com/Chat.Read.All")
	for _, resource := range []string{"communications/callRecords", "chats/getAllMessages"} {
		status, answer = r.call("POST", "subscriptions", r.wanted(fields{"resource": resource}))
		if code, text := codeOf(answer); status != 400 || code != "ExtensionError" ||
			!strings.Contains(text, "'app + user' subscriptions are not supported in v1]") {
			t.Errorf("%s by a user: %d %v", resource, status, answer)
		}
	}
}

// TestRenewals shows a renewal that is refused as too long, and one that changes nothing.
func TestRenewals(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{OutlookMinutes: 4230})
	id := r.create(nil)
	status, answer := r.call("PATCH", "subscriptions/"+id,
		fields{"expirationDateTime": formatTime(r.Now().Add(5000 * time.Minute))})
	if code, _ := codeOf(answer); status != 400 || code != "ErrorInvalidParameter" {
		t.Errorf("too long: %d %v", status, answer)
	}
	r = newRig(t, Options{KeepExpiry: true})
	id = r.create(nil)
	status, answer = r.call("PATCH", "subscriptions/"+id,
		fields{"expirationDateTime": formatTime(r.Now().Add(48 * time.Hour))})
	if status != 200 || answer["expirationDateTime"] != formatTime(r.Now().Add(24*time.Hour)) {
		t.Errorf("not renewed: %d %v", status, answer)
	}
}

// TestEntity shows the members of a subscription, which clients read by name.
func TestEntity(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	_, made := r.call("POST", "subscriptions", r.wanted(nil))
	want := []string{"@odata.context", "applicationId", "changeType", "clientState", "creatorId",
		"encryptionCertificate", "encryptionCertificateId", "expirationDateTime", "id", "includeResourceData",
		"latestSupportedTlsVersion", "lifecycleNotificationUrl", "notificationQueryOptions", "notificationUrl",
		"notificationUrlAppId", "resource"}
	if got := slices.Sorted(maps.Keys(made)); !slices.Equal(got, want) {
		t.Errorf("the members are %q, want %q", got, want)
	}
}

func TestImmutableIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	const prefer, value = "Prefer", `outlook.timezone="UTC", IdType="ImmutableId"`
	status, _ := r.call("POST", "subscriptions", r.wanted(nil), prefer, value)
	if status != http.StatusCreated {
		t.Fatalf("create answered %d", status)
	}
	r.happen("/me/events", "created", fields{"subject": "Lens"}, 1)
	n := r.next()[0]
	id, _ := n["resourceData"].(fields)["id"].(string)
	path, _ := n["resource"].(string)
	if !strings.HasPrefix(id, immutablePrefix) || !strings.HasSuffix(path, "/"+id) {
		t.Errorf("the notification is %v", n)
	}
	if status, item := r.call("GET", path, nil, prefer, value); status != 200 || item["id"] != id {
		t.Errorf("with the header: %d %v", status, item)
	}
	if status, item := r.call("GET", path, nil); status != 404 {
		t.Errorf("without the header: %d %v", status, item)
	}
	_, list := r.call("GET", "me/events", nil, prefer, value)
	if ids(list) != id {
		t.Errorf("the list has %s, want %s", ids(list), id)
	}
}

// TestCalendarView shows that a view has the events of its window, which it must name.
func TestCalendarView(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{PageSize: 1})
	r.create(nil)
	at := func(hour string) fields {
		return fields{"dateTime": "2026-12-24T" + hour + ":00:00.0000000", "timeZone": "UTC"}
	}
	for id, hours := range map[string][2]string{"early": {"08", "09"}, "late": {"17", "18"}} {
		r.happen("/me/events", "created", fields{"id": id, "start": at(hours[0]), "end": at(hours[1])}, 1)
	}
	r.happen("/me/events", "created", fields{"id": "tomorrow"}, 1)
	for window, want := range map[string]string{
		"startDateTime=2026-12-24T08:30:00Z&endDateTime=2026-12-24T12:00:00Z":               "early",
		"StartDateTime=2026-12-24T12:00:00&EndDateTime=2026-12-24T23:00:00":                 "late",
		"startDateTime=2026-11-30&endDateTime=2026-12-01":                                   "tomorrow",
		"startDateTime=2026-12-24T09:00:00Z&endDateTime=2026-12-24T17:00:00Z":               "",
		"startDateTime=2026-12-24T09:00:00%2B01:00&endDateTime=2026-12-24T10:00:00%2B01:00": "early",
	} {
		for _, path := range []string{"me/calendarView?", "me/calendarView/delta?"} {
			if _, page := r.call("GET", path+window, nil); ids(page) != want {
				t.Errorf("%s%s: %s, want %s", path, window, ids(page), want)
			}
		}
	}
	_, page := r.call("GET", "me/calendarView?startDateTime=2026-12-01&endDateTime=2027-01-01", nil)
	if _, rest := r.call("GET", page["@odata.nextLink"].(string), nil); ids(page) == ids(rest) || len(ids(rest)) < 4 {
		t.Errorf("the pages are %v and %v", page, rest)
	}
	for _, path := range []string{
		"me/calendarView", "me/calendarView/delta?startDateTime=soon&endDateTime=2027-01-01"} {
		status, answer := r.call("GET", path, nil)
		if code, _ := codeOf(answer); status != 400 || code != "ErrorInvalidParameter" {
			t.Errorf("%s: %d %v", path, status, answer)
		}
	}
}

func FuzzPaths(f *testing.F) {
	for _, path := range []string{"/v1.0/me/mailFolders('Inbox')/messages/delta", "/beta/users('a')/Messages('b')",
		"/v1.0/drives/b!9/root", "/V1.0/chats/getAllMessages", "/v1.0//", "/v1.0/users/a@b/events?x=1",
		"/v1.0/%2f('"} {
		f.Add(path)
	}
	s := New(emulator.New(emulator.Options{}), nil, Options{})
	f.Fuzz(func(t *testing.T, path string) {
		resource, ok := resourceOf(path)
		if ok != s.Owns(path) {
			t.Errorf("%q: owned %v, split %v", path, s.Owns(path), ok)
		}
		c := canonical(resource, defaultUser)
		if c != strings.ToLower(c) {
			t.Errorf("%q has the canonical form %q", path, c)
		}
		k, known := s.kindOf(c)
		if known && (k.minutes == 0 || len(k.permissions) == 0) {
			t.Errorf("%q is of the kind %+v", path, k)
		}
		titled(c)
	})
}

func FuzzDeltaToken(f *testing.F) {
	for _, text := range []string{"v0", "v12", "v012", "v-1", "12", "v99999999999999", "latest"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if token, ok := parseDeltaToken(text); ok && token.String() != text {
			t.Errorf("%q is read as %v", text, token)
		}
	})
}
