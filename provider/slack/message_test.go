package slack_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/slack"
)

// renderer returns the Renderer of a destination with these settings.
func renderer(t testing.TB, settings values) provider.Renderer {
	t.Helper()
	if settings == nil {
		settings = values{}
	}
	return providertest.OpenSender(t, slack.Provider{}, providertest.JSON(settings))
}

func message(t testing.TB, settings values, ev bellhop.Event) []byte {
	t.Helper()
	m, err := renderer(t, settings).Render(&ev, provider.AttemptInfo{})
	if err != nil {
		t.Fatal(err)
	}
	if err := checkMessage(m.Body); err != nil {
		t.Errorf("%v\n%.2000s", err, m.Body)
	}
	return m.Body
}

func alarm(body string) bellhop.Event {
	return bellhop.Event{ID: "evt_1", Source: "boro", Type: "boro.Active", Body: []byte(body)}
}

// TestMessages compares messages with the files in testdata/messages, except for their white space. "go test -update"
// rewrites those files, except the fixed ones of Boro's alarms.
func TestMessages(t *testing.T) {
	fixed := func(name string) bellhop.Event { return alarm(providertest.ReadFile(t, "testdata/boro/"+name+".json")) }
	long := strings.Repeat("Überlänge & mehr ", 400)
	at := time.Date(2026, 11, 22, 9, 15, 30, 123456789, time.FixedZone("", 3600))
	for _, c := range []struct {
		name   string
		colour string
		ev     bellhop.Event
		update bool // -update rewrites the file
	}{
		{name: "boro-active-block-kit", ev: fixed("active")},
		{name: "boro-cleared-block-kit", colour: "none", ev: fixed("cleared")},
		{name: "boro-event-block-kit", ev: fixed("event")},
		{name: "boro-active-attachment-colour", colour: "attachment", ev: fixed("active")},
		{name: "boro-active-http-error", ev: fixed("active-http-error-details"), update: true},
		{name: "boro-test-message", ev: bellhop.Event{ID: "evt_1", Source: "boro", Type: "boro.Message", Time: at,
			Body: []byte(`{"message":"Test"}`)}, update: true},
		{name: "boro-little", colour: "attachment", ev: alarm(`{"status":"Acknowledged"}`), update: true},
		{name: "boro-hostile", ev: alarm(`{"status":"Active","trigger":"<!channel> & *bold* ` +
			"`code`" + `","task_uri":"http://h/` + "`" + `<x>","level":"a\nb","task_name":"\u202eevil\u0000",` +
			`"time":"<@U1>","links":[{"type":"task","href":"javascript:alert(1)"},{"type":"subtask","href":"https://h/a b"},` +
			`{"type":"profile","href":"https://h/<x>"},` +
			`{"type":"task","href":"https://h/1"},{"type":"task","href":"https://h/2"},{"type":"","href":"https://h/3"},` +
			`{"type":"x","href":"https://"}]}`), update: true},
		{name: "any-object", ev: bellhop.Event{ID: "evt_1", Source: "shop", Type: "invoice.paid",
			Subject: "in_1 & <co>", Time: at,
			Body: []byte(`{"id":"in_1","amount":12.50,"big":12345678901234567890,"paid":true,"note":null,"empty":"",` +
				`"quote":"\"it's\" &amp;","lines":[{"a": 1}],"more":{"b":"` + "`é`" + `"}}`)}, update: true},
		{name: "ams-published", ev: published(`"https://media.example.com/1/a.ism/manifest"`,
			`"https://media.example.com/1/a.ism/manifest(format=m3u8-aapl)"`), update: true},
		{name: "ams-published-hostile", ev: published(`"javascript:alert(1)"`,
			`"http://media.example.com/|x>*<!channel>`+"`"+`"`), update: true},
		{name: "any-object-coloured", colour: "attachment",
			ev: bellhop.Event{ID: "evt_1", Source: "shop", Type: "invoice.paid", Subject: "in_1", ReceivedAt: at,
				Body: []byte(`{}`)}, update: true},
		{name: "any-text", ev: bellhop.Event{ID: "evt_1", Source: "shop", Type: "note", Time: at,
			Body: []byte("plain <words>\n\tand ```more```\n")}, update: true},
		{name: "any-array", ev: bellhop.Event{ID: "evt_1", Type: "note", Body: []byte(" [1, 2]\r\n")}, update: true},
		{name: "any-bytes", ev: bellhop.Event{ID: "evt_1", Type: "note", ContentType: "image/png",
			Body: []byte("\x89PNG\r\n")}, update: true},
		{name: "any-nothing", ev: bellhop.Event{}, update: true},
		{name: "any-long", ev: bellhop.Event{ID: "evt_1", Source: long, Type: long, Subject: long, Time: at,
			Body: []byte(`{"` + long + `":"` + long + `","b":["` + long + `"]}`)}, update: true},
		{name: "slack-app-mention", ev: bellhop.Event{ID: "evt_1", Source: "slack", Type: "slack.app_mention",
			Subject: "C123ABC456", Time: at, Body: []byte(providertest.ReadFile(t,
				"testdata/samples/app_mention.json"))}, update: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings := values{}
			if c.colour != "" {
				settings["colour"] = c.colour
			}
			got := message(t, settings, c.ev)
			path := "testdata/messages/" + c.name + ".json"
			if c.update && flag.Lookup("update").Value.String() == "true" {
				write(t, path, got)
			}
			var want bytes.Buffer
			if err := json.Compact(&want, []byte(providertest.ReadFile(t, path))); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want.Bytes()) {
				t.Errorf("got  %s\nwant %s", got, want.Bytes())
			}
		})
	}
}

// published is the event of ams.publish, with these URLs in JSON.
func published(smooth, hls string) bellhop.Event {
	urls := `{"smooth":` + smooth + `,"hls_v4":` + hls + `}`
	return bellhop.Event{ID: "evt_1", Source: "media", Type: "ams.asset.published", Subject: "nb:cid:UUID:1",
		ReceivedAt: providertest.Now, Body: []byte(`{"asset":"nb:cid:UUID:1","name":"harbour tour","urls":` + urls +
			`,"urls_http":` + urls + `,"usable_after":"2026-11-22T10:00:00Z"}`)}
}

// TestLinks: an object of links becomes buttons. If one of them is no link that a browser may follow, there is no
// button of that object, and it is shown as escaped code.
func TestLinks(t *testing.T) {
	for _, c := range []struct{ href, shown string }{
		{`https://h.example/1(format=m3u8-aapl)`, ""},
		{`http://h.example/1?a=b&c=d`, ""},
		{`javascript:alert(1)`, "javascript:alert(1)"},
		{`JavaScript:alert(1)//https://h.example`, "JavaScript:alert"},
		{`data:text/html,<script>`, "data:text/html,&lt;script&gt;"},
		{`http://h.example/|x>`, "http://h.example/|x&gt;"},
		{`http://h.example/<!channel>`, "http://h.example/&lt;!channel&gt;"},
		{"http://h.example/`*x*", "http://h.example/"},
		{`https://h.example/a b`, "https://h.example/a b"},
		{`https:///1`, "https:///1"},
		{`//h.example/1`, "//h.example/1"},
		{"https://h.example/\u202egpj.exe", "https://h.example/"},
		{`https://h.example/` + strings.Repeat("a", 3000), "https://h.example/aaa"},
	} {
		body := string(message(t, nil, published(`"https://h.example/0"`, `"`+c.href+`"`)))
		buttons := strings.Count(body, `"type":"button"`)
		if want := map[bool]int{true: 2, false: 0}[c.shown == ""]; buttons != want {
			t.Errorf("%.60s: %d buttons, want %d", c.href, buttons, want)
		}
		var m struct{ Blocks []checkedBlock }
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, b := range m.Blocks {
			for _, f := range b.Fields {
				text += f.Text + "\n"
			}
		}
		if !strings.Contains(text, c.shown) {
			t.Errorf("%.60s is not shown as %s:\n%s", c.href, c.shown, text)
		}
	}
}

func write(t *testing.T, path string, message []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, message, "", "  "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestSendSettings: legacy webhooks accept a channel and a user name.
func TestSendSettings(t *testing.T) {
	var m struct{ Channel, Username string }
	body := message(t, values{"channel": "#alarms", "username": "Bellhop <b>"}, bellhop.Event{Type: "t"})
	if err := json.Unmarshal(body, &m); err != nil || m.Channel != "#alarms" || m.Username != "Bellhop <b>" {
		t.Errorf("got %+v, %v", m, err)
	}
	for path, value := range map[string]string{"colour": "red", "channel": " #a",
		"username": strings.Repeat("é", 81)} {
		_, err := slack.Provider{}.OpenSender(provider.Env{}, []byte(providertest.JSON(values{path: value})))
		if err == nil || !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestJudge(t *testing.T) {
	judge := renderer(t, nil).(provider.ReplyJudge)
	for _, c := range []struct {
		status int
		body   string
		want   bellhop.Outcome
	}{
		{200, "ok", bellhop.OutcomeDelivered},
		{200, " ok\n", bellhop.OutcomeDelivered},
		{200, `{"success":true}`, bellhop.OutcomeDelivered},
		{200, "", bellhop.OutcomeDelivered},
		{200, "\n<!DOCTYPE html>", bellhop.OutcomeRetry},
		{201, "ok", ""},
		{204, "", ""},
		{302, "", ""},
		{400, "invalid_payload", bellhop.OutcomeDead},
		{400, "no_text", bellhop.OutcomeDead},
		{400, "", bellhop.OutcomeDead},
		{403, "action_prohibited", bellhop.OutcomeDisable},
		{403, "invalid_token\r\n", bellhop.OutcomeDisable},
		{403, "no_service", ""},
		{403, "<html>", ""},
		{404, "no_service", bellhop.OutcomeDisable},
		{404, "channel_not_found", bellhop.OutcomeDisable},
		{404, "404 page not found", bellhop.OutcomeDisable},
		{404, "", bellhop.OutcomeDisable},
		{410, "channel_is_archived", bellhop.OutcomeDisable},
		{410, "", bellhop.OutcomeDisable},
		{429, "", ""},
		{500, "rollup_error", ""},
		{503, "ok", ""},
	} {
		if got := judge.Judge(c.status, []byte(c.body)); got != c.want {
			t.Errorf("%d %q: %v, want %v", c.status, c.body, got, c.want)
		}
	}
}

// FuzzMessage: the message about any event is within Slack's limits, and no content of the event acts as markup.
func FuzzMessage(f *testing.F) {
	for _, name := range []string{"active", "cleared", "event", "active-http-error-details"} {
		f.Add("boro.Active", "s", "boro", []byte(providertest.ReadFile(f, "testdata/boro/"+name+".json")), true)
	}
	f.Add("invoice.paid", "<!here>", "`", []byte(`{"a":"<&>","":"","`+"`"+`":[]}`), false)
	f.Add("\x00", " ", "\u202e", []byte("```\x00"), true)
	f.Add("", "&&&&", "", []byte("\xff"), false)
	f.Add("boro.Event", "", "", []byte(`{"status":"\u0000","task_uri":"  ","links":[{"type":" ","href":"http://h"}]}`),
		false)
	f.Fuzz(func(t *testing.T, kind, subject, source string, body []byte, colour bool) {
		settings := values{}
		if colour {
			settings["colour"] = "attachment"
		}
		message(t, settings, bellhop.Event{ID: "evt_1", Type: kind, Subject: subject, Source: source, Body: body,
			ReceivedAt: providertest.Now})
	})
}

// checkMessage returns an error if Slack would refuse the message, or if content of the event could act as markup.
func checkMessage(body []byte) error {
	var m struct {
		Text        string
		Blocks      []checkedBlock
		Attachments []struct {
			Color, Fallback string
			Blocks          []checkedBlock
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	if err := checkText("text", m.Text, 4000, true); err != nil {
		return err
	}
	if len(m.Attachments) > 100 || len(m.Blocks) > 0 == (len(m.Attachments) > 0) {
		return fmt.Errorf("%d blocks and %d attachments", len(m.Blocks), len(m.Attachments))
	}
	for _, a := range m.Attachments {
		if !regexp.MustCompile(`^#[0-9a-f]{6}$`).MatchString(a.Color) || a.Fallback == "" {
			return fmt.Errorf("attachment %+v", a)
		}
		m.Blocks = append(m.Blocks, a.Blocks...)
	}
	if len(m.Blocks) == 0 || len(m.Blocks) > 50 {
		return fmt.Errorf("%d blocks", len(m.Blocks))
	}
	for i, b := range m.Blocks {
		if err := b.check(); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
	}
	return nil
}

type checkedText struct {
	Type, Text string
	Emoji      *bool
}

func (c *checkedText) check(kind string, limit int) error {
	if c == nil || c.Type != kind || c.Emoji != nil && kind != "plain_text" {
		return fmt.Errorf("%+v is not %s", c, kind)
	}
	return checkText(kind, c.Text, limit, kind == "mrkdwn")
}

type checkedBlock struct {
	Type     string
	Text     *checkedText
	Fields   []checkedText
	Elements []json.RawMessage
}

func (b *checkedBlock) check() error {
	switch b.Type {
	case "header":
		return b.Text.check("plain_text", 150)
	case "section":
		if (b.Text == nil) == (b.Fields == nil) || len(b.Fields) > 10 {
			return fmt.Errorf("section with %v and %d fields", b.Text, len(b.Fields))
		}
		for _, f := range b.Fields {
			if err := f.check("mrkdwn", 2000); err != nil {
				return err
			}
		}
		if b.Text != nil {
			return b.Text.check("mrkdwn", 3000)
		}
		return nil
	case "context":
		return b.checkElements(10, func(raw []byte) error {
			var text checkedText
			if err := json.Unmarshal(raw, &text); err != nil {
				return err
			}
			return text.check("mrkdwn", 3000)
		})
	case "actions":
		seen := map[string]bool{}
		return b.checkElements(25, func(raw []byte) error { return checkButton(raw, seen) })
	}
	return fmt.Errorf("type %q", b.Type)
}

func (b *checkedBlock) checkElements(limit int, check func(raw []byte) error) error {
	if len(b.Elements) == 0 || len(b.Elements) > limit {
		return fmt.Errorf("%d elements", len(b.Elements))
	}
	for _, raw := range b.Elements {
		if err := check(raw); err != nil {
			return err
		}
	}
	return nil
}

func checkButton(raw []byte, seen map[string]bool) error {
	var button struct {
		Type, URL string
		Text      *checkedText
		ActionID  string `json:"action_id"`
	}
	if err := json.Unmarshal(raw, &button); err != nil {
		return err
	}
	u, err := url.Parse(button.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || len(button.URL) > 3000 {
		return fmt.Errorf("button has the URL %q", button.URL)
	}
	if button.Type != "button" || button.ActionID == "" || utf8.RuneCountInString(button.ActionID) > 255 ||
		seen[button.ActionID] {
		return fmt.Errorf("%+v", button)
	}
	seen[button.ActionID] = true
	return button.Text.check("plain_text", 75)
}

var entity = regexp.MustCompile(`&(amp|lt|gt);`)

func checkText(what, text string, limit int, isMrkdwn bool) error {
	switch n := utf8.RuneCountInString(text); {
	case strings.TrimSpace(text) == "" || n > limit:
		return fmt.Errorf("%s has %d characters", what, n)
	case strings.ContainsAny(text, "\x00\x1b\u202e\u2028"):
		return fmt.Errorf("%s has control characters: %q", what, text)
	case isMrkdwn && strings.ContainsAny(entity.ReplaceAllString(text, ""), "<>&"):
		return fmt.Errorf("%s is not escaped: %q", what, text)
	case isMrkdwn && strings.Count(text, "`")%2 != 0 && strings.HasPrefix(text, "```"):
		return fmt.Errorf("%s ends its code block early: %q", what, text)
	}
	return nil
}
