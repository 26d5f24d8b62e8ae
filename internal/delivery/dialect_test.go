package delivery

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// picky is a provider that judges replies, makes a handshake and has its own filter.
type picky struct{ provider.Provider }

func (picky) Info() provider.Info {
	return provider.Info{Name: "picky", SendSettings: []provider.Setting{}, Handshake: "knock"}
}

func (picky) OpenSender(_ provider.Env, settings json.RawMessage) (provider.Renderer, error) {
	return pickyRenderer{asks: string(settings) == `{"name":"me"}`}, nil
}

type pickyRenderer struct{ asks bool }

func (pickyRenderer) Render(ev *bellhop.Event, _ provider.AttemptInfo) (provider.OutboundRequest, error) {
	if strings.HasPrefix(string(ev.Body), "not this") {
		return provider.OutboundRequest{}, provider.ErrSkip
	}
	return provider.OutboundRequest{Method: "PUT", Header: http.Header{"X-Picky": {"1"}}, Body: ev.Body}, nil
}

func (pickyRenderer) Judge(status int, body []byte) bellhop.Outcome {
	switch string(body) {
	case "delivered":
		return bellhop.OutcomeDelivered
	case "retry":
		return bellhop.OutcomeRetry
	case "give up":
		return bellhop.OutcomeDead
	case "stop":
		return bellhop.OutcomeDisable
	case "panic":
		panic("what is this")
	}
	return ""
}

func (pickyRenderer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	return provider.HandshakeRequest{
		URL:     at.URL + "?knock=1",
		Rate:    5,
		Request: provider.OutboundRequest{Method: "OPTIONS", Header: http.Header{"X-Callback": {at.Callback}}},
		Read: func(status int, h http.Header, body []byte) (provider.HandshakeResult, error) {
			if status != 200 || h.Get("X-Welcome") == "" {
				return provider.HandshakeResult{}, errors.New("no welcome")
			}
			return provider.HandshakeResult{Rate: 2, Pending: string(body) == "later"}, nil
		},
	}, nil
}

func (r pickyRenderer) HandshakeByDefault() bool { return r.asks }

func withPicky(r *rig) { r.providers = append(r.providers, picky{}) }

// TestJudge: if a provider judges replies, its outcome decides, not the status.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		status      int
		body        string
		state       bellhop.DeliveryState
		destination bellhop.DestinationState
		detail      string
	}{
		{500, "delivered", bellhop.DeliveryDelivered, bellhop.DestinationActive, ""},
		{200, "retry", bellhop.DeliveryPending, bellhop.DestinationActive, "answered 200 OK, which is no " +
			"success here"},
		{410, "retry", bellhop.DeliveryPending, bellhop.DestinationActive, "answered 410 Gone"},
		{400, "give up", bellhop.DeliveryDead, bellhop.DestinationActive, "answered 400 Bad Request"},
		{404, "stop", bellhop.DeliveryDead, bellhop.DestinationDisabled, "answered 404 Not Found"},
		{200, "panic", bellhop.DeliveryDelivered, bellhop.DestinationActive, ""},
		{500, "panic", bellhop.DeliveryPending, bellhop.DestinationActive, "answered 500"},
		{200, "anything", bellhop.DeliveryDelivered, bellhop.DestinationActive, ""},
		{410, "anything", bellhop.DeliveryDead, bellhop.DestinationDisabled, "answered 410 Gone"},
		{500, "anything", bellhop.DeliveryPending, bellhop.DestinationActive, "answered 500"},
	} {
		inBubble(t, func(t *testing.T) {
			r := newRig(t, withPicky)
			to := r.network.receiver("to")
			to.will(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				w.Write([]byte(c.body))
			})
			d := r.destination(to, func(d *bellhop.Destination) { d.Type = "picky" })
			r.acceptMany(1)
			synctest.Wait()
			got, err := r.store.Destination(t.Context(), d.ID)
			if dlv := r.only(); err != nil || dlv.State != c.state || !strings.Contains(dlv.Last.Detail, c.detail) ||
				got.State != c.destination {
				t.Errorf("%d %s: %+v, destination %s %v", c.status, c.body, dlv, got.State, err)
			}
		})
	}
}

// TestSkip: a delivery that the destination's own filter excludes is cancelled, without a request.
func TestSkip(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, withPicky)
		to := r.network.receiver("to")
		r.destination(to, func(d *bellhop.Destination) { d.Type = "picky" })
		r.accept(bellhop.Event{Body: []byte("not this one")})
		synctest.Wait()
		if d := r.only(); d.State != bellhop.DeliveryCancelled || d.Last.Error != "skipped" || len(to.got()) != 0 {
			t.Errorf("%+v, %d requests", d, len(to.got()))
		}
		r.wantIdle()
	})
}

// TestHandshake: the handshake goes where the provider says, and the provider reads its reply.
func TestHandshake(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   provider.HandshakeResult
		err    string
	}{
		{"agrees", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Welcome", "1") },
			provider.HandshakeResult{Rate: 2}, ""},
		{"later", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Welcome", "1")
			w.Write([]byte("later"))
		}, provider.HandshakeResult{Rate: 2, Pending: true}, ""},
		{"refuses", status(200), provider.HandshakeResult{}, "the receiver did not agree: no welcome"},
		{"redirects", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://10.0.0.1/hooks")
			w.WriteHeader(302)
		}, provider.HandshakeResult{}, "the receiver did not agree: no welcome"},
		{"hangs", hang, provider.HandshakeResult{}, "the receiver did not answer within 5s"},
		{"breaks off", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
			provider.HandshakeResult{}, "the receiver could not be asked: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t, withPicky)
				to := r.network.receiver("to")
				to.will(c.answer)
				d := bellhop.Destination{Type: "picky", URL: to.url(), Handshake: "knock"}
				if !d.NeedsHandshake() {
					t.Error("does not ask")
				}
				start := time.Now()
				asked := bellhop.Rate{}
				got, err := r.opener.Handshake(t.Context(), d, "https://hooks.example.com/agree/x",
					func(rate bellhop.Rate) error {
						if asked = rate; len(to.got()) > 0 {
							t.Error("told too late")
						}
						return nil
					})
				if asked != bellhop.PerSecond(5) {
					t.Errorf("asks for %+v", asked)
				}
				if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.HasPrefix(err.Error(), c.err)) {
					t.Errorf("got %v, want %q", err, c.err)
				}
				if err == nil && got != c.want {
					t.Errorf("got %+v", got)
				}
				if passed := time.Since(start); passed > 5*time.Second {
					t.Errorf("took %v", passed)
				}
				calls := to.got()
				if len(calls) != 1 || calls[0].method != "OPTIONS" ||
					calls[0].header.Get("X-Callback") != "https://hooks.example.com/agree/x" {
					t.Errorf("asked %+v", calls)
				}
			})
		})
	}
}
