package all_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// TestConnectors shows that each connector describes exactly the settings that it reads, and that a provider and its
// connector have the same name.
func TestConnectors(t *testing.T) {
	t.Parallel()
	var names []string
	for _, c := range all.Connectors() {
		info := c.ConnectorInfo()
		names = append(names, info.Name)
		p, ok := c.(provider.Provider)
		if ok && p.Info().Name != info.Name {
			t.Errorf("the connector of provider %s is called %s", p.Info().Name, info.Name)
		}
		if info.Title == "" || info.Summary == "" || len(info.Links) == 0 || len(info.Setup) == 0 {
			t.Errorf("%s: its description lacks something: %+v", info.Name, info)
		}
		var described []string
		for _, s := range info.Settings {
			described = append(described, s.Name)
			if s.Doc == "" || s.Title == "" || s.Example == "" {
				t.Errorf("%s: setting %s lacks a title, a text or an example", info.Name, s.Name)
			}
		}
		for _, a := range info.Addresses {
			if !slices.Contains(described, a) {
				t.Errorf("%s: there is no setting %s", info.Name, a)
			}
		}
		_, err := c.OpenConnection(provider.Env{Now: time.Now}, json.RawMessage(`{"no_such_setting":1}`))
		var invalid *bellhop.Error
		if !errors.As(err, &invalid) {
			t.Fatalf("%s: %v", info.Name, err)
		}
		for _, f := range invalid.Fields {
			known, ok := strings.CutPrefix(f.Message, "unknown setting; there are ")
			if ok && !equalSets(strings.Split(known, ", "), described) {
				t.Errorf("%s reads the settings %s, and describes %q", info.Name, known, described)
			}
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("%q is not in order", names)
	}
}

func equalSets(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// TestOpenConnection shows what the connectors without Microsoft Entra refuse.
func TestOpenConnection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ connector, settings, want string }{
		{"acs", `{"endpoint":"https://x.example","access_key":"a2V5"}`, ""},
		{"acs", `{"endpoint":"https://x.example","access_key":["a2V5","b2xk"]}`, ""},
		{"acs", `{"endpoint":"x.example","access_key":"no Base64!"}`, "endpoint access_key"},
		{"acs", `{}`, "endpoint access_key"},
		{"oauth2", `{"api_url":"https://x","issuer":"https://id","client_id":"me"}`, ""},
		{"oauth2",
			`{"api_url":"https://x","token_url":"https://id/t","client_id":"me","client_secret":"ssh","auth":"basic"}`,
			""},
		{"oauth2", `{"api_url":"https://x","client_id":"me"}`, "issuer"},
		{"oauth2", `{}`, "api_url issuer client_id"},
		{"oauth2", `{"api_url":"https://x","issuer":"id","token_url":"ftp://t","client_id":"me"}`, "issuer " +
			"token_url"},
		{"oauth2", `{"api_url":"https://x","issuer":"https://id","client_id":"me","grant":"client_credentials"}`,
			"client_secret"},
		{"oauth2", `{"api_url":"https://x","issuer":"https://id","client_id":"me","auth":"mtls","grant":"x"}`,
			"auth grant"},
		{"oauth2", `{"api_url":"https://x","issuer":"https://id","client_id":"me","scopes":["a b"],"test_path":"me"}`,
			"test_path scopes"},
	} {
		i := slices.IndexFunc(
			all.Connectors(),
			func(k provider.Connector) bool { return k.ConnectorInfo().Name == c.connector },
		)
		_, err := all.Connectors()[i].OpenConnection(provider.Env{Now: time.Now}, json.RawMessage(c.settings))
		var paths []string
		var invalid *bellhop.Error
		if errors.As(err, &invalid) {
			for _, f := range invalid.Fields {
				paths = append(paths, f.Path)
			}
		} else if err != nil {
			t.Errorf("%s %s: %v", c.connector, c.settings, err)
		}
		if got := strings.Join(paths, " "); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.connector, c.settings, got, c.want)
		}
	}
}
