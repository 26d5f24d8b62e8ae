package outbound

import (
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/errortest"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// TestTemplateSettings: a template with faults is refused when it is set, with the path of each fault.
func TestTemplateSettings(t *testing.T) {
	many := make([]string, maxTemplateHeaders+1)
	for i := range many {
		many[i] = `"X-` + strings.Repeat("a", i+1) + `":"1"`
	}
	for settings, want := range map[string][]string{
		`{"format":"template"}`:                             {"settings.template"},
		`{"format":"template","template":null}`:             {"settings.template"},
		`{"format":"template","template":7}`:                {"settings.template"},
		`{"format":"template","template":[]}`:               {"settings.template"},
		`{"format":"template","template":{}}`:               {"settings.template.body"},
		`{"format":"template","template":""}`:               {"settings.template.body"},
		`{"format":"template","template":{"text":"1"}}`:     {"settings.template"},
		`{"format":"template","template":{"body":1}}`:       {"settings.template"},
		`{"format":"template","template":{"body":"data."}}`: {"settings.template.body"},
		`{"format":"template","template":"now()"}`:          {"settings.template.body"},
		`{"format":"template","template":"` + strings.Repeat(" ",
			match.MaxTemplateLength) + `1"}`: {"settings.template.body"},
		`{"format":"template","template":{"body":"1","headers":{"X-A":"data.","a b":"1"}}}`: {
			"settings.template.headers.X-A", "settings.template.headers.a b"},
		`{"format":"template","template":{"body":"1","headers":{"Host":"1"}}}`: {
			"settings.template.headers.Host"},
		`{"format":"template","template":{"body":"1","headers":{"content-length":"1"}}}`: {
			"settings.template.headers.content-length"},
		`{"format":"template","template":{"body":"1","headers":{"Webhook-Signature":"1"}}}`: {
			"settings.template.headers.Webhook-Signature"},
		`{"format":"template","template":{"body":"1","headers":{"X\r\nA":"1"}}}`: {
			"settings.template.headers.X\r\nA"},
		`{"format":"template","template":{"body":"1","headers":{"X-A":"1","x-a":"1"}}}`: {
			"settings.template.headers.x-a"},
		`{"format":"template","template":{"body":"1","headers":{"X-A":""}}}`: {
			"settings.template.headers.X-A"},
		`{"format":"template","headers":{"x-a":"1"},"template":{"body":"1","headers":{"X-A":"1"}}}`: {
			"settings.template.headers.X-A"},
		`{"format":"template","template":{"body":"1","headers":{` + strings.Join(many,
			",") + `}}}`: {"settings.template.headers"},
		`{"format":"template","template":{"body":"1","content_type":"a\r\nX: 1"}}`: {
			"settings.template.content_type"},
		`{"format":"template","template":{"body":"1","content_type":"a/b","headers":{"Content-Type":"1"}}}`: {
			"settings.template.headers.Content-Type"},
		`{"format":"template","headers":{"Content-Type":"x/y"},"template":{"body":"1","content_type":"a/b"}}`: {
			"settings.template.content_type"},
		`{"format":"raw","template":"1"}`:                          {"settings.template"},
		`{"format":"thin","template":"1"}`:                         {"settings.template"},
		`{"format":"thick"}`:                                       {"settings.format"},
		`{"secret":"` + oldSecret + `","secret_until":"tomorrow"}`: {"settings.secret_until"},
		`{"secret":"` + oldSecret + `","secret_until":7}`:          {"settings.secret_until"},
		`{"format":"template","secret":"x","headers":{"Host":"x"},"template":"data."}`: {"settings.secret",
			"settings.headers.Host", "settings.template.body"},
	} {
		_, err := opener(t).open(bellhop.Destination{Type: bellhop.TypeHTTP, URL: "https://example.com/hooks",
			Settings: []byte(strings.ReplaceAll(settings, "\r\n", `\r\n`))})
		if got := errortest.InvalidPaths(t, err); !slices.Equal(got, want) {
			t.Errorf("%.80s: %q, want %q", settings, got, want)
		}
	}
}

// TestNoBatchOfTemplates: a template makes requests of single events; format thin can put several into one.
func TestNoBatchOfTemplates(t *testing.T) {
	for settings, ok := range map[string]bool{`{"format":"template","template":"data"}`: false,
		`{"format":"thin"}`: true} {
		d := bellhop.Destination{Type: bellhop.TypeHTTP, URL: "https://example.com/hooks", Settings: []byte(settings),
			Batch: bellhop.Batch{MaxEvents: 2}}
		if err := opener(t).Check(d); (err == nil) != ok {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

// TestTemplateFails: no event makes a template send a malformed request: the error says where and why.
func TestTemplateFails(t *testing.T) {
	for settings, why := range map[string]string{
		`"data.absent.deeper"`: "template.body: cannot fetch deeper from <nil>",
		`"0.0 / 0"`:            "template.body: what it gives cannot be written as JSON",
		`"time.Format"`:        "template.body: what it gives cannot be written as JSON",
		`"map(1..20, body)"`:   "template.body: the result is too large",
		`{"body":"1","headers":{"X-A":"data.lines"}}`: "template.headers.X-A: header X-A: the value has a " +
			"control or non-ASCII character at byte 1",
		`{"body":"1","headers":{"X-A":"data.unicode"}}`: "template.headers.X-A: header X-A: the value has a " +
			"control or non-ASCII character",
		`{"body":"1","headers":{"X-A":"data.long"}}`: "template.headers.X-A: header X-A: the value is longer than",
		`{"body":"1","headers":{"X-A":"data.absent"}}`: "template.headers.X-A: must give a text, a number, true " +
			"or false",
		`{"body":"1","headers":{"X-A":"[1]"}}`: "template.headers.X-A: must give a text, a number, true " +
			"or false",
		`{"body":"1","headers":{"X-A":"data.lines.x"}}`:        "template.headers.X-A: ",
		`{"body":"1","headers":{"Content-Type":"data.lines"}}`: "template.headers.Content-Type: ",
	} {
		target, err := opener(t).open(bellhop.Destination{Type: bellhop.TypeHTTP, URL: "https://example.com/hooks",
			Settings: []byte(`{"format":"template","template":` + settings + `}`)})
		if err != nil {
			t.Fatal(settings, err)
		}
		ev := stored()
		ev.Body = []byte(`{"lines":"a\r\nX-Forged: 1","unicode":"ü","long":"` + strings.Repeat("x", 100_000) + `"}`)
		m, err := target.render(&ev, provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 1, Time: began})
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %q %v, want %s", settings, m.header, err, why)
		}
	}
}

// FuzzTemplateHeader: a header made of an event is one line, or an error.
func FuzzTemplateHeader(f *testing.F) {
	for _, body := range []string{`"x"`, `"a\r\nX-Forged: 1"`, `"a\nb"`, `"\u0000"`, `"ü"`, `7`, `[1]`, `null`,
		`"` + "\r" + `"`, `{}`, ``, `" a\t"`} {
		f.Add([]byte(body), body)
	}
	target, err := opener(f).open(bellhop.Destination{Type: bellhop.TypeHTTP, URL: "https://example.com/hooks",
		Settings: []byte(
			`{"format":"template","template":{"body":"1","headers":{"X-A":"data","X-B":"subject","Content-Type":"body"}}}`)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, subject string) {
		ev := stored()
		ev.Body, ev.Subject = body, subject
		m, err := target.render(&ev, provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 1, Time: began})
		if err != nil {
			return
		}
		lines := strings.Split(strings.TrimSuffix(string(m.header), "\r\n"), "\r\n")
		if len(lines) != 9 { // three of these, two of Standard Webhooks and four of ours
			t.Errorf("%q: %q", body, lines)
		}
		for _, line := range lines {
			if strings.ContainsAny(line, "\r\n\x00") {
				t.Errorf("%q: %q", body, line)
			}
		}
	})
}
