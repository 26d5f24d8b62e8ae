package api

import (
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/access"
	"github.com/bellhop-gateway/bellhop/provider"
)

func TestDestination(t *testing.T) {
	r := newRig(t)
	made := r.do("POST", "/api/v1/destinations", `{"name":"billing","url":"https://billing.example.com/h"}`).is(201)
	if id := made["id"].(string); !strings.HasPrefix(id, bellhop.PrefixDestination) {
		t.Error(id)
	}
	delete(made, "id")
	same(t, made, `{"name":"billing","type":"http","url":"https://billing.example.com/h","settings":{},"access":null,
		"match":{"sources":[],"types":[],"where":""},"timeout":"5s","concurrency":16,"rate":null,"batch":null,"order":"none",
		"retry":{"schedule":"default"},"breaker":{"failures":16,"for":"10s","disable_after":"120h"},"expires_at":null,"handshake":"none","tenant":"","tenants":[],"granted_rate":null,"failing_since":null,"held_back":null,
		"state":"active","state_reason":"","match_error":null,"created_at":"2026-11-22T09:30:00.123Z","updated_at":"2026-11-22T09:30:00.123Z"}`)
	if d := r.destinations[0]; d.Timeout != bellhop.DefaultTimeout || len(d.Retry.Schedule) != 9 ||
		d.Concurrency != 16 {
		t.Errorf("stored %+v", d)
	}
	made = r.do("POST", "/api/v1/destinations", `{"name":"all","type":"http","url":"https://billing.example.com/h",
		"settings":{"format":"standard","secret":"`+canary+`","headers":{"X-Key":"`+canary+`"}},
		"match":{"sources":["media"],"types":["ams.*"],"where":"data.x == 1"},"timeout":"90s","concurrency":1,"batch":{"max_events":50},
		"retry":{"schedule":["5s","90m","1h30m10s","0s"]}}`).is(201)
	same(t, made["settings"],
		`{"format":"standard","headers":{"X-Key":{"set":true,"set_at":"2026-11-22T09:30:00.123Z"}},
		"secret":{"set":true,"set_at":"2026-11-22T09:30:00.123Z"}}`)
	same(t, made["match"], `{"sources":["media"],"types":["ams.*"],"where":"data.x == 1"}`)
	same(t, made["retry"], `{"schedule":["5s","1h30m","1h30m10s","0s"]}`)
	same(t, made["timeout"], `"1m30s"`)
	same(t, made["batch"], `{"max_events":50,"max_wait":"1s"}`)
	same(t, r.do("PATCH", "/api/v1/destinations/all", `{"batch":{"max_wait":"0s"}}`).is(200)["batch"],
		`{"max_events":50,"max_wait":"0s"}`)
	same(t, r.do("PATCH", "/api/v1/destinations/all", `{"batch":null}`).is(200)["batch"], `null`)
	made = r.do("POST", "/api/v1/destinations",
		`{"name":"l","type":"lock","url":"https://x.example.com","settings":{"key":"`+canary+
			`"},"retry":{"schedule":"none"}}`).is(201)
	same(t, made["retry"], `{"schedule":"none"}`)
	if d := r.destinations[2]; d.Retry.Schedule == nil || len(d.Retry.Schedule) != 0 {
		t.Errorf("stored %+v", d.Retry)
	}
	r.do("POST", "/api/v1/destinations", `{"name":"l","url":"https://x.example.com"}`).refused(409,
		bellhop.CodeConflict)
	made = r.do("POST", "/api/v1/destinations",
		`{"name":"n","url":"https://x.example.com","retry":{"schedule":null},"match":null,"timeout":null}`).is(201)
	same(t, made["retry"], `{"schedule":"default"}`)
	made = r.do("POST", "/api/v1/destinations",
		`{"name":"o","url":"https://x.example.com","order":"subject","expires_at":"2027-01-01T01:00:00.000+01:00",
		"retry":{"max_age":"24h","outcomes":{"404":"dead","5xx":"retry"}},"breaker":{"failures":3,"disable_after":"0s"}}`).is(201)
	same(t, made["order"], `"subject"`)
	same(t, made["retry"], `{"schedule":"default","max_age":"24h","outcomes":{"404":"dead","5xx":"retry"}}`)
	same(t, made["breaker"], `{"failures":3,"for":"0s","disable_after":"0s"}`)
	same(t, made["expires_at"], `"2027-01-01T00:00:00.000Z"`)
	same(t, r.do("PATCH", "/api/v1/destinations/o",
		`{"breaker":{"failures":0},"expires_at":null,"retry":{"outcomes":{"404":null}}}`).is(200)["retry"],
		`{"schedule":"default","max_age":"24h","outcomes":{"5xx":"retry"}}`)
	if d := r.destinations[len(r.destinations)-1]; d.Breaker != (bellhop.Breaker{}) || !d.ExpiresAt.IsZero() {
		t.Errorf("stored %+v", d)
	}
	if r.changes != 8 {
		t.Errorf("%d changes", r.changes)
	}
}

// TestAction: an action has no URL. The secrets and defaults are those of its type.
func TestAction(t *testing.T) {
	r := newRig(t)
	made := r.do("POST", "/api/v1/destinations",
		`{"name":"c","type":"chore","settings":{"command":["a","b"],"key":"`+canary+`","env":{"TOKEN":"`+canary+
			`"}}}`).is(201)
	same(t, made["settings"], `{"command":["a","b"],"key":`+hidden+`,"env":{"TOKEN":`+hidden+`}}`)
	same(t, []any{made["url"], made["concurrency"], made["retry"]}, `["",4,{"schedule":"none"}]`)
	r.now = testNow.Add(time.Hour)
	whole := r.do("GET", "/api/v1/destinations/c", "").body
	r.do("PATCH", "/api/v1/destinations/c", whole).is(200)
	r.do("PATCH", "/api/v1/destinations/c", `{"settings":{"env":{"MORE":"`+canary+`"}},"concurrency":2}`).is(200)
	if d := r.destinations[0]; string(d.Settings) != `{"command":["a","b"],"env":{"MORE":"`+canary+`","TOKEN":"`+
		canary+`"},"key":"`+canary+`"}` ||
		d.URL != "" || d.Concurrency != 2 || !d.SecretsAt["settings.env.MORE"].Equal(r.now) ||
		!d.SecretsAt["settings.env.TOKEN"].Equal(testNow) {
		t.Errorf("stored %+v", d)
	}
	r.do("POST", "/api/v1/destinations",
		`{"name":"d","type":"chore","settings":{"env":{"TOKEN":{"set":true}}}}`).refused(422, bellhop.CodeInvalid,
		"settings.env.TOKEN")
	if a := r.do("POST", "/api/v1/destinations", `{"name":"d","type":"chores"}`); !strings.Contains(a.body,
		"the types are http, pull, lock, shy, chore") {
		t.Error(a.body)
	}
}

func TestDestinationRefused(t *testing.T) {
	r := newRig(t)
	const start = `{"name":"x","url":"https://x.example.com",`
	for _, c := range []struct {
		body  string
		paths []string
	}{
		{`{}`, []string{"name"}},
		{`{"name":"x"}`, []string{"url"}},
		{`{"name":"-","url":"http://10.0.0.1","timeout":"1h"}`, []string{"name", "url", "timeout"}},
		{start + `"type":"deaf"}`, []string{"type"}},
		{start + `"type":"nobody"}`, []string{"type"}},
		{start + `"timeout":"9ms"}`, []string{"timeout"}},
		{start + `"timeout":"301s"}`, []string{"timeout"}},
		{start + `"timeout":5}`, []string{"timeout"}},
		{start + `"concurrency":0}`, []string{"concurrency"}},
		{start + `"concurrency":1025}`, []string{"concurrency"}},
		{start + `"concurrency":1.5}`, []string{"concurrency"}},
		{start + `"rate":{"per_second":0,"burst":1}}`, []string{"rate.per_second"}},
		{start + `"rate":{"per_second":"1"}}`, []string{"rate.per_second"}},
		{start + `"rate":{"per_second":1,"burst":-1}}`, []string{"rate.burst"}},
		{start + `"rate":{"burst":1}}`, []string{"rate.per_second"}},
		{start + `"rate":{"per_second":1,"a":1}}`, []string{"rate.a"}},
		{start + `"batch":{"max_events":1}}`, []string{"batch.max_events"}},
		{start + `"batch":{"max_events":1001}}`, []string{"batch.max_events"}},
		{start + `"batch":{"max_wait":"1s"}}`, []string{"batch.max_events"}},
		{start + `"batch":{"max_events":2,"max_wait":"2m"}}`, []string{"batch.max_wait"}},
		{start + `"batch":{"max_events":2,"max_wait":"x"}}`, []string{"batch.max_wait"}},
		{start + `"batch":{"max_events":2,"max_wait":"-1s"}}`, []string{"batch.max_wait"}},
		{start + `"batch":{"max_events":2,"a":1}}`, []string{"batch.a"}},
		{start + `"batch":5}`, []string{"batch"}},
		{start + `"rate":5}`, []string{"rate"}},
		{start + `"handshake":5}`, []string{"handshake"}},
		{start + `"granted_rate":{"per_second":1}}`, []string{"granted_rate"}},
		{start + `"retry":{"schedule":"often"}}`, []string{"retry.schedule"}},
		{start + `"retry":{"schedule":["5s","x"]}}`, []string{"retry.schedule[1]"}},
		{start + `"retry":{"schedule":[5]}}`, []string{"retry.schedule"}},
		{start + `"retry":{"times":3}}`, []string{"retry.times"}},
		{start + `"match":{"where":"data.x =="}}`, []string{"match.where"}},
		{start + `"match":{"types":["a","*b"]}}`, []string{"match.types[1]"}},
		{start + `"match":{"type":"a"}}`, []string{"match.type"}},
		{start + `"match":{"types":"a"}}`, []string{"match.types"}},
		{start + `"settings":{"secret":{"set":true}}}`, []string{"settings.secret"}},
		{start + `"settings":{"headers":{"X":{"set":true}}}}`, []string{"settings.headers.X"}},
		{start + `"state":"paused"}`, []string{"state"}},
	} {
		t.Run(c.body, func(t *testing.T) {
			r.do("POST", "/api/v1/destinations", c.body).refused(422, bellhop.CodeInvalid, c.paths...)
		})
	}
}

func TestDestinationPatch(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.now = testNow.Add(time.Hour)
	whole := r.do("GET", "/api/v1/destinations/billing", "").body
	before := r.destinations[0]
	r.do("PATCH", "/api/v1/destinations/billing", whole).is(200)
	after := r.destinations[0]
	if string(after.Settings) != `{"format":"standard","headers":{"X-Key":"`+canary+`"},"secret":"`+canary+`"}` ||
		after.Timeout != before.Timeout || after.Concurrency != 3 || len(after.Retry.Schedule) != 2 ||
		!after.SecretsAt["settings.secret"].Equal(testNow) ||
		!after.SecretsAt["settings.headers.X-Key"].Equal(testNow) {
		t.Errorf("stored %+v", after)
	}

	got := r.do("PATCH", "/api/v1/destinations/dst_1",
		`{"match":{"types":["a"],"where":null},"timeout":null,"retry":null,"concurrency":null,
		"settings":{"headers":{"X-Key":{"set":true},"X-New":"`+canary+`"}}}`).is(200)
	same(t, got["match"], `{"sources":[],"types":["a"],"where":""}`)
	same(t, got["retry"], `{"schedule":"default"}`)
	same(t, got["timeout"], `"5s"`)
	same(t, got["concurrency"], `16`)
	if after = r.destinations[0]; string(after.Settings) != `{"format":"standard","headers":{"X-Key":"`+canary+
		`","X-New":"`+canary+`"},"secret":"`+canary+`"}` ||
		!after.SecretsAt["settings.headers.X-New"].Equal(r.now) ||
		!after.SecretsAt["settings.headers.X-Key"].Equal(testNow) ||
		!after.SecretsAt["settings.secret"].Equal(testNow) {
		t.Errorf("stored %+v", after)
	}
	r.do("PATCH", "/api/v1/destinations/dst_1", `{"settings":{"secret":null,"headers":null}}`).is(200)
	if after = r.destinations[0]; string(after.Settings) != `{"format":"standard"}` {
		t.Errorf("stored %s", after.Settings)
	}
	for body, path := range map[string]string{
		`{"type":"lock"}`: "type", `{"state":"disabled"}`: "state", `{"url":"http://x"}`: "url", `{"url":null}`: "url",
		`{"match":{"where":"("}}`: "match.where", `{"retry":{"schedule":["5s","x"]}}`: "retry.schedule[1]",
		`{"concurrency":0}`: "concurrency",
	} {
		r.do("PATCH", "/api/v1/destinations/dst_1", body).refused(422, bellhop.CodeInvalid, path)
	}
}

// TestDefaultsOfTheType: the schedule, the rate and the handshake of the type are the defaults of its
// destinations.
func TestDefaultsOfTheType(t *testing.T) {
	r := newRig(t)
	r.greet = func(bellhop.Destination) (provider.HandshakeResult, error) {
		return provider.HandshakeResult{Rate: 0.5}, nil
	}
	made := r.do("POST", "/api/v1/destinations", `{"name":"s","type":"shy","url":"https://x.example.com"}`).is(201)
	same(t, made["retry"], `{"schedule":"sharepoint"}`)
	same(t, made["rate"], `{"per_second":2,"burst":2}`)
	same(t, made["handshake"], `"ask"`)
	same(t, made["granted_rate"], `{"per_second":0.5,"burst":1}`)
	same(t, made["url"], `"…"`)
	same(t, r.do("PATCH", "/api/v1/destinations/s",
		`{"url":"https://hooks.example.com/services/T0/B0/abcdefgh1234"}`).is(200)["url"],
		`"https://hooks.example.com/…1234"`)
	whole := r.do("PATCH", "/api/v1/destinations/s", r.do("GET", "/api/v1/destinations/s", "").body).is(200)
	if r.destinations[0].URL != "https://hooks.example.com/services/T0/B0/abcdefgh1234" {
		t.Errorf("%v: the URL is %s now", whole, r.destinations[0].URL)
	}
	made = r.do("POST", "/api/v1/destinations",
		`{"name":"s2","type":"shy","url":"https://x.example.com","handshake":"none","rate":{"per_second":7.5},"retry":{"schedule":"default"}}`).is(201)
	same(t, made["retry"], `{"schedule":"default"}`)
	same(t, made["rate"], `{"per_second":7.5,"burst":7}`)
	same(t, made["handshake"], `"none"`)
	got := r.do("PATCH", "/api/v1/destinations/s2", `{"rate":null,"batch":null,"retry":null}`).is(200)
	same(t, got["retry"], `{"schedule":"sharepoint"}`)
	same(t, got["rate"], `{"per_second":2,"burst":2}`)
	same(t, r.do("PATCH", "/api/v1/destinations/s2", `{"rate":{"per_second":50}}`).is(200)["rate"],
		`{"per_second":50,"burst":50}`)
	same(t, r.do("PATCH", "/api/v1/destinations/s2", `{"rate":{"burst":7}}`).is(200)["rate"],
		`{"per_second":50,"burst":7}`)
	same(t, r.do("PATCH", "/api/v1/destinations/s2", `{"rate":{"per_second":9}}`).is(200)["rate"],
		`{"per_second":9,"burst":7}`)
}

// TestHandshake: a destination with a handshake is unverified until its receiver agrees.
func TestHandshake(t *testing.T) {
	r := newRig(t)
	agreed, refusal := provider.HandshakeResult{}, errors.New("it said no")
	r.greet = func(d bellhop.Destination) (provider.HandshakeResult, error) {
		if d.State != bellhop.DestinationUnverified || r.destinations[0].State != bellhop.DestinationUnverified {
			t.Error("asked while it is delivered to")
		}
		return agreed, refusal
	}
	want := func(got map[string]any, state, reason string) {
		t.Helper()
		if got["state"] != state || !strings.Contains(got["state_reason"].(string), reason) || reason == "" &&
			got["state_reason"] != "" {
			t.Errorf("%v: %v, want %s: %s", got["state"], got["state_reason"], state, reason)
		}
	}
	const path = "/api/v1/destinations/shy"
	want(r.do("POST", "/api/v1/destinations", `{"name":"shy","type":"shy","url":"https://x.example.com"}`).is(201),
		"unverified", "it said no; resume asks again")
	want(r.do("POST", path+"/resume", "").is(200), "unverified", "it said no")
	refusal = nil
	want(r.do("POST", path+"/resume", "").is(200), "active", "")
	want(r.do("PATCH", path, `{"timeout":"9s"}`).is(200), "active", "")
	if len(r.asked) != 3 {
		t.Errorf("asked %d times", len(r.asked))
	}
	agreed.Pending, agreed.Reason = true, "it sleeps"
	want(r.do("PATCH", path, `{"url":"https://y.example.com"}`).is(200), "unverified",
		"the receiver has not agreed yet (it sleeps), and may until 2026-11-23T09:30:00Z by calling "+
			"back; resume asks again")
	callback := r.asked[3]
	token, ok := strings.CutPrefix(callback, "https://hooks.example.com"+AgreePath)
	if !ok || len(token) != 32 || r.asked[2] == callback {
		t.Errorf("callback %s", callback)
	}
	// and what it was asked still counts
	want(r.do("PATCH", path, `{"name":"shy"}`).is(200), "unverified", "may until")
	if _, err := r.AgreeHandshake(t.Context(), sha256.Sum256([]byte(token)), nil); err != nil {
		t.Error(err)
	}
	got := r.do("GET", path, "").is(200)
	want(got, "active", "")
	same(t, got["granted_rate"], `{"per_second":3,"burst":3}`)
	want(r.do("POST", path+"/resume", "").is(200), "active", "") // and is not asked
	want(r.do("POST", path+"/pause", "").is(200), "paused", "by a person")
	got = r.do("PATCH", path, `{"url":"https://z.example.com"}`).is(200)
	want(got, "paused", "by a person")
	same(t, got["granted_rate"], `null`) // that was the other receiver's
	want(r.do("POST", path+"/resume", "").is(200), "unverified", "may until")
	want(r.do("PATCH", path, `{"settings":{"key":"`+canary+`"}}`).is(200), "unverified", "may until")
	want(r.do("PATCH", path, `{"handshake":"none"}`).is(200), "active", "")
	agreed.Pending = false
	want(r.do("PATCH", path, `{"handshake":null}`).is(200), "active", "")
	if len(r.asked) != 7 {
		t.Errorf("asked %d times", len(r.asked))
	}
}

func TestPauseAndResume(t *testing.T) {
	r := newRig(t)
	r.fill()
	for range 2 {
		got := r.do("POST", "/api/v1/destinations/billing/pause", "").is(200)
		if got["state"] != "paused" || got["state_reason"] == "" ||
			r.destinations[0].State != bellhop.DestinationPaused {
			t.Error(got)
		}
	}
	if len(r.woken) > 0 {
		t.Error("woken while paused")
	}
	got := r.do("POST", "/api/v1/destinations/dst_1/resume", "").is(200)
	if got["state"] != "active" || got["state_reason"] != "" || len(r.woken) != 1 || r.woken[0] != "dst_1" {
		t.Error(got, r.woken)
	}
	if string(r.destinations[0].Settings) == "" || r.changes != 3 {
		t.Error("settings lost, or a change not told of")
	}
}

// TestCreatePaused: a destination that is created paused is stored so, and its receiver is asked when it is resumed.
func TestCreatePaused(t *testing.T) {
	r := newRig(t)
	r.greet = func(bellhop.Destination) (provider.HandshakeResult, error) { return provider.HandshakeResult{}, nil }
	for _, name := range []string{"shy", "http"} {
		made := r.do("POST", "/api/v1/destinations",
			`{"name":"`+name+`","type":"`+name+`","url":"https://x.example.com","paused":true}`).is(201)
		if made["state"] != "paused" || made["state_reason"] != "by a person" || len(r.asked) > 0 || r.changes != 1 {
			t.Errorf("%v, asked %v, changed %d times", made, r.asked, r.changes)
		}
		r.changes = 0
	}
	if got := r.do("POST", "/api/v1/destinations/shy/resume", "").is(200); got["state"] != "active" ||
		len(r.asked) != 1 {
		t.Errorf("%v, asked %v", got, r.asked)
	}
	r.do("POST", "/api/v1/destinations", `{"name":"b","url":"https://x.example.com","paused":"yes"}`).
		refused(422, bellhop.CodeInvalid, "paused")
}

// TestPausedInPatch: a change pauses or resumes in the same write as the rest of it.
func TestPausedInPatch(t *testing.T) {
	r := newRig(t)
	r.fill()
	const path = "/api/v1/destinations/billing"
	for _, c := range []struct {
		patch, state string
		woken        int
	}{
		{`{"paused":false,"timeout":"7s"}`, "active", 0},
		{`{"paused":true,"timeout":"8s"}`, "paused", 0},
		{`{"timeout":"9s"}`, "paused", 0},
		{`{"paused":true}`, "paused", 0},
		{`{"paused":null}`, "active", 1},
		{`{"paused":true}`, "paused", 1},
		{`{"paused":false,"concurrency":3}`, "active", 2},
	} {
		r.changes = 0
		if got := r.do("PATCH", path, c.patch).is(200); got["state"] != c.state || len(r.woken) != c.woken ||
			r.changes != 1 {
			t.Errorf("%s: %v: %v, woken %v, changed %d times", c.patch, got["state"], got["state_reason"], r.woken,
				r.changes)
		}
	}
	if d := r.destinations[0]; d.Timeout != 9*time.Second || d.Concurrency != 3 {
		t.Errorf("%+v", d)
	}
	r.destinations[0].State, r.destinations[0].ExpiresAt = bellhop.DestinationExpired, time.Unix(1, 0)
	r.do("PATCH", path, `{"paused":true}`).refused(409, bellhop.CodeConflict)
	same(t, r.do("PATCH", path, `{"paused":true,"expires_at":null}`).is(200)["state"], `"paused"`)
}

// TestSecretsInURLs: a secret in the query of a URL is masked, and stays when the masked URL is sent back.
func TestSecretsInURLs(t *testing.T) {
	r := newRig(t)
	const whole = "https://x.example.com/hook?tenant=1&code=" + canary + "&Access%5Ftoken=" + canary
	made := r.do("POST", "/api/v1/destinations", `{"name":"q","url":"`+whole+`"}`).is(201)
	same(t, made["url"], `"https://x.example.com/hook?tenant=1&code=…&Access%5Ftoken=…"`)
	r.do("PATCH", "/api/v1/destinations/q", r.do("GET", "/api/v1/destinations/q", "").body).is(200)
	if r.destinations[0].URL != whole {
		t.Errorf("the URL is %s now", r.destinations[0].URL)
	}
}

// TestTimeoutOfType: a type may allow attempts that take longer than those of other types.
func TestTimeoutOfType(t *testing.T) {
	r := newRig(t)
	r.do("POST", "/api/v1/destinations",
		`{"name":"a","type":"chore","timeout":"2h","settings":{"command":["a"]}}`).is(201)
	r.do("POST", "/api/v1/destinations",
		`{"name":"b","type":"chore","timeout":"2h1s","settings":{"command":["a"]}}`).refused(422, bellhop.CodeInvalid,
		"timeout")
	r.do("POST", "/api/v1/destinations",
		`{"name":"c","type":"http","url":"https://example.com","timeout":"6m","settings":{"format":"raw"}}`).refused(
		422, bellhop.CodeInvalid, "timeout")
}

const hidden = `{"set":true,"set_at":"2026-11-22T09:30:00.123Z"}`

// TestAccess: an access is stored whole and shown with its secrets masked.
func TestAccess(t *testing.T) {
	r := newRig(t)
	made := r.do("POST", "/api/v1/destinations",
		`{"name":"d","url":"https://x.example.com","access":{"token_url":"https://id.example.com/token",
		"client_id":"us","client_secret":"`+canary+`","scopes":["a","b"],"audience":null}}`).is(201)
	same(t, made["access"], `{"token_url":"https://id.example.com/token","client_id":"us","client_secret":`+hidden+
		`,"scopes":["a","b"]}`)
	if d := r.destinations[0]; string(d.Access) != `{"client_id":"us","client_secret":"`+canary+
		`","scopes":["a","b"],"token_url":"https://id.example.com/token"}` {
		t.Errorf("stored %s", d.Access)
	}
	for i, none := range []string{`{}`, `null`, `{"token":null}`} {
		made = r.do("POST", "/api/v1/destinations",
			`{"name":"none`+string(rune('a'+i))+`","url":"https://x.example.com","access":`+none+`}`).is(201)
		same(t, made["access"], `null`)
		if d := r.destinations[1+i]; d.Access != nil {
			t.Errorf("%s: stored %s", none, d.Access)
		}
	}
	// An action calls nobody; an empty access is allowed.
	r.do("POST", "/api/v1/destinations", `{"name":"c","type":"chore","access":{},"settings":{"command":["a"]}}`).is(
		201)
}

// TestAccessPatch: a masked secret stays; null removes one member, or the access.
func TestAccessPatch(t *testing.T) {
	r := newRig(t)
	r.fill()
	stored := func(want string, passwordAt time.Time) {
		t.Helper()
		d := r.destinations[0]
		if string(d.Access) != want || !d.SecretsAt["access.password"].Equal(passwordAt) ||
			!d.SecretsAt["settings.secret"].Equal(testNow) {
			t.Errorf("stored %s, secrets set at %v; want %s, %s", d.Access, d.SecretsAt, want, passwordAt)
		}
	}
	patch := func(body string) answer { return r.do("PATCH", "/api/v1/destinations/billing", body) }
	r.destinations[0].Access = []byte(`{"password":"` + canary + `","username":"me"}`)
	r.now = testNow.Add(time.Hour)
	patch(r.do("GET", "/api/v1/destinations/billing", "").body).is(200)
	stored(`{"password":"`+canary+`","username":"me"}`, testNow)
	patch(`{"access":{"username":"you","password":` + hidden + `}}`).is(200)
	stored(`{"password":"`+canary+`","username":"you"}`, testNow)
	same(t, patch(`{"access":{"password":"` + canary + `2"}}`).is(200)["access"],
		`{"username":"you","password":{"set":true,"set_at":"2026-11-22T10:30:00.123Z"}}`)
	stored(`{"password":"`+canary+`2","username":"you"}`, r.now)
	r.now = r.now.Add(time.Hour)
	patch(`{"access":{"username":null,"password":null,"proxy":"http://proxy.example:3128"}}`).is(200)
	stored(`{"proxy":"http://proxy.example:3128"}`, time.Time{})
	r.now = r.now.Add(time.Hour)
	patch(`{"access":{"proxy":"http://other.example:3128"}}`).is(200)
	stored(`{"proxy":"http://other.example:3128"}`, time.Time{})
	same(t, patch(`{"access":null}`).is(200)["access"], `null`)
	stored("", time.Time{})
	patch(`{"access":{"token":"` + canary + `"}}`).is(200)
	stored(`{"token":"`+canary+`"}`, time.Time{})
	if at := r.destinations[0].SecretsAt["access.token"]; !at.Equal(r.now) {
		t.Errorf("the token was set at %s", at)
	}
	// Removing the last member removes the access.
	r.now = r.now.Add(time.Hour)
	patch(`{"access":{"token":null}}`).is(200)
	stored("", time.Time{})
	if r.destinations[0].Access != nil {
		t.Error("an empty access is stored")
	}
	patch(`{"access":{"token":` + hidden + `}}`).is(200) // a masked secret that is not stored stays unset
	stored("", time.Time{})
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
		r.do("POST", "/api/v1/destinations", `{"name":"x","url":"https://x.example.com","access":`+body+`}`).refused(
			422,
			bellhop.CodeInvalid, path)
		r.do("POST", "/api/v1/destinations/preview",
			`{"destination":{"url":"https://x.example.com","access":`+body+`},"event":"evt_1"}`).refused(422,
			bellhop.CodeInvalid, "destination."+path)
	}
	r.do("PATCH", "/api/v1/destinations/billing", `{"access":{"password":"`+canary+`"}}`).refused(422,
		bellhop.CodeInvalid, "access.username")
	r.do("PATCH", "/api/v1/destinations/billing", `{"access":"`+canary+`"}`).refused(422, bellhop.CodeInvalid,
		"access")
	if r.destinations[0].Access != nil || r.changes > 0 {
		t.Error("what was refused was stored")
	}
}

func bigText(n int) string { return strings.Repeat("x", n) }

// TestAccessIsDocumented: the document describes every member of an access, and no other.
func TestAccessIsDocumented(t *testing.T) {
	r := newRig(t)
	schemas := r.send("GET", "/openapi.json", "").is(200)["components"].(map[string]any)["schemas"].(map[string]any)
	for _, noun := range []string{"NewDestination", "Destination"} {
		same(t, schemas[noun].(map[string]any)["properties"].(map[string]any)["access"].(map[string]any)["oneOf"],
			`[{"$ref":"#/components/schemas/DestinationAccess"},{"type":"null"}]`)
	}
	schema := schemas["DestinationAccess"].(map[string]any)
	members := schema["properties"].(map[string]any)
	if schema["additionalProperties"] != false || len(members) != len(access.Settings) {
		t.Errorf("%v", schema)
	}
	for _, s := range access.Settings {
		if m, _ := members[s.Name].(map[string]any); m == nil || m["description"] != s.Doc {
			t.Errorf("%s is not documented: %v", s.Name, m)
		}
	}
}

// TestPreviewHidesAccess: a preview masks the secrets of an access, in headers and body.
func TestPreviewHidesAccess(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.destinations[0].Settings = nil
	server := httptest.NewTLSServer(nil)
	server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	r.destinations[0].Access, _ = json.Marshal(map[string]string{"token": canary, "ca": string(ca),
		"proxy": "http://proxy.example:3128"})
	r.previewed = func(bellhop.Destination, bellhop.Event) (bellhop.Preview, error) {
		return bellhop.Preview{Method: "POST", Header: http.Header{"Authorization": {"…"}, "X-Copy": {canary}},
			Body: []byte("key " + canary)}, nil
	}
	got := r.do("POST", "/api/v1/destinations/preview",
		`{"destination":"billing","event":"evt_1"}`).is(200)["request"].(map[string]any)
	same(t, got["headers"], `{"Authorization":["…"],"X-Copy":["…"]}`)
	same(t, got["body"], `"key …"`)
	same(t, got["way"], `"trusting its own authorities alone, through the proxy http://proxy.example:3128"`)
}
