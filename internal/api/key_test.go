package api

import (
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// TestKeys: the text of a key is in the answer to its creation alone. A list and a single key show its latest use.
func TestKeys(t *testing.T) {
	r := newRig(t)
	a := r.do("POST", "/api/v1/keys", `{"name":"ci","scope":"operate","expires_at":"2026-11-23T00:00:00Z"}`)
	made := a.is(201)
	id, text := made["id"].(string), made["key"].(string)
	if keyID, ok := bellhop.KeyID(text); !ok || keyID != id || a.header.Get("Location") != "/api/v1/keys/"+id ||
		made["scope"] != "operate" || made["expires_at"] != "2026-11-23T00:00:00.000Z" || made["tenant"] != "" ||
		made["last_used_at"] != nil || made["last_address"] != "" {
		t.Errorf("made: %s", a.body)
	}
	if stored := r.keys[0]; stored.Hash != bellhop.HashKey(text) || stored.Scope != bellhop.ScopeOperate {
		t.Errorf("stored: %+v", stored)
	}
	shown := r.do("GET", "/api/v1/keys/ci", "")
	if shown.is(200)["id"] != id {
		t.Error(shown.body)
	}
	listed := r.do("GET", "/api/v1/keys?scope=operate", "")
	none := r.do("GET", "/api/v1/keys?scope=read", "").is(200)
	if len(listed.is(200)["data"].([]any)) != 1 || len(none["data"].([]any)) != 0 {
		t.Error(listed.body, none)
	}
	secret := text[len(text)-52:]
	if strings.Contains(shown.body+listed.body+r.logged.String(), secret) {
		t.Errorf("the key came out again: %s %s %s", shown.body, listed.body, r.logged)
	}
	if !strings.Contains(r.logged.String(), "msg=key.created") || !strings.Contains(r.logged.String(), "by=admin") {
		t.Errorf("the log: %s", r.logged)
	}
	r.do("DELETE", "/api/v1/keys/ci", "").is(204)
	r.do("DELETE", "/api/v1/keys/ci", "").refused(404, bellhop.CodeNotFound)
	if !strings.Contains(r.logged.String(), "msg=key.revoked") {
		t.Errorf("the log: %s", r.logged)
	}

	r.fill()
	if used := r.do("GET", "/api/v1/keys/reader", "").is(200); used["last_used_at"] != "2026-11-22T09:30:00.123Z" ||
		used["last_address"] != "192.0.2.7" {
		t.Errorf("the latest use: %v", used)
	}
}

// TestWrongKeyValues: values that a key cannot have are named, and nothing is stored.
func TestWrongKeyValues(t *testing.T) {
	r := newRig(t)
	r.tenants = []bellhop.Tenant{{ID: "ten_1", Name: "globex"}}
	for body, paths := range map[string]string{
		`{}`:                                                   "name scope",
		`{"name":"ci"}`:                                        "scope",
		`{"name":"ci","scope":""}`:                             "scope",
		`{"name":"A b","scope":"read"}`:                        "name",
		`{"name":"admin","scope":"read"}`:                      "name",
		`{"name":"key_1","scope":"read"}`:                      "name",
		`{"name":"src_1","scope":"read"}`:                      "name",
		`{"name":"ci","scope":"root"}`:                         "scope",
		`{"name":"ci","scope":"read","tenant":"acme"}`:         "tenant",
		`{"name":"ci","scope":"read","expires_at":"tomorrow"}`: "expires_at",
		`{"name":"ci","scope":"read","expires_at":"2026-11-22T09:30:00Z"}`:         "expires_at",
		`{"name":"ci","scope":"read","key":"bhk_of-my-own-choice-0123456789"}`:     "key",
		`{"name":"ci","scope":"read","hash":"00"}`:                                 "hash",
		`{"name":"` + strings.Repeat("a", 65) + `","scope":"read"}`:                "name",
		`{"name":"ci","scope":"read","tenant":"` + strings.Repeat("a", 256) + `"}`: "tenant",
	} {
		r.do("POST", "/api/v1/keys", body).refused(422, bellhop.CodeInvalid, strings.Fields(paths)...)
	}
	twice := r.do("POST", "/api/v1/keys", `{"name":"ci","name":"cj","scope":"read"}`)
	twice.refused(400, bellhop.CodeMalformed, "body")
	r.do("GET", "/api/v1/keys?scope=root", "").refused(422, bellhop.CodeInvalid, "scope")
	if len(r.keys) > 0 {
		t.Errorf("stored: %+v", r.keys)
	}
	r.do("POST", "/api/v1/keys", `{"name":"ci","scope":"read","expires_at":null}`).is(201)
	r.do("POST", "/api/v1/keys", `{"name":"ci","scope":"read"}`).refused(409, bellhop.CodeConflict)
}

// TestRotateAdminKey: the answer has the new key, and until when the old one works.
func TestRotateAdminKey(t *testing.T) {
	r := newRig(t)
	for body, want := range map[string]any{
		"": nil, "{}": nil, `{"grace":"0s"}`: nil, `{"grace":"1h"}`: "2026-11-22T10:30:00.123Z",
	} {
		a := r.do("POST", "/api/v1/keys/rotate-admin", body)
		if got := a.is(200); got["key"] != "bhk_made" || got["old_until"] != want {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	if len(r.rotated) != 4 || len(r.noted) != 4 || r.noted[0] != "admin rotated key admin" {
		t.Errorf("%q, noted %q", r.rotated, r.noted)
	}
	r.do("POST", "/api/v1/keys/rotate-admin", `{"grace":"soon"}`).refused(422, bellhop.CodeInvalid, "grace")
	r.do("POST", "/api/v1/keys/rotate-admin", `{"key":"bhk_mine"}`).refused(422, bellhop.CodeInvalid, "key")
	r.rotateErr = bellhop.Conflict("the admin key comes from the environment")
	r.do("POST", "/api/v1/keys/rotate-admin", "").refused(409, bellhop.CodeConflict)
	if strings.Contains(r.logged.String(), "bhk_made") {
		t.Error("the key is in the log")
	}
}

// TestClientKeys: the client makes, lists, shows and revokes keys, and replaces the admin key.
func TestClientKeys(t *testing.T) {
	r, c := newClient(t)
	ctx := t.Context()
	expires := client.Time{Time: testNow.AddDate(0, 1, 0)}
	made, err := c.CreateKey(ctx, client.NewKey{Name: "ci", Scope: "read", ExpiresAt: expires})
	if id, ok := bellhop.KeyID(made.Text); err != nil || !ok || id != made.ID || made.ExpiresAt.IsZero() {
		t.Fatal(made, err)
	}
	always, err := c.CreateKey(ctx, client.NewKey{Name: "always", Scope: "publish"})
	if err != nil || !always.ExpiresAt.IsZero() {
		t.Fatal(always, err)
	}
	list, err := c.Keys(ctx, client.KeyFilter{Scope: "read"}, client.Page{})
	if err != nil || len(list.Data) != 1 || list.Data[0] != made.Key {
		t.Fatal(list, err)
	}
	k, err := c.Key(ctx, "ci")
	tag := k.ETag
	k.ETag = ""
	if err != nil || tag == "" || k != made.Key {
		t.Fatal(tag, k, err)
	}
	if err := c.IfMatch(`"0-0"`).DeleteKey(ctx, "ci"); err == nil {
		t.Error("the key of another ETag was revoked")
	}
	if err := c.IfMatch(tag).DeleteKey(ctx, "ci"); err != nil || len(r.keys) != 1 {
		t.Fatal(err)
	}
	rotated, err := c.RotateAdminKey(ctx, client.AdminRotation{Grace: "1m"})
	if err != nil || rotated.Key != "bhk_made" || rotated.OldUntil.IsZero() {
		t.Fatal(rotated, err)
	}
	if rotated, err = c.RotateAdminKey(ctx, client.AdminRotation{}); err != nil || !rotated.OldUntil.IsZero() {
		t.Fatal(rotated, err)
	}
}
