package outbound

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// knocker is a provider whose receivers have to agree to a handshake called knock.
type knocker struct{ provider.Provider }

func (knocker) Info() provider.Info {
	return provider.Info{Name: "knocker", SendSettings: []provider.Setting{}, Handshake: "knock"}
}

func (knocker) OpenSender(_ provider.Env, settings json.RawMessage) (provider.Renderer, error) {
	return knockRenderer{byDefault: string(settings) == `{"name":"me"}`}, nil
}

type knockRenderer struct{ byDefault bool }

func (knockRenderer) Render(ev *bellhop.Event, _ provider.AttemptInfo) (provider.OutboundRequest, error) {
	return provider.OutboundRequest{Body: ev.Body}, nil
}

func (knockRenderer) Handshake(provider.AttemptInfo) (provider.HandshakeRequest, error) {
	return provider.HandshakeRequest{}, nil
}

func (r knockRenderer) HandshakeByDefault() bool { return r.byDefault }

func withKnocker(opts *Options) { opts.Providers = append(opts.Providers, knocker{}) }

// TestDefaultHandshake: whether a type makes a handshake by default may depend on its settings.
func TestDefaultHandshake(t *testing.T) {
	o := opener(t, withKnocker)
	for _, c := range []struct{ kind, settings, want string }{
		{"knocker", `{}`, "none"}, {"knocker", `{"name":"me"}`, "knock"}, {"http", `{}`, "none"}, {"ams", `{"odd":1}`,
			"none"}, {"nobody", `{}`, "none"},
	} {
		if got := o.DefaultHandshake(bellhop.Destination{Type: c.kind, Settings: []byte(c.settings)}); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestHandshakeSetting: a destination names its type's handshake, or none.
func TestHandshakeSetting(t *testing.T) {
	o := opener(t, withKnocker)
	for _, c := range []struct{ kind, handshake, path string }{
		{"knocker", "", ""}, {"knocker", "none", ""}, {"knocker", "knock", ""}, {"knocker", "eventgrid", "handshake"},
		{"http", "", ""}, {"http", "none", ""}, {"http", "knock", "handshake"},
	} {
		err := o.Check(bellhop.Destination{Type: c.kind, URL: "https://x.example.com", Handshake: c.handshake,
			Settings: []byte(map[string]string{"http": `{"format":"raw"}`, "knocker": `{}`}[c.kind])})
		if (err == nil) != (c.path == "") || err != nil && !strings.HasPrefix(err.Error(), c.path+": ") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestBatchSettings: a batch is for formats and types that know batches.
func TestBatchSettings(t *testing.T) {
	o := opener(t, withKnocker)
	for _, c := range []struct {
		kind, settings string
		ok             bool
	}{
		{"http", `{"format":"raw"}`, false}, {"http", `{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`,
			false}, {"http", `{"format":"envelope"}`, true}, {"knocker", `{}`, false},
	} {
		err := o.Check(bellhop.Destination{Type: c.kind, URL: "https://x.example.com", Settings: []byte(c.settings),
			Batch: bellhop.Batch{MaxEvents: 2}})
		if (err == nil) != c.ok || err != nil && !strings.HasPrefix(err.Error(), "batch: ") {
			t.Errorf("%s %s: %v", c.kind, c.settings, err)
		}
	}
}
