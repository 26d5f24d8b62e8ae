package graph

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// openFetch opens settings that must be good.
func openFetch(t testing.TB, settings string) provider.Fetch {
	t.Helper()
	f, err := Provider{}.OpenFetch([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFetchSettings: the settings become the query and the header of each call, and those that cannot are refused.
func TestFetchSettings(t *testing.T) {
	t.Parallel()
	f := openFetch(t, `{"connection":"work","fold":"5s","select":"subject,start","expand":"attachments($select=name)",
		"body":"text","timezone":"Pacific Standard Time","immutable_ids":true}`)
	if f.Common() != (provider.FetchSettings{Connection: "work", Fold: "5s"}) {
		t.Errorf("%+v", f.Common())
	}
	p := f.Plan(&bellhop.Event{Type: "graph.updated", Body: []byte(`{"resource":"Users/Ada/Messages/1="}`)})
	if want := "/v1.0/Users/Ada/Messages/1=?$select=subject%2Cstart&$expand=attachments%28%24select%3Dname%29"; p.Call.Path != want {
		t.Errorf("path %s, want %s", p.Call.Path, want)
	}
	want := `outlook.body-content-type="text", outlook.timezone="Pacific Standard Time", IdType="ImmutableId"`
	if got := p.Call.Header.Get("Prefer"); got != want || p.Share != "users/ada" || p.Call.Method != http.MethodGet {
		t.Errorf("%+v", p)
	}
	p = openFetch(t, `{"connection":"work"}`).Plan(&bellhop.Event{Type: "graph.sealed.created",
		Body: []byte(`{"resource":"me/events/1"}`)})
	if p.Call.Path != "/v1.0/me/events/1" || p.Call.Header != nil || p.Share != "me" {
		t.Errorf("%+v", p)
	}
	for settings, want := range map[string]string{
		`{"body":"pdf"}`: "body: ", `{"timezone":"a\"b"}`: "timezone: ", `{"select":"a\nb"}`: "select: ",
		`{"slect":"a"}`: "slect: unknown setting; there are connection, fold, select, expand, body, " +
			"timezone, immutable_ids",
	} {
		if _, err := (Provider{}).OpenFetch([]byte(settings)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

// TestFetchPlan: what is done for each kind of event.
func TestFetchPlan(t *testing.T) {
	t.Parallel()
	f := openFetch(t, `{"connection":"work"}`)
	for _, c := range []struct {
		kind, body, want string
	}{
		{"graph.created", `{"resource":"me/messages/1"}`, "call /v1.0/me/messages/1"},
		{"graph.updated", `{"resource":"chats('19:x@thread.v2')/messages('1')"}`,
			"call /v1.0/chats('19:x@thread.v2')/messages('1')"},
		{"graph.deleted", `{"resource":"me/messages/1"}`, "gone"},
		{"graph.created", `{"resource":"me/messages/1","content":{"id":"1"}}`, `content {"id":"1"}`},
		{"graph.created", `{"resource":"me/messages/1","content":null}`, "call /v1.0/me/messages/1"},
		{"graph.updated", `{"resource":"drives/b!x/root"}`, "skip it names a drive"},
		{"graph.updated", `{"resource":"me/drive/root"}`, "skip it names a drive"},
		{"graph.updated", `{"resource":"sites('a')/lists('b')"}`, "skip it names a drive or a list"},
		{"graph.updated", `{}`, "refused the notification names no resource"},
		{"graph.updated", `not json`, "refused the notification names no resource"},
		{"graph.updated", `{"resource":"https://evil.example.com/x"}`,
			"refused the notification names a resource that is never called"},
		{"graph.updated", `{"resource":"//evil.example.com/x"}`, "refused "},
		{"graph.updated", `{"resource":"me/%2e%2e/%2e%2e/x"}`, "refused "},
		{"graph.deleted", `{"resource":"me/../x"}`, "refused "},
		{"graph.lifecycle.missed", `{"resource":"me/messages"}`, "skip it is no notification"},
		{"graph.fetched", `{"resource":"me/messages/1"}`, "skip it is no notification"},
		{"outlook.Created", `{"resource":"me/messages/1"}`, "skip it is no notification"},
	} {
		p := f.Plan(&bellhop.Event{Type: c.kind, Body: []byte(c.body)})
		got := "call " + p.Call.Path
		switch {
		case p.Skip != "":
			got = "skip " + p.Skip
		case p.Refused != "":
			got = "refused " + p.Refused
		case p.Gone:
			got = "gone"
		case p.Content != nil:
			got = "content " + string(p.Content)
		}
		if !strings.HasPrefix(got, c.want) || strings.Contains(got, "evil") {
			t.Errorf("%s %s: %s, want %s", c.kind, c.body, got, c.want)
		}
	}
}

// TestFetchCheck: an answer that is not the resource says why, and a missing permission is named.
func TestFetchCheck(t *testing.T) {
	t.Parallel()
	f := openFetch(t, `{"connection":"work"}`)
	const ok = `{"id":"1","@odata.etag":"W/\"2\""}`
	denied := `{"error":{"code":"ErrorAccessDenied","message":"Access is denied."}}`
	for _, c := range []struct {
		status         int
		body, resource string
		kind           provider.APIErrorKind
		text           string
	}{
		{200, ok, "me/messages/1", "", ""},
		{200, "<html>", "me/messages/1", provider.APIForeign, "not the JSON"},
		{200, `{"id":"1"`, "me/messages/1", provider.APIForeign, "cut off"},
		{200, `[1]`, "me/messages/1", provider.APIForeign, "not the JSON"},
		{302, "", "me/messages/1", provider.APIForeign, "redirect"},
		{404, `{"error":{"code":"ErrorItemNotFound","message":"gone"}}`, "me/messages/1", provider.APIGone,
			"ErrorItemNotFound"},
		{404, "<html>", "me/messages/1", provider.APIForeign, "proxy"},
		{403, denied, "Users('1')/Messages('2')", provider.APIForbidden, "permission Mail.Read "},
		{403, denied, "me/events/1", provider.APIForbidden, "permission Calendars.Read "},
		{403, denied, "unknown/1", provider.APIForbidden, "the permission for this resource"},
		{401, `{"error":{"code":"InvalidAuthenticationToken","message":"no"}}`, "me/events/1", provider.APISignedOut,
			"refuses the credentials"},
		{400, `{"error":{"code":"ErrorInvalidIdMalformed","message":"Id is malformed."}}`, "me/events/1",
			provider.APIInvalid, "malformed"},
		{500, "", "me/events/1", provider.APITemporary, "500"},
	} {
		err := f.Check(provider.Answer{Status: c.status, Body: []byte(c.body)},
			provider.FetchPlan{Resource: c.resource}, time.Now())
		var e *provider.APIError
		if errors.As(err, &e) != (c.kind != "") ||
			e != nil && (e.Kind != c.kind || !strings.Contains(e.Error(), c.text)) {
			t.Errorf("%d %s: %v, want %s %s", c.status, c.body, err, c.kind, c.text)
		}
	}
	if got := f.Version([]byte(ok)); got != `W/"2"` || f.Version([]byte("{}")) != "" {
		t.Errorf("version %q", got)
	}
}

// FuzzPathOf: a resource becomes a path below the API's version, or is refused.
func FuzzPathOf(f *testing.F) {
	for _, resource := range []string{"me/messages/1=", "Users('1')/Events('2')", "a/%2e%2e/b", "//host/x",
		"https://h/x"} {
		f.Add(resource)
	}
	f.Fuzz(func(t *testing.T, resource string) {
		got, err := PathOf(resource)
		if err == nil && (!strings.HasPrefix(got, "/v1.0/") || strings.Contains(got, "//") ||
			strings.ContainsAny(got, "?#\\")) {
			t.Errorf("%q became %q", resource, got)
		}
	})
}
