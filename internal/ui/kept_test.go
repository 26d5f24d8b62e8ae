package ui

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// keptInput finds the sealed secrets of a form.
var keptInput = regexp.MustCompile(`name="kept" value="([^"]+)"`)

// TestKeptSecrets: a secret that was entered is in no answer, and need not be entered again when the form comes back:
// in the same session, for the same form, for a while. Anything else is as if it had not been entered.
func TestKeptSecrets(t *testing.T) {
	t.Parallel()
	later := now
	r := newRig(t, func(o *Options) { o.Now = func() time.Time { return later } })
	r.fill()
	refuses("POST /sources", client.FieldError{Path: "name", Message: "taken"})(r)
	const secret = "the secret that nobody reads"
	form := url.Values{"provider": {"ams"}, "name": {"media"}, "settings.signing_key": {secret}}
	page := r.do("POST", "/ui/sources/new", "admin", form).Body.String()
	found := keptInput.FindStringSubmatch(page)
	if found == nil || strings.Contains(page, secret) || !strings.Contains(page, "this form keeps it") {
		t.Fatal(page)
	}
	again := url.Values{"provider": {"ams"}, "name": {"media2"}, "kept": {found[1]}}
	sent := func(form url.Values, token string) bool {
		before := len(r.api.called())
		r.do("POST", "/ui/sources/new", token, form)
		return strings.Contains(r.api.called()[before:], secret)
	}
	r.people.people["other"] = r.people.people["admin"]
	if !sent(again, "admin") {
		t.Error("the secret was not kept")
	}
	if sent(again, "other") {
		t.Error("another session opened it")
	}
	broken := url.Values{"provider": {"ams"}, "name": {"media2"}, "kept": {found[1][:30] + "AAAA" + found[1][34:]}}
	if sent(broken, "admin") || sent(url.Values{"provider": {"ams"}, "kept": {"AAAA"}}, "admin") {
		t.Error("a changed text was opened")
	}
	edited := url.Values{"name": {"media"}, "kept": {found[1]}}
	before := len(r.api.called())
	r.do("POST", "/ui/sources/src_1/edit", "admin", edited)
	if strings.Contains(r.api.called()[before:], secret) {
		t.Error("another form opened it")
	}
	later = now.Add(keepFor + time.Second)
	if sent(again, "admin") {
		t.Error("it was kept for longer than it says")
	}
	if strings.Contains(r.logged.String(), secret) {
		t.Error("the log has it")
	}
}

// TestRotatedMeanwhile: a form that was opened before somebody else replaced the secret replaces nothing.
func TestRotatedMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	changed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Match") != `"before"` {
			t.Errorf("%s: If-Match %s", r.URL.Path, r.Header.Get("If-Match"))
		}
		w.WriteHeader(http.StatusPreconditionFailed)
		json.NewEncoder(w).Encode(client.Problem{Code: "changed", Detail: "it has changed since"})
	})
	for path, call := range map[string]string{"/ui/sources/src_1/rotate": "POST /sources/src_1/rotate-secret",
		"/ui/sources/src_1/drop":        "POST /sources/src_1/drop-secret",
		"/ui/destinations/dst_1/rotate": "POST /destinations/dst_1/rotate-secret"} {
		r.api.set(call, changed)
		w := r.do("POST", path, "admin", url.Values{"setting": {"signing_key"}, "etag": {"before"}})
		page := w.Body.String()
		if w.Code != 412 || !strings.Contains(page, `role="alert"`) || strings.Contains(page, "made just now") {
			t.Errorf("%s: %d %s", path, w.Code, page)
		}
	}
}

// TestChooseOneSecret: what to do with a secret is said once; nothing is sent otherwise.
func TestChooseOneSecret(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	for _, form := range []url.Values{
		{"settings.signing_key": {"x"}, "clear:settings.signing_key": {"1"}},
		{"settings.signing_key": {"x"}, "make:settings.signing_key": {"1"}},
		{"make:settings.signing_key": {"1"}, "clear:settings.signing_key": {"1"}},
	} {
		form.Set("name", "media")
		w := r.do("POST", "/ui/sources/src_1/edit", "admin", form)
		if page := w.Body.String(); w.Code != 422 || !strings.Contains(page, "Choose one: enter a value") ||
			strings.Contains(page, "made just now") || strings.Contains(r.api.called(), "PATCH ") {
			t.Errorf("%v: %d %s\n%s", form, w.Code, r.api.called(), page)
		}
	}
}

// TestMadeSecret: a secret that is made is sent to the API and shown in one answer: by itself, and in the text that
// is to be pasted at the provider.
func TestMadeSecret(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	r.api.set("POST /sources", testSource)
	made := strings.Repeat("A", 86) + "=="
	page := r.do("POST", "/ui/sources/new", "admin",
		url.Values{"provider": {"ams"}, "name": {"media"}, "make:settings.signing_key": {"1"}}).Body.String()
	if strings.Count(page, made) != 2 || !strings.Contains(r.api.called(), `"signing_key":"`+made+`"`) {
		t.Errorf("%s\n%s", r.api.called(), page)
	}
	if page := r.get("/ui/sources/src_1", "admin", 200); strings.Contains(page, made) {
		t.Error("it is shown again")
	}
	before := len(r.api.called())
	r.do("POST", "/ui/sources/new", "admin", url.Values{"provider": {"ams"}, "make:settings.account_id": {"1"}})
	if strings.Contains(r.api.called()[before:], "account_id") {
		t.Error("a setting that is no secret was made")
	}
}
