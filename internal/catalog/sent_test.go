package catalog

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// dialect is a provider that sends the secret shared and signs with the secret key.
type dialect struct{ provider.Provider }

func (dialect) Info() provider.Info {
	settings := []provider.Setting{{Name: "shared", Secret: true}, {Name: "key", Secret: true, Signs: true},
		{Name: "id"}}
	return provider.Info{Name: "dialect", Settings: settings, SendSettings: settings}
}

// patched is the change that a merge patch of the members url, settings and access asks for.
func patched(t *testing.T, c *Catalog, patch string) func(bellhop.Destination) (DestinationChange, error) {
	return func(before bellhop.Destination) (to DestinationChange, err error) {
		var changes map[string]any
		if err := json.Unmarshal([]byte(patch), &changes); err != nil {
			t.Fatal(err)
		}
		to.KeepSecrets = changes["keep_secrets"] == true
		to.Given = c.KeepDestinationSecrets(before, changes)
		merge := func(before json.RawMessage, name string) json.RawMessage {
			var object any
			json.Unmarshal(before, &object) // nil if there is none
			if change, ok := changes[name]; ok {
				object = MergePatch(object, change)
			}
			merged, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			return merged
		}
		to.After = before
		if url, ok := changes["url"].(string); ok {
			to.After.URL = url
		}
		to.After.Settings, to.After.Access = merge(before.Settings, "settings"), merge(before.Access, "access")
		return to, nil
	}
}

// TestMove: a change that would send stored secrets to another origin is refused, and names them.
func TestMove(t *testing.T) {
	const (
		basic   = `{"username":"me","password":"hunter2"}`
		oauth   = `{"token_url":"https://id.example/t","client_id":"me","client_secret":"hunter2"}`
		proxied = `{"proxy":"http://p.example:3128","proxy_username":"me","proxy_password":"hunter2"}`
		moved   = `"url":"https://b.example/in"`
	)
	for _, c := range []struct {
		kind, url, settings, access string // of the destination; "" is http, https://a.example/in, and nothing
		patch                       string
		refused                     string // "path: secrets"; "" if the change is made
	}{
		// what is another origin
		{access: basic, patch: `{"url":"https://b.example/in"}`, refused: "url: access.password"},
		{access: basic, patch: `{"url":"http://a.example/in"}`, refused: "url: access.password"},
		{access: basic, patch: `{"url":"https://a.example:444/in"}`, refused: "url: access.password"},
		{access: basic, patch: `{"url":"https://a.example.org/in"}`, refused: "url: access.password"},
		{access: basic, patch: `{"url":"https://A.example:443/other?x=1"}`},
		{access: basic, patch: `{"url":"https://me@b.example"}`, refused: "url: access.password"},
		{access: basic, url: "https://[2001:db8::1]/", patch: `{"url":"https://[2001:db8::2]/"}`,
			refused: "url: access.password"},
		{access: basic, patch: `{"settings":{"format":"raw"}}`},
		// what is sent to url
		{patch: `{` + moved + `}`},
		{access: `{"token":"hunter2"}`, patch: `{` + moved + `}`, refused: "url: access.token"},
		{access: oauth, patch: `{` + moved + `}`, refused: "url: access.client_secret"},
		{access: proxied, patch: `{` + moved + `}`},
		{access: `{"certificate":"c","private_key":"hunter2"}`, patch: `{` + moved + `}`},
		{access: `{"username":"me","password":""}`, patch: `{` + moved + `}`},
		{settings: `{"format":"standard","secret":"whsec_hunter2"}`, patch: `{` + moved + `}`},
		{settings: `{"headers":{"X-Key":"hunter2","A":"b"}}`, access: basic, patch: `{` + moved + `}`,
			refused: "url: access.password, settings.headers.A, settings.headers.X-Key"},
		{kind: "dialect", settings: `{"key":"hunter2","id":"7"}`, patch: `{` + moved + `}`},
		{kind: "dialect", settings: `{"key":"hunter2","shared":["a","b"]}`, patch: `{` + moved + `}`,
			refused: "url: settings.shared"},
		// what is sent to token_url and to the proxy
		{access: oauth, patch: `{"access":{"token_url":"https://evil.example/t"}}`,
			refused: "access.token_url: access.client_secret"},
		{access: oauth, patch: `{"access":{"token_url":"https://id.example/u"}}`},
		{access: oauth, patch: `{"access":{"token_url":"https://evil.example/t","client_secret":"new"}}`},
		{access: oauth, patch: `{"access":{"token_url":"https://evil.example/t"},` + moved + `}`,
			refused: "url: access.client_secret; access.token_url: access.client_secret"},
		{access: proxied, patch: `{"access":{"proxy":"http://q.example:3128"}}`,
			refused: "access.proxy: access.proxy_password"},
		{access: proxied, patch: `{"access":{"proxy":"http://p.example:3128/"}}`},
		{access: proxied,
			patch: `{"access":{"proxy":"http://q.example:3128","proxy_username":null,"proxy_password":null}}`},
		// what the caller says about the secrets
		{access: basic, patch: `{"keep_secrets":true,` + moved + `}`},
		{access: basic, patch: `{"keep_secrets":false,` + moved + `}`, refused: "url: access.password"},
		{access: basic, patch: `{"access":{"password":"new"},` + moved + `}`},
		{access: basic, patch: `{"access":{"password":"hunter2"},` + moved + `}`},
		{access: basic, patch: `{"access":{"username":"you"},` + moved + `}`, refused: "url: access.password"},
		{access: basic, patch: `{"access":{"password":{"set":true}},` + moved + `}`, refused: "url: access.password"},
		{access: basic, patch: `{"access":null,` + moved + `}`},
		{access: basic, patch: `{"access":{"username":null,"password":null,"token":"new"},` + moved + `}`},
		{settings: `{"headers":{"X-Key":"hunter2","A":"b"}}`, patch: `{"settings":{"headers":{"A":"b"}},` + moved +
			`}`,
			refused: "url: settings.headers.X-Key"},
		{settings: `{"headers":{"X-Key":"hunter2","A":"b"}}`,
			patch: `{"settings":{"headers":{"A":{"set":true},"X-Key":null}},` + moved +
				`}`, refused: "url: settings.headers.A"},
		{settings: `{"headers":{"X-Key":"hunter2"}}`, patch: `{"settings":{"headers":{"X-Key":"new"}},` + moved + `}`},
		{settings: `{"headers":{"X-Key":"hunter2"}}`, patch: `{"settings":{"headers":null},` + moved + `}`},
		{kind: "dialect", settings: `{"shared":"a"}`, patch: `{"settings":{"shared":"a"},` + moved + `}`},
	} {
		if c.kind == "" {
			c.kind = bellhop.TypeHTTP
		}
		if c.url == "" {
			c.url = "https://a.example/in"
		}
		s := &shelf{}
		cat := newCatalog(s, &opener{})
		cat.opts.Providers = []provider.Provider{dialect{}}
		_, err := cat.CreateDestination(t.Context(), bellhop.Destination{Name: "d", Type: c.kind, URL: c.url,
			Settings: json.RawMessage(c.settings), Access: json.RawMessage(c.access)})
		if err != nil {
			t.Fatal(err)
		}
		before := s.d
		_, err = cat.UpdateDestination(t.Context(), "d", patched(t, cat, c.patch))
		var e *bellhop.Error
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s: %v", c.patch, err)
		case c.refused == "":
		case !errors.As(err, &e) || e.Code != bellhop.CodeInvalid:
			t.Errorf("%s of %s%s: %v, want a refusal of %s", c.patch, c.settings, c.access, err, c.refused)
		default:
			var got []string
			for _, f := range e.Fields {
				_, list, _ := strings.Cut(f.Message, "stored secrets: ")
				list, _, _ = strings.Cut(list, ";")
				got = append(got, f.Path+": "+list)
				if strings.Contains(f.Message, "hunter2") || !strings.Contains(f.Message, "keep_secrets") {
					t.Errorf("%s: %s", c.patch, f.Message)
				}
			}
			if strings.Join(got, "; ") != c.refused {
				t.Errorf("%s: %q, want %q", c.patch, got, c.refused)
			}
			if s.d.URL != before.URL || string(s.d.Access) != string(before.Access) {
				t.Errorf("%s: refused, and stored", c.patch)
			}
		}
	}
}
