package ui

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// profileCalls posts a form to a page of profiles, and returns the calls that changed or tried something.
func profileCalls(t *testing.T, path string, form url.Values) (calls []string, r *rig) {
	t.Helper()
	r = newRig(t)
	r.fill()
	r.api.set("POST /destinations", testProfile)
	r.api.set("PATCH /destinations/dst_3", testSlack)
	r.api.set("PATCH /destinations/dst_4", testProfile)
	r.api.set("POST /destinations/dst_3/resume", testSlack)
	r.api.set("POST /destinations/dst_4/pause", testProfile)
	r.api.set("POST /destinations/dst_4/resume", testProfile)
	r.api.set("POST /destinations/try", testTry)
	w := r.do("POST", path, "admin", form)
	if w.Code >= 400 {
		t.Errorf("%s: %d %s", path, w.Code, w.Body)
	}
	for call := range strings.Lines(r.api.called()) {
		if !strings.HasPrefix(call, "GET ") {
			calls = append(calls, strings.TrimSpace(call))
		}
	}
	return calls, r
}

// TestProfileCalls: a form in Boro's words makes these calls of the API.
func TestProfileCalls(t *testing.T) {
	whole := func(more ...string) url.Values {
		form := url.Values{"kind": {"boro"}, "name": {"north"}, "url": {"https://north.example/hook"},
			"enabled": {"1"}, "sign": {"1"}, "settings.profile_id": {"265"}, "settings.levels": {"critical"},
			"match.types":   {"boro.*"},
			"header-name-1": {"X-Area"}, "header-value-1": {"2"}, "header-name-2": {"X-Site"},
			"header-value-2": {"north"}}
		for _, each := range more {
			name, value, _ := strings.Cut(each, "=")
			form.Set(name, value)
		}
		return form
	}
	const create = `POST /destinations {"name":"north","type":"boro","url":"https://north.example/hook","settings":{` +
		`"headers":{"X-Area":"2","X-Site":"north"},"levels":["critical"],"profile_id":"265","secret_key":"00ff"},` +
		`"match":{"sources":[],"types":["boro.*"],"where":""}}`
	for name, c := range map[string]struct {
		path string
		form url.Values
		want []string
	}{
		"create": {"/ui/profiles/new", whole("settings.secret_key=00ff"), []string{create}},
		"create it disabled": {"/ui/profiles/new", whole("settings.secret_key=00ff", "enabled="), []string{
			strings.TrimSuffix(create, "}") + `,"paused":true}`}},
		"its id is its name": {"/ui/profiles/new", whole("settings.secret_key=00ff", "settings.profile_id="),
			[]string{strings.Replace(create, `"265"`, `"north"`, 1)}},
		"create without signing": {"/ui/profiles/new", whole("sign="), []string{strings.Replace(create,
			`,"profile_id":"265","secret_key":"00ff"`, "", 1)}},
		"change nothing": {"/ui/profiles/dst_4", whole(), nil},
		"disable":        {"/ui/profiles/dst_4", whole("enabled="), []string{`PATCH /destinations/dst_4 {"paused":true}`}},
		"disable and send elsewhere": {"/ui/profiles/dst_4", whole("enabled=", "url=https://south.example/"), []string{
			`PATCH /destinations/dst_4 {"paused":true,"url":"https://south.example/"}`}},
		"sign no longer": {"/ui/profiles/dst_4", whole("sign="), []string{
			`PATCH /destinations/dst_4 {"settings":{"profile_id":null,"secret_key":null}}`}},
		"another key": {"/ui/profiles/dst_4", whole("settings.secret_key=00ff"), []string{
			`PATCH /destinations/dst_4 {"settings":{"secret_key":"00ff"}}`}},
		"a header less": {"/ui/profiles/dst_4", whole("header-name-1=", "header-value-1="), []string{
			`PATCH /destinations/dst_4 {"settings":{"headers":{"X-Area":null,"X-Site":"north"}}}`}},
		"a header more": {"/ui/profiles/dst_4", whole("header-name-7=X-New", "header-value-7=n: 1"), []string{
			`PATCH /destinations/dst_4 {"settings":{"headers":{"X-Area":"2","X-New":"n: 1","X-Site":"north"}}}`}},
		"try a change": {"/ui/profiles/dst_4", whole("do=try", "url=https://south.example/"), []string{
			`POST /destinations/try {"destination":"dst_4","changes":{"url":"https://south.example/"}}`}},
		"try what is set": {"/ui/profiles/dst_4", whole("do=try"), []string{
			`POST /destinations/try {"destination":"dst_4"}`}},
		"enable": {"/ui/profiles/dst_4/enable", url.Values{}, []string{"POST /destinations/dst_4/resume"}},
		"Slack": {"/ui/profiles/dst_3", url.Values{"name": {"alarms"}, "enabled": {"1"},
			"settings.colour": {"attachment"}}, []string{
			`PATCH /destinations/dst_3 {"settings":{"colour":"attachment"}}`,
			"POST /destinations/dst_3/resume"}},
	} {
		calls, _ := profileCalls(t, c.path, c.form)
		if strings.Join(calls, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s:\n got %s\nwant %s", name, strings.Join(calls, "\n     "), strings.Join(c.want, "\n     "))
		}
	}
}

// TestProfileSwitchedMeanwhile: a form that changes nothing but shows a profile as it no longer is switches nothing.
func TestProfileSwitchedMeanwhile(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.api.set("PATCH /destinations/dst_3", &client.Error{Status: http.StatusPreconditionFailed, Code: "changed",
		Detail: "it has changed"})
	w := r.do("POST", "/ui/profiles/dst_3", "admin", url.Values{"name": {"alarms"}, "enabled": {"1"},
		"etag": {`"of a form that was opened before somebody paused it"`}})
	if calls := r.api.called(); w.Code != http.StatusPreconditionFailed || strings.Contains(calls, "/resume") ||
		!strings.Contains(w.Body.String(), "Somebody else changed this meanwhile.") {
		t.Errorf("%d\n%s\n%s", w.Code, calls, w.Body)
	}
}

// TestProfileKey: a key that is made is shown once, in hex; a try keeps it for the save that follows, sealed.
func TestProfileKey(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.api.set("POST /destinations/try", testTry)
	r.api.set("POST /destinations", testProfile)
	key := strings.Repeat("00", 32) // of the random bytes of tests
	form := url.Values{"kind": {"boro"}, "name": {"north"}, "url": {"https://n.example/"}, "enabled": {"1"},
		"sign": {"1"}, "make:settings.secret_key": {"1"}, "do": {"try"}}
	w := r.do("POST", "/ui/profiles/new", "admin", form)
	if w.Code != 200 || strings.Count(w.Body.String(), key) != 1 || !strings.Contains(r.api.called(), key) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	_, after, _ := strings.Cut(w.Body.String(), `name="kept" value="`)
	kept, _, _ := strings.Cut(after, `"`)
	form.Del("make:settings.secret_key")
	form.Set("kept", kept)
	form.Set("do", "save")
	w = r.do("POST", "/ui/profiles/new", "admin", form)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/ui/profiles/dst_4?did=created" {
		t.Errorf("%d %s %s", w.Code, w.Header(), w.Body)
	}
	if calls := r.api.called(); !strings.Contains(calls, `POST /destinations {"name":"north"`) ||
		strings.Count(calls, `"secret_key":"`+key+`"`) != 2 {
		t.Error(calls)
	}
}

// TestProfileElsewhere: the page of a profile of a destination that is none leads to that of the destination.
func TestProfileElsewhere(t *testing.T) {
	r := newRig(t)
	r.fill()
	w := r.do("GET", "/ui/profiles/dst_1", "admin", nil)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/ui/destinations/dst_1" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	r.api.set("GET /destinations/dst_1", &client.Error{Status: 404, Code: "not_found", Detail: "there is none"})
	r.get("/ui/profiles/dst_1", "admin", 404)
}
