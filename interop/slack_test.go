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

// slackMessages posts all kinds of events to a destination of type slack and returns the messages that came of them,
// by what they show.
func slackMessages(t *testing.T, g *gateway) map[string]call {
	t.Helper()
	messages := map[string]call{}
	// told makes a message of what ring sends to s.
	told := func(what string, s source, of settings, ring func()) {
		t.Helper()
		fake := slackServer(t)
		d := s.to(t, "slack", fake.URL+"/services/T0/B0/x", of)
		ring()
		messages[what] = fake.next()
		d.delivered(t)
	}
	for what, body := range map[string]string{
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
			s := g.plain(t)
			told(what+", colour "+colour, s, settings{"colour": colour}, func() { s.ring(t, "application/json", body) })
		}
	}
	samples, err := filepath.Glob(filepath.Join(boroSamples, "*.json"))
	if err != nil || len(samples) == 0 {
		t.Fatalf("no samples of Boro's in %s", boroSamples)
	}
	for _, file := range samples {
		for _, colour := range []string{"none", "attachment"} {
			s := g.source(t, "boro", settings{"profile_id": "265", "secret_key": boroKey})
			told("Boro's "+filepath.Base(file)+", colour "+colour, s, settings{"colour": colour}, func() {
				if out, err := bellhop("send", "boro", "--to", s.URL, "--key", boroKey, "--set", "profile_id=265", "--file",
					file); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			})
		}
	}
	return messages
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"m` + string(rune('a'+i%26)) + strings.Repeat("x", i) + `":1`)
	}
	return b.String()
}

// slackHeaders are what has to be the same whoever posts.
func slackHeaders(c call) map[string]string {
	kind, _, _ := strings.Cut(c.header.Get("Content-Type"), ";")
	return map[string]string{"method": c.method, "type": kind, "authorization": c.header.Get("Authorization")}
}

func TestGoSlack(t *testing.T) {
	g := live(t)
	g.provider(t, "slack")
	g.provider(t, "boro")
	client := module(t, "github.com/slack-go/slack")
	messages := map[string]call{}
	show(t, client, deliver, "messages of all kinds of events keep to Slack's rules", func(t *testing.T) {
		messages = slackMessages(t, g)
		t.Logf("%d messages", len(messages))
	})
	show(t, client, deliver, "they decode as WebhookMessage, no block unknown, and survive a re-encode",
		func(t *testing.T) {
			for what, c := range messages {
				m := decodeMessage(t, what, c)
				again, err := json.Marshal(m)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				same(t, what, withoutDefaults(t, again), asJSON(t, c.body))
			}
		})
	show(t, client, deliver, "what PostWebhook makes of them is the same request", func(t *testing.T) {
		fake := slackServer(t)
		for what, c := range messages {
			if err := slack.PostWebhook(fake.URL, decodeMessage(t, what, c)); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			posted := fake.next()
			same(t, what, slackHeaders(posted), slackHeaders(c))
			same(t, what, withoutDefaults(t, posted.body), asJSON(t, c.body))
		}
	})
	show(t, client, deliver, "a message of its own making has no member that ours could not have", func(t *testing.T) {
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
				t.Errorf("it has %s", name)
			}
		}
	})

	send := func(t *testing.T, args ...string) call {
		t.Helper()
		s := listen(t, func(w http.ResponseWriter, c call) {})
		if out, err := bellhop(append([]string{"send", "slack", "--to", s.URL, "--key", slackSecret},
			args...)...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return s.next()
	}
	verify := func(t *testing.T, c call, secret string) error {
		t.Helper()
		v, err := slack.NewSecretsVerifier(c.header, secret)
		if err != nil {
			return err
		}
		v.Write(c.body)
		return v.Ensure()
	}
	show(t, client, "bellhop send → client",
		"SecretsVerifier verifies an event; another secret, body or time is refused; ParseEvent reads it",
		func(t *testing.T) {
			c := send(t, "--file", "../provider/slack/testdata/samples/app_mention.json")
			if err := verify(t, c, slackSecret); err != nil {
				t.Error(err)
			}
			if verify(t, c, "another") == nil {
				t.Error("another secret will do")
			}
			event, err := slackevents.ParseEvent(json.RawMessage(c.body), slackevents.OptionNoVerifyToken())
			if mention, ok := event.InnerEvent.Data.(*slackevents.AppMentionEvent); err != nil || !ok || mention.Channel == "" {
				t.Errorf("%v, %+v", err, event)
			}
			c.body = append(c.body, ' ')
			if verify(t, c, slackSecret) == nil {
				t.Error("another body will do")
			}
			old := send(t, "--file", "../provider/slack/testdata/samples/app_mention.json", "--at",
				time.Now().Add(-10*time.Minute).UTC().Format(time.RFC3339))
			if err := verify(t, old, slackSecret); !errors.Is(err, slack.ErrExpiredTimestamp) {
				t.Errorf("ten minutes old: %v", err)
			}
		})
	show(t, client, "bellhop send → client", "a slash command, and an interaction", func(t *testing.T) {
		for file, read := range map[string]func(r *http.Request) error{
			"command.txt": func(r *http.Request) error {
				command, err := slack.SlashCommandParse(r)
				if err == nil && (command.Command == "" || command.ChannelID == "") {
					err = errors.New("it has no command")
				}
				return err
			},
			"block_actions.txt": func(r *http.Request) error {
				interaction, err := slack.InteractionCallbackParse(r)
				if err == nil && interaction.Type != slack.InteractionTypeBlockActions {
					err = errors.New("it is a " + string(interaction.Type))
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
	show(t, client, "bellhop send → client", "any other body, in the envelope of the Events API", func(t *testing.T) {
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
	showAnswers(t, g, client, func(t *testing.T, url string) string {
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
	}, map[int]string{302: "delivered"}) // it follows
}

// decodeMessage decodes a message with the client's types, none of which may be one for what it does not know.
func decodeMessage(t *testing.T, what string, c call) *slack.WebhookMessage {
	t.Helper()
	var m slack.WebhookMessage
	if err := json.Unmarshal(c.body, &m); err != nil {
		t.Fatalf("%s: %v in %s", what, err, c.body)
	}
	var all []slack.Block
	if m.Blocks != nil {
		all = m.Blocks.BlockSet
	}
	for _, a := range m.Attachments {
		all = append(all, a.Blocks.BlockSet...)
	}
	if len(all) < 2 {
		t.Errorf("%s: %d blocks", what, len(all))
	}
	for _, b := range all {
		switch b := b.(type) {
		case *slack.HeaderBlock, *slack.SectionBlock, *slack.ContextBlock:
		case *slack.ActionBlock:
			for _, e := range b.Elements.ElementSet {
				if _, ok := e.(*slack.ButtonBlockElement); !ok {
					t.Errorf("%s: an element of type %T", what, e)
				}
			}
		default:
			t.Errorf("%s: a block of type %T", what, b)
		}
	}
	return &m
}

// withoutDefaults takes away what the client writes of every message.
func withoutDefaults(t *testing.T, body []byte) any {
	t.Helper()
	m, ok := asJSON(t, body).(map[string]any)
	if !ok {
		t.Fatalf("no object: %s", body)
	}
	for _, name := range []string{"replace_original", "delete_original"} {
		if m[name] == false {
			delete(m, name)
		}
	}
	return m
}

func TestNpmSlackWebhook(t *testing.T) {
	g := live(t)
	g.provider(t, "slack")
	g.provider(t, "boro")
	client := npm(t, "@slack/webhook")
	show(t, client, deliver, "what it posts of our messages is the same request, byte for byte as JSON",
		func(t *testing.T) {
			fake := slackServer(t)
			for what, c := range slackMessages(t, g) {
				if strings.Contains(what, "attachment") && !strings.Contains(what, "Boro") {
					continue // enough of them
				}
				if line := node(t, "slack-webhook.mjs",
					settings{"to": fake.URL, "message": json.RawMessage(c.body)}).next(); line["ok"] != true {
					t.Fatalf("%s: %v", what, line)
				}
				posted := fake.next()
				same(t, what, slackHeaders(posted), slackHeaders(c))
				same(t, what, posted.body, c.body)
			}
		})
	showAnswers(t, g, client, func(t *testing.T, url string) string {
		line := node(t, "slack-webhook.mjs", settings{"to": url, "message": "hello"}).next()
		if line["ok"] == true {
			return "delivered"
		}
		if status, ok := line["statusCode"].(float64); ok {
			return http.StatusText(int(status))
		}
		return "failed"
	}, map[int]string{429: "Too Many Requests"}) // it tells no time
}

// showAnswers compares what the client and our destination make of Slack's answers. others are where the client is of
// another mind than slack-go or @slack/webhook otherwise are.
func showAnswers(t *testing.T, g *gateway, client string, post func(t *testing.T, url string) string,
	others map[int]string) {
	for _, c := range []struct {
		name, body      string
		status          int
		header          http.Header
		once            bool // then it is ok
		its             string
		delivery, state string
		least, most     time.Duration // between two attempts
		attempts        int
	}{
		{name: "200 ok", status: 200, body: "ok", its: "delivered", delivery: "delivered", state: "active", attempts: 1},
		{name: "404 no_service: the destination is disabled", status: 404, body: "no_service", its: "Not Found",
			delivery: "dead", state: "disabled", attempts: 1},
		{name: "410 channel_is_archived: the destination is disabled", status: 410, body: "channel_is_archived", its: "Gone",
			delivery: "dead", state: "disabled", attempts: 1},
		{name: "403 invalid_token: the destination is disabled", status: 403, body: "invalid_token", its: "Forbidden",
			delivery: "dead", state: "disabled", attempts: 1},
		{name: "400 invalid_payload: given up, the destination stays", status: 400, body: "invalid_payload",
			its: "Bad Request", delivery: "dead", state: "active", attempts: 1},
		{name: "429 with Retry-After 2: we wait so long", status: 429, body: "rate_limited",
			header: http.Header{"Retry-After": {"2"}}, once: true, its: "wait 2s",
			delivery: "delivered", state: "active", least: 2 * time.Second, most: 10 * time.Second, attempts: 2},
		{name: "500 rollup_error: tried again", status: 500, body: "rollup_error", once: true, its: "Internal Server Error",
			delivery: "delivered", state: "active", attempts: 2},
		{name: "302 to a page that answers 200: we do not follow", status: 302, header: http.Header{"Location": {"/page"}},
			its: "failed", delivery: "dead", state: "active", attempts: 2},
		{name: "200 with a web page: not taken by us, taken by the client", status: 200, body: "<!DOCTYPE html><p>hello",
			its: "delivered", delivery: "dead", state: "active", attempts: 2},
	} {
		what := c.name
		if its, ok := others[c.status]; ok {
			c.its = its
		}
		if c.status == 302 && c.its == "delivered" {
			what += ", the client does and takes it for delivered"
		}
		show(t, client, "answers", what, func(t *testing.T) {
			// fake starts a server that gives this answer.
			fake := func() *answers {
				calls := &answers{}
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
			if its := post(t, fake().url); its != c.its {
				t.Errorf("the client says %q, not %q", its, c.its)
			}
			calls := fake()
			s := g.plain(t)
			d := s.to(t, "slack", calls.url, nil, settings{"retry": settings{"schedule": []string{"1s"}}})
			s.ring(t, "application/json", `{"n":1}`)
			v := d.settled(t, func(v delivery) bool { return v.State == c.delivery })
			if v.Attempts != c.attempts || d.reload(t).State != c.state {
				t.Errorf("it is %+v, and the destination is %s", v, d.State)
			}
			paths, times := calls.all()
			if slices.Contains(paths, "/page") {
				t.Error("we followed the redirect")
			}
			if c.least > 0 {
				if apart := times[1].Sub(times[0]); apart < c.least || apart > c.most {
					t.Errorf("tried again after %v", apart)
				}
			}
		})
	}
}

// answers is a server that plays Slack with one answer, and what it was called with.
type answers struct {
	url string

	mu    sync.Mutex
	paths []string
	times []time.Time
}

func (a *answers) add(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paths, a.times = append(a.paths, path), append(a.times, time.Now())
	return len(a.paths)
}

func (a *answers) all() ([]string, []time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.paths, a.times
}
