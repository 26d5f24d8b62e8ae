package cloudevents

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

type sendSettings struct {
	Mode        string           `json:"mode"`
	BearerToken provider.Secrets `json:"bearer_token"`
	Origin      string           `json:"origin"`
	Source      string           `json:"source"`
	Rate        int              `json:"rate"`
}

// The modes of a destination.
const (
	modeBinary     = "binary"
	modeStructured = "structured"
	modeBatch      = "batch"
)

// OpenSender implements [provider.Sender]. In batch mode, and in no other, the Renderer is a [provider.Batcher].
func (Provider) OpenSender(_ provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	r := &renderer{binary: s.Mode == modeBinary, origin: s.Origin, source: s.Source, rate: s.Rate}
	if s.BearerToken != nil {
		r.token = s.BearerToken[0]
	}
	if s.Mode == modeBatch {
		return &batcher{r}, nil
	}
	return r, nil
}

func (s *sendSettings) check() error {
	_, err := provider.OneOf("mode", s.Mode, modeStructured, modeBinary, modeStructured, modeBatch)
	errs := []error{err}
	if len(s.BearerToken) > 1 {
		errs = append(errs, bellhop.Invalid("bearer_token", "a destination sends one token"))
	} else if s.BearerToken != nil {
		errs = append(errs, checkTokens(s.BearerToken))
	}
	if s.Origin != "" {
		errs = append(errs, checkOriginName("origin", s.Origin))
	}
	if !provider.Visible(s.Source) || len(s.Source) > maxSource {
		errs = append(errs, bellhop.Invalid("source", "use a URI or a part of one, such as https://hooks.example.com/media"))
	}
	return bellhop.Join("", append(errs, checkRate("rate", s.Rate))...)
}

// maxSource bounds the source that a destination names.
const maxSource = 1024

// A renderer writes what a destination is sent.
type renderer struct {
	binary bool   // the mode for what has none yet; else structured
	token  string // "" is none
	origin string // "" is none
	source string // "" is one for each of our sources
	rate   int    // to ask for; 0 is any
}

// Render sends a CloudEvent in the mode it came in, its bytes as they are, and anything else in the destination's.
// What has no data is sent structured, for a body must not be empty.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	c, err := r.content(ev)
	if err != nil {
		return provider.OutboundRequest{}, err
	}
	if c.canBeBinary() && (c.binary || r.binary) {
		m := r.request(at, c.contentType, c.data)
		c.setHeaders(m.Header)
		return m, nil
	}
	return r.request(at, jsonType, c.appendJSON(nil)), nil
}

// content returns what is to be said of ev.
func (r *renderer) content(ev *bellhop.Event) (content, error) {
	if c, ok := receivedBinary(ev); ok {
		return c, nil
	}
	if c, ok := receivedJSON(ev); ok {
		return c, nil
	}
	if ev.ID == "" {
		return content{}, errors.New("cloudevents: the event has no id")
	}
	source := r.source
	if source == "" {
		source = "/in/" + ev.Source
	}
	return described(ev, source), nil
}

// The Content-Types of what is sent as JSON.
const (
	jsonType  = MediaType + "; charset=utf-8"
	batchType = BatchMediaType + "; charset=utf-8"
)

func (r *renderer) request(at provider.AttemptInfo, contentType string, body []byte) provider.OutboundRequest {
	h := http.Header{"Content-Type": {contentType}}
	if r.token != "" {
		h["Authorization"] = []string{bearer + r.token}
	}
	if r.origin != "" { // under the name of version 1.0, and that of those after it
		h["Origin"] = []string{r.origin}
		h[RequestOriginHeader] = []string{r.origin}
	}
	if len(provider.Query(at.URL, queryToken)) > 0 {
		h["Cache-Control"] = []string{"no-store"}
	}
	return provider.OutboundRequest{Header: h, Body: body}
}

// batcher is a renderer whose receiver takes batches.
type batcher struct{ *renderer }

var _ provider.Batcher = (*batcher)(nil)

// Render sends a batch of one.
func (b *batcher) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	return b.RenderBatch([]*bellhop.Event{ev}, at)
}

// RenderBatch sends a JSON array, in which what came as JSON keeps its bytes and all else is written anew.
func (b *batcher) RenderBatch(events []*bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	body := []byte{'['}
	for i, ev := range events {
		c, err := b.content(ev)
		if err != nil {
			return provider.OutboundRequest{}, err
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = c.appendJSON(body)
	}
	return b.request(at, batchType, append(body, ']')), nil
}

var _ provider.Handshaker = (*renderer)(nil)

// Handshake asks under the settings' origin whether deliveries are welcome. No token goes along: nobody has agreed yet.
func (r *renderer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	if r.origin == "" {
		return provider.HandshakeRequest{}, errors.New("settings.origin: required for the handshake; it is the name to ask under")
	}
	h := http.Header{RequestOriginHeader: {r.origin}}
	if r.rate > 0 {
		h[RequestRateHeader] = []string{strconv.Itoa(r.rate)}
	}
	if at.Callback != "" {
		h[RequestCallbackHeader] = []string{at.Callback}
	}
	read := func(status int, h http.Header, _ []byte) (provider.HandshakeResult, error) {
		agreed, err := readConsent(status, h, r.origin, r.rate)
		if err != nil && at.Callback != "" && mayAgreeLater(status, h) {
			return provider.HandshakeResult{Pending: true, Reason: err.Error()}, nil
		}
		return agreed, err
	}
	return provider.HandshakeRequest{Request: provider.OutboundRequest{Method: http.MethodOptions, Header: h}, Rate: float64(r.rate) / 60, Read: read}, nil
}

// HandshakeByDefault implements [provider.Handshaker]: who has a name to ask under asks.
func (r *renderer) HandshakeByDefault() bool { return r.origin != "" }

// mayAgreeLater reports whether an answer leaves room for a call, which whoever looks after the receiver may make by
// hand: it says nothing of consent. One that says that it cannot answer now is to be asked again.
func mayAgreeLater(status int, h http.Header) bool {
	silent := len(h.Values(AllowedOriginHeader)) == 0 && len(h.Values(AllowedRateHeader)) == 0
	return silent && status < 500 && status != http.StatusTooManyRequests
}

// readConsent looks for consent where alone it can be, in the header: a status is what any server gives to OPTIONS.
// asked is the rate that was asked for; 0 is none.
func readConsent(status int, h http.Header, origin string, asked int) (provider.HandshakeResult, error) {
	allowed := h.Values(AllowedOriginHeader)
	switch {
	case status < 200 || status > 299:
		return provider.HandshakeResult{}, fmt.Errorf("answered with status %d", status)
	case len(allowed) == 0:
		return provider.HandshakeResult{}, errors.New("answered without WebHook-Allowed-Origin, which alone is consent")
	case len(allowed) > 1 || allowed[0] != "*" && !strictjson.EqualFold(allowed[0], origin):
		return provider.HandshakeResult{}, errors.New("answered with a WebHook-Allowed-Origin that is not settings.origin")
	}
	rate, given, err := provider.AllowedRate(h)
	if err != nil {
		return provider.HandshakeResult{}, fmt.Errorf("answered with a wrong rate: %w", err)
	}
	if !given { // then what was asked for is allowed
		rate = asked
	}
	return provider.HandshakeResult{Rate: float64(rate) / 60}, nil
}
