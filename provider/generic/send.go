package generic

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// sendMethods are the methods of a destination.
var sendMethods = []string{http.MethodPost, http.MethodPut, http.MethodPatch}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(env provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	s, _, err := read(raw, destination)
	if err != nil {
		return nil, err
	}
	if s.Scheme != schemeNone {
		if err := s.Secret.CheckOne("secret"); err != nil {
			return nil, err
		}
	}
	scheme, err := newScheme(s, env.Now)
	method, methodErr := provider.OneOf("method", s.Method, http.MethodPost, sendMethods...)
	err = bellhop.Join("",
		err, methodErr, checkHeader("id_header", s.IDHeader), checkHeader("type_header", s.TypeHeader))
	if err != nil {
		return nil, err
	}
	return &renderer{scheme: scheme, method: method, idHeader: s.IDHeader, typeHeader: s.TypeHeader}, nil
}

type renderer struct {
	scheme     scheme
	method     string
	idHeader   string
	typeHeader string
}

// Render sends the event's body unchanged, with its id and type in the headers that are set.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	h := http.Header{"Content-Type": {provider.SendContentType(ev)}}
	if r.idHeader != "" {
		h.Set(r.idHeader, ev.ID)
	}
	if r.typeHeader != "" && provider.Word(ev.Type) {
		h.Set(r.typeHeader, ev.Type)
	}
	if err := r.scheme.sign(h, ev.Body, ev.ID, at); err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("generic: %w", err)
	}
	return provider.OutboundRequest{Method: r.method, Header: h, Body: ev.Body}, nil
}
