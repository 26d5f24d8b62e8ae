package interop

import (
	"net/http"
	"testing"
)

const (
	githubSecret = "5f1c0e7b9a3d48e2b6c4f0a1d2938475"
	githubPush   = "{\"ref\":\"refs/heads/main\", " +
		"\"repository\":{\"full_name\":\"octocat/hello-world\"},\"head_commit\":{\"message\":\"Grüße 👋\"}}"
)

func TestNpmOctokitWebhooks(t *testing.T) {
	g := live(t)
	g.provider(t, "github")
	const script = "octokit-webhooks.mjs"
	client := npm(t, "@octokit/webhooks")
	to := settings{"secret": githubSecret}
	ring := func(t *testing.T, s source, id, secret string) int {
		t.Helper()
		status, _ := node(t, script, settings{"secret": secret, "to": s.URL, "name": "push", "id": id,
			"body": githubPush}).next()["status"].(float64)
		return int(status)
	}

	show(t, client, deliver, "any JSON, as a repository_dispatch", func(t *testing.T) {
		s := g.plain(t)
		p := receiver(t, script, settings{"secret": githubSecret})
		d := s.to(t, "github", p.URL, to)
		const data = "{ \"n\" : 1, \"text\":\"Grüße, 世界 👋\" }"
		s.ring(t, "application/json", data)
		got := p.next()
		if got["name"] != "repository_dispatch" || got["id"] == "" {
			t.Errorf("it is %v, %v", got["name"], got["id"])
		}
		sent := got["payload"].(map[string]any)["client_payload"].(map[string]any)
		same(t, "client_payload.data", sent["data"], []byte(data))
		if ev := s.one(t); sent["id"] != ev.ID {
			t.Errorf("client_payload.id is %v, not %s", sent["id"], ev.ID)
		}
		d.delivered(t)
	})
	show(t, client, deliver, "bytes that are no JSON, as a repository_dispatch", func(t *testing.T) {
		s := g.plain(t)
		p := receiver(t, script, settings{"secret": githubSecret})
		d := s.to(t, "github", p.URL, to)
		s.ring(t, "application/octet-stream", allBytes())
		if got := p.next(); got["payload"].(map[string]any)["client_payload"].(map[string]any)["data_base64"] == nil {
			t.Errorf("it is %v", got)
		}
		d.delivered(t)
	})
	show(t, client, deliver, "a push that it signed itself: same name, id and payload", func(t *testing.T) {
		s := g.source(t, "github", settings{"secret": "another secret"})
		p := receiver(t, script, settings{"secret": githubSecret})
		d := s.to(t, "github", p.URL, to)
		if status := ring(t, s, "72d3162e-cc78-11e3-81ab-4c9367dc0958", "another secret"); status != http.StatusAccepted {
			t.Fatalf("answered %d: %v", status, s.refusals(t))
		}
		got := p.next()
		if got["name"] != "push" || got["id"] != "72d3162e-cc78-11e3-81ab-4c9367dc0958" {
			t.Errorf("it is %v, %v", got["name"], got["id"])
		}
		same(t, "the payload", got["payload"], []byte(githubPush))
		d.delivered(t)
	})
	for _, c := range []struct {
		what   string
		to     settings
		status int
	}{
		{"signed with another secret: refused by it", settings{"secret": "another secret"}, 400},
		{"content_type form: refused by its middleware (JSON only)",
			settings{"secret": githubSecret, "content_type": "form"}, 415},
	} {
		show(t, client, deliver, c.what, func(t *testing.T) {
			s := g.plain(t)
			p := receiver(t, script, settings{"secret": githubSecret})
			d := s.to(t, "github", p.URL, c.to, settings{"retry": settings{"schedule": "none"}})
			s.ring(t, "application/json", `{"n":1}`)
			if v := d.settled(t, func(v delivery) bool { return v.State == "dead" }); v.Last.Status != c.status {
				t.Errorf("answered %d", v.Last.Status)
			}
		})
	}
	show(t, client, receive, "signed by its sign, taken byte for byte; a redelivery is one event", func(t *testing.T) {
		s := g.source(t, "github", settings{"secret": githubSecret})
		for range 2 {
			if status := ring(t, s, "72d3162e-cc78-11e3-81ab-4c9367dc0958", githubSecret); status != http.StatusAccepted {
				t.Fatalf("answered %d: %v", status, s.refusals(t))
			}
		}
		ev := s.one(t)
		if ev.Type != "github.push" || ev.Subject != "octocat/hello-world" || ev.Body != githubPush {
			t.Errorf("it is %+v", ev)
		}
	})
	show(t, client, receive, "either secret of a rotation; a third: 401", func(t *testing.T) {
		s := g.source(t, "github", settings{"secret": []string{"new", githubSecret}})
		for secret, want := range map[string]int{"new": 202, githubSecret: 202, "third": 401} {
			if status := ring(t, s, "id-"+secret, secret); status != want {
				t.Errorf("%s: answered %d", secret, status)
			}
		}
	})
}
