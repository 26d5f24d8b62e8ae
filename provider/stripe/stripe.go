// Package stripe understands the webhooks of Stripe: snapshot events, which carry the object that changed, and thin
// events, which only name it.
//
// A request carries one event as a JSON object. Its Stripe-Signature header has the time of the attempt and, for each
// secret in use, a signature of that time and the body's bytes. Repeats are known by the event's id.
//
// Without the server: [Verify] with the headers, the body as it came, the time and the signing secret, whsec_ included.
// [Sign] makes the header's value.
//
// Sources:
//   - https://docs.stripe.com/webhooks
//   - https://docs.stripe.com/webhooks/signature
//   - https://docs.stripe.com/api/events/object
//   - https://docs.stripe.com/api/v2/core/events/object
package stripe

import (
	"encoding/json"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Provider receives and sends Stripe's events.
type Provider struct{}

var _ provider.Sender = Provider{}

// DefaultTolerance is how far a request's time may be from now, either way, as in Stripe's own libraries.
const DefaultTolerance = 5 * time.Minute

// checkSecrets refuses what anybody knows of a secret: how it begins.
func checkSecrets(secrets provider.Secrets) error {
	if err := secrets.Check("secret"); err != nil {
		return err
	}
	for i, text := range secrets {
		if text == "whsec_" {
			return bellhop.Invalid(secrets.Path("secret", i), "is the beginning of one: copy it whole, from Reveal in the Stripe dashboard")
		}
	}
	return nil
}

type settings struct {
	Secret    provider.Secrets `json:"secret"` // the keys are their text, whsec_ included: what stands behind it is no Base64 to Stripe
	Tolerance string           `json:"tolerance"`
	Livemode  *bool            `json:"livemode"`
}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	tolerance, err := provider.Tolerance("tolerance", s.Tolerance, DefaultTolerance)
	if err := bellhop.Join("", checkSecrets(s.Secret), err); err != nil {
		return nil, err
	}
	return &receiver{secrets: s.Secret.Bytes(), tolerance: tolerance, livemode: s.Livemode, now: env.Now}, nil
}
