package cloudevents

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

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
