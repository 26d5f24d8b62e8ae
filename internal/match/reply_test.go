package match_test

import (
	"encoding/xml"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

// TestReply: a body is sent as it is; the result of a template is the body, and its kind gives the content type unless
// the reply has one.
func TestReply(t *testing.T) {
	t.Parallel()
	const posted = "From=%2B49+30&Body=a+%3C+b+%26+%22c%22&Body=second&token="
	for _, c := range []struct {
		name       string
		reply      bellhop.SourceReply
		body, kind string
		status     int
	}{
		{"status alone", bellhop.SourceReply{Status: 204}, "", "", 204},
		{"type alone", bellhop.SourceReply{ContentType: "text/xml"}, "", "", 200},
		{"body", bellhop.SourceReply{Body: "ok {{data}}"}, "ok {{data}}", "text/plain; charset=utf-8", 200},
		{"body and type", bellhop.SourceReply{Status: 201, ContentType: "text/xml", Body: "<Response/>"},
			"<Response/>", "text/xml", 201},
		{"JSON", bellhop.SourceReply{Template: `{"text": "hello " + form(body).From}`}, `{"text":"hello +49 30"}`,
			"application/json", 200},
		{"text", bellhop.SourceReply{Template: `form(body).Body`}, `a < b & "c"`, "text/plain; charset=utf-8", 200},
		{"XML", bellhop.SourceReply{ContentType: "text/xml",
			Template: `"<Response><Message>" + xml(form(body).Body) + "</Message></Response>"`},
			"<Response><Message>a &lt; b &amp; &quot;c&quot;</Message></Response>", "text/xml", 200},
		{"empty field, and none", bellhop.SourceReply{Template: `[form(body).token, form(body).none]`}, `["",null]`,
			"application/json", 200},
		{"the event", bellhop.SourceReply{Template: `[id, type, xml(1.5), xml(true)]`},
			`["evt_1","command","1.5","true"]`, "application/json", 200},
	} {
		r, err := match.OpenReply(c.reply)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		body, kind, err := r.Answer(&bellhop.Event{ID: "evt_1", Type: "command", Body: []byte(posted)})
		if string(body) != c.body || kind != c.kind || err != nil || r.Status() != c.status {
			t.Errorf("%s: %d %q %q %v", c.name, r.Status(), body, kind, err)
		}
	}
}

func TestReplyRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reply bellhop.SourceReply
		want  string
	}{
		{bellhop.SourceReply{Status: 302}, "status: use 200 to 299"},
		{bellhop.SourceReply{Status: 199}, "status: use 200 to 299"},
		{bellhop.SourceReply{Status: 204, Body: "x"}, "status: an answer 204 has no body"},
		{bellhop.SourceReply{Status: 205, Template: "data"}, "status: an answer 205 has no body"},
		{bellhop.SourceReply{Body: "x", Template: "data"}, "template: body is set too"},
		{bellhop.SourceReply{Template: "data."}, "template: unexpected"},
		{bellhop.SourceReply{Template: "now()"}, "template: "},
		{bellhop.SourceReply{ContentType: "text/plain\r\nX-A: b"}, "content_type: "},
		{bellhop.SourceReply{Body: strings.Repeat("x", bellhop.MaxSourceReplyBytes+1)}, "body: at most 65536 bytes"},
		{bellhop.SourceReply{Template: strings.Repeat(" ", match.MaxTemplateLength) + "1"}, "template: at most"},
	} {
		_, err := match.OpenReply(c.reply)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80v: %v, want %s", c.reply, err, c.want)
		}
	}
}

// TestReplyFails: what cannot be made of an event is an error, and costs a bounded time.
func TestReplyFails(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		`form(data)`:                         "form: needs a text",
		`form(body)`:                         "form: the text is not fields",
		`xml(data)`:                          "xml: needs a text",
		`data.n.m`:                           "cannot fetch m",
		`join(map(1..9000, body), "")`:       "too large",
		`map(1..9000, map(1..9000, 1))`:      "too much work",
		`join(map(1..3000, toJSON(data)))`:   "too large",
		`xml(join(map(1..4000, "<<<<<<<")))`: "too large",
	} {
		r, err := match.OpenReply(bellhop.SourceReply{Template: template})
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		_, _, err = r.Answer(&bellhop.Event{Body: []byte(`{"n": 1, "sep": "%;&", "fill": "` + strings.Repeat("a", 60) +
			`"}`)})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", template, err, want)
		}
	}
}

// FuzzXML: a text within an element and within an attribute is read back as it was.
func FuzzXML(f *testing.F) {
	for _, text := range []string{"", "a < b & \"c\" 'd' ]]>", "\x00\x1f\ufffe", "<!-- --><![CDATA[", "ü \u2028 €",
		"\xff\xc0"} {
		f.Add(text)
	}
	const element = `"<r a=\"" + xml(body) + "\" b='" + xml(body) + "'>" + xml(body) + "</r>"`
	r, err := match.OpenReply(bellhop.SourceReply{Template: element})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		made, _, err := r.Answer(&bellhop.Event{Body: []byte(text)})
		if err != nil {
			t.Skip("too large")
		}
		var got struct {
			A    string `xml:"a,attr"`
			B    string `xml:"b,attr"`
			Text string `xml:",chardata"`
		}
		if err := xml.Unmarshal(made, &got); err != nil {
			t.Fatalf("%q: %v", made, err)
		}
		want := strings.Map(func(r rune) rune {
			if r < ' ' && !strings.ContainsRune("\t\n\r", r) || r == 0xFFFE || r == 0xFFFF {
				return utf8.RuneError
			}
			return r
		}, text)
		want = strings.ReplaceAll(strings.ReplaceAll(want, "\r\n", "\n"), "\r", "\n") // XML 1.0, section 2.11
		if got.A != want || got.B != want || got.Text != want {
			t.Errorf("%q: %+v", text, got)
		}
	})
}
