package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// AgreePath is where a receiver that was asked may agree later: the path of the callback, without its token.
const AgreePath = "/agree/"

// agreeWithin is how long it may take for that.
const agreeWithin = 24 * time.Hour

// AgreeToken returns what the token at the end of a callback is stored as.
func AgreeToken(token string) [32]byte { return sha256.Sum256([]byte(token)) }

// verify asks the receiver of d, which is stored as unverified, whether it agrees, and returns d as it is then:
// active, or unverified with the reason why. It must not be called with changing held, for a receiver may take
// its time.
func (s *server) verify(ctx context.Context, d bellhop.Destination) (bellhop.Destination, error) {
	ctx = context.WithoutCancel(ctx) // what was asked is answered, whether the client still waits or not
	var secret [24]byte
	if _, err := io.ReadFull(s.Env.Rand, secret[:]); err != nil {
		return d, err
	}
	token := base64.RawURLEncoding.EncodeToString(secret[:])
	until := s.Env.Now().Add(agreeWithin)
	agreed, err := s.Opener.Handshake(ctx, d, strings.TrimSuffix(s.PublicURL, "/")+AgreePath+token, func(asked bellhop.Rate) error {
		return s.Store.AskHandshake(ctx, d.ID, AgreeToken(token), until, asked)
	})
	granted := bellhop.PerSecond(agreed.Rate)
	switch {
	case err != nil:
		err = s.Store.ExplainUnverified(ctx, d.ID, err.Error()+"; resume asks again", true)
	case agreed.Pending:
		err = s.Store.ExplainUnverified(ctx, d.ID, laterReason(agreed, until), false)
	default:
		_, err = s.Store.AgreeHandshake(ctx, AgreeToken(token), &granted)
	}
	var known *bellhop.Error
	if err != nil && (!errors.As(err, &known) || known.Code != bellhop.CodeNotFound) { // not found: it called back meanwhile
		return d, err
	}
	if d, err = s.Store.Destination(ctx, d.ID); err != nil {
		return d, err
	}
	s.log.Info("destination.asked", "destination_id", d.ID, "destination", d.Name, "state", d.State, "reason", d.StateReason)
	return d, s.changed(ctx)
}

func laterReason(agreed provider.HandshakeResult, until time.Time) string {
	reason := "the receiver has not agreed yet"
	if agreed.Reason != "" {
		reason += " (" + agreed.Reason + ")"
	}
	return fmt.Sprintf("%s, and may until %s by calling back; resume asks again", reason, until.UTC().Format(time.RFC3339))
}

// begin is the state in which a destination begins, and why it is not active.
func (s *server) begin(d *bellhop.Destination) {
	d.State, d.StateReason, d.Granted = bellhop.DestinationActive, "", bellhop.Rate{}
	if d.NeedsHandshake() {
		d.State, d.StateReason = bellhop.DestinationUnverified, "its receiver has not answered yet; resume asks again"
	}
}
