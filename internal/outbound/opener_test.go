package outbound

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/errortest"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/ams"
)

// began is the time of the attempts.
var began = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// opener returns an Opener that opens destinations.
func opener(t testing.TB, change ...func(*Options)) *Opener {
	opts := Options{Providers: []provider.Provider{ams.Provider{}}, Env: provider.Env{Now: time.Now},
		Logger:    slog.New(slog.DiscardHandler),
		PublicURL: "https://hooks.example.com/"}
	for _, f := range change {
		f(&opts)
	}
	if opts.Client == nil {
		opts.Client = egress.New(egress.Config{})
		t.Cleanup(opts.Client.Close)
	}
	return New(opts)
}

// TestCheck: faults are reported with paths as in the JSON that was sent, and without repeating secrets.
func TestCheck(t *testing.T) {
	const url = "https://example.com/hooks"
	for _, c := range []struct {
		name string
		d    bellhop.Destination
		want []string
	}{
		{"standard", bellhop.Destination{Type: "http", URL: url, Settings: []byte(`{"secret":"` + oldSecret + `"}`)},
			nil},
		{"raw, without settings of its own", bellhop.Destination{Type: "http", URL: url,
			Settings: []byte(`{"format":"raw"}`)}, nil},
		{"no secret", bellhop.Destination{Type: "http", URL: url}, []string{"settings.secret"}},
		{"no secret, by name", bellhop.Destination{Type: "http", URL: url,
			Settings: []byte(`{"format":"standard","secret":[]}`)}, []string{"settings.secret"}},
		{"a key of an API", bellhop.Destination{Type: "http", URL: url,
			Settings: []byte(`{"secret":"sk_live_c2VjcmV0"}`)},
			[]string{"settings.secret"}},
		{"not a secret", bellhop.Destination{Type: "http", URL: url, Settings: []byte(`{"secret":"s3cret words"}`)},
			[]string{"settings.secret"}},
		{"a public key", bellhop.Destination{Type: "http", URL: url,
			Settings: []byte(`{"secret":"whpk_MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbL"}`)},
			[]string{"settings.secret"}},
		{"one of two", bellhop.Destination{Type: "http", URL: url,
			Settings: []byte(`{"secret":["` + oldSecret + `","s3cret!"]}`)}, []string{"settings.secret[1]"}},
		{"an empty one of two", bellhop.Destination{Type: "http", URL: url,
			Settings: []byte(`{"secret":["` + oldSecret + `",""]}`)}, []string{"settings.secret[1]"}},
		{"too many secrets", bellhop.Destination{Type: "http", URL: url,
			Settings: []byte(`{"secret":["a","b","c","d","e"]}`)}, []string{"settings.secret"}},
		{"a bad secret, though it is not required", bellhop.Destination{Type: "http", URL: url,
			Settings: []byte(`{"format":"raw","secret":"s3cret!"}`)}, []string{"settings.secret"}},
		{"a secret of another kind", bellhop.Destination{Type: "http", URL: url, Settings: []byte(`{"secret":5}`)},
			[]string{"settings.secret"}},
		{"format", bellhop.Destination{Type: "http", URL: url, Settings: []byte(`{"format":"xml"}`)},
			[]string{"settings.format"}},
		{"headers", bellhop.Destination{Type: "http", URL: url,
			Settings: []byte(
				`{"format":"raw","headers":{"Host":"a","X-Ok":"b","webhook-id":"c","X Y":"d","X-Line":"e\nf"}}`)},
			[]string{"settings.headers.Host", "settings.headers.X Y", "settings.headers.X-Line",
				"settings.headers.webhook-id"}},
		{"a header twice", bellhop.Destination{Type: "http", URL: url,
			Settings: []byte(`{"format":"raw","headers":{"X-A":"a","x-a":"b"}}`)}, []string{"settings.headers.x-a"}},
		{"unknown settings", bellhop.Destination{Type: "http", URL: url,
			Settings: []byte(`{"format":"raw","url":"x","Format":"raw"}`)},
			[]string{"settings.Format", "settings.url"}},
		{"settings that are none", bellhop.Destination{Type: "http", URL: url, Settings: []byte(`[]`)},
			[]string{"settings"}},
		{"URL", bellhop.Destination{Type: "http", URL: "ftp://example.com", Settings: []byte(`{"format":"raw"}`)},
			[]string{"url"}},
		{"a private address", bellhop.Destination{Type: "http", URL: "http://10.0.0.1/",
			Settings: []byte(`{"format":"raw"}`)}, []string{"url"}},
		{"match", bellhop.Destination{Type: "http", URL: url, Settings: []byte(`{"format":"raw"}`),
			Match: bellhop.Match{Types: []string{"a", ""}, Where: "1"}}, []string{"match.types[1]", "match.where"}},
		{"a provider's dialect", bellhop.Destination{Type: "ams", URL: url,
			Settings: []byte(`{"signing_key":"` + amsKey + `"}`)}, nil},
		{"a provider's settings", bellhop.Destination{Type: "ams", URL: url,
			Settings: []byte(`{"signing_key":"s3cret!"}`)}, []string{"settings.signing_key"}},
		{"type", bellhop.Destination{Type: "carrier-pigeon", URL: url}, []string{"type"}},
		{"all at once", bellhop.Destination{Type: "http", Settings: []byte(`{"format":"xml"}`),
			Match: bellhop.Match{Where: "("}}, []string{"url", "match.where", "settings.format"}},
		{"all at once, of another type", bellhop.Destination{Type: "x", Match: bellhop.Match{Where: "("}},
			[]string{"url", "match.where", "type"}},
	} {
		err := opener(t).Check(c.d)
		var got []string
		if err != nil {
			got = errortest.InvalidPaths(t, err)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: repeats the secret: %v", c.name, err)
		}
	}
	if err := opener(t).Check(bellhop.Destination{Type: "x", URL: url}); !strings.Contains(err.Error(), "ams, http") {
		t.Errorf("does not say which types there are: %v", err)
	}
}
