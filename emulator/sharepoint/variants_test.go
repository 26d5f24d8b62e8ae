package sharepoint

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// TestUnauthorized shows the bodies that the fault error goes through.
func TestUnauthorized(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{AnyToken: true})
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultError, Value: "401", Times: 3}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Invalid issuer or signature.", "Unsupported security token.",
		"Unsupported app only token."} {
		if status, got := r.call("GET", lists, plain, nil); status != 401 || got["error_description"] != want {
			t.Errorf("answered %d %v, want %s", status, got, want)
		}
	}
}

func TestMinuteLimit(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{AnyToken: true, MinuteLimit: 5})
	for i, want := range []struct {
		status                       int
		remaining, reset, retryAfter string
	}{{200, "", "", ""}, {200, "", "", ""}, {200, "", "", ""}, {200, "1", "60", ""}, {200, "0", "60", ""},
		{429, "0", "60", "60"}} {
		answer := r.Call("GET", lists, nil)
		h := answer.Header
		if answer.Status != want.status || h.Get("RateLimit-Remaining") != want.remaining ||
			h.Get("RateLimit-Reset") != want.reset || h.Get("Retry-After") != want.retryAfter {
			t.Errorf("call %d: %d %v, want %+v", i+1, answer.Status, h, want)
		}
	}
	r.Pass(45*time.Second + time.Millisecond)
	if answer := r.Call("GET", lists, nil); answer.Status != 429 || answer.Header.Get("Retry-After") != "15" {
		t.Errorf("later: %d %v", answer.Status, answer.Header)
	}
	r.Pass(15 * time.Second)
	if answer := r.Call("GET", lists, nil); answer.Status != 200 || answer.Header.Get("RateLimit-Limit") != "" {
		t.Errorf("in the next minute: %d %v", answer.Status, answer.Header)
	}
}

// TestVerbose shows the third form of JSON, which the oldest clients ask for.
func TestVerbose(t *testing.T) {
	t.Parallel()
	const verbose = "application/json; odata=verbose"
	r := newRig(t, Options{AnyToken: true})
	status, made := r.call("POST", subs, verbose, r.wanted())
	d, _ := made["d"].(fields)
	if status != 201 || d["clientState"] != "state" || d["__metadata"].(fields)["type"] != subscriptionType {
		t.Errorf("created: %d %v", status, made)
	}
	if _, err := r.Host.Happen(emulator.Event{Resource: DefaultList, ChangeType: "created"}); err != nil {
		t.Fatal(err)
	}
	status, got := r.call("POST", lists+"/getchanges", verbose, fields{"query": fields{
		"__metadata": fields{"type": "SP.ChangeQuery"}, "Add": "True", "Item": "True"}})
	text := fmt.Sprint(got)
	if status != 200 || !strings.Contains(text, "SP.ChangeItem") || !strings.Contains(text, "SP.ChangeToken") {
		t.Errorf("changes: %d %v", status, got)
	}
	if status, got := r.call("GET", lists+"/nothing", verbose, nil); status != 404 || got["error"] == nil {
		t.Errorf("an error: %d %v", status, got)
	}
	_, minimal := r.call("GET", "/sites/lab"+subs, "application/json", nil)
	if to, _ := minimal["odata.metadata"].(string); to != r.URL+"/sites/lab/_api/$metadata#SP.ApiData.Subscriptions" {
		t.Errorf("minimal: %v", minimal)
	}
}

// TestAtom shows what a browser sees, in which people look up the id of a list.
func TestAtom(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{AnyToken: true})
	var entry struct {
		Properties struct {
			Inner struct{ Id, Title string } `xml:"properties"`
		} `xml:"content"`
	}
	answer := r.Call("GET", "/_api/web/lists/getbytitle('Documents')?$select=Title,Id", nil, "Accept", "text/html,*/*")
	if err := xml.Unmarshal([]byte(answer.Text), &entry); err != nil || answer.Status != 200 ||
		entry.Properties.Inner.Id != DefaultListID || entry.Properties.Inner.Title != DefaultList ||
		answer.Header.Get("Content-Type") != "application/atom+xml;type=entry;charset=utf-8" {
		t.Errorf("the list is %+v, %v: %s", entry, err, answer.Text)
	}
	if _, err := r.Host.Happen(emulator.Event{Resource: DefaultList, ChangeType: "created",
		Data: map[string]any{"Title": "<a&b>", "odd name": 1, "Nothing": nil}}); err != nil {
		t.Fatal(err)
	}
	var feed struct {
		Entries []struct {
			Title string `xml:"content>properties>Title"`
		} `xml:"entry"`
	}
	answer = r.Call("GET", lists+"/items", nil)
	if err := xml.Unmarshal([]byte(answer.Text), &feed); err != nil || len(feed.Entries) != 1 ||
		feed.Entries[0].Title != "<a&b>" {
		t.Errorf("the items are %+v, %v: %s", feed, err, answer.Text)
	}
	var failed struct {
		Code string `xml:"code"`
	}
	answer = r.Call("GET", "/_api/web/lists/getbytitle('None')", nil)
	if err := xml.Unmarshal([]byte(answer.Text), &failed); err != nil || answer.Status != 404 ||
		failed.Code != errNoList.code {
		t.Errorf("the error is %+v, %v: %s", failed, err, answer.Text)
	}
}

// TestResources shows the three forms of a resource that clients send. The path decides.
func TestResources(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{AnyToken: true})
	for _, resource := range []string{r.URL + lists, "_api/web/lists('" + DefaultListID + "')/subscriptions",
		DefaultListID} {
		body := r.wanted()
		body["resource"] = resource
		if status, made := r.call("POST", subs, plain, body); status != 201 || made["resource"] != DefaultListID {
			t.Errorf("%s: %d %v", resource, status, made)
		}
	}
	body := r.wanted()
	delete(body, "expirationDateTime")
	if _, made := r.call("POST", subs, plain, body); made["expirationDateTime"] != formatTime(r.Now().Add(longest)) {
		t.Errorf("without an expiry: %v", made)
	}
	for exact, want := range map[bool]int{false: 201, true: 400} {
		r := newRig(t, Options{AnyToken: true, ExactExpiry: exact})
		body := r.wanted()
		body["expirationDateTime"] = formatTime(r.Now().Add(longest + time.Hour))
		if status, made := r.call("POST", subs, plain, body); status != want {
			t.Errorf("exact %v: %d %v", exact, status, made)
		}
	}
}

func FuzzChangeToken(f *testing.F) {
	for _, text := range []string{"1;3;" + DefaultListID + ";639315414000000000;4712", "1;3;" + DefaultListID +
		";1;-1",
		"1;3;" + DefaultListID + ";;", "1;0;x;1;1", ";;;;", "1;3;" + DefaultListID + ";01;+1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := parseToken(DefaultListID, text)
		if err != nil {
			return
		}
		again := fmt.Sprintf("1;3;%s;%d;%d", DefaultListID, token.ticks, token.position)
		if other, err := parseToken(DefaultListID, again); err != nil || other != token {
			t.Errorf("%q is read as %+v, which is written %q and read as %+v, %v", text, token, again, other, err)
		}
		now := time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)
		if token.position >= 0 && token.before(change{at: now, position: token.position}) {
			t.Errorf("%q is before its own change", text)
		}
	})
}

// TestTicks compares the arithmetic of change tokens with times that SharePoint wrote.
func TestTicks(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 9, 30, 0, 0, time.UTC)
	if got := formatToken(DefaultListID, at, 4712); got != "1;3;"+DefaultListID+";639315414000000000;4712" {
		t.Errorf("the token is %s", got)
	}
}

func FuzzPaths(f *testing.F) {
	for _, path := range []string{"/_api/web/lists/getByTitle('Doc''s')/items(1)", "/sites/x/_API/Web/Lists(guid'a')",
		"/_api/web", "/_api/webs", "/_api/web/lists/getById('a')/Subscriptions('b')", "/_api/web/lists('')",
		"/İ_api/web", "\x99/_api/web", "/İ/_api/web"} {
		f.Add(path)
	}
	host := emulator.New(emulator.Options{})
	s := New(host, nil, Options{AnyToken: true})
	f.Fuzz(func(t *testing.T, path string) {
		site, rest, ok := apiPath(path)
		if ok != s.Owns(path) {
			t.Errorf("%q: owned %v, split %v", path, s.Owns(path), ok)
		}
		if ok && !strings.HasPrefix(path, strings.TrimSuffix(site, "/")) || !strings.Contains(path, rest) {
			t.Errorf("%q is split into %q and %q", path, site, rest)
		}
		if m := listPath.FindStringSubmatch(rest); ok && m != nil && m[1] == "" && m[2] == "" && m[3] == "" {
			t.Errorf("%q names no list", path)
		}
		s.mu.Lock()
		s.listOf(url.PathEscape(path))
		s.mu.Unlock()
	})
}
