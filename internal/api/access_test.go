package api

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/access"
)

const hidden = `{"set":true,"set_at":"2026-11-22T09:30:00.123Z"}`

// TestAccess: what a destination's access says goes in, and comes out without its secrets.
func TestAccess(t *testing.T) {
	r := newRig(t)
	made := r.do("POST", "/api/v1/destinations", `{"name":"d","url":"https://x.example.com","access":{"token_url":"https://id.example.com/token",
		"client_id":"us","client_secret":"`+canary+`","scopes":["a","b"],"audience":null}}`).is(201)
	same(t, made["access"], `{"token_url":"https://id.example.com/token","client_id":"us","client_secret":`+hidden+`,"scopes":["a","b"]}`)
	if d := r.destinations[0]; string(d.Access) != `{"client_id":"us","client_secret":"`+canary+`","scopes":["a","b"],"token_url":"https://id.example.com/token"}` {
		t.Errorf("stored %s", d.Access)
	}
	for i, none := range []string{`{}`, `null`, `{"token":null}`} {
		made = r.do("POST", "/api/v1/destinations", `{"name":"none`+string(rune('a'+i))+`","url":"https://x.example.com","access":`+none+`}`).is(201)
		same(t, made["access"], `null`)
		if d := r.destinations[1+i]; d.Access != nil {
			t.Errorf("%s: stored %s", none, d.Access)
		}
	}
	// An action reaches nobody; an empty access is none.
	r.do("POST", "/api/v1/destinations", `{"name":"c","type":"chore","access":{},"settings":{"command":["a"]}}`).is(201)
}

// TestAccessPatch: a secret that is only as shown stays; null takes away one, or all.
func TestAccessPatch(t *testing.T) {
	r := newRig(t)
	r.fill()
	stored := func(want string, secretsAt time.Time) {
		t.Helper()
		if d := r.destinations[0]; string(d.Access) != want || !d.SecretsAt.Equal(secretsAt) {
			t.Errorf("stored %s, secrets set at %s; want %s, %s", d.Access, d.SecretsAt, want, secretsAt)
		}
	}
	patch := func(body string) answer { return r.do("PATCH", "/api/v1/destinations/billing", body) }
	r.destinations[0].Access = []byte(`{"password":"` + canary + `","username":"me"}`)
	r.now = testNow.Add(time.Hour)
	patch(r.do("GET", "/api/v1/destinations/billing", "").body).is(200)
	stored(`{"password":"`+canary+`","username":"me"}`, testNow)
	patch(`{"access":{"username":"you","password":` + hidden + `}}`).is(200)
	stored(`{"password":"`+canary+`","username":"you"}`, testNow)
	same(t, patch(`{"access":{"password":"` + canary + `2"}}`).is(200)["access"], `{"username":"you","password":{"set":true,"set_at":"2026-11-22T10:30:00.123Z"}}`)
	stored(`{"password":"`+canary+`2","username":"you"}`, r.now)
	r.now = r.now.Add(time.Hour)
	patch(`{"access":{"username":null,"password":null,"proxy":"http://proxy.example:3128"}}`).is(200)
	stored(`{"proxy":"http://proxy.example:3128"}`, r.now)
	changed := r.now
	r.now = r.now.Add(time.Hour)
	patch(`{"access":{"proxy":"http://other.example:3128"}}`).is(200)
	stored(`{"proxy":"http://other.example:3128"}`, changed)
	same(t, patch(`{"access":null}`).is(200)["access"], `null`)
	stored("", changed)
	patch(`{"access":{"token":"` + canary + `"}}`).is(200)
	stored(`{"token":"`+canary+`"}`, r.now)
	// The last member that goes takes the access with it.
	r.now = r.now.Add(time.Hour)
	patch(`{"access":{"token":null}}`).is(200)
	stored("", r.now)
	if r.destinations[0].Access != nil {
		t.Error("an empty access is stored")
	}
	patch(`{"access":{"token":` + hidden + `}}`).is(200) // of what is not set, nothing stays
	stored("", r.now)
}

func TestAccessRefused(t *testing.T) {
	r := newRig(t)
	r.fill()
	for body, path := range map[string]string{
		`{"token":{"set":true}}`:             "access.token",
		`{"token":` + hidden + `}`:           "access.token",
		`{"username":"me"}`:                  "access.password",
		`{"user":"me"}`:                      "access.user",
		`{"username":7,"password":"x"}`:      "access.username",
		`{"token":7}`:                        "access.token",
		`{"scopes":"a"}`:                     "access.scopes",
		`{"token":"a","scopes":["a"]}`:       "access.scopes",
		`{"token":"a b"}`:                    "access.token",
		`{"ca":"` + bigText(65<<10) + `"}`:   "access",
		`{"proxy":"http://me:pw@x.example"}`: "access.proxy",
		`"` + canary + `"`:                   "access",
		`[]`:                                 "access",
	} {
		r.do("POST", "/api/v1/destinations", `{"name":"x","url":"https://x.example.com","access":`+body+`}`).refused(422, bellhop.CodeInvalid, path)
		r.do("POST", "/api/v1/destinations/preview", `{"destination":{"url":"https://x.example.com","access":`+body+`},"event":"evt_1"}`).refused(422, bellhop.CodeInvalid, "destination."+path)
	}
	r.do("PATCH", "/api/v1/destinations/billing", `{"access":{"password":"`+canary+`"}}`).refused(422, bellhop.CodeInvalid, "access.username")
	r.do("PATCH", "/api/v1/destinations/billing", `{"access":"`+canary+`"}`).refused(422, bellhop.CodeInvalid, "access")
	if r.destinations[0].Access != nil || r.changes > 0 {
		t.Error("what was refused was stored")
	}
}

func bigText(n int) string { return strings.Repeat("x", n) }

// TestAccessIsDocumented: the document has every member, with its meaning, and no other.
func TestAccessIsDocumented(t *testing.T) {
	r := newRig(t)
	schemas := r.send("GET", "/openapi.json", "").is(200)["components"].(map[string]any)["schemas"].(map[string]any)
	for _, noun := range []string{"NewDestination", "Destination"} {
		schema := schemas[noun].(map[string]any)["properties"].(map[string]any)["access"].(map[string]any)
		members := schema["properties"].(map[string]any)
		if schema["additionalProperties"] != false || len(members) != len(access.Settings) {
			t.Errorf("%s: %v", noun, schema)
		}
		same(t, schema["type"], `["object","null"]`)
		for _, s := range access.Settings {
			if m, _ := members[s.Name].(map[string]any); m == nil || !strings.HasPrefix(m["description"].(string), s.Doc) {
				t.Errorf("%s: %s is not documented: %v", noun, s.Name, m)
			}
		}
	}
}

// TestPreviewHidesAccess: no secret of an access is in a preview, wherever it comes from.
func TestPreviewHidesAccess(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.destinations[0].Settings = nil
	server := httptest.NewTLSServer(nil)
	server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	r.destinations[0].Access, _ = json.Marshal(map[string]string{"token": canary, "ca": string(ca), "proxy": "http://proxy.example:3128"})
	r.previewed = func(bellhop.Destination, bellhop.Event) (bellhop.Preview, error) {
		return bellhop.Preview{Method: "POST", Header: http.Header{"Authorization": {"…"}, "X-Copy": {canary}}, Body: []byte("key " + canary)}, nil
	}
	got := r.do("POST", "/api/v1/destinations/preview", `{"destination":"billing","event":"evt_1"}`).is(200)["request"].(map[string]any)
	same(t, got["headers"], `{"Authorization":["…"],"X-Copy":["…"]}`)
	same(t, got["body"], `"key …"`)
	same(t, got["way"], `"trusting its own authorities alone, through the proxy http://proxy.example:3128"`)
}
