package ui

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestServePage: the doctor is asked only by those who ask for it, and what it finds leads to the nouns.
func TestServePage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	r.get("/ui/settings", "admin", 200)
	if calls := r.api.called(); strings.Contains(calls, "/doctor") {
		t.Errorf("the doctor was asked: %s", calls)
	}
	page := r.get("/ui/settings?doctor=1", "admin", 200)
	for _, want := range []string{`2 of 4 checks found what needs you.`,
		`destination <a href="/ui/destinations/dst_1">billing</a>: fails since`,
		`key <a href="/ui/keys">ci</a>: ends in 3 d`,
		`<strong>To do:</strong> make another`, `<em class="quiet">set, not shown</em>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	r.api.set("GET /doctor", &client.Error{Status: 503, Code: "unavailable", Detail: "the storage is closing"})
	if page := r.get("/ui/settings?doctor=1", "admin", 503); !strings.Contains(page, "The storage is closing.") {
		t.Errorf("%s", page)
	}
	for _, path := range []string{"/ui/settings", "/ui/settings?doctor=1", "/ui/settings/export"} {
		r.get(path, "operator", 403)
		if w := r.do("POST", path, "admin", map[string][]string{}); w.Code < 400 {
			t.Errorf("POST %s: %d", path, w.Code)
		}
	}
}

// TestExport: the download is what a server exports in the form of a file, and no browser shows it.
func TestExport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	w := r.do("GET", "/ui/settings/export", "admin", nil)
	var file map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &file); err != nil || w.Code != 200 {
		t.Fatalf("%d %v %s", w.Code, err, w.Body)
	}
	if file["retain"] != "90d" || len(file["sources"].([]any)) != 1 || strings.Count(w.Body.String(), "\n") < 5 {
		t.Errorf("%s", w.Body)
	}
	h := w.Header()
	if h.Get("Content-Disposition") != `attachment; filename="bellhop.json"` ||
		!strings.HasSuffix(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%v", h)
	}
}
