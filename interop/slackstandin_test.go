package interop

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"
)

// slackHook is the path of the webhook of the channel "alarms" of bellhop emulate slack.
const slackHook = "/services/T0BELLHOP/B0ALARMS/bellhopStandInSecret0001"

// A shownMessage is a message as the stand-in lists it.
type shownMessage struct {
	Number                           int
	Channel, Shown, Refused, Problem string
	Message                          json.RawMessage
}

// lastMessage returns the latest message of the stand-in.
func (s *standIn) lastMessage(t *testing.T) shownMessage {
	t.Helper()
	res, err := s.client.Get(s.URL + "/messages")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var list struct{ Data []shownMessage }
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	if len(list.Data) == 0 {
		return shownMessage{}
	}
	return list.Data[len(list.Data)-1]
}

// slackFaults are what the stand-in is asked to answer, and the status that a client reports.
var slackFaults = []struct {
	name   string
	fault  settings
	status int
}{
	{"403 invalid_token", settings{"fault": "error", "value": "invalid_token"}, http.StatusForbidden},
	{"404 no_service", settings{"fault": "error", "value": "no_service"}, http.StatusNotFound},
	{"410 channel_is_archived", settings{"fault": "error", "value": "channel_is_archived"}, http.StatusGone},
	{"429 with Retry-After", settings{"fault": "throttle", "value": "2"}, http.StatusTooManyRequests},
	{"500 rollup_error", settings{"fault": "error"}, http.StatusInternalServerError},
}

// TestGoSlackStandIn posts to the stand-in for Slack by slack-go.
func TestGoSlackStandIn(t *testing.T) {
	g := sharedGateway(t)
	s := startSystem(t, "slack", "--message-rate", "0")
	client := moduleVersion(t, "github.com/slack-go/slack")
	check(t, client, standInCalls, "a message with blocks is shown", func(t *testing.T) {
		text := slack.NewTextBlockObject(slack.MarkdownType, "*CC error* on <https://example.com/news|News>",
			false, false)
		button := slack.NewButtonBlockElement("open_task", "1", slack.NewTextBlockObject(slack.PlainTextType, "Open",
			false, false))
		button.URL = "https://example.com/task"
		blocks := slack.Blocks{BlockSet: []slack.Block{
			slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, "Active", true, false)),
			slack.NewSectionBlock(text, []*slack.TextBlockObject{text}, slack.NewAccessory(
				slack.NewImageBlockElement("https://example.com/a.png", "a chart"))),
			slack.NewDividerBlock(), slack.NewActionBlock("buttons", button), slack.NewContextBlock("about", text)}}
		if err := slack.PostWebhook(
			s.URL+slackHook, &slack.WebhookMessage{Text: "Active", Blocks: &blocks}); err != nil {
			t.Fatalf("%v: %+v", err, s.lastMessage(t))
		}
		const want = "Active\nCC error on News (https://example.com/news)\nCC error on News " +
			"(https://example.com/news)\n[image: a chart]\n----\n[Open: https://example.com/task]\nCC error on " +
			"News (https://example.com/news)"
		if m := s.lastMessage(t); m.Shown != want || m.Channel != "#alarms" {
			t.Errorf("it is shown as\n%s\nwant\n%s", m.Shown, want)
		}
	})
	check(t, client, standInCalls, "an attachment with a colour is shown", func(t *testing.T) {
		m := &slack.WebhookMessage{
			Attachments: []slack.Attachment{{Color: "#d00000", Fallback: "Active", Title: "Active",
				Fields: []slack.AttachmentField{{Title: "Task", Value: "News", Short: true}}}}}
		if err := slack.PostWebhook(s.URL+slackHook, m); err != nil {
			t.Fatalf("%v: %+v", err, s.lastMessage(t))
		}
		if m := s.lastMessage(t); m.Shown != "| Active\n| Task: News" {
			t.Errorf("it is shown as\n%s", m.Shown)
		}
	})
	check(t, client, standInCalls, "wrong messages: 400, and the stand-in says why", func(t *testing.T) {
		for _, c := range []struct {
			message *slack.WebhookMessage
			problem string
		}{
			{&slack.WebhookMessage{}, "there is neither a text"},
			{&slack.WebhookMessage{Text: "a", Blocks: &slack.Blocks{BlockSet: []slack.Block{slack.NewHeaderBlock(
				slack.NewTextBlockObject(slack.PlainTextType, strings.Repeat("é", 151), false, false))}}},
				"151 characters; at most 150"},
		} {
			var status slack.StatusCodeError
			if err := slack.PostWebhook(s.URL+slackHook, c.message); !errors.As(err, &status) ||
				status.Code != http.StatusBadRequest {
				t.Errorf("the error is %v", err)
			}
			if m := s.lastMessage(t); !strings.Contains(m.Problem, c.problem) {
				t.Errorf("the problem is %+v, want %s", m, c.problem)
			}
		}
	})
	for _, c := range slackFaults {
		check(t, client, standInCalls, c.name, func(t *testing.T) {
			s.control(t, "fault", c.fault)
			err := slack.PostWebhook(s.URL+slackHook, &slack.WebhookMessage{Text: "a"})
			var limited *slack.RateLimitedError
			var status slack.StatusCodeError
			switch {
			case errors.As(err, &limited):
				status.Code = http.StatusTooManyRequests
				if limited.RetryAfter != 2*time.Second {
					t.Errorf("the client waits %v", limited.RetryAfter)
				}
			case !errors.As(err, &status):
				t.Fatalf("the error is %v", err)
			}
			if status.Code != c.status {
				t.Errorf("the client reports %d", status.Code)
			}
		})
	}
	check(t, client, standInCalls, "more than a burst: 429 with the wait", func(t *testing.T) {
		s := startSystem(t, "slack", "--message-rate", "0.01")
		var err error
		for range 11 {
			if err != nil {
				t.Fatal(err)
			}
			err = slack.PostWebhook(s.URL+slackHook, &slack.WebhookMessage{Text: "a"})
		}
		var limited *slack.RateLimitedError
		if !errors.As(err, &limited) || limited.RetryAfter < time.Second || limited.RetryAfter > 100*time.Second {
			t.Errorf("the error is %v", err)
		}
	})
	check(t, "a destination of type slack", "Bellhop → stand-in", "Boro's alarms are shown", func(t *testing.T) {
		samples, err := filepath.Glob(filepath.Join(boroSamples, "*.json"))
		if err != nil || len(samples) == 0 {
			t.Fatalf("%s has no samples of Boro's alarms", boroSamples)
		}
		for _, file := range samples {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			hook := g.newSource(t, "boro", settings{"unauthenticated": true})
			d := hook.newDestination(t, "slack", s.URL+slackHook, nil)
			if status := post(t, hook.URL, http.Header{"Content-Type": {"application/json"}},
				string(text)); status != http.StatusOK {
				t.Fatalf("the source answers %d", status)
			}
			d.waitUntilDelivered(t)
			var alarm struct{ Status, Trigger string }
			if err := json.Unmarshal(text, &alarm); err != nil {
				t.Fatal(err)
			}
			if m := s.lastMessage(t); !strings.HasPrefix(m.Shown, strings.TrimSpace(alarm.Status+": "+alarm.Trigger)) {
				t.Errorf("%s is shown as\n%s", file, m.Shown)
			}
		}
	})
}

// TestNpmSlackWebhookStandIn posts to the stand-in for Slack by @slack/webhook.
func TestNpmSlackWebhookStandIn(t *testing.T) {
	s := startSystem(t, "slack", "--message-rate", "0")
	client := npmVersion(t, "@slack/webhook")
	send := func(t *testing.T, message any) map[string]any {
		t.Helper()
		return startScript(t, "slack-webhook.mjs", settings{"to": s.URL + slackHook, "message": message}).next()
	}
	check(t, client, standInCalls, "a text, and a message with blocks, are shown", func(t *testing.T) {
		if line := send(t, "*bold* & <b>"); line["ok"] != true || line["text"] != "ok" {
			t.Errorf("%v", line)
		}
		if m := s.lastMessage(t); m.Shown != "bold & <b>" {
			t.Errorf("it is shown as %q", m.Shown)
		}
		blocks := []settings{{"type": "section", "text": settings{"type": "mrkdwn", "text": ":bell: _hello_"}}}
		if line := send(t, settings{"text": "hello", "blocks": blocks}); line["ok"] != true {
			t.Errorf("%v: %+v", line, s.lastMessage(t))
		}
		if m := s.lastMessage(t); m.Shown != "🔔 hello" {
			t.Errorf("it is shown as %q", m.Shown)
		}
	})
	check(t, client, standInCalls, "wrong blocks: 400 invalid_blocks", func(t *testing.T) {
		line := send(t, settings{"text": "a", "blocks": []settings{{"type": "marquee"}}})
		if line["ok"] != false || line["statusCode"] != 400.0 {
			t.Errorf("%v", line)
		}
		if m := s.lastMessage(t); m.Refused != "invalid_blocks" {
			t.Errorf("%+v", m)
		}
	})
	for _, c := range slackFaults {
		check(t, client, standInCalls, c.name, func(t *testing.T) {
			s.control(t, "fault", c.fault)
			if line := send(t, "a"); line["ok"] != false || line["statusCode"] != float64(c.status) {
				t.Errorf("%v", line)
			}
		})
	}
	check(t, client, standInCalls, "302: not followed", func(t *testing.T) {
		before := s.lastMessage(t).Number
		s.control(t, "fault", settings{"fault": "error", "value": "redirect:" + s.URL + "/messages"})
		if line := send(t, "a"); line["ok"] != false {
			t.Errorf("%v", line)
		}
		if m := s.lastMessage(t); m.Number != before {
			t.Errorf("it is shown: %+v", m)
		}
	})
}
