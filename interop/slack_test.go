package interop

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
)

const (
	slackSecret = "8f742231b10e8888abcd99yyyzzz85a5"
	boroKey     = "b4c5d2f0a1e89376245b8c7d6e9f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b"
	boroSamples = "../provider/boro/testdata/samples"
)

// slackMessages delivers events of all kinds to destinations of type slack and returns the messages that a test
// server received, by the name of the sample.
func slackMessages(t *testing.T, g *gateway) map[string]call {
	t.Helper()
	messages := map[string]call{}
	// deliverMessage creates a destination with settings of, and calls sendEvents, which sends one event to s.
	deliverMessage := func(name string, s source, of settings, sendEvents func()) {
		t.Helper()
		fake := slackServer(t)
		d := s.newDestination(t, "slack", fake.URL+"/services/T0/B0/x", of)
		sendEvents()
		messages[name] = fake.next()
		d.waitUntilDelivered(t)
	}
	for name, body := range map[string]string{
		"any object":       `{"amount":4200,"note":"<!channel> & \"friends\" <https://example.com|here>","deep":{"a":[1,2]},"empty":"","null":null}`,
		"an array":         `[1,2,3]`,
		"text":             "line 1\nline 2 ``` <@U1> 👋",
		"bytes":            allBytes(),
		"nothing":          "",
		"a large object":   `{"text":"` + strings.Repeat("é&", 5000) + `"` + manyMembers(200) + `}`,
		"10,000 lines":     strings.Repeat("<line>\n", 10000),
		"hostile controls": "\x1b[31m\u202e\u2028 \u0007",
	} {
		for _, colour := range []string{"none", "attachment"} {
			s := g.openSource(t)
			deliverMessage(name+", colour "+colour, s, settings{"colour": colour},
				func() { s.post(t, "application/json", body) })
		}
	}
	samples, err := filepath.Glob(filepath.Join(boroSamples, "*.json"))
	if err != nil || len(samples) == 0 {
		t.Fatalf("%s has no samples of Boro's alarms", boroSamples)
	}
	for _, file := range samples {
		for _, colour := range []string{"none", "attachment"} {
			s := g.newSource(t, "boro", settings{"profile_id": "265", "secret_key": boroKey})
			deliverMessage("Boro's "+filepath.Base(file)+", colour "+colour, s, settings{"colour": colour}, func() {
				if out, err := runBellhop("send", "boro", "--to", s.URL, "--key", boroKey, "--set", "profile_id=265",
					"--file", file); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			})
		}
	}
	return messages
}

// manyMembers returns n members of a JSON object with names of growing length, each after a comma.
func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"m` + string(rune('a'+i%26)) + strings.Repeat("x", i) + `":1`)
	}
	return b.String()
}

// slackHeaders returns the method and the headers that must be equal whether Bellhop or a client posts the message.
func slackHeaders(c call) map[string]string {
	kind, _, _ := strings.Cut(c.header.Get("Content-Type"), ";")
	return map[string]string{"method": c.method, "type": kind, "authorization": c.header.Get("Authorization")}
}

func TestGoSlack(t *testing.T) {
	g := sharedGateway(t)
	g.requireProvider(t, "slack")
	g.requireProvider(t, "boro")
	client := moduleVersion(t, "github.com/slack-go/slack")
	messages := map[string]call{}
	check(t, client, deliver, "messages of all kinds of events follow Slack's rules", func(t *testing.T) {
		messages = slackMessages(t, g)
		t.Logf("%d messages", len(messages))
	})
	check(t, client, deliver, "messages decode as WebhookMessage without an unknown block, and "+
		"encode to the same JSON",
		func(t *testing.T) {
			for name, c := range messages {
				encoded, err := json.Marshal(decodeMessage(t, name, c))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				wantJSON(t, name, withoutDefaults(t, encoded), asJSON(t, c.body))
			}
		})
	check(t, client, deliver, "PostWebhook posts the same request", func(t *testing.T) {
		fake := slackServer(t)
		for name, c := range messages {
			if err := slack.PostWebhook(fake.URL, decodeMessage(t, name, c)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			posted := fake.next()
			wantJSON(t, name, slackHeaders(posted), slackHeaders(c))
			wantJSON(t, name, withoutDefaults(t, posted.body), asJSON(t, c.body))
		}
	})
	check(t, client, deliver, "a message that the client builds has only members that Bellhop sends",
		func(t *testing.T) {
			fake := slackServer(t)
			text := slack.NewTextBlockObject(slack.MarkdownType, "*bold*", false, false)
			blocks := slack.Blocks{BlockSet: []slack.Block{
				slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, "Title", true,
					false)), slack.NewSectionBlock(text, nil, nil), slack.NewContextBlock("", text),
			}}
			if err := slack.PostWebhook(fake.URL, &slack.WebhookMessage{Text: "Title", Blocks: &blocks}); err != nil {
				t.Fatal(err)
			}
			for name := range withoutDefaults(t, fake.next().body).(map[string]any) {
				if name != "text" && name != "blocks" {
					t.Errorf("the message has the member %s", name)
				}
			}
		})

	// send runs bellhop send slack and returns the request that it sent.
	send := func(t *testing.T, args ...string) call {
		t.Helper()
		s := listen(t, func(w http.ResponseWriter, c call) {})
		if out, err := runBellhop(append([]string{"send", "slack", "--to", s.URL, "--key", slackSecret},
			args...)...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return s.next()
	}
	// verify returns the error of the client's SecretsVerifier for the request.
	verify := func(t *testing.T, c call, secret string) error {
		t.Helper()
		v, err := slack.NewSecretsVerifier(c.header, secret)
		if err != nil {
			return err
		}
		v.Write(c.body)
		return v.Ensure()
	}
	check(t, client, "bellhop send → client",
		"SecretsVerifier verifies an event; a wrong secret, body or time is refused; ParseEvent reads it",
		func(t *testing.T) {
			c := send(t, "--file", "../provider/slack/testdata/samples/app_mention.json")
			if err := verify(t, c, slackSecret); err != nil {
				t.Error(err)
			}
			if verify(t, c, "another") == nil {
				t.Error("a wrong secret is accepted")
			}
			event, err := slackevents.ParseEvent(json.RawMessage(c.body), slackevents.OptionNoVerifyToken())
			mention, ok := event.InnerEvent.Data.(*slackevents.AppMentionEvent)
			if err != nil || !ok || mention.Channel == "" {
				t.Errorf("%v, %+v", err, event)
			}
			c.body = append(c.body, ' ')
			if verify(t, c, slackSecret) == nil {
				t.Error("a changed body is accepted")
			}
			old := send(t, "--file", "../provider/slack/testdata/samples/app_mention.json", "--at",
				time.Now().Add(-10*time.Minute).UTC().Format(time.RFC3339))
			if err := verify(t, old, slackSecret); !errors.Is(err, slack.ErrExpiredTimestamp) {
				t.Errorf("a timestamp ten minutes old: %v", err)
			}
		})
	check(t, client, "bellhop send → client", "a slash command, and an interaction", func(t *testing.T) {
		for file, read := range map[string]func(r *http.Request) error{
			"command.txt": func(r *http.Request) error {
				command, err := slack.SlashCommandParse(r)
				if err == nil && (command.Command == "" || command.ChannelID == "") {
					err = errors.New("the request has no command")
				}
				return err
			},
			"block_actions.txt": func(r *http.Request) error {
				interaction, err := slack.InteractionCallbackParse(r)
				if err == nil && interaction.Type != slack.InteractionTypeBlockActions {
					err = errors.New("the interaction is a " + string(interaction.Type))
				}
				return err
			},
		} {
			c := send(t, "--file", filepath.Join("../provider/slack/testdata/samples", file))
			if err := verify(t, c, slackSecret); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			r, err := http.NewRequest(http.MethodPost, "/", strings.NewReader(string(c.body)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = c.header
			if err := read(r); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	})
	check(t, client, "bellhop send → client", "any other body in the envelope of the Events API", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "any.json")
		if err := os.WriteFile(file, []byte(`{"n":1}`), 0o600); err != nil {
			t.Fatal(err)
		}
		c := send(t, "--file", file)
		if err := verify(t, c, slackSecret); err != nil {
			t.Error(err)
		}
		var outer slackevents.EventsAPICallbackEvent
		if err := json.Unmarshal(c.body, &outer); err != nil || outer.Type != slackevents.CallbackEvent ||
			outer.EventID == "" || outer.InnerEvent == nil {
			t.Errorf("%v, %+v", err, outer)
		}
	})
	checkResponses(t, g, client, func(t *testing.T, url string) string {
		err := slack.PostWebhook(url, &slack.WebhookMessage{Text: "hello"})
		var limited *slack.RateLimitedError
		var status slack.StatusCodeError
		switch {
		case err == nil:
			return "delivered"
		case errors.As(err, &limited):
			return "wait " + limited.RetryAfter.String()
		case errors.As(err, &status):
			return http.StatusText(status.Code)
		}
		return "failed"
	}, map[int]string{302: "delivered"}) // the client follows redirects
}

// decodeMessage decodes a message with the client's types. It reports an error if the client does not know the type
// of a block or an element.
func decodeMessage(t *testing.T, name string, c call) *slack.WebhookMessage {
	t.Helper()
	var m slack.WebhookMessage
	if err := json.Unmarshal(c.body, &m); err != nil {
		t.Fatalf("%s: %v in %s", name, err, c.body)
	}
	var all []slack.Block
	if m.Blocks != nil {
		all = m.Blocks.BlockSet
	}
	for _, a := range m.Attachments {
		all = append(all, a.Blocks.BlockSet...)
	}
	if len(all) < 2 {
		t.Errorf("%s: %d blocks, want at least 2", name, len(all))
	}
	for _, b := range all {
		switch b := b.(type) {
		case *slack.HeaderBlock, *slack.SectionBlock, *slack.ContextBlock:
		case *slack.ActionBlock:
			for _, e := range b.Elements.ElementSet {
				if _, ok := e.(*slack.ButtonBlockElement); !ok {
					t.Errorf("%s: an element of type %T", name, e)
				}
			}
		default:
			t.Errorf("%s: a block of type %T", name, b)
		}
	}
	return &m
}

// withoutDefaults decodes a message and removes the members that the client writes into every message.
func withoutDefaults(t *testing.T, body []byte) any {
	t.Helper()
	m, ok := asJSON(t, body).(map[string]any)
	if !ok {
		t.Fatalf("the message is not a JSON object: %s", body)
	}
	for _, name := range []string{"replace_original", "delete_original"} {
		if m[name] == false {
			delete(m, name)
		}
	}
	return m
}

func TestNpmSlackWebhook(t *testing.T) {
	g := sharedGateway(t)
	g.requireProvider(t, "slack")
	g.requireProvider(t, "boro")
	client := npmVersion(t, "@slack/webhook")
	check(t, client, deliver, "the client posts Bellhop's messages as the same request",
		func(t *testing.T) {
			fake := slackServer(t)
			for name, c := range slackMessages(t, g) {
				if strings.Contains(name, "attachment") && !strings.Contains(name, "Boro") {
					continue // a script takes long to start, and Boro's messages test attachments
				}
				if line := startScript(t, "slack-webhook.mjs",
					settings{"to": fake.URL, "message": json.RawMessage(c.body)}).next(); line["ok"] != true {
					t.Fatalf("%s: %v", name, line)
				}
				posted := fake.next()
				wantJSON(t, name, slackHeaders(posted), slackHeaders(c))
				wantJSON(t, name, posted.body, c.body)
			}
		})
	checkResponses(t, g, client, func(t *testing.T, url string) string {
		line := startScript(t, "slack-webhook.mjs", settings{"to": url, "message": "hello"}).next()
		if line["ok"] == true {
			return "delivered"
		}
		if status, ok := line["statusCode"].(float64); ok {
			return http.StatusText(int(status))
		}
		return "failed"
	}, map[int]string{429: "Too Many Requests"}) // the client's error has no Retry-After
}

// checkResponses compares how the client and a destination of type slack handle Slack's responses. post posts a
// message with the client and returns the client's result. exceptions has, by status, the results that differ
// between the clients.
func checkResponses(t *testing.T, g *gateway, client string, post func(t *testing.T, url string) string,
	exceptions map[int]string) {
	for _, c := range []struct {
		name, body      string
		status          int
		header          http.Header
		once            bool          // only the first request gets this response; later ones get 200 ok
		client          string        // result of the client
		delivery, state string        // states of the delivery and the destination
		least, most     time.Duration // bounds of the wait between the two attempts
		attempts        int
	}{
		{name: "200 ok", status: 200, body: "ok", client: "delivered", delivery: "delivered", state: "active",
			attempts: 1},
		{name: "404 no_service: the destination is disabled", status: 404, body: "no_service", client: "Not Found",
			delivery: "dead", state: "disabled", attempts: 1},
		{name: "410 channel_is_archived: the destination is disabled", status: 410, body: "channel_is_archived",
			client: "Gone", delivery: "dead", state: "disabled", attempts: 1},
		{name: "403 invalid_token: the destination is disabled", status: 403, body: "invalid_token",
			client:   "Forbidden",
			delivery: "dead", state: "disabled", attempts: 1},
		{name: "400 invalid_payload: the delivery is dead, the destination stays active", status: 400,
			body: "invalid_payload", client: "Bad Request", delivery: "dead", state: "active", attempts: 1},
		{name: "429 with Retry-After 2: retried after two seconds", status: 429, body: "rate_limited",
			header: http.Header{"Retry-After": {"2"}}, once: true, client: "wait 2s",
			delivery: "delivered", state: "active", least: 2 * time.Second, most: 10 * time.Second, attempts: 2},
		{name: "500 rollup_error: retried", status: 500, body: "rollup_error", once: true,
			client:   "Internal Server Error",
			delivery: "delivered", state: "active", attempts: 2},
		{name: "302 to a page that answers 200: not followed by Bellhop", status: 302,
			header: http.Header{"Location": {"/page"}}, client: "failed", delivery: "dead", state: "active",
			attempts: 2},
		{name: "200 with a web page: not delivered for Bellhop, delivered for the client", status: 200,
			body: "<!DOCTYPE html><p>hello", client: "delivered", delivery: "dead", state: "active", attempts: 2},
	} {
		name := c.name
		if result, ok := exceptions[c.status]; ok {
			c.client = result
		}
		if c.status == 302 && c.client == "delivered" {
			name += ", followed by the client, which reports it as delivered"
		}
		check(t, client, "responses", name, func(t *testing.T) {
			// newServer starts a server that gives this response.
			newServer := func() *slackResponder {
				calls := &slackResponder{}
				calls.url = listenHTTP(t, func(w http.ResponseWriter, r *http.Request) {
					n := calls.add(r.URL.Path)
					if r.URL.Path == "/page" || c.once && n > 1 {
						w.Write([]byte("ok"))
						return
					}
					maps.Copy(w.Header(), c.header)
					w.WriteHeader(c.status)
					w.Write([]byte(c.body))
				})
				return calls
			}
			if result := post(t, newServer().url); result != c.client {
				t.Errorf("the client's result is %q, want %q", result, c.client)
			}
			calls := newServer()
			s := g.openSource(t)
			d := s.newDestination(t, "slack", calls.url, nil, settings{"retry": settings{"schedule": []string{"1s"}}})
			s.post(t, "application/json", `{"n":1}`)
			v := d.waitForDelivery(t, c.delivery)
			// The gateway disables a destination after it has recorded the attempt.
			if !waitFor(func() bool { return d.reload(t).State == c.state }) || v.Attempts != c.attempts {
				t.Errorf("the delivery is %+v, and the destination is %s", v, d.State)
			}
			paths, times := calls.all()
			if slices.Contains(paths, "/page") {
				t.Error("Bellhop followed the redirect")
			}
			if c.least > 0 {
				if wait := times[1].Sub(times[0]); wait < c.least || wait > c.most {
					t.Errorf("retried after %v, want %v to %v", wait, c.least, c.most)
				}
			}
		})
	}
}

// A slackResponder is a test server that plays Slack with one fixed response. It records the calls.
type slackResponder struct {
	url string

	mu    sync.Mutex // protects paths and times
	paths []string
	times []time.Time
}

// add records a call and returns the number of calls so far.
func (r *slackResponder) add(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paths, r.times = append(r.paths, path), append(r.times, time.Now())
	return len(r.paths)
}

// all returns the path and the time of each call.
func (r *slackResponder) all() ([]string, []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.paths, r.times
}
