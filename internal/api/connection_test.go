package api

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

func TestConnection(t *testing.T) {
	r := newRig(t)
	a := r.do("POST", "/api/v1/connections",
		`{"name":"work","provider":"crm","settings":{"secret":"`+canary+`","api_url":"http://crm.example.com"}}`)
	made := a.is(201)
	id := made["id"].(string)
	if !strings.HasPrefix(id, bellhop.PrefixConnection) || a.header.Get("Location") != "/api/v1/connections/"+id {
		t.Errorf("id %q, Location %q", id, a.header.Get("Location"))
	}
	if !slices.Equal(r.logins, []string{"changed " + id}) {
		t.Errorf("%q", r.logins)
	}
	delete(made, "id")
	same(
		t,
		made,
		`{"name":"work","provider":"crm","settings":{"secret":{"set":true,"set_at":"2026-11-22T09:30:00.123Z"},
		"api_url":"http://crm.example.com"},"state":"failing","reason":"no token has been asked for yet","account":"",
		"expires_at":null,"used_at":null,"tenant":"","redirect_uri":"https://hooks.example.com/connect/callback",
		"created_at":"2026-11-22T09:30:00.123Z","updated_at":"2026-11-22T09:30:00.123Z",
		"warnings":["settings.api_url is plain http, so others on the way can read secrets and tokens; use https"]}`,
	)
	r.do("POST", "/api/v1/connections", `{"name":"user","provider":"crm","settings":{"api_url":"https://x"}}`).is(201)
	if c := r.connections[0]; c.State != bellhop.ConnectionSignedOut &&
		r.connections[1].State != bellhop.ConnectionSignedOut {
		t.Errorf("%+v", r.connections)
	}
	list := r.do("GET", "/api/v1/connections?state=failing", "").is(200)
	if data := list["data"].([]any); len(data) != 1 || data[0].(map[string]any)["name"] != "work" {
		t.Errorf("%v", list)
	}
	shown := r.do("GET", "/api/v1/connections/work", "").is(200)
	whole, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	if back := r.do("PATCH", "/api/v1/connections/"+id, string(whole)).is(200); back["name"] != "work" {
		t.Errorf("an answer sent back: %v", back)
	}
	renamed := r.do("PATCH", "/api/v1/connections/work",
		`{"name":"home","settings":{"secret":"new-secret-new-secret"}}`).
		is(200)
	if renamed["name"] != "home" || r.logins[len(r.logins)-1] != "changed "+id {
		t.Errorf("%v, %q", renamed, r.logins)
	}
	r.do("DELETE", "/api/v1/connections/home", "").is(204)
	if r.logins[len(r.logins)-1] != "deleted "+id {
		t.Errorf("%q", r.logins)
	}
	r.do("GET", "/api/v1/connections/home", "").refused(404, bellhop.CodeNotFound)
}

func TestConnectionRefused(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		body  string
		paths []string
	}{
		{`{}`, []string{"name", "provider"}},
		{`{"name":"x","provider":"graph"}`, []string{"provider"}},
		{`{"name":"callback","provider":"crm","settings":{}}`, []string{"name", "settings.api_url"}},
		{`{"name":"con_x","provider":"crm","settings":{"api_url":"https://x"}}`, []string{"name"}},
		{`{"name":"x","provider":"crm","settings":{"api_url":"ftp://x","other":"` + canary + `"}}`,
			[]string{"settings.other"}},
		{`{"name":"x","provider":"crm","settings":{"api_url":"https://x","secret":{"set":true}}}`,
			[]string{"settings.secret"}},
		{`{"name":"x","provider":"crm","settings":{"api_url":"https://x"},"tokens":"y"}`, []string{"tokens"}},
	} {
		r.do("POST", "/api/v1/connections", c.body).refused(422, bellhop.CodeInvalid, c.paths...)
	}
	r.fill()
	r.do("POST", "/api/v1/connections", `{"name":"work","provider":"crm","settings":{"api_url":"https://x"}}`).
		refused(409,
			bellhop.CodeConflict)
	work := "/api/v1/connections/work"
	r.do("PATCH", work, `{"provider":"other"}`).refused(422, bellhop.CodeInvalid, "provider")
	r.do("PATCH", work, `{"settings":{"api_url":null}}`).refused(422, bellhop.CodeInvalid, "settings.api_url")
	r.do("GET", "/api/v1/connections?state=lost", "").refused(422, bellhop.CodeInvalid, "state")
	// Stored secrets go to another address only if the change says so.
	moved := `"settings":{"api_url":"https://evil.example.com"`
	r.do("PATCH", work, `{`+moved+`}}`).refused(422, bellhop.CodeInvalid, "settings.api_url")
	r.do("PATCH", work, `{`+moved+`,"secret":{"set":true,"set_at":"2026-11-22T09:30:00.123Z"}}}`).refused(422,
		bellhop.CodeInvalid, "settings.api_url")
	r.do("PATCH", work, `{`+moved+`,"secret":"`+canary+`"}}`).is(200)
	r.do("PATCH", work, `{"settings":{"api_url":"https://third.example.com"},"keep_secrets":true}`).is(200)
	r.do("PATCH", work, `{"settings":{"api_url":"https://fourth.example.com","secret":null}}`).is(200)
}

func TestConnectionLogin(t *testing.T) {
	r := newRig(t)
	r.fill()
	work := "/api/v1/connections/work"
	for body, want := range map[string]string{"": "login work false", "{}": "login work false",
		`{"device":true}`: "login work true"} {
		login := r.do("POST", work+"/login", body).is(200)
		if login["url"] != "https://hooks.example.com/connect/work?ticket=t" || r.logins[len(r.logins)-1] != want {
			t.Errorf("%s: %v, %q", body, login, r.logins)
		}
	}
	same(t, r.do("POST", work+"/test", "").is(200), `{"ok":false,"reason":"no network","account":"","grant":"user",
		"expires_at":null,"permissions":[],"duration":""}`)
	if out := r.do("POST", work+"/logout", "").is(200); out["name"] != "work" ||
		r.logins[len(r.logins)-1] != "logout work" {
		t.Errorf("%v, %q", out, r.logins)
	}
	if want := "admin began a sign-in connection work con_1"; len(r.noted) != 4 || r.noted[0] != want ||
		r.noted[3] != "admin signed out connection work con_1" {
		t.Errorf("noted %q", r.noted)
	}
	for _, verb := range []string{"login", "test", "logout"} {
		r.do("POST", "/api/v1/connections/nobody/"+verb, "").refused(404, bellhop.CodeNotFound)
	}
	r.do("POST", work+"/login", `{"password":"x"}`).refused(422, bellhop.CodeInvalid, "password")
}
