package api

import (
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestAudit: the list shows who changed what, and its filters reach the store.
func TestAudit(t *testing.T) {
	r := newRig(t)
	same(t, r.do("GET", "/api/v1/audit", "").is(200), `{"data":[{"at":"2026-11-22T09:30:00.123Z","key":"ada",
		"key_id":"key_1","action":"updated","noun":"source","noun_id":"src_1","name":"media","tenant":"acme"}],"next":null}`)
	r.do("GET", "/api/v1/audit?key=ada&noun=source&name=media&action=updated&tenant=acme&since=2026-11-22T09:30:00Z",
		"").is(200)
	want := bellhop.AuditFilter{Key: "ada", Noun: "source", Name: "media", Action: "updated", Tenant: "acme",
		Since: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)}
	if got := r.filter.(bellhop.AuditFilter); got != want {
		t.Errorf("%+v", got)
	}
	r.do("GET", "/api/v1/audit?noun=planet", "").refused(422, bellhop.CodeInvalid, "noun")
	r.do("GET", "/api/v1/audit?since=soon", "").refused(422, bellhop.CodeInvalid, "since")
}
