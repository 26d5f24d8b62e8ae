package ui

import (
	"net/url"
	"strings"
	"testing"
)

// sentBy returns the body of the call that a form makes.
func (r *rig) sentBy(path, call string, form url.Values) string {
	r.t.Helper()
	before := len(r.api.called())
	r.do("POST", path, "admin", form)
	for line := range strings.Lines(r.api.called()[before:]) {
		if body, ok := strings.CutPrefix(strings.TrimSpace(line), call+" "); ok {
			return body
		}
	}
	return ""
}

// TestDestinationForm: a new destination has what was typed. A change has only what was changed, and nothing is sent
// for what cannot be read.
func TestDestinationForm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	got := r.sentBy("/ui/destinations/new", "POST /destinations", url.Values{"type": {"http"}, "name": {"b"},
		"url": {"https://b.example/"}, "match.types": {"a.*\r\nb\r\n"}, "rate.per_second": {"0.5"},
		"concurrency":    {"4"},
		"retry.schedule": {"5s, 1m"}, "expires_at": {"2d"}, "access.username": {"ada"},
		"settings.headers": {"X-A: b"}, "paused": {"1"}})
	want := `{"name":"b","type":"http","url":"https://b.example/","settings":{"headers":{"X-A":"b"}},` +
		`"access":{"username":"ada"},"match":{"sources":[],"types":["a.*","b"],"where":""},"concurrency":4,` +
		`"rate":{"per_second":0.5},"retry":{"schedule":["5s","1m"]},"expires_at":"2026-12-02T15:30:00Z","paused":true}`
	if got != want {
		t.Errorf("%s\n%s", got, want)
	}
	same := url.Values{}
	for name, text := range destinationTexts(testWhole) {
		same.Set(name, text)
	}
	same.Set("settings.format", "standard")
	same.Set("access.username", "ada")
	with := func(name, text string) url.Values {
		changed := url.Values{}
		for n, values := range same {
			changed[n] = values
		}
		changed.Set(name, text)
		return changed
	}
	for name, c := range map[string]struct{ text, want string }{
		"etag": {"x", `{}`}, "name": {"c", `{"name":"c"}`}, "match.where": {"", `{"match":{"where":""}}`},
		"match.types": {"b", `{"match":{"types":["b"]}}`}, "rate.per_second": {"3",
			`{"rate":{"burst":5,"per_second":3}}`},
		"retry.max_age": {"", `{"retry":{"max_age":null}}`}, "retry.schedule": {"none",
			`{"retry":{"schedule":"none"}}`},
		"expires_at": {"", `{"expires_at":null}`}, "tenants": {"*", `{"tenants":["*"]}`}, "concurrency": {"",
			`{"concurrency":null}`},
		"url":              {"https://c.example/", `{"url":"https://c.example/"}`},
		"settings.headers": {"X-Site:", `{"settings":{"headers":{"X-Site":null}}}`},
		"batch.max_wait":   {"2s", `{"batch":{"max_events":10,"max_wait":"2s"}}`},
		"keep_secrets":     {"1", `{"keep_secrets":true}`},
	} {
		if got := r.sentBy("/ui/destinations/dst_1/edit", "PATCH /destinations/dst_1", with(name,
			c.text)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	for _, name := range []string{"concurrency", "rate.burst", "batch.max_events", "breaker.failures"} {
		w := r.do("POST", "/ui/destinations/new", "admin", url.Values{"type": {"http"}, "name": {"b"},
			"url": {"https://b.example/"}, "rate.per_second": {"1"}, name: {"1.5"}})
		if page := w.Body.String(); w.Code != 422 || !strings.Contains(page, `id="h-`+name+
			`" class="hint"><strong>Use a whole number.`) || !strings.Contains(page, `value="https://b.example/"`) {
			t.Errorf("%s: %d %s", name, w.Code, page)
		}
	}
	for name, text := range map[string]string{"concurrency": "x", "rate.per_second": `"5"`, "expires_at": "soon"} {
		if got := r.sentBy("/ui/destinations/dst_1/edit", "PATCH /destinations/dst_1", with(name, text)); got != "" {
			t.Errorf("%s: %q is sent: %s", name, text, got)
		}
	}
}

// TestTryKeepsSecrets: what was tried can be created as it was tried, with the secret that was made for the try.
func TestTryKeepsSecrets(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	r.api.set("POST /destinations/try", testTry)
	form := url.Values{"type": {"http"}, "name": {"b"}, "url": {"https://b.example/"}, "make:settings.secret": {"1"},
		"do": {"try"}}
	page := r.do("POST", "/ui/destinations/new", "admin", form).Body.String()
	kept := keptInput.FindStringSubmatch(page)
	const made = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	if kept == nil || strings.Count(page, made) != 1 || !strings.Contains(page, "Answered 500") {
		t.Fatal(page)
	}
	form.Del("make:settings.secret")
	form.Set("do", "save")
	form.Set("kept", kept[1])
	if got := r.sentBy("/ui/destinations/new", "POST /destinations", form); !strings.Contains(got, made) {
		t.Error(got)
	}
}

// TestAddLines: lines are added after those that were typed, each once.
func TestAddLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, want string
		more       []string
	}{
		{"", "a", []string{"a"}}, {"a\nb", "a\nb\nc", []string{"b", "c"}}, {"a\n", "a\n", nil},
		{"a", "a\nx y", []string{"x y", "x y", "a"}},
	} {
		if got := addLines(c.text, c.more); got != c.want {
			t.Errorf("%q and %q: %q, want %q", c.text, c.more, got, c.want)
		}
	}
}
