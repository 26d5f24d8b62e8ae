package ui

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestRepairBegins: a repair that a page begins waits for ten seconds, and its page knows how many were counted.
func TestRepairBegins(t *testing.T) {
	for path, form := range map[string]url.Values{
		"/ui/deliveries/many": {"kind": {"retry"}, "state": {"dead"}, "destination": {"billing"}, "of": {"7"}},
		"/ui/events/replay":   {"since": {"2h"}, "of": {"7"}},
	} {
		r := newRig(t)
		r.fill()
		r.api.set("POST /deliveries/retry", testWaiting)
		r.api.set("POST /events/replay", testWaiting)
		w := r.do("POST", path, "operator", form)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/ui/repairs/rpr_3?of=7" {
			t.Errorf("%s: %d %s %s", path, w.Code, w.Header().Get("Location"), w.Body)
		}
		if calls := r.api.called(); !strings.Contains(calls, `"start_in":"10s"`) {
			t.Errorf("%s: %s", path, calls)
		}
		page := r.get("/ui/repairs/rpr_3?of=7", "operator", 200)
		if !strings.Contains(page, "in 9 s, at") || !strings.Contains(page, "<button>Undo</button>") {
			t.Errorf("%s: %s", path, page)
		}
	}
}

// TestRepairEnds: the notice says whether something was changed before a repair was ended.
func TestRepairEnds(t *testing.T) {
	for notice, ended := range map[string]client.Repair{"undone": {ID: "rpr_1", State: "cancelled"},
		"stopped": {ID: "rpr_1", State: "cancelled", LookedAt: 5}} {
		r := newRig(t)
		r.fill()
		r.api.set("POST /repairs/rpr_1/cancel", ended)
		w := r.do("POST", "/ui/repairs/rpr_1/cancel", "operator", url.Values{})
		if got := w.Header().Get("Location"); got != "/ui/repairs/rpr_1?did="+notice {
			t.Errorf("%s: %d %s", notice, w.Code, got)
		}
	}
}

// TestRepairOfNonsense: a number of deliveries that is none is not shown.
func TestRepairOfNonsense(t *testing.T) {
	r := newRig(t)
	r.fill()
	for _, of := range []string{"-1", "0", "many", "1e9", "99999999999999999999"} {
		if page := r.get("/ui/repairs/rpr_1?of="+of, "operator", 200); strings.Contains(page, "<progress") {
			t.Errorf("of %s: %s", of, page)
		}
	}
}
