package catalog

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// TestDestinationWarnings: what is sent over plain http to another machine is named, and so is each weak setting once.
func TestDestinationWarnings(t *testing.T) {
	const (
		basic = `{"username":"me","password":"hunter2"}`
		plain = " is plain http, so others on the way can read "
	)
	for _, c := range []struct {
		url, settings, access string
		known                 []string // from the type
		want                  []string // without the remedy
	}{
		{url: "https://a.example", settings: `{"headers":{"A":"b"}}`, access: basic},
		{url: "http://a.example"},
		{url: "http://a.example", access: basic, want: []string{"url" + plain + "access.password"}},
		{url: "HTTP://10.0.0.1:80/", access: `{"token":"hunter2"}`, want: []string{"url" + plain + "access.token"}},
		{url: "http://a.example", settings: `{"headers":{"B":"hunter2","A":"b"}}`,
			want: []string{"url" + plain + "settings.headers.A, settings.headers.B"}},
		{url: "http://a.example?code=hunter2", want: []string{"url" + plain + "the secret in the URL"}},
		{url: "http://127.0.0.1:9", access: basic}, {url: "http://localhost", access: basic},
		{url: "http://[::1]", access: basic}, {url: "http://localhost.example", access: basic,
			want: []string{"url" + plain + "access.password"}},
		{url: "https://a.example",
			access: `{"token_url":"http://id.example/t","client_id":"me","client_secret":"hunter2"}`,
			want:   []string{"access.token_url" + plain + "access.client_secret"}},
		{url: "https://a.example",
			access: `{"token_url":"http://127.0.0.1/t","client_id":"me","client_secret":"hunter2"}`},
		{url: "https://a.example",
			access: `{"proxy":"http://p.example","proxy_username":"me","proxy_password":"hunter2"}`,
			want:   []string{"access.proxy" + plain + "access.proxy_password"}},
		{url: "https://a.example", access: `{"proxy":"http://p.example"}`},
		{url: "http://a.example", settings: `{"secret":"whsec_hunter2hunter2"}`},
		{url: "https://a.example", settings: `{"secret":"hunter2"}`,
			want: []string{"settings.secret has fewer than 16 characters, so it may be guessed"}},
		{url: "https://a.example", settings: `{"secret":"hunter2"}`, known: []string{"secret is weak; change it"},
			want: []string{"settings.secret is weak"}},
	} {
		d := bellhop.Destination{Type: bellhop.TypeHTTP, URL: c.url, Settings: json.RawMessage(c.settings),
			Access: json.RawMessage(c.access)}
		got := newCatalog(&shelf{}, &opener{warnings: c.known}).DestinationWarnings(d)
		if strings.Contains(strings.Join(got, " "), "hunter2") {
			t.Errorf("%s: a warning repeats a secret: %q", c.url, got)
		}
		wantWarnings(t, c.url+" "+c.settings+c.access, got, c.want)
	}
}

// wantWarnings checks warnings without what follows the semicolon in each, which is the remedy.
func wantWarnings(t *testing.T, of string, got, want []string) {
	t.Helper()
	var said []string
	for _, w := range got {
		text, remedy, _ := strings.Cut(w, "; ")
		if remedy == "" {
			t.Errorf("%s: no remedy in %q", of, w)
		}
		said = append(said, text)
	}
	if !slices.Equal(said, want) {
		t.Errorf("%s: %q, want %q", of, said, want)
	}
}

// lax is a provider whose receiver warns.
type lax struct{ dialect }

func (lax) Info() provider.Info {
	info := dialect{}.Info()
	info.Name = "lax"
	return info
}

func (lax) Open(provider.Env, json.RawMessage) (provider.Receiver, error) { return warner{}, nil }

type warner struct{ provider.Receiver }

func (warner) Warnings() []string { return []string{"key is old; rotate it"} }

func (dialect) Open(provider.Env, json.RawMessage) (provider.Receiver, error) { return nil, nil }

// TestSourceWarnings: a source is warned about by its provider, about short secrets and if anybody may send to it.
func TestSourceWarnings(t *testing.T) {
	const short = " has fewer than 16 characters, so it may be guessed"
	c := newCatalog(&shelf{}, &opener{})
	c.opts.Providers = []provider.Provider{dialect{}, lax{}}
	for _, x := range []struct {
		kind, settings string
		want           []string
	}{
		{"dialect", `{"key":"0123456789abcdef","id":"7"}`, nil},
		{"dialect", `{"key":["0123456789abcdef","hunter2"],"shared":"x"}`,
			[]string{"settings.key" + short, "settings.shared" + short}},
		{"dialect", `{"unauthenticated":true}`,
			[]string{"settings.unauthenticated accepts events from everyone who knows the URL"}},
		{"dialect", `{"unauthenticated":false}`, nil},
		{"lax", `{"key":"x","shared":"x"}`, []string{"settings.key is old", "settings.shared" + short}},
		{"gone", `{"id":"x"}`, []string{"settings.id" + short}},
	} {
		got := c.SourceWarnings(bellhop.Source{Provider: x.kind, Settings: json.RawMessage(x.settings)})
		wantWarnings(t, x.kind+" "+x.settings, got, x.want)
	}
}
