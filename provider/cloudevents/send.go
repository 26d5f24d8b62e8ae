package cloudevents

import (
	"encoding/json"

	"github.com/bellhop-gateway/bellhop"
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
