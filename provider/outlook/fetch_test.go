package outlook

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

func openFetch(t testing.TB, settings string) provider.Fetch {
	t.Helper()
	f, err := Provider{}.OpenFetch([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestPathOf: the resources of Outlook's own hosts are called at the connection's API, whatever that is. Any other
// host stays in the URL, so that a call fails unless it is the API's.
func TestPathOf(t *testing.T) {
	t.Parallel()
	for resource, want := range map[string]string{
		"https://outlook.office.com/api/v2.0/Users('1@2')/Events('3=')": "/api/v2.0/Users('1@2')/Events('3=')",
		"https://outlook.office365.com/api/beta/me/messages/1":          "/api/beta/me/messages/1",
		"HTTPS://Outlook.Office.com/API/v2.0/me/events('1')":            "/API/v2.0/me/events('1')",
		"http://127.0.0.1:9100/api/v2.0/Users('1')/Events('2')":         "http://127.0.0.1:9100/api/v2.0/Users('1')/Events('2')",
		"https://evil.example.com/api/v2.0/me/events('1')":              "https://evil.example.com/api/v2.0/me/events('1')",
		"https://outlook.office.com:444/api/v2.0/me/events/1":           "https://outlook.office.com:444/api/v2.0/me/events/1",
		"https://outlook.office.com.evil.example/api/v2.0/me/events/1":  "https://outlook.office.com.evil.example/api/v2.0/me/events/1",
		"me/events('1')":          "/api/v2.0/me/events('1')",
		"/Users('1')/Events('2')": "/api/v2.0/Users('1')/Events('2')",
		"/api/v2.0/me/events/1":   "/api/v2.0/me/events/1",
	} {
		if got, err := PathOf(resource); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", resource, got, err, want)
		}
	}
	for resource, want := range map[string]string{
		"https://user@outlook.office.com/api/v2.0/me/events/1":       "host",
		"https://outlook.office.com/owa/?me":                         "query",
		"https://outlook.office.com/owa/me/events/1":                 "mailbox",
		"https://outlook.office.com/api/v2.0/$metadata":              "mailbox",
		"https://outlook.office.com/api/v2.0/me/../../../x":          ". or ..",
		"https://outlook.office.com/api/v2.0/me/%2e%2e/x":            ". or ..",
		"https://outlook.office.com//evil.example.com/api/v2.0/me/x": "mailbox",
		"//evil.example.com/api/v2.0/me/events/1":                    "//",
		"ftp://outlook.office.com/api/v2.0/me/events/1":              "scheme",
		"https:///api/v2.0/me/events/1":                              "host",
		"https://out look/api/v2.0/me/events/1":                      "host",
		"file:///etc/passwd":                                         "scheme",
		"groups/1":                                                   "mailbox",
		"":                                                           "empty",
	} {
		if got, err := PathOf(resource); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, want %q", resource, got, err, want)
		}
	}
}

// FuzzPathOf: a resource becomes a path of a mailbox below the API's version, on Outlook's own hosts or on the one
// that it names, or is refused.
func FuzzPathOf(f *testing.F) {
	for _, resource := range []string{"https://outlook.office.com/api/v2.0/Users('1')/Events('2')", "me/events/1",
		"https://evil.example.com/api/v2.0/me/events/1", "https://outlook.office.com@evil.example.com/api/v2.0/me/x",
		"https://outlook.office.com\\@evil.example.com/api/v2.0/me/x",
		"https://outlook.office.com/api/v2.0/me/%2e%2e/x"} {
		f.Add(resource)
	}
	f.Fuzz(func(t *testing.T, resource string) {
		got, err := PathOf(resource)
		if err != nil {
			return
		}
		base, _ := url.Parse("https://api.example.com")
		u, err := base.Parse(got)
		if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
			!strings.HasPrefix(strings.ToLower(u.Path), "/api/") {
			t.Fatalf("%q became %q: %+v, %v", resource, got, u, err)
		}
		named, err := url.Parse(resource)
		if strings.Contains(got, "://") && (err != nil || !strings.EqualFold(named.Host, u.Host)) {
			t.Fatalf("%q became %q of another host", resource, got)
		}
		for _, segment := range strings.Split(u.Path, "/")[1:] {
			if segment == "" || segment == "." || segment == ".." {
				t.Fatalf("%q became %q", resource, got)
			}
		}
	})
}

// TestFetchPlan: what is done for each kind of event, and by which call.
func TestFetchPlan(t *testing.T) {
	t.Parallel()
	f := openFetch(t, `{"connection":"work","select":"Subject","body":"text","timezone":"UTC"}`)
	resource := "https://outlook.office.com/api/v2.0/Users('Ada@x')/Events('1=')"
	p := f.Plan(&bellhop.Event{Type: "outlook.Created", Body: []byte(`{"Resource":"` + resource + `"}`)})
	if p.Call.Path != "/api/v2.0/Users('Ada@x')/Events('1=')?$select=Subject" || p.Share != "users/ada@x" ||
		p.Resource != resource ||
		p.Call.Header.Get("Prefer") != `outlook.body-content-type="text", outlook.timezone="UTC"` ||
		p.Call.Header.Get("Accept") != "application/json" {
		t.Errorf("%+v", p)
	}
	if p := f.Plan(&bellhop.Event{Type: "outlook.Deleted", Body: []byte(`{"resource":"` + resource + `"}`)}); !p.Gone {
		t.Errorf("%+v", p)
	}
	for kind, body := range map[string]string{"outlook.Missed": `{}`, "outlook.Gap": `{}`, "outlook.fetched": `{}`,
		"graph.created": `{"Resource":"me/events/1"}`} {
		if p := f.Plan(&bellhop.Event{Type: kind, Body: []byte(body)}); p.Skip == "" {
			t.Errorf("%s: %+v", kind, p)
		}
	}
	for _, body := range []string{`{}`, `x`, `{"Resource":"https://outlook.office.com/owa/"}`} {
		if p := f.Plan(&bellhop.Event{Type: "outlook.Created", Body: []byte(body)}); p.Refused == "" ||
			strings.Contains(p.Refused, "office") {
			t.Errorf("%s: %+v", body, p)
		}
	}
	for settings, want := range map[string]string{`{"immutable_ids":true}`: "immutable_ids: unknown setting",
		`{"body":"pdf"}`: "body: "} {
		if _, err := (Provider{}).OpenFetch([]byte(settings)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

// TestFetchCheck: a missing scope is named.
func TestFetchCheck(t *testing.T) {
	t.Parallel()
	f := openFetch(t, `{"connection":"work"}`)
	denied := provider.Answer{Status: http.StatusForbidden,
		Body: []byte(`{"error":{"code":"ErrorAccessDenied","message":"Access is denied."}}`)}
	for resource, want := range map[string]string{
		"https://outlook.office.com/api/v2.0/Users('1')/Events('2')":                            "Calendars.Read",
		"https://outlook.office.com/api/v2.0/me/mailfolders('Inbox')/messages('2')/attachments": "Mail.Read",
		"me/things/1": "the scope that this resource needs",
	} {
		err := f.Check(denied, provider.FetchPlan{Resource: resource}, time.Now())
		var e *provider.APIError
		if !errors.As(err, &e) || e.Kind != provider.APIForbidden || !strings.Contains(e.Error(), want) {
			t.Errorf("%s: %v, want %s", resource, err, want)
		}
	}
	if err := f.Check(provider.Answer{Status: 200, Body: []byte(`{"Id":"1"}`)}, provider.FetchPlan{},
		time.Now()); err != nil {
		t.Error(err)
	}
}
