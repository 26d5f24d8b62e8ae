package outbound

import (
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// TestPreview: a preview is the request that an attempt would send, whether the event matches or not.
func TestPreview(t *testing.T) {
	e := opener(t)
	for _, c := range []struct {
		name              string
		d                 bellhop.Destination
		why, failed, body string
		err, skipped      string
	}{
		{"as received", bellhop.Destination{Type: "http", Settings: []byte(`{"secret":"` + oldSecret + `"}`)}, "", "",
			string(stored().Body), "", ""},
		{"another source", bellhop.Destination{Type: "http", Settings: []byte(`{"format":"raw"}`),
			Match: bellhop.Match{Sources: []string{"x"}}}, "match.sources", "", string(stored().Body), "", ""},
		{"another type", bellhop.Destination{Type: "http", Settings: []byte(`{"format":"raw"}`),
			Match: bellhop.Match{Types: []string{"x.*"}}}, "match.types", "", string(stored().Body), "", ""},
		{"where is false", bellhop.Destination{Type: "http", Settings: []byte(`{"format":"raw"}`),
			Match: bellhop.Match{Where: "data.amount < 1"}}, "match.where is false", "", string(stored().Body), "",
			""},
		{"where fails", bellhop.Destination{Type: "http", Settings: []byte(`{"format":"raw"}`),
			Match: bellhop.Match{Where: "data.a.b < 1"}}, "match.where fails", "cannot fetch b", string(stored().Body),
			"", ""},
		{"a template fails", bellhop.Destination{Type: "http",
			Settings: []byte(`{"format":"template","template":"data.a.b"}`)}, "", "", "", "template.body: cannot " +
			"fetch b", ""},
	} {
		c.d.URL = "https://example.com/hooks"
		p, err := e.Preview(c.d, stored())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !strings.HasPrefix(p.Why, c.why) || c.why == "" && p.Why != "" ||
			!strings.Contains(p.MatchError, c.failed) ||
			string(p.Body) != c.body ||
			!strings.Contains(p.Error, c.err) || c.err == "" && p.Error != "" || p.Skipped != c.skipped {
			t.Errorf("%s: %+v", c.name, p)
		}
		if c.err == "" && (p.Method != "POST" || p.Header.Get("Bellhop-Event-Id") != stored().ID ||
			p.Header.Get("Content-Type") == "") {
			t.Errorf("%s: %s %v", c.name, p.Method, p.Header)
		}
	}
	for access, want := range map[string]string{`{"token":"secret"}`: "…",
		`{"username":"me","password":"secret"}`:                                            "…",
		`{"token_url":"https://id.example.com/","client_id":"a","client_secret":"secret"}`: "…", ``: "", `{}`: ""} {
		p, err := e.Preview(bellhop.Destination{Type: "http", URL: "https://example.com",
			Settings: []byte(`{"format":"raw"}`), Access: []byte(access)}, stored())
		if err != nil || p.Header.Get("Authorization") != want {
			t.Errorf("%s: %v %v", access, p.Header, err)
		}
	}
	clash := bellhop.Destination{Type: "http", URL: "https://example.com", Access: []byte(`{"token":"secret"}`),
		Settings: []byte(
			`{"format":"template","template":{"body":"type","headers":{"Authorization":"data.amount > 0 ? 'x' : data.a.b"}}}`)}
	if p, err := e.Preview(clash, stored()); err != nil || !strings.HasPrefix(p.Error,
		"the settings and access.token both make") {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := e.Preview(bellhop.Destination{Type: "http", URL: "https://example.com",
		Settings: []byte(`{"format":"odd"}`)}, stored()); err == nil {
		t.Error("a destination that cannot be")
	}
}
