package generic

import (
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

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
