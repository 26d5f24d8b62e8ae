package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// A renderer sends to one subscription's notificationUrl.
type renderer struct {
	env          provider.Env
	state        []byte // the client state, as JSON
	subscription string // of events of other systems
	tenant       string // of the same
	rich         *rich  // nil sends no content
}

var (
	_ provider.Batcher    = (*renderer)(nil)
	_ provider.Handshaker = (*renderer)(nil)
)

// Handshake asks the receiver for consent, as Graph does when a subscription is made.
func (r *renderer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	g, err := microsoft.EchoHandshake(r.env, at, parameter)
	if err != nil {
		return g, fmt.Errorf("graph: %w", err)
	}
	g.Request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	return g, nil
}

// HandshakeByDefault implements [provider.Handshaker]: receivers of what is sent like Graph's need not know its handshake.
func (*renderer) HandshakeByDefault() bool { return false }

// Render sends ev in a batch of one.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	return r.RenderBatch([]*bellhop.Event{ev}, at)
}

// RenderBatch sends events that came from Graph as they are, but for the client state, which is the destination's, and
// for content that was decrypted, which is encrypted for the destination's certificate. Any other event becomes the
// notification of a change.
func (r *renderer) RenderBatch(events []*bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	var tenants []string // of rich items
	items, err := strictjson.JoinItems(events, func(ev *bellhop.Event) ([]byte, error) {
		it, err := r.item(ev, at)
		if err == nil && it.sealed != nil && !slices.Contains(tenants, it.tenant) {
			tenants = append(tenants, it.tenant)
		}
		return it.body, err
	})
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("graph: %w", err)
	}
	body := append([]byte(`{"value":`), items...)
	if tenants != nil {
		tokens, err := r.tokens(tenants, at.Time)
		if err != nil {
			return provider.OutboundRequest{}, fmt.Errorf("graph: %w", err)
		}
		body = append(append(body, `,"validationTokens":`...), tokens...)
	}
	return provider.OutboundRequest{
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Body:   append(body, '}'),
	}, nil
}

// tokens returns validationTokens as JSON, one for each tenant.
func (r *renderer) tokens(tenants []string, at time.Time) ([]byte, error) {
	if r.rich == nil {
		return nil, errors.New("settings.token_key: required to send encryptedContent, which receivers do not take without validation tokens")
	}
	var list []string
	for _, tenant := range tenants {
		token, err := signToken(r.rich.key, r.rich.keyID, tenant, r.rich.audience, r.rich.publisher, at)
		if err != nil {
			return nil, err
		}
		list = append(list, token)
	}
	return json.Marshal(list)
}

// item returns what carries ev.
func (r *renderer) item(ev *bellhop.Event, at provider.AttemptInfo) (item, error) {
	it := readItem(ev.Body)
	if it.err != nil || it.eventType() != ev.Type {
		return r.newItem(ev, at)
	}
	if it.content != nil && it.sealed == nil {
		if err := r.seal(&it); err != nil {
			return it, err
		}
	}
	it.body = r.withState(&it)
	return it, nil
}

// seal puts content that was decrypted back into an encryptedContent.
func (r *renderer) seal(it *item) error {
	if r.rich == nil {
		return errors.New("settings.encryption_certificate: required to send content that came encrypted")
	}
	sealed, err := Seal(r.env.Rand, it.content, r.rich.certificate, r.rich.certificateID)
	if err != nil {
		return err
	}
	value, err := json.Marshal(sealed)
	if err != nil {
		return err
	}
	m, _ := findMember(it.body, memberContent) // it is there: it was read
	it.body, it.sealed = replaceMember(it.body, m, memberEncrypted, value), &sealed
	return nil
}

// withState returns the body of it with the destination's client state. A source's own goes to nobody else.
func (r *renderer) withState(it *item) []byte {
	m, ok := findMember(it.body, memberState)
	switch {
	case !ok:
		return addMember(it.body, memberState, r.state)
	case sameText(m.value.of(it.body), r.state):
		return it.body
	}
	return replaceMember(it.body, m, memberState, r.state)
}

func sameText(a, b []byte) bool {
	textA, okA := strictjson.Text(a)
	textB, okB := strictjson.Text(b)
	return okA && okB && textA == textB || bytes.Equal(a, b)
}
