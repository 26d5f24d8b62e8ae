package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// agreeWithin is how long a receiver may take to agree through the callback.
const agreeWithin = 24 * time.Hour

// restart sets the state in which a destination starts: unverified if its receiver has to agree first, active
// otherwise.
func (c *Catalog) restart(d *bellhop.Destination) {
	d.State, d.StateReason, d.Granted = bellhop.DestinationActive, "", bellhop.Rate{}
	if d.NeedsHandshake() {
		d.State, d.StateReason = bellhop.DestinationUnverified, "its receiver has not answered yet; resume asks again"
	}
}

// verify asks the receiver of d, which is stored as unverified, whether it agrees. It returns the destination
// as stored then: active, or unverified with the reason. The caller must not hold changing, because a receiver
// may take its time.
func (c *Catalog) verify(ctx context.Context, d bellhop.Destination) (bellhop.Destination, error) {
	ctx = context.WithoutCancel(ctx) // the answer of the receiver counts, even if the caller is gone by then
	var secret [24]byte
	if _, err := io.ReadFull(c.opts.Env.Rand, secret[:]); err != nil {
		return d, err
	}
	token := base64.RawURLEncoding.EncodeToString(secret[:])
	until := c.now().Add(agreeWithin)
	result, err := c.opts.Opener.Handshake(ctx, d, c.opts.CallbackURL+token, func(asked bellhop.Rate) error {
		return c.opts.Store.AskHandshake(ctx, d.ID, sha256.Sum256([]byte(token)), until, asked)
	})
	granted := bellhop.PerSecond(result.Rate)
	switch {
	case err != nil:
		err = c.opts.Store.ExplainUnverified(ctx, d.ID, err.Error()+"; resume asks again", true)
	case result.Pending:
		err = c.opts.Store.ExplainUnverified(ctx, d.ID, pendingReason(result, until), false)
	default:
		_, err = c.opts.Store.AgreeHandshake(ctx, sha256.Sum256([]byte(token)), &granted)
	}
	if err != nil && !isNotFound(err) { // not found: the receiver has called back meanwhile
		return d, err
	}
	if d, err = c.opts.Store.Destination(ctx, d.ID); err != nil {
		return d, err
	}
	c.log.Info("destination.asked", "destination_id", d.ID, "destination", d.Name,
		"state", d.State, "reason", d.StateReason)
	return d, c.load(ctx)
}

// pendingReason says that the receiver may agree later, and until when.
func pendingReason(result provider.HandshakeResult, until time.Time) string {
	reason := "the receiver has not agreed yet"
	if result.Reason != "" {
		reason += " (" + result.Reason + ")"
	}
	return fmt.Sprintf("%s, and may until %s by calling back; resume asks again",
		reason, until.UTC().Format(time.RFC3339))
}

// Agree takes the agreement of a receiver that called back with the token of its handshake. A nil granted is
// the rate that the handshake asked for. The token is the proof, and counts once: an unknown, used or late
// token is CodeNotFound. The agreement counts even if the receiver hangs up before the answer.
func (c *Catalog) Agree(ctx context.Context, token string, granted *bellhop.Rate) (bellhop.Destination, error) {
	ctx = context.WithoutCancel(ctx)
	id, err := c.opts.Store.AgreeHandshake(ctx, sha256.Sum256([]byte(token)), granted)
	if err != nil {
		return bellhop.Destination{}, err
	}
	if err := c.load(ctx); err != nil { // the agreement is stored, and is loaded with the next change
		c.log.Error("reload.failed", "error", err)
	}
	d, err := c.opts.Store.Destination(ctx, id)
	if err != nil { // it was deleted meanwhile, or is read later: the agreement counts
		d = bellhop.Destination{ID: id}
	}
	return d, nil
}
