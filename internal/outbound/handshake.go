package outbound

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
)

// handshakeTimeout is how long a receiver may take to answer a handshake.
const handshakeTimeout = 5 * time.Second

// maxHandshakeReply bounds how much of the answer is read. A token of 4 KiB fits.
const maxHandshakeReply = 16 << 10

// DefaultHandshake returns the handshake of a destination that does not name one: the handshake of its type if
// the type makes one by default with these settings, otherwise none.
func (o *Opener) DefaultHandshake(d bellhop.Destination) string {
	s, ok := o.senders[d.Type]
	if !ok {
		return bellhop.HandshakeNone
	}
	r, err := provider.OpenSender(s, o.opts.Env, d.Settings)
	if handshaker, ok := r.(provider.Handshaker); err == nil && ok && handshaker.HandshakeByDefault() {
		return s.Info().Handshake
	}
	return bellhop.HandshakeNone
}

// checkHandshake checks that d names no handshake, none, or the handshake of its type.
func (o *Opener) checkHandshake(d bellhop.Destination) error {
	own := ""
	if s, ok := o.senders[d.Type]; ok {
		own = s.Info().Handshake
	}
	switch {
	case !d.NeedsHandshake():
		return nil
	case d.Handshake == own:
		return o.checkHandshakeRequest(d)
	case own == "":
		return bellhop.Invalid("handshake", fmt.Sprintf("a destination of type %s asks nobody; use %q", d.Type,
			bellhop.HandshakeNone))
	}
	return bellhop.Invalid("handshake", fmt.Sprintf("a destination of type %s asks by %q, or by %q", d.Type, own,
		bellhop.HandshakeNone))
}

// checkHandshakeRequest reports settings with which the handshake cannot be made.
func (o *Opener) checkHandshakeRequest(d bellhop.Destination) error {
	r, err := o.openSender(d)
	if err != nil {
		return nil // openRenderer reports it
	}
	if handshaker, ok := r.(provider.Handshaker); ok {
		if _, err := handshaker.Handshake(provider.AttemptInfo{Attempt: 1, Time: o.now(), URL: d.URL}); err != nil {
			return bellhop.Invalid("handshake", err.Error())
		}
	}
	return nil
}

// Handshake asks d's receiver whether it agrees to get deliveries. The error says in words why it did not.
// callback is a URL of ours, for this handshake alone, where the receiver may agree later. Before the request
// is sent, asked is called with the rate that it asks for.
func (o *Opener) Handshake(ctx context.Context, d bellhop.Destination, callback string,
	asked func(bellhop.Rate) error) (provider.HandshakeResult, error) {
	r, err := o.openSender(d)
	if err != nil {
		return provider.HandshakeResult{}, err
	}
	handshaker, ok := r.(provider.Handshaker)
	if !ok {
		return provider.HandshakeResult{}, fmt.Errorf("a destination of type %s with these settings asks nobody",
			d.Type)
	}
	handshake, err := handshaker.Handshake(provider.AttemptInfo{Attempt: 1, Time: o.now(), URL: d.URL,
		Callback: callback})
	if err != nil {
		return provider.HandshakeResult{}, err
	}
	if err := asked(bellhop.PerSecond(handshake.Rate)); err != nil {
		return provider.HandshakeResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	reply, err := o.ask(ctx, d, handshake)
	if err != nil {
		return provider.HandshakeResult{}, err
	}
	agreed, err := handshake.Read(reply.Status, reply.Header, reply.Body)
	if err != nil {
		return agreed, fmt.Errorf("the receiver did not agree: %w", err)
	}
	return agreed, nil
}

// ask sends a handshake the way that deliveries go, and reads the reply.
func (o *Opener) ask(ctx context.Context, d bellhop.Destination,
	handshake provider.HandshakeRequest) (*egress.Reply, error) {
	address, access, err := o.openAddress(d)
	if err == nil && handshake.URL != "" {
		address, err = address.WithPath(handshake.URL)
	}
	if err != nil {
		return nil, fmt.Errorf("the URL cannot be asked: %w", err)
	}
	header, err := appendHeaders(nil, handshake.Request.Header)
	if err != nil {
		return nil, err
	}
	reply, err := o.exchange(ctx, ctx, o.inherit(access, d.ID), &egress.Request{Target: address,
		Method: handshake.Request.Method, Header: header,
		Body: handshake.Request.Body, Timeout: handshakeTimeout, ReplyBytes: maxHandshakeReply, ReplyHeader: true})
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
