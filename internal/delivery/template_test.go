package delivery

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// TestTemplateSettings: what a template cannot be is refused when it is set, each fault at its own path.
func TestTemplateSettings(t *testing.T) {
	many := make([]string, maxTemplateHeaders+1)
	for i := range many {
		many[i] = `"X-` + strings.Repeat("a", i+1) + `":"1"`
	}
	for settings, want := range map[string][]string{
		`{"format":"template"}`:                                                                               {"settings.template"},
		`{"format":"template","template":null}`:                                                               {"settings.template"},
		`{"format":"template","template":7}`:                                                                  {"settings.template"},
		`{"format":"template","template":[]}`:                                                                 {"settings.template"},
		`{"format":"template","template":{}}`:                                                                 {"settings.template.body"},
		`{"format":"template","template":""}`:                                                                 {"settings.template.body"},
		`{"format":"template","template":{"text":"1"}}`:                                                       {"settings.template"},
		`{"format":"template","template":{"body":1}}`:                                                         {"settings.template"},
		`{"format":"template","template":{"body":"data."}}`:                                                   {"settings.template.body"},
		`{"format":"template","template":"now()"}`:                                                            {"settings.template.body"},
		`{"format":"template","template":"` + strings.Repeat(" ", match.MaxTemplateLength) + `1"}`:            {"settings.template.body"},
		`{"format":"template","template":{"body":"1","headers":{"X-A":"data.","a b":"1"}}}`:                   {"settings.template.headers.X-A", "settings.template.headers.a b"},
		`{"format":"template","template":{"body":"1","headers":{"Host":"1"}}}`:                                {"settings.template.headers.Host"},
		`{"format":"template","template":{"body":"1","headers":{"content-length":"1"}}}`:                      {"settings.template.headers.content-length"},
		`{"format":"template","template":{"body":"1","headers":{"Webhook-Signature":"1"}}}`:                   {"settings.template.headers.Webhook-Signature"},
		`{"format":"template","template":{"body":"1","headers":{"X\r\nA":"1"}}}`:                              {"settings.template.headers.X\r\nA"},
		`{"format":"template","template":{"body":"1","headers":{"X-A":"1","x-a":"1"}}}`:                       {"settings.template.headers.x-a"},
		`{"format":"template","template":{"body":"1","headers":{"X-A":""}}}`:                                  {"settings.template.headers.X-A"},
		`{"format":"template","headers":{"x-a":"1"},"template":{"body":"1","headers":{"X-A":"1"}}}`:           {"settings.template.headers.X-A"},
		`{"format":"template","template":{"body":"1","headers":{` + strings.Join(many, ",") + `}}}`:           {"settings.template.headers"},
		`{"format":"template","template":{"body":"1","content_type":"a\r\nX: 1"}}`:                            {"settings.template.content_type"},
		`{"format":"template","template":{"body":"1","content_type":"a/b","headers":{"Content-Type":"1"}}}`:   {"settings.template.headers.Content-Type"},
		`{"format":"template","headers":{"Content-Type":"x/y"},"template":{"body":"1","content_type":"a/b"}}`: {"settings.template.content_type"},
		`{"format":"raw","template":"1"}`:                                                                     {"settings.template"},
		`{"format":"thin","template":"1"}`:                                                                    {"settings.template"},
		`{"format":"thick"}`:                                                                                  {"settings.format"},
		`{"secret":"` + oldSecret + `","secret_until":"tomorrow"}`:                                            {"settings.secret_until"},
		`{"secret":"` + oldSecret + `","secret_until":7}`:                                                     {"settings.secret_until"},
		`{"format":"template","secret":"x","headers":{"Host":"x"},"template":"data."}`:                        {"settings.secret", "settings.headers.Host", "settings.template.body"},
	} {
		_, err := opener(t).open(bellhop.Destination{Type: bellhop.TypeHTTP, URL: "https://example.com/hooks", Settings: []byte(strings.ReplaceAll(settings, "\r\n", `\r\n`))})
		var e *bellhop.Error
		if !errors.As(err, &e) || e.Code != bellhop.CodeInvalid {
			t.Errorf("%.80s: %v", settings, err)
			continue
		}
		var got []string
		for _, f := range e.Fields {
			got = append(got, f.Path)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%.80s: %q, want %q", settings, got, want)
		}
	}
}

// TestNoBatchOfTemplates: what a template makes is one event's; thin ones go together as enveloped ones do.
func TestNoBatchOfTemplates(t *testing.T) {
	for settings, ok := range map[string]bool{`{"format":"template","template":"data"}`: false, `{"format":"thin"}`: true} {
		d := bellhop.Destination{Type: bellhop.TypeHTTP, URL: "https://example.com/hooks", Settings: []byte(settings), Batch: bellhop.Batch{MaxEvents: 2}}
		if err := opener(t).CheckDestination(d); (err == nil) != ok {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

// TestTemplateFails: no event makes a template send what it should not: the error says where and why.
func TestTemplateFails(t *testing.T) {
	for settings, why := range map[string]string{
		`"data.absent.deeper"`: "template.body: cannot fetch deeper from <nil>",
		`"0.0 / 0"`:            "template.body: what it gives cannot be written as JSON",
		`"time.Format"`:        "template.body: what it gives cannot be written as JSON",
		`"map(1..20, body)"`:   "template.body: the result is too large",
		`{"body":"1","headers":{"X-A":"data.lines"}}`:          "template.headers.X-A: header X-A: the value has a control or non-ASCII character at byte 1",
		`{"body":"1","headers":{"X-A":"data.unicode"}}`:        "template.headers.X-A: header X-A: the value has a control or non-ASCII character",
		`{"body":"1","headers":{"X-A":"data.long"}}`:           "template.headers.X-A: header X-A: the value is longer than",
		`{"body":"1","headers":{"X-A":"data.absent"}}`:         "template.headers.X-A: must give a text, a number, true or false",
		`{"body":"1","headers":{"X-A":"[1]"}}`:                 "template.headers.X-A: must give a text, a number, true or false",
		`{"body":"1","headers":{"X-A":"data.lines.x"}}`:        "template.headers.X-A: ",
		`{"body":"1","headers":{"Content-Type":"data.lines"}}`: "template.headers.Content-Type: ",
	} {
		dst, err := opener(t).open(bellhop.Destination{Type: bellhop.TypeHTTP, URL: "https://example.com/hooks", Settings: []byte(`{"format":"template","template":` + settings + `}`)})
		if err != nil {
			t.Fatal(settings, err)
		}
		ev := stored()
		ev.Body = []byte(`{"lines":"a\r\nX-Forged: 1","unicode":"ü","long":"` + strings.Repeat("x", 100_000) + `"}`)
		m, err := dst.render(&ev, provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 1, Time: began})
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %q %v, want %s", settings, m.header, err, why)
		}
	}
}

// TestFailingTemplateIsDead: an event that a template fails on is given up with the message, and nothing was sent; the next goes out.
func TestFailingTemplateIsDead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("templated")
		r.destination(to, func(d *bellhop.Destination) { d.Settings = []byte(`{"format":"template","template":"data.a.b"}`) })
		r.accept(bellhop.Event{Body: []byte(`{}`)})
		synctest.Wait()
		d := r.only()
		if d.State != bellhop.DeliveryDead || d.Last == nil || d.Last.Error != "render" || !strings.Contains(d.Last.Detail, "cannot fetch b from <nil>") || len(to.got()) != 0 {
			t.Errorf("%+v %+v, %d sent", d, d.Last, len(to.got()))
		}
		r.accept(bellhop.Event{Body: []byte(`{"a":{"b":"hello"}}`)})
		synctest.Wait()
		if got := to.got(); len(got) != 1 || got[0].body != "hello" {
			t.Errorf("%+v", got)
		}
	})
}

// TestMatchError: a where that fails does not match, and is on record with its destination until another takes its place.
func TestMatchError(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("picky")
		d := r.destination(to, func(d *bellhop.Destination) { d.Match.Where = `data.a.b == 1` })
		if got := r.engine.MatchError(d.ID); got.Count != 0 || r.engine.MatchError("dst_none").Count != 0 {
			t.Errorf("before: %+v", got)
		}
		for range 3 {
			time.Sleep(time.Second)
			r.accept(bellhop.Event{Body: []byte(`{}`)})
		}
		got := r.engine.MatchError(d.ID)
		if got.Count != 3 || !got.At.Equal(r.now()) || !strings.HasPrefix(got.Message, "where: cannot fetch b from <nil>") {
			t.Errorf("%+v", got)
		}
		r.update(d.ID, func(d *bellhop.Destination) { d.Concurrency = 2 })
		if got := r.engine.MatchError(d.ID); got.Count != 3 {
			t.Errorf("after another change: %+v", got)
		}
		r.update(d.ID, func(d *bellhop.Destination) { d.Match.Where = `data.a?.b == 1` })
		r.accept(bellhop.Event{Body: []byte(`{}`)})
		if got := r.engine.MatchError(d.ID); got.Count != 0 || len(to.got()) != 0 {
			t.Errorf("after it was mended: %+v", got)
		}
	})
}

// TestGrace: while two secrets sign, both verify; when the time is over the new one signs alone, without anybody doing anything.
func TestGrace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("rotating")
		r.destination(to, func(d *bellhop.Destination) {
			d.Settings = []byte(`{"secret":["` + newSecret + `","` + oldSecret + `"],"secret_until":"` + r.now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`)
		})
		r.acceptMany(1)
		synctest.Wait()
		time.Sleep(time.Hour)
		r.acceptMany(1)
		synctest.Wait()
		got := to.got()
		if len(got) != 2 {
			t.Fatalf("%d arrived", len(got))
		}
		wantSigned(t, got[0], oldSecret)
		wantSigned(t, got[0], newSecret)
		wantSigned(t, got[1], newSecret)
		if n := len(strings.Fields(got[1].header.Get("Webhook-Signature"))); n != 1 {
			t.Errorf("%d signatures after the grace", n)
		}
	})
}

// FuzzTemplateHeader: whatever an event says, a header made of it is one line, or an error.
func FuzzTemplateHeader(f *testing.F) {
	for _, body := range []string{`"x"`, `"a\r\nX-Forged: 1"`, `"a\nb"`, `"\u0000"`, `"ü"`, `7`, `[1]`, `null`, `"` + "\r" + `"`, `{}`, ``, `" a\t"`} {
		f.Add([]byte(body), body)
	}
	dst, err := opener(f).open(bellhop.Destination{Type: bellhop.TypeHTTP, URL: "https://example.com/hooks",
		Settings: []byte(`{"format":"template","template":{"body":"1","headers":{"X-A":"data","X-B":"subject","Content-Type":"body"}}}`)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, subject string) {
		ev := stored()
		ev.Body, ev.Subject = body, subject
		m, err := dst.render(&ev, provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 1, Time: began})
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
