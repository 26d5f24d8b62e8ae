package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
)

// handshakeTimeout is how long a receiver has to agree.
const handshakeTimeout = 5 * time.Second

// maxGreetingReply bounds what of its answer is read: a token of 4 KiB fits in.
const maxGreetingReply = 16 << 10

// DefaultHandshake is what the handshake of d is where it does not say: that of its type, if the type asks with these
// settings.
func (e *Engine) DefaultHandshake(d bellhop.Destination) string {
	s, ok := e.senders[d.Type]
	if !ok {
		return bellhop.HandshakeNone
	}
	r, err := s.OpenSender(e.opts.Env, d.Settings)
	if handshaker, ok := r.(provider.Handshaker); err == nil && ok && handshaker.HandshakeByDefault() {
		return s.Info().Handshake
	}
	return bellhop.HandshakeNone
}

// checkHandshake lets through what d's type can do: none, or the handshake of its provider.
func (e *Engine) checkHandshake(d bellhop.Destination) error {
	own := ""
	if s, ok := e.senders[d.Type]; ok {
		own = s.Info().Handshake
	}
	switch {
	case !d.NeedsHandshake():
		return nil
	case d.Handshake == own:
		return e.checkGreeting(d)
	case own == "":
		return bellhop.Invalid("handshake", fmt.Sprintf("a destination of type %s asks nobody; use %q", d.Type, bellhop.HandshakeNone))
	}
	return bellhop.Invalid("handshake", fmt.Sprintf("a destination of type %s asks by %q, or by %q", d.Type, own, bellhop.HandshakeNone))
}

// checkGreeting reports settings with which the handshake cannot be made.
func (e *Engine) checkGreeting(d bellhop.Destination) error {
	r, err := e.openSender(d)
	if err != nil {
		return nil // which is reported already
	}
	if handshaker, ok := r.(provider.Handshaker); ok {
		if _, err := handshaker.Handshake(provider.AttemptInfo{Attempt: 1, Time: e.now(), URL: d.URL}); err != nil {
			return bellhop.Invalid("handshake", err.Error())
		}
	}
	return nil
}

// Handshake asks d's receiver whether it agrees to be delivered to. The error says in words why it did not. callback is a
// URL of ours for this question alone, where it may agree later; before it can, asked is told to how many deliveries.
func (e *Engine) Handshake(ctx context.Context, d bellhop.Destination, callback string, asked func(bellhop.Rate) error) (provider.HandshakeResult, error) {
	r, err := e.openSender(d)
	if err != nil {
		return provider.HandshakeResult{}, err
	}
	handshaker, ok := r.(provider.Handshaker)
	if !ok {
		return provider.HandshakeResult{}, fmt.Errorf("a destination of type %s with these settings asks nobody", d.Type)
	}
	handshake, err := handshaker.Handshake(provider.AttemptInfo{Attempt: 1, Time: e.now(), URL: d.URL, Callback: callback})
	if err != nil {
		return provider.HandshakeResult{}, err
	}
	if err := asked(bellhop.PerSecond(handshake.Rate)); err != nil {
		return provider.HandshakeResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	reply, err := e.ask(ctx, d, handshake)
	if err != nil {
		return provider.HandshakeResult{}, err
	}
	agreed, err := handshake.Read(reply.Status, reply.Header, reply.Body)
	if err != nil {
		return agreed, fmt.Errorf("the receiver did not agree: %w", err)
	}
	return agreed, nil
}

// ask sends a handshake the way that deliveries go, and reads what comes back.
func (e *Engine) ask(ctx context.Context, d bellhop.Destination, handshake provider.HandshakeRequest) (*egress.Reply, error) {
	dst := &destination{Destination: d}
	var err error
	if dst.target, dst.access, err = e.openTarget(d); err == nil && handshake.URL != "" {
		dst.target, err = dst.target.WithPath(handshake.URL)
	}
	if err != nil {
		return nil, fmt.Errorf("the URL cannot be asked: %w", err)
	}
	if l := e.lanes.Load().byID[d.ID]; l != nil {
		dst.inherit(l.destination.Load())
	}
	header, err := appendHeaders(nil, handshake.Request.Header)
	if err != nil {
		return nil, err
	}
	reply, err := e.exchange(ctx, dst.access, &egress.Request{Target: dst.target, Method: handshake.Request.Method, Header: header, Body: handshake.Request.Body,
		Timeout: handshakeTimeout, ReplyBytes: maxGreetingReply, ReplyHeader: true})
	var failure *egress.Error
	switch {
	case err == nil:
		return reply, nil
	case ctx.Err() != nil, errors.As(err, &failure) && failure.Class == egress.ClassTimeout && reply == nil:
		return nil, fmt.Errorf("the receiver did not answer within %v", handshakeTimeout)
	case reply != nil:
		return nil, fmt.Errorf("the receiver's answer broke off: %w", err)
	}
	return nil, fmt.Errorf("the receiver could not be asked: %w", err)
}
