package slack

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
)

// A desk is a workspace with its channels "alarms" and "releases".
type desk struct {
	*emulatortest.Rig
	slack *System
}

func start(t testing.TB, opts Options) *desk {
	t.Helper()
	d := &desk{}
	opts.Channels = []string{"alarms", "releases"}
	d.Rig = emulatortest.Start(t, func(host *emulator.Host) []emulator.System {
		d.slack = New(host, opts)
		return []emulator.System{d.slack}
	})
	return d
}

// send posts a message to the channel "alarms".
func (d *desk) send(message string) emulatortest.Answer {
	return d.Call("POST", WebhookPath("alarms"), json.RawMessage(message))
}

// TestProvider: Slack takes each message of the provider, and shows it.
func TestProvider(t *testing.T) {
	t.Parallel()
	d := start(t, Options{Rate: -1})
	files, err := filepath.Glob("../../provider/slack/testdata/messages/*.json")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d messages: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if answer := d.send(string(text)); answer.Status != 200 || answer.Text != "ok" {
			list := d.slack.Messages(0)
			t.Errorf("%s: %d %s: %s", file, answer.Status, answer.Text, list[len(list)-1].Problem)
		}
	}
	for _, m := range d.slack.Messages(0) {
		if m.Shown == "" || m.TS == "" || m.Text == "" {
			t.Errorf("message %d is not shown: %s", m.Number, m.Body)
		}
	}
}

// TestRefused: Slack's code for each wrong message, and where it is wrong.
func TestRefused(t *testing.T) {
	t.Parallel()
	d := start(t, Options{Rate: -1})
	long := func(n int) string { return strings.Repeat("é", n) }
	many := func(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	blocks := func(list string) string { return `{"text":"a","blocks":[` + list + `]}` }
	section := func(text string) string { return `{"type":"section","text":{"type":"mrkdwn","text":"` + text + `"}}` }
	button := func(more string) string {
		return `{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"Open"}` + more +
			`}]}`
	}
	for _, c := range []struct{ message, code, problem string }{
		{`[]`, "invalid_payload", "the body is no JSON object"},
		{`"text"`, "invalid_payload", "the body is no JSON object"},
		{`{"text":7}`, "invalid_payload", "text: it is no text"},
		{`{"blocks":{}}`, "invalid_blocks", "blocks: it is no array"},
		{`{"mrkdwn":"yes","text":"a"}`, "invalid_payload", "mrkdwn: it is neither true nor false"},
		{`{}`, "no_text", "neither a text, nor blocks"},
		{`{"text":"","blocks":[],"version":"1.1","trigger":"CC error"}`, "no_text", "neither a text, nor blocks"},
		{`{"text":"a","attachments":[` + many(101, "{}") + `]}`, "too_many_attachments", "101; at most 100"},
		{blocks(many(51, `{"type":"divider"}`)), "invalid_blocks", "blocks: 51 elements; at most 50"},
		{blocks(`{"type":"marquee"}`), "invalid_blocks", `blocks[0].type: there is no block "marquee"`},
		{blocks(`{}`), "invalid_blocks", "blocks[0].type: it is missing"},
		{blocks(`7`), "invalid_blocks", "blocks[0]: it is no JSON object"},
		{blocks(`{"type":"divider","text":"a"}`), "invalid_blocks", "blocks[0].text: there is no such member here"},
		{blocks(`{"type":"divider","block_id":"a"},{"type":"divider","block_id":"a"}`), "invalid_blocks",
			"blocks[1].block_id: another block has it"},
		{blocks(`{"type":"header","text":{"type":"mrkdwn","text":"a"}}`), "invalid_blocks",
			`blocks[0].text.type: "mrkdwn" is none of plain_text`},
		{blocks(`{"type":"header","text":{"type":"plain_text","text":"` + long(151) + `"}}`), "invalid_blocks",
			"blocks[0].text.text: 151 characters; at most 150"},
		{blocks(`{"type":"header"}`), "invalid_blocks", "blocks[0].text: it is missing"},
		{blocks(section("")), "invalid_blocks", "blocks[0].text.text: it is missing or empty"},
		{blocks(section(long(3001))), "invalid_blocks", "blocks[0].text.text: 3001 characters; at most 3000"},
		{blocks(`{"type":"section"}`), "invalid_blocks", "blocks[0].text: a section needs a text or fields"},
		{blocks(`{"type":"section","text":{"type":"mrkdwn","text":"a","emoji":true}}`), "invalid_blocks",
			"blocks[0].text.emoji: there is no such member here"},
		{blocks(`{"type":"section","fields":[` + many(11, `{"type":"mrkdwn","text":"a"}`) + `]}`), "invalid_blocks",
			"blocks[0].fields: 11 elements; at most 10"},
		{blocks(`{"type":"section","fields":[{"type":"mrkdwn","text":"` + long(2001) + `"}]}`), "invalid_blocks",
			"blocks[0].fields[0].text: 2001 characters; at most 2000"},
		{blocks(`{"type":"context","elements":[` + many(11, `{"type":"mrkdwn","text":"a"}`) + `]}`), "invalid_blocks",
			"blocks[0].elements: 11 elements; at most 10"},
		{blocks(`{"type":"context","elements":[]}`), "invalid_blocks", "blocks[0].elements: there must be at " +
			"least one"},
		{blocks(`{"type":"context","elements":[{"type":"button"}]}`), "invalid_blocks",
			`blocks[0].elements[0].type: there is no element "button" here`},
		{blocks(`{"type":"actions","elements":[` +
			many(26, `{"type":"button","text":{"type":"plain_text","text":"a"}}`) +
			`]}`), "invalid_blocks", "blocks[0].elements: 26 elements; at most 25"},
		{blocks(`{"type":"actions","elements":[` +
			many(2, `{"type":"button","action_id":"a","text":{"type":"plain_text","text":"a"}}`) +
			`]}`), "invalid_blocks", "blocks[0].elements[1].action_id: another element of the block has it"},
		{blocks(`{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"` + long(76) +
			`"}}]}`),
			"invalid_blocks", "blocks[0].elements[0].text.text: 76 characters; at most 75"},
		{blocks(`{"type":"actions","elements":[{"type":"button"}]}`), "invalid_blocks",
			"blocks[0].elements[0].text: it is missing"},
		{blocks(button(`,"url":"/path"`)), "invalid_blocks", "blocks[0].elements[0].url: it is no URL"},
		{blocks(button(`,"url":"https://example.com/` + long(3000) + `"`)), "invalid_blocks", "at most 3000"},
		{blocks(button(`,"value":"` + long(2001) + `"`)), "invalid_blocks", "at most 2000"},
		{blocks(button(`,"action_id":"` + long(256) + `"`)), "invalid_blocks", "256 characters; at most 255"},
		{blocks(button(`,"style":"blue"`)), "invalid_blocks", `"blue" is none of primary, danger`},
		{blocks(`{"type":"image","image_url":"https://example.com/a.png"}`), "invalid_blocks",
			"blocks[0].alt_text: it is missing or empty"},
		{blocks(`{"type":"image","alt_text":"a"}`), "invalid_blocks", "blocks[0].image_url: it is missing"},
		{blocks(`{"type":"markdown","text":"` + long(6001) + `"},{"type":"markdown","text":"` + long(6000) + `"}`),
			"invalid_blocks", "12001 characters; at most 12000"},
		{`{"text":"a","attachments":[7]}`, "invalid_payload", "attachments[0]: it is no JSON object"},
		{`{"text":"a","attachments":[{"blocks":[{"type":"marquee"}]}]}`, "invalid_blocks",
			"attachments[0].blocks[0].type"},
	} {
		answer := d.send(c.message)
		list := d.slack.Messages(0)
		last := list[len(list)-1]
		if answer.Status != 400 || answer.Text != c.code || last.Refused != c.code ||
			!strings.Contains(last.Problem, c.problem) {
			t.Errorf("%.200s: %d %s, want %s; the problem is %q, want %q", c.message, answer.Status,
				answer.Text, c.code, last.Problem, c.problem)
		}
		if last.TS != "" || last.Shown != "" {
			t.Errorf("%.200s: it is shown: %+v", c.message, last)
		}
	}
	if answer := d.Call("GET", WebhookPath("alarms"), nil); answer.Status != 400 || answer.Text != "invalid_payload" {
		t.Errorf("GET is answered %d %s", answer.Status, answer.Text)
	}
}

// TestTaken: messages at each limit, and of each form, are taken.
func TestTaken(t *testing.T) {
	t.Parallel()
	d := start(t, Options{Rate: -1})
	for message, want := range map[string]string{
		`{"text":"` + strings.Repeat("é", 41000) + `"}`: strings.Repeat("é",
			40000),
		`{"blocks":[{"type":"divider"}]}`:                                                      "----",
		`{"text":"a *b* :bell:","mrkdwn":false}`:                                               "a *b* 🔔",
		`{"text":"reply","thread_ts":"17.5","username":"Bellhop","channel":"#x","unknown":{}}`: "reply to 17.5\nreply",
		`{"text":"a","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"rich"}]}]}]}`:                 "rich",
		`{"blocks":[{"type":"section","text":{"type":"plain_text","text":"a","emoji":true},"accessory":{"type":"overflow","options":[]}}]}`:                 "a\n[overflow]",
		`{"blocks":[{"type":"image","image_url":"https://example.com/a.png","alt_text":"a map","title":{"type":"plain_text","text":"North"}}]}`:             "[image: a map] North",
		`{"blocks":[{"type":"context","elements":[{"type":"image","image_url":"https://example.com/a","alt_text":"x"},{"type":"plain_text","text":"y"}]}]}`: "[image: x]  y",
		`{"attachments":[{"color":"good","title":"T","text":"*x*","fields":[{"title":"F","value":"v"}],"footer":"foot"}]}`:                                  "| T\n| x\n| F: v\n| foot",
		`{"attachments":[{"fallback":"plain"}]}`: "| plain",
	} {
		if answer := d.send(message); answer.Status != 200 {
			t.Errorf("%.200s: %d %s", message, answer.Status, answer.Text)
		}
		list := d.slack.Messages(0)
		if last := list[len(list)-1]; last.Shown != want {
			t.Errorf("%.200s is shown as %.200q, want %.200q: %s", message, last.Shown, want, last.Problem)
		}
	}
	answer := d.Post(WebhookPath("releases"), url.Values{"payload": {`{"text":"from a form"}`}})
	list := d.slack.Messages(0)
	if last := list[len(list)-1]; answer.Status != 200 || last.Text != "from a form" || last.Channel != "#releases" {
		t.Errorf("a form: %d %s, %+v", answer.Status, answer.Text, last)
	}
	if answer := d.Post(WebhookPath("releases"), url.Values{"text": {"a"}}); answer.Text != "invalid_payload" {
		t.Errorf("a form without payload: %d %s", answer.Status, answer.Text)
	}
}

// TestWebhooks: Slack's code for each path that is no webhook, and for webhooks that do not work any more.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	d := start(t, Options{Rate: -1})
	post := func(path string) string {
		answer := d.Call("POST", path, map[string]string{"text": "a"})
		return fmt.Sprint(answer.Status, " ", answer.Text)
	}
	good := WebhookPath("alarms")
	parts := strings.Split(good, "/")
	for path, want := range map[string]string{
		good: "200 ok",
		"/services/T1/" + parts[3] + "/" + parts[4]: "404 no_team",
		"/services/":            "404 no_team",
		"/services/" + parts[2]: "404 no_service_id",
		"/services/" + parts[2] + "/B1/" + parts[4]: "404 no_service",
		good + "x":                   "403 invalid_token",
		good + "/x":                  "403 invalid_token",
		strings.Join(parts[:4], "/"): "403 invalid_token",
	} {
		if got := post(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, c := range []struct {
		event emulator.Event
		want  string
	}{
		{emulator.Event{Resource: "#alarms", ChangeType: "archived"}, "410 channel_is_archived"},
		{emulator.Event{Resource: "alarms", ChangeType: "deleted"}, "404 no_service"},
		{emulator.Event{Resource: "alarms", ChangeType: "updated"}, "200 ok"},
	} {
		if _, err := d.Host.Happen(c.event); err != nil {
			t.Error(err)
		}
		if got := post(good); got != c.want || post(WebhookPath("releases")) != "200 ok" {
			t.Errorf("%+v: %s, want %s", c.event, got, c.want)
		}
	}
	for _, c := range []struct {
		fault emulator.Fault
		want  string
	}{
		{emulator.Fault{Kind: emulator.FaultError, Value: "team_disabled"}, "403 team_disabled"},
		{emulator.Fault{Kind: emulator.FaultError, Value: "429"}, "429 rate_limited"},
		{emulator.Fault{Kind: emulator.FaultThrottle, Value: "7"}, "429 rate_limited"},
		{emulator.Fault{Kind: emulator.FaultError}, "500 rollup_error"},
		{emulator.Fault{Kind: emulator.FaultError, Value: "503"}, "503 service_unavailable"},
		{emulator.Fault{Kind: emulator.FaultRevoke, Value: "alarms"}, "404 no_service"},
		{emulator.Fault{Kind: emulator.FaultExpire}, "404 no_active_hooks"},
	} {
		if err := d.Host.Fault(c.fault); err != nil {
			t.Error(err)
		}
		if got := post(good); got != c.want {
			t.Errorf("%+v: %s, want %s", c.fault, got, c.want)
		}
	}
	d.Host.Reset()
	if got := post(good); got != "200 ok" || len(d.slack.Messages(0)) != 1 {
		t.Errorf("after a reset: %s, %d messages", got, len(d.slack.Messages(0)))
	}
	for _, err := range []error{d.Host.Fault(emulator.Fault{Kind: emulator.FaultMissed}),
		d.Host.Fault(emulator.Fault{Kind: emulator.FaultRevoke, Value: "nowhere"}),
		second(d.Host.Happen(emulator.Event{Resource: "alarms", ChangeType: "moved"}))} {
		if err == nil || !strings.Contains(err.Error(), "is not known here") {
			t.Errorf("what is unknown: %v", err)
		}
	}
}

func second(_ int, err error) error { return err }

// TestRate: after a burst, a webhook takes one message a second and says how long to wait; another webhook is free.
func TestRate(t *testing.T) {
	t.Parallel()
	d := start(t, Options{})
	for range burst {
		if answer := d.send(`{"text":"a"}`); answer.Status != 200 {
			t.Fatalf("answered %d %s", answer.Status, answer.Text)
		}
	}
	for range 2 {
		if answer := d.send(`{"text":"a"}`); answer.Status != 429 || answer.Text != "rate_limited" ||
			answer.Header.Get("Retry-After") != "1" {
			t.Errorf("answered %d %s after %q", answer.Status, answer.Text, answer.Header.Get("Retry-After"))
		}
	}
	if answer := d.Call("POST", WebhookPath("releases"), map[string]string{"text": "a"}); answer.Status != 200 {
		t.Errorf("another webhook: %d", answer.Status)
	}
	d.Pass(time.Second)
	if first, next := d.send(`{"text":"a"}`), d.send(`{"text":"a"}`); first.Status != 200 || next.Status != 429 {
		t.Errorf("after a second: %d, %d", first.Status, next.Status)
	}
	d.Pass(time.Hour)
	for i := range burst + 1 {
		if answer := d.send(`{"text":"a"}`); (answer.Status == 200) != (i < burst) {
			t.Errorf("message %d after an hour: %d", i, answer.Status)
		}
	}
}

// TestList: messages are listed after a number, refused ones among them, and are bounded.
func TestList(t *testing.T) {
	t.Parallel()
	d := start(t, Options{Rate: -1})
	d.send(`{"text":"one"}`)
	d.send(`{}`)
	d.send(`{"text":"three"}`)
	answer := d.Call("GET", "/messages?after=1", nil)
	list, _ := answer.JSON["data"].([]any)
	if answer.Status != 200 || len(list) != 2 {
		t.Fatalf("%d %s", answer.Status, answer.Text)
	}
	wrong, right := list[0].(map[string]any), list[1].(map[string]any)
	if wrong["refused"] != "no_text" || right["shown"] != "three" || right["channel"] != "#alarms" ||
		right["ts"] == "" || right["number"] != 3.0 || right["message"] == nil {
		t.Errorf("%v", list)
	}
	for range maxMessages {
		d.send(`{"text":"a"}`)
	}
	if n := len(d.slack.Messages(0)); n > maxMessages || n < maxMessages/2 {
		t.Errorf("%d messages are kept", n)
	}
	if answer := d.Call("POST", "/messages", nil); answer.Status != 405 || answer.Header.Get("Allow") != "GET" {
		t.Errorf("POST /messages: %d", answer.Status)
	}
}
