package stripe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

type sendSettings struct {
	Secret     provider.Secrets `json:"secret"`
	APIVersion string           `json:"api_version"`
	Livemode   bool             `json:"livemode"`
}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(_ provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	if err := s.Secret.Check("secret"); err != nil {
		return nil, err
	}
	r := &renderer{secrets: s.Secret.Bytes(), livemode: s.Livemode}
	if s.APIVersion != "" {
		r.apiVersion = &s.APIVersion
	}
	return r, nil
}

type renderer struct {
	secrets    [][]byte
	apiVersion *string // nil is null
	livemode   bool
}

// Render sends an event that came from Stripe as it is, and any other as a snapshot event, signed for this attempt.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	body, err := r.body(ev)
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("stripe: %w", err)
	}
	value, err := Sign(body, at.Time, r.secrets...)
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("stripe: %w", err)
	}
	return provider.OutboundRequest{Body: body, Header: http.Header{
		"Accept":        {"*/*; q=0.5, application/xml"},
		"Cache-Control": {"no-cache"},
		"Content-Type":  {"application/json; charset=utf-8"},
		SignatureHeader: {value},
	}}, nil
}

func (r *renderer) body(ev *bellhop.Event) ([]byte, error) {
	if strings.HasPrefix(ev.Type, typePrefix) {
		if _, err := parse(ev.Body); err == nil {
			return ev.Body, nil
		}
	}
	return r.newSnapshot(ev)
}
