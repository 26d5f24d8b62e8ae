package main

import (
	"context"
	"fmt"

	"github.com/bellhop-gateway/bellhop/provider"
)

// sendHandshake makes the handshake and prints the answer. It fails unless the receiver agrees, now or perhaps later.
func sendHandshake(ctx context.Context, e *env, renderer provider.Renderer, at provider.AttemptInfo, f sendFlags) error {
	handshaker, ok := renderer.(provider.Handshaker)
	if !ok {
		return wrongUsage("there is no handshake before this provider sends; leave out --handshake")
	}
	handshake, err := handshaker.Handshake(at)
	if err != nil {
		return err
	}
	to := f.to
	if handshake.URL != "" {
		to = handshake.URL
	}
	resp, reply, err := exchange(ctx, to, handshake.Request, f.headers)
	if err != nil {
		return err
	}
	if err := printReply(e, resp, reply, f.json); err != nil && err != errReported {
		return err
	}
	agreed, err := handshake.Read(resp.StatusCode, resp.Header, reply)
	switch {
	case err != nil:
		return fmt.Errorf("the receiver did not agree: %w", err)
	case agreed.Pending:
		fmt.Fprintln(e.stderr, "the receiver has not agreed yet; it may, at the callback")
	case agreed.Rate > 0:
		fmt.Fprintf(e.stderr, "the receiver agrees, to %g deliveries a second\n", agreed.Rate)
	default:
		fmt.Fprintln(e.stderr, "the receiver agrees")
	}
	return nil
}
