package interop

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ownClient is what the table calls our own connections and subscriptions.
const ownClient = "bellhop connections and subscriptions, https"

// gridResource is a resource whose events Event Grid delivers.
const gridResource = "/subscriptions/1/resourceGroups/shop/providers/Microsoft.Storage/storageAccounts/orders"

// startGatewayTrusting starts a gateway of its own that trusts the authority of a stand-in, until the test ends.
func startGatewayTrusting(t *testing.T, s *standIn) *gateway {
	t.Helper()
	g := &gateway{env: []string{"SSL_CERT_FILE=" + s.ca}}
	t.Cleanup(func() {
		if g.command != nil {
			g.stop()
		}
	})
	if err := g.start(); err != nil {
		t.Fatalf("start the gateway: %v", err)
	}
	return g
}

// bellhop runs a bellhop command at the gateway and returns its output. It ends the test if the command fails.
func (g *gateway) bellhop(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command(binary(), args...)
	c.Env = append(environment(), "BELLHOP_SERVER="+g.url, "BELLHOP_API_KEY="+g.key)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("bellhop %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// prints checks that output has a line that matches.
func prints(t *testing.T, output, pattern string) {
	t.Helper()
	if !regexp.MustCompile("(?m)" + pattern).MatchString(output) {
		t.Errorf("%s is not printed:\n%s", pattern, output)
	}
}

// TestBellhop runs our own connections and subscriptions against the stand-ins over https.
func TestBellhop(t *testing.T) {
	s := startStandIn(t, true)
	g := startGatewayTrusting(t, s)
	folder := t.TempDir()
	for name, text := range map[string]string{"cert.pem": s.identity.certPEM, "key.pem": s.identity.keyPEM} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	connect := func(t *testing.T, name, provider string, more ...string) {
		t.Helper()
		url := s.URL
		if provider == "ams" {
			url += "/api"
		}
		args := []string{"connections", "create", name, "--provider", provider, "--set", "tenant=" + tenant,
			"--set", "client_id=bellhop", "--set", "authority=" + s.URL, "--set", "api_url=" + url}
		for _, setting := range more {
			args = append(args, "--set", setting)
		}
		g.bellhop(t, args...)
	}
	check(t, ownClient, standInCalls, "sign-in by a client secret", func(t *testing.T) {
		connect(t, "graph", "graph", "client_secret=secret")
		connect(t, "ams", "ams", "client_secret=secret")
		connect(t, "eventgrid", "eventgrid", "client_secret=secret")
		for _, name := range []string{"graph", "ams", "eventgrid"} {
			out := g.bellhop(t, "connections", "test", name)
			prints(t, out, "^test +ok$")
			prints(t, out, "^account +application bellhop$")
		}
	})
	check(t, ownClient, standInCalls, "sign-in by a certificate", func(t *testing.T) {
		connect(t, "sharepoint", "sharepoint", "certificate=@"+filepath.Join(folder, "cert.pem"),
			"private_key=@"+filepath.Join(folder, "key.pem"))
		prints(t, g.bellhop(t, "connections", "test", "sharepoint"), "^test +ok$")
	})
	check(t, ownClient, standInCalls, "sign-in by a device code; sign-out", func(t *testing.T) {
		connect(t, "outlook", "outlook", "grant=user")
		g.bellhop(t, "connections", "login", "outlook", "--device")
		out := g.bellhop(t, "connections", "test", "outlook")
		prints(t, out, "^test +ok$")
		prints(t, out, "ada@example.com")
		prints(t, g.bellhop(t, "connections", "logout", "outlook"), "^state +signed_out$")
		g.bellhop(t, "connections", "login", "outlook", "--device")
	})
	for _, c := range []struct {
		provider, source, resource, changes, event string
		lists                                      bool
	}{
		{"graph", "subscriptions_only=true", "/users/ada@example.com/events", "created", `{"resource":
			"/users/ada@example.com/events","change_type":"created"}`, true},
		{"outlook", "subscriptions_only=true", "/me/events", "created", `{"resource":"/me/events",
			"change_type":"created"}`, false},
		{"sharepoint", "subscriptions_only=true", "Documents", "", `{"resource":"Documents","change_type":"created"}`,
			true},
		{"ams", "signing_key=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "Bellhop", "", `{"resource":"jobs",
			"change_type":"Finished"}`, true},
		{"eventgrid", "query_secret=a-secret-of-the-interop-tests", gridResource, "", `{"resource":"` + gridResource +
			`",
			"change_type":"created"}`, true},
	} {
		check(t, ownClient, standInCalls, c.provider+": a subscription is created, renewed, listed and deleted; a "+
			"notification is an event", func(t *testing.T) {
			g.bellhop(t, "sources", "create", c.provider, "--provider", c.provider, "--set", c.source)
			args := []string{"subscriptions", "create", c.provider, "--source", c.provider, "--connection", c.provider,
				"--resource", c.resource}
			if c.changes != "" {
				args = append(args, "--change-type", c.changes)
			}
			prints(t, g.bellhop(t, args...), "^state +active$")
			var event settings
			if err := json.Unmarshal([]byte(c.event), &event); err != nil {
				t.Fatal(err)
			}
			event["system"] = c.provider
			hook := source{g: g, Name: c.provider}
			before := len(hook.events(t))
			s.control(t, "event", event)
			if !waitFor(func() bool { return len(hook.events(t)) > before }) {
				t.Errorf("no notification has arrived; refused: %v", hook.refusals(t))
			}
			prints(t, g.bellhop(t, "subscriptions", "renew", c.provider), "^state +active$")
			if c.lists {
				prints(t, g.bellhop(t, "subscriptions", "remote", "--connection", c.provider), " ours +"+c.provider)
			}
			g.bellhop(t, "subscriptions", "delete", c.provider)
			if !c.lists {
				return
			}
			left := g.bellhop(t, "subscriptions", "remote", "--connection", c.provider, "--resource", c.resource)
			if strings.Contains(left, " ours ") {
				t.Errorf("it is still there:\n%s", left)
			}
		})
	}
}
