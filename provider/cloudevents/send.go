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

var modes = []string{modeBinary, modeStructured, modeBatch}

// OpenSender implements [provider.Sender]. Only in batch mode is the Renderer a [provider.Batcher].
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
	_, err := provider.OneOf("mode", s.Mode, modeStructured, modes...)
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
		errs = append(errs, bellhop.Invalid("source", "use a URI or a part of one, such as "+
			"https://hooks.example.com/media"))
	}
	return bellhop.Join("", append(errs, checkRate("rate", s.Rate))...)
}

// maxSource is the longest source that a destination may have, in bytes.
const maxSource = 1024

// A renderer renders the events for a destination.
type renderer struct {
	binary bool   // render events that are not CloudEvents in binary mode, else in structured mode
	token  string // "" is none
	origin string // "" is none
	source string // "" is "/in/" and the event's source
	rate   int    // requests a minute to request in the handshake; 0 requests none
}

// Render sends a CloudEvent in the mode in which it came, with its bytes unchanged, and any other event in the mode
// of the destination. An event without data is sent in structured mode, since a body must not be empty.
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

// content returns ev as a CloudEvent.
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
	return newContent(ev, source), nil
}

// The content types of JSON requests.
const (
	jsonType  = MediaType + "; charset=utf-8"
	batchType = BatchMediaType + "; charset=utf-8"
)

func (r *renderer) request(at provider.AttemptInfo, contentType string, body []byte) provider.OutboundRequest {
	h := http.Header{"Content-Type": {contentType}}
	if r.token != "" {
		h["Authorization"] = []string{bearer + r.token}
	}
	if r.origin != "" { // Origin for version 1.0 of the specification, the other for later versions
		h["Origin"] = []string{r.origin}
		h[RequestOriginHeader] = []string{r.origin}
	}
	if len(provider.Query(at.URL, queryToken)) > 0 {
		h["Cache-Control"] = []string{"no-store"}
	}
	return provider.OutboundRequest{Header: h, Body: body}
}

// A batcher is the renderer of a destination in batch mode.
type batcher struct{ *renderer }

var _ provider.Batcher = (*batcher)(nil)

// Render returns a batch of one event.
func (b *batcher) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	return b.RenderBatch([]*bellhop.Event{ev}, at)
}

// RenderBatch returns a JSON array. Events that came as JSON keep their bytes, and all others are encoded.
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

// Handshake asks with the settings' origin for permission to deliver. It sends no token, since the receiver has not
// accepted yet.
func (r *renderer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	if r.origin == "" {
		return provider.HandshakeRequest{}, errors.New("settings.origin: required for the handshake, which asks for " +
			"permission for this origin")
	}
	h := http.Header{RequestOriginHeader: {r.origin}}
	if r.rate > 0 {
		h[RequestRateHeader] = []string{strconv.Itoa(r.rate)}
	}
	if at.Callback != "" {
		h[RequestCallbackHeader] = []string{at.Callback}
	}
	read := func(status int, h http.Header, _ []byte) (provider.HandshakeResult, error) {
		result, err := readHandshakeReply(status, h, r.origin, r.rate)
		if err != nil && at.Callback != "" && mayAgreeLater(status, h) {
			return provider.HandshakeResult{Pending: true, Reason: err.Error()}, nil
		}
		return result, err
	}
	return provider.HandshakeRequest{
		Request: provider.OutboundRequest{Method: http.MethodOptions, Header: h},
		Rate:    float64(r.rate) / 60,
		Read:    read,
	}, nil
}

// HandshakeByDefault implements [provider.Handshaker]: the handshake is made if there is an origin to make it with.
func (r *renderer) HandshakeByDefault() bool { return r.origin != "" }

// mayAgreeLater reports whether the receiver, or its administrator by hand, may still call the callback. That is so
// if the answer does not mention permission. A temporary failure is not such an answer: the handshake is repeated
// then.
func mayAgreeLater(status int, h http.Header) bool {
	silent := len(h.Values(AllowedOriginHeader)) == 0 && len(h.Values(AllowedRateHeader)) == 0
	return silent && status < 500 && status != http.StatusTooManyRequests
}

// readHandshakeReply reads the answer to a handshake. Only the header gives permission, since many servers answer
// every OPTIONS request with 200. requested is the requested rate; 0 is none.
func readHandshakeReply(status int, h http.Header, origin string, requested int) (provider.HandshakeResult, error) {
	allowed := h.Values(AllowedOriginHeader)
	switch {
	case status < 200 || status > 299:
		return provider.HandshakeResult{}, fmt.Errorf("answered with status %d", status)
	case len(allowed) == 0:
		return provider.HandshakeResult{}, errors.New("answered without WebHook-Allowed-Origin, which is " +
			"required for permission")
	case len(allowed) > 1 || allowed[0] != "*" && !strictjson.EqualFold(allowed[0], origin):
		return provider.HandshakeResult{}, errors.New("answered with a WebHook-Allowed-Origin that is not " +
			"settings.origin")
	}
	rate, given, err := provider.AllowedRate(h)
	if err != nil {
		return provider.HandshakeResult{}, fmt.Errorf("answered with an invalid rate: %w", err)
	}
	if !given { // the requested rate is allowed
		rate = requested
	}
	return provider.HandshakeResult{Rate: float64(rate) / 60}, nil
}
