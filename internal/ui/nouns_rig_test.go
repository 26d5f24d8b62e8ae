package ui

import (
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/bellhop-gateway/bellhop/client"
)

// Nouns that a person makes, of the tests.
var (
	testSecret   = map[string]any{"set": true, "set_at": "2026-11-03T10:00:00.000Z"}
	testProvider = client.Provider{Name: "ams", Title: "Azure Media Services",
		Summary: "Signed `notifications` of jobs.",
		Setup:   []string{"Create a *signing key*.", "Use `https://YOUR-HOST/in/SOURCE`, see <https://example.com/>."},
		Settings: []client.Setting{
			{Name: "signing_key", Title: "Signing key", Doc: "The key, in **Base64**.", Kind: "text", Secret: true,
				Required: true,
				Make:     "base64"},
			{Name: "account_id", Title: "Account id", Doc: "The only account.", Kind: "text"},
			{Name: "lenient", Title: "Lenient", Doc: "Also lower case.", Kind: "true or false"},
			{Name: "levels", Title: "Levels", Doc: "One a line.", Kind: "list"},
			{Name: "headers", Title: "Headers", Doc: "Further headers.", Kind: "object"},
			{Name: "limit", Title: "Limit", Doc: "A number.", Kind: "number"},
			{Name: "format", Title: "Format", Doc: "Of the body.", Kind: "text", Choices: []string{"", "raw",
				"standard"}},
			{Name: "rules", Title: "Rules", Doc: "In order.", Kind: "list of objects"},
			{Name: "template", Title: "Template", Doc: "An expression.", Kind: "text or object"},
			{Name: "certificates", Title: "Certificates", Doc: "Keys in PEM.", Kind: "object", Secret: true},
		}, Sends: true}
	testSource = client.Source{ID: "src_1", Name: "media", Provider: "ams", URL: "https://hooks.example.com/in/media",
		URLQuery: "code={query_secret}", Settings: client.Settings{"signing_key": testSecret, "account_id": "acc-1",
			"levels": []any{"critical", "major"}, "headers": map[string]any{"X-Site": "north"}, "unknown": true,
			"certificates": map[string]any{"old": testSecret}},
		MaxBodyBytes: 1 << 20, ExpectEvery: "24h", Tenant: "acme", Reply: &client.Reply{Status: 201}, CreatedAt: at(0),
		UpdatedAt: at(0), Warnings: []string{"signing_key is short"}}
	testDisabled = client.Source{ID: "src_2", Name: "calls", Provider: "gone",
		URL:      "https://hooks.example.com/in/calls",
		Disabled: true, Settings: client.Settings{}, CreatedAt: at(0), UpdatedAt: at(0)}
)

// fillNouns answers the calls about nouns that a person makes.
func (r *rig) fillNouns() {
	for call, value := range map[string]any{
		"GET /providers":     listOf{Data: []client.Provider{testProvider}},
		"GET /sources":       listOf{Data: []client.Source{testSource, testDisabled}},
		"GET /sources/src_1": testSource,
		"GET /sources/src_2": testDisabled,
	} {
		r.api.set(call, value)
	}
}

// nounPaths are pages with what strangers may have stored in these nouns.
var nounPaths = []string{
	"/ui/sources", "/ui/sources/src_1", "/ui/sources/src_1/edit", "/ui/sources/src_1/delete",
}

// fillHostile answers the calls about nouns that a person makes with text in every field.
func (r *rig) fillHostile(text string) {
	list := func(data ...any) []byte { return raw(listOf{Data: data}) }
	source := filled(testSource, text)
	source.URLQuery = testSource.URLQuery // that of the provider, whose description is part of the program too
	source.Settings = hostileSettings(testSource.Settings, text)
	for call, value := range map[string]any{
		"GET /providers":     list(testProvider),
		"GET /sources":       list(source),
		"GET /sources/src_1": raw(source),
	} {
		r.api.set(call, value)
	}
}

// hostileSettings returns settings with text in place of each text, and in place of the name of a member.
func hostileSettings(settings client.Settings, text string) client.Settings {
	hostile := client.Settings{"zz" + text: text}
	for name, value := range settings {
		switch value := value.(type) {
		case string:
			hostile[name] = text
		case []any:
			hostile[name] = []any{text, "plain"}
		default:
			hostile[name] = value
		}
	}
	return hostile
}

// httpForm is a request with a form that was read.
func httpForm(values url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/ui/", nil)
	r.PostForm = values
	return r
}
