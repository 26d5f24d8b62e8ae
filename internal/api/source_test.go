package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// same checks that got is the JSON want.
func same(t *testing.T, got any, want string) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(want), &v); err != nil {
		t.Fatal(err)
	}
	a, _ := json.MarshalIndent(got, "", " ")
	b, _ := json.MarshalIndent(v, "", " ")
	if string(a) != string(b) {
		t.Errorf("got %s\nwant %s", a, b)
	}
}

func TestSource(t *testing.T) {
	r := newRig(t)
	a := r.do("POST", "/api/v1/sources",
		`{"name":"media","provider":"lock","settings":{"key":["`+canary+`"],"account_id":"a1"}}`)
	made := a.is(201)
	id := made["id"].(string)
	if !strings.HasPrefix(id, bellhop.PrefixSource) || a.header.Get("Location") != "/api/v1/sources/"+id ||
		r.changes != 1 {
		t.Errorf("id %q, Location %q, %d changes", id, a.header.Get("Location"), r.changes)
	}
	delete(made, "id")
	same(t, made, `{"name":"media","provider":"lock","url":"https://hooks.example.com/in/media","url_query":"",
		"settings":{"key":{"set":true,"set_at":"2026-11-22T09:30:00.123Z"},"account_id":"a1"},"max_body_bytes":0,"disabled":false,"expect_every":"","tenant":"","reply":null,"retention":null,
		"created_at":"2026-11-22T09:30:00.123Z","updated_at":"2026-11-22T09:30:00.123Z"}`)
	if stored := string(r.sources[0].Settings); stored != `{"account_id":"a1","key":["`+canary+`"]}` {
		t.Errorf("stored %s", stored)
	}
	made["id"] = id
	plain := r.do("POST", "/api/v1/sources",
		`{"name":"plain","provider":"lock","settings":{"key":"k","account_id":null}}`).is(201)
	same(t, plain["settings"], `{"key":{"set":true,"set_at":"2026-11-22T09:30:00.123Z"}}`)
	r.do("DELETE", "/api/v1/sources/plain", "").is(204)
	for _, path := range []string{id, "media"} {
		if got := r.do("GET", "/api/v1/sources/"+path, "").is(200); got["id"] != id {
			t.Errorf("%s: %v", path, got)
		}
	}
	r.do("POST", "/api/v1/sources", `{"name":"media","provider":"lock","settings":{"key":"k"}}`).refused(409,
		bellhop.CodeConflict)
	r.do("DELETE", "/api/v1/sources/media", "").is(204)
	r.do("DELETE", "/api/v1/sources/media", "").refused(404, bellhop.CodeNotFound)
	r.do("GET", "/api/v1/sources/media", "").refused(404, bellhop.CodeNotFound)
	r.do("PATCH", "/api/v1/sources/media", "{}").refused(404, bellhop.CodeNotFound)
}

func TestSourceRefused(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		body  string
		paths []string
	}{
		{`{}`, []string{"name", "provider"}},
		{`{"name":"x","provider":"nobody"}`, []string{"provider"}},
		{`{"name":"Not Good","provider":"nobody"}`, []string{"name", "provider"}},
		{`{"name":"Not Good","provider":"lock"}`, []string{"name", "settings.key"}},
		{`{"name":"api","provider":"deaf","settings":{"key":"k"}}`, []string{"name"}},
		{`{"name":"x","provider":"lock"}`, []string{"settings.key"}},
		{`{"name":"x","provider":"lock","settings":null}`, []string{"settings.key"}},
		{`{"name":"x","provider":"lock","settings":[]}`, []string{"settings"}},
		{`{"name":"x","provider":"lock","settings":{"key":"k","other":"` + canary + `"}}`, []string{"settings.other"}},
		{`{"name":"x","provider":"lock","settings":{"key":{"set":true,"set_at":"2026-11-22T09:30:00.123Z"}}}`,
			[]string{"settings.key"}},
		{`{"name":"x","provider":"lock","settings":{"key":"k"},"max_body_bytes":33554433}`,
			[]string{"max_body_bytes"}},
		{`{"name":"x","provider":"lock","settings":{"key":"k"},"max_body_bytes":-1}`, []string{"max_body_bytes"}},
		{`{"name":"x","provider":"lock","settings":{"key":"k"},"disabled":"` + canary + `"}`, []string{"disabled"}},
		{`{"name":"x","provider":"lock","settings":{"key":"k"},"Disabled":true}`, []string{"Disabled"}},
		{`{"name":"x","provider":"lock","settings":{"key":"k"},"secret":"` + canary + `","url":"u"}`,
			[]string{"secret", "url"}},
		{`[]`, []string{"body"}},
	} {
		t.Run(c.body, func(t *testing.T) {
			r.do("POST", "/api/v1/sources", c.body).refused(422, bellhop.CodeInvalid, c.paths...)
		})
	}
	if len(r.sources) > 0 || r.changes > 0 {
		t.Error("a refused source was stored")
	}
}

func TestSourcePatch(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.now = testNow.Add(time.Hour)
	before := r.do("GET", "/api/v1/sources/media", "").body

	// A whole answer sent back changes nothing but the time.
	got := r.do("PATCH", "/api/v1/sources/media", before, "Content-Type: application/merge-patch+json").is(200)
	stored := r.sources[0]
	if string(stored.Settings) != `{"account_id":"a1","key":"`+canary+`"}` ||
		!stored.SecretsAt["settings.key"].Equal(testNow) ||
		!stored.UpdatedAt.Equal(r.now) {
		t.Errorf("stored %+v", stored)
	}
	if got["updated_at"] != "2026-11-22T10:30:00.123Z" || got["created_at"] != "2026-11-22T09:30:00.123Z" {
		t.Error(got)
	}

	// null removes, the rest stays.
	r.do("PATCH", "/api/v1/sources/src_1", `{"settings":{"account_id":null},"max_body_bytes":10}`).is(200)
	if stored := r.sources[0]; string(stored.Settings) != `{"key":"`+canary+`"}` || stored.MaxBodyBytes != 10 {
		t.Errorf("stored %+v", stored)
	}
	r.do("PATCH", "/api/v1/sources/src_1", `{"max_body_bytes":null,"name":"films"}`).is(200)
	if stored := r.sources[0]; stored.MaxBodyBytes != 0 || stored.Name != "films" {
		t.Errorf("stored %+v", stored)
	}

	// A new secret has a new time.
	got = r.do("PATCH", "/api/v1/sources/films", `{"settings":{"key":"other"}}`,
		"Content-Type: application/json; charset=utf-8").is(200)
	same(t, got["settings"], `{"key":{"set":true,"set_at":"2026-11-22T10:30:00.123Z"}}`)

	changes := r.changes
	for body, paths := range map[string][]string{
		`{"settings":{"key":null}}`:      {"settings.key"},
		`{"settings":null}`:              {"settings.key"},
		`{"settings":{"key":"k","x":1}}`: {"settings.x"},
		`{"name":null}`:                  {"name"},
		`{"name":""}`:                    {"name"},
		`{"id":"src_2"}`:                 {"id"},
		`{"provider":"deaf"}`:            {"provider"},
		`{"created_at":null,"url":"https://x.example.com"}`: {"url", "created_at"},
		`{"nonsense":1}`:                 {"nonsense"},
		`{"disabled":1}`:                 {"disabled"},
		`{"max_body_bytes":99999999999}`: {"max_body_bytes"},
		`{"settings":{"key":{"set":true,"set_at":1,"and":2}}}`: {"settings.key"},
	} {
		r.do("PATCH", "/api/v1/sources/films", body).refused(422, bellhop.CodeInvalid, paths...)
	}
	for _, body := range []string{`[]`, `"x"`, `3`} {
		r.do("PATCH", "/api/v1/sources/films", body).refused(422, bellhop.CodeInvalid, "body")
	}
	if string(r.sources[0].Settings) != `{"key":"other"}` || r.changes != changes {
		t.Errorf("a refused patch changed something: %+v", r.sources[0])
	}
}

func TestUnknownProviderShowsNothing(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.sources[0].Provider = "gone"
	r.destinations[0].Type = "gone"
	for _, path := range []string{"/api/v1/sources", "/api/v1/destinations", "/api/v1/sources/media",
		"/api/v1/destinations/billing"} {
		r.do("GET", path, "").is(200)
	}
}

// TestWarnings: what is accepted but weak is told in the answer to each change and in the log, without showing a
// secret, and an answer can be sent back.
func TestWarnings(t *testing.T) {
	r := newRig(t)
	const short = `["settings.key has fewer than 16 characters, so it may be guessed; use a longer random text"]`
	const plain = `["access.token_url is plain http, so others on the way can read access.client_secret; use https"]`
	const access = `{"token_url":"http://id.example.com","client_id":"us","client_secret":"hunter2"}`
	made := r.do("POST", "/api/v1/sources", `{"name":"weak","provider":"lock","settings":{"key":"hunter2"}}`)
	same(t, made.is(201)["warnings"], short)
	same(t, r.do("PATCH", "/api/v1/sources/weak", made.body).is(200)["warnings"], short)
	same(t, r.do("GET", "/api/v1/sources/weak", "").is(200)["warnings"], `null`)
	same(t, r.do("PATCH", "/api/v1/sources/weak", `{"settings":{"key":"0123456789abcdef"}}`).is(200)["warnings"],
		`null`)

	made = r.do("POST", "/api/v1/destinations",
		`{"name":"d","url":"https://x.example.com","settings":{"format":"raw"},"access":`+access+`}`)
	same(t, made.is(201)["warnings"], plain)
	same(t, r.do("PATCH", "/api/v1/destinations/d", made.body).is(200)["warnings"], plain)
	same(t, r.do("GET", "/api/v1/destinations/d", "").is(200)["warnings"], `null`)
	same(t, r.do("PATCH", "/api/v1/destinations/d", `{"access":null,"settings":{"format":"weak"}}`).is(
		200)["warnings"],
		`["settings.format is weak"]`)
	same(t, r.do("POST", "/api/v1/destinations/d/rotate-secret", `{}`).is(200)["warnings"],
		`["settings.format is weak"]`)
	log := r.logged.String()
	if !strings.Contains(log, "source.weak") || !strings.Contains(log, "destination.weak") ||
		strings.Contains(log, "hunter2") {
		t.Errorf("log: %s", log)
	}
}

// TestKeepSecrets: a change of URL that would send stored secrets elsewhere needs keep_secrets.
func TestKeepSecrets(t *testing.T) {
	r := newRig(t)
	const d = "/api/v1/destinations/d"
	r.do("POST", "/api/v1/destinations",
		`{"name":"d","url":"https://x.example.com","access":{"token":"hunter2"}}`).is(201)
	r.do("PATCH", d, `{"url":"https://y.example.com"}`).refused(422, bellhop.CodeInvalid, "url")
	r.do("PATCH", d, `{"url":"https://y.example.com","keep_secrets":"yes"}`).refused(422, bellhop.CodeInvalid,
		"keep_secrets")
	moved := r.do("PATCH", d, `{"url":"https://y.example.com","keep_secrets":true}`).is(200)
	same(t, moved["url"], `"https://y.example.com"`)
	if _, shown := moved["keep_secrets"]; shown || string(r.destinations[0].Access) != `{"token":"hunter2"}` {
		t.Errorf("%v %s", moved, r.destinations[0].Access)
	}
	r.do("POST", "/api/v1/destinations", `{"name":"e","url":"https://x.example.com","keep_secrets":true}`).refused(422,
		bellhop.CodeInvalid, "keep_secrets")
	r.do("PATCH", d, `{"url":"https://z.example.com","access":{"token":"new"}}`).is(200)
}

func TestPatchKeepsNumbers(t *testing.T) {
	var p Patch[client.NewSource]
	if err := json.Unmarshal([]byte(`{"settings":{"n":12345678901234567890,"f":1.10}}`), &p); err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.fill()
	merged, err := p.apply(r.handler.(*server), newSource(r.sources[0]))
	if err != nil || merged.Settings["n"] != json.Number("12345678901234567890") ||
		merged.Settings["f"] != json.Number("1.10") {
		t.Errorf("%s %v", merged.Settings, err)
	}
}

// TestPatchUnknownNull: null for a member that there is not is refused at any depth, as a value for it is.
func TestPatchUnknownNull(t *testing.T) {
	r := newRig(t)
	r.fill()
	d := "/api/v1/destinations/" + r.destinations[0].ID
	for body, path := range map[string]string{`{"nonsense":null}`: "nonsense", `{"match":{"type":null}}`: "match.type",
		`{"retry":{"max_age":null,"maxage":null}}`: "retry.maxage", `{"breaker":{"four":null}}`: "breaker.four"} {
		r.do("PATCH", d, body).refused(422, bellhop.CodeInvalid, path)
	}
	r.do("PATCH", d, `{"match":{"types":null,"where":null},"retry":{"outcomes":{"404":null}},"rate":null}`).is(200)
}

// TestDeleteSourceWithPending: a source with a pending delivery is deleted only with force.
func TestDeleteSourceWithPending(t *testing.T) {
	r, c := newClient(t)
	r.fill()
	r.do("DELETE", Prefix+"/sources/media", "").refused(409, bellhop.CodeConflict)
	r.do("DELETE", Prefix+"/sources/media?force=false", "").refused(409, bellhop.CodeConflict)
	r.do("DELETE", Prefix+"/sources/media?force=perhaps", "").refused(422, bellhop.CodeInvalid, "force")
	r.do("DELETE", Prefix+"/sources/media?force=true", "", `If-Match: "0-0"`).refused(412, bellhop.CodeChanged)
	err := c.DeleteSource(t.Context(), "media")
	if err == nil || !strings.Contains(err.Error(), "1 delivery of its events is pending") || len(r.sources) != 1 {
		t.Errorf("%d sources: %v", len(r.sources), err)
	}
	err = c.ForceDeleteSource(t.Context(), "media")
	if err != nil || len(r.sources) != 0 {
		t.Errorf("%d sources: %v", len(r.sources), err)
	}
}
