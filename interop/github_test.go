package interop

import (
	"net/http"
	"testing"
)

const (
	githubID     = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
	githubSecret = "5f1c0e7b9a3d48e2b6c4f0a1d2938475"
	githubPush   = "{\"ref\":\"refs/heads/main\", " +
		"\"repository\":{\"full_name\":\"octocat/hello-world\"},\"head_commit\":{\"message\":\"Grüße 👋\"}}"
)

func TestNpmOctokitWebhooks(t *testing.T) {
	g := sharedGateway(t)
	g.requireProvider(t, "github")
	const script = "octokit-webhooks.mjs"
	client := npmVersion(t, "@octokit/webhooks")
	to := settings{"secret": githubSecret}
	// signAndPost lets the client sign a push and post it to s, and returns the status of the response.
	signAndPost := func(t *testing.T, s source, id, secret string) int {
		t.Helper()
		status, _ := startScript(t, script, settings{"secret": secret, "to": s.URL, "name": "push", "id": id,
			"body": githubPush}).next()["status"].(float64)
		return int(status)
	}

	check(t, client, deliver, "any JSON, as a repository_dispatch", func(t *testing.T) {
		s := g.openSource(t)
		p := startReceiver(t, script, settings{"secret": githubSecret})
		d := s.newDestination(t, "github", p.URL, to)
		const data = "{ \"n\" : 1, \"text\":\"Grüße, 世界 👋\" }"
		s.post(t, "application/json", data)
		got := p.next()
		if got["name"] != "repository_dispatch" || got["id"] == "" {
			t.Errorf("the name is %v, the id %v", got["name"], got["id"])
		}
		sent := got["payload"].(map[string]any)["client_payload"].(map[string]any)
		wantJSON(t, "client_payload.data", sent["data"], []byte(data))
		if ev := s.onlyEvent(t); sent["id"] != ev.ID {
			t.Errorf("client_payload.id is %v, want %s", sent["id"], ev.ID)
		}
		d.waitUntilDelivered(t)
	})
	check(t, client, deliver, "bytes that are not JSON, as a repository_dispatch", func(t *testing.T) {
		s := g.openSource(t)
		p := startReceiver(t, script, settings{"secret": githubSecret})
		d := s.newDestination(t, "github", p.URL, to)
		s.post(t, "application/octet-stream", allBytes())
		if got := p.next(); got["payload"].(map[string]any)["client_payload"].(map[string]any)["data_base64"] == nil {
			t.Errorf("the client read %v", got)
		}
		d.waitUntilDelivered(t)
	})
	check(t, client, deliver, "a push that the client signed: same name, id and payload", func(t *testing.T) {
		s := g.newSource(t, "github", settings{"secret": "another secret"})
		p := startReceiver(t, script, settings{"secret": githubSecret})
		d := s.newDestination(t, "github", p.URL, to)
		if status := signAndPost(t, s, githubID, "another secret"); status != http.StatusAccepted {
			t.Fatalf("answered %d: %v", status, s.refusals(t))
		}
		got := p.next()
		if got["name"] != "push" || got["id"] != githubID {
			t.Errorf("the name is %v, the id %v", got["name"], got["id"])
		}
		wantJSON(t, "the payload", got["payload"], []byte(githubPush))
		d.waitUntilDelivered(t)
	})
	for _, c := range []struct {
		name   string
		to     settings
		status int
	}{
		{"signed with the wrong secret: refused by the client", settings{"secret": "another secret"}, 400},
		{"content_type form: refused by its middleware, which accepts JSON only",
			settings{"secret": githubSecret, "content_type": "form"}, 415},
	} {
		check(t, client, deliver, c.name, func(t *testing.T) {
			s := g.openSource(t)
			p := startReceiver(t, script, settings{"secret": githubSecret})
			d := s.newDestination(t, "github", p.URL, c.to, settings{"retry": settings{"schedule": "none"}})
			s.post(t, "application/json", `{"n":1}`)
			if v := d.waitForDelivery(t, "dead"); v.Last.Status != c.status {
				t.Errorf("answered %d", v.Last.Status)
			}
		})
	}
	check(t, client, receive, "signed by its sign, stored byte for byte; a redelivery is one event",
		func(t *testing.T) {
			s := g.newSource(t, "github", settings{"secret": githubSecret})
			for range 2 {
				if status := signAndPost(t, s, githubID, githubSecret); status != http.StatusAccepted {
					t.Fatalf("answered %d: %v", status, s.refusals(t))
				}
			}
			ev := s.onlyEvent(t)
			if ev.Type != "github.push" || ev.Subject != "octocat/hello-world" || ev.Body != githubPush {
				t.Errorf("the stored event is %+v", ev)
			}
		})
	check(t, client, receive, "either secret of a rotation; a third secret: 401", func(t *testing.T) {
		s := g.newSource(t, "github", settings{"secret": []string{"new", githubSecret}})
		for secret, want := range map[string]int{"new": 202, githubSecret: 202, "third": 401} {
			if status := signAndPost(t, s, "id-"+secret, secret); status != want {
				t.Errorf("%s: answered %d", secret, status)
			}
		}
	})
}
