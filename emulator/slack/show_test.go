package slack

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// TestAlarm: an alarm of Boro is shown as a reader of Slack sees it.
func TestAlarm(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../provider/slack/testdata/messages/boro-active-block-kit.json")
	if err != nil {
		t.Fatal(err)
	}
	d := start(t, Options{})
	d.send(string(text))
	const want = `Active: Timestamp Discontinuity
🔴 Timestamp Discontinuity on ` + "`http://origin.example.net:8080/live/news.mpd`" + `
Project: Contoso Broadcast
Probe: Probe North 2
Task: News DASH
Level: major
Started: 2026-11-22T15:16:38.849+07:00
Representation
video(news_1080p 6 Mb/s: 1920x1080, avc1.640028)
` + "`http://origin.example.net:8080/live/news_1080p`" + `
[Open task: http://boro.example.com/projects/7/apps/41/tasks/9001]  [Open subtask: http://boro.example.com/projects/7/apps/41/tasks/9002]  [Open profile: http://boro.example.com/projects/7/profiles?notif_id=265]
sequence 665 | reference 9300211 | profile Night shift`
	if got := d.slack.Messages(0)[0].Shown; got != want {
		t.Errorf("it is shown as\n%s\nwant\n%s", got, want)
	}
	calls := d.Host.Calls()
	if got := d.Host.Show(calls[0]); got != want {
		t.Errorf("the call is shown as\n%s", got)
	}
	page := d.Call("GET", "/", nil)
	for _, part := range []string{"<h3>Active: Timestamp Discontinuity</h3>", "🔴 <b>Timestamp Discontinuity</b> on " +
		"<code>http://",
		"<div><b>Probe</b><br>Probe North 2</div>",
		`<a rel="noreferrer" href="http://boro.example.com/projects/7/profiles?notif_id=265" class="button">Open profile</a>`} {
		if !strings.Contains(page.Text, part) {
			t.Errorf("the page lacks %s:\n%s", part, page.Text)
		}
	}
	if csp := page.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") ||
		page.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the headers of the page are %v", page.Header)
	}
}

// TestShow: of a refused message its problem is shown, and of a call that met a fault, or of another one, nothing.
func TestShow(t *testing.T) {
	t.Parallel()
	d := start(t, Options{})
	d.send(`{"blocks":[{"type":"marquee"}]}`)
	if err := d.Host.Fault(emulator.Fault{Kind: emulator.FaultError, Value: "invalid_payload"}); err != nil {
		t.Fatal(err)
	}
	d.send(`{"text":"a"}`)
	d.Call("GET", "/messages", nil)
	d.send(`{"text":"` + strings.Repeat("a", 2*emulator.MaxLoggedBody) + `"}`)
	calls := d.Host.Calls()
	want := []string{`refused: blocks[0].type: there is no block "marquee"`, "", "", ""}
	for i, c := range calls {
		if got := d.Host.Show(c); got != want[i] {
			t.Errorf("call %d is shown as %q, want %q", i, got, want[i])
		}
	}
	if len(calls) != len(want) || d.Host.Show(emulator.Call{System: "elsewhere"}) != "" {
		t.Errorf("%d calls", len(calls))
	}
}

// TestMrkdwn: text in Slack's markup, as plain text and as HTML. Nothing of it is taken as HTML.
func TestMrkdwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, plain, html string }{
		{"a *b* _c_ ~d~ `e`", "a b c d `e`", "a <b>b</b> <i>c</i> <s>d</s> <code>e</code>"},
		{"*a _b_*", "a b", "<b>a <i>b</i></b>"},
		{"2*3*4 snake_case_name", "2*3*4 snake_case_name", "2*3*4 snake_case_name"},
		{"* a * *b", "* a * *b", "* a * *b"},
		{"*a\nb*", "*a\nb*", "*a<br>b*"},
		{"(*a*), \"_b_\".", "(a), \"b\".", "(<b>a</b>), &#34;<i>b</i>&#34;."},
		{"`*a*` ``", "`*a*` ``", "<code>*a*</code> ``"},
		{"```a\n*b*```", "\na\n*b*\n", "<pre>a\n*b*</pre>"},
		{"&lt;b&gt; &amp;amp; &quot;", "<b> &amp; &quot;", "&lt;b&gt; &amp;amp; &amp;quot;"},
		{"<https://example.com/?a=1&amp;b=2|the page>", "the page (https://example.com/?a=1&b=2)",
			`<a rel="noreferrer" href="https://example.com/?a=1&amp;b=2">the page</a>`},
		{"<https://example.com>", "https://example.com",
			`<a rel="noreferrer" href="https://example.com">https://example.com</a>`},
		{"<mailto:a@example.com>", "a@example.com",
			`<a rel="noreferrer" href="mailto:a@example.com">a@example.com</a>`},
		{"<javascript:alert(1)|here>", "<javascript:alert(1)|here>", "&lt;javascript:alert(1)|here&gt;"},
		{"<@U1> <#C1|alarms> <!here> <!subteam^S1|@ops>", "@U1 #alarms @here @ops",
			"<mark>@U1</mark> <mark>#alarms</mark> <mark>@here</mark> <mark>@ops</mark>"},
		{"<!date^1700000000^{date}|14 November>", "14 November", "14 November"},
		{"<script>alert(1)</script>", "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
		{":red_circle: :nothing: 10:30:00", "🔴 :nothing: 10:30:00", "🔴 :nothing: 10:30:00"},
	} {
		spans := readMrkdwn(c.in)
		if got := plainText(spans); got != c.plain {
			t.Errorf("%q: plain %q, want %q", c.in, got, c.plain)
		}
		if got := htmlText(spans); got != c.html {
			t.Errorf("%q: HTML %q, want %q", c.in, got, c.html)
		}
	}
}

// FuzzMessage: any message is refused with one of Slack's codes and a reason, or is shown, and its page has no element
// but those of this package.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{`{"text":"*a* <b> <https://x|y>"}`,
		`{"blocks":[{"type":"section","text":{"type":"mrkdwn",
		"text":"<script>"}}]}`, `{"attachments":[{"color":"#d00000","title":"<i>","title_link":"javascript:x"}]}`, `{}`, `[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := parse(body)
		if err != nil {
			if statuses[err.code] == 0 || err.problem == "" || m != nil {
				t.Errorf("refused as %v", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Error("what is no JSON is taken")
		}
		m.plain()
		page := m.html()
		for _, forbidden := range []string{"<script", "<img", "<iframe", "javascript:x\"", "<style", "<svg"} {
			if strings.Contains(strings.ToLower(page), forbidden) {
				t.Errorf("the page has %s: %s", forbidden, page)
			}
		}
	})
}
