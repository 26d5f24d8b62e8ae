// Package stripe implements the webhooks of Stripe: snapshot events, which contain the changed object, and thin
// events, which only name it.
//
// A request carries one event as a JSON object. Its Stripe-Signature header has the time of the attempt and, for
// each secret in use, a signature over that time and the bytes of the body. Repeats have the same event id.
//
// Without the server, call [Verify] with the headers, the raw body, the time and the signing secret, including its
// prefix whsec_. [Sign] returns the value of the header.
//
// Sources:
//   - https://docs.stripe.com/webhooks
//   - https://docs.stripe.com/webhooks/signature
//   - https://docs.stripe.com/api/events/object
//   - https://docs.stripe.com/api/v2/core/events/object
package stripe

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Provider receives and sends Stripe's events.
type Provider struct{}

var _ provider.Sender = Provider{}

// DefaultTolerance is the largest accepted difference between the time of a request and now, as in Stripe's own
// libraries.
const DefaultTolerance = 5 * time.Minute

// prefix begins the signing secrets that Stripe makes.
const prefix = "whsec_"

// lookalikes are the other texts of Stripe's dashboard, and the secrets of another system with the same prefix.
var lookalikes = []provider.Lookalike{
	{Prefixes: []string{"sk_", "rk_", "pk_"}, Why: "is a key of Stripe's API, which Stripe does not sign with: use " +
		"the signing secret of the endpoint, which begins with whsec_"},
	{Prefixes: []string{"we_", "ed_"}, Why: "is the id of the endpoint: use its signing secret, which begins with " +
		"whsec_"},
	{Prefixes: []string{"v1,whsec_", "whpk_", "whsk_"}, Why: "is a key of Standard Webhooks: use the provider " +
		"standardwebhooks, or the signing secret that Stripe shows for the endpoint"},
}

// checkSecrets refuses texts that are no signing secret, such as its public prefix alone.
func checkSecrets(secrets provider.Secrets) error {
	if err := secrets.Check("secret"); err != nil {
		return err
	}
	errs := []error{secrets.CheckNot("secret", lookalikes...)}
	for i, text := range secrets {
		if text == prefix {
			errs = append(errs, bellhop.Invalid(secrets.Path("secret", i),
				"is only the prefix of a secret: copy the whole secret, from Reveal in the Stripe dashboard"))
		}
	}
	return bellhop.Join("", errs...)
}

type settings struct {
	// the key is the whole text, including whsec_: Stripe does not decode it
	Secret    provider.Secrets `json:"secret"`
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
	r := &receiver{secrets: s.Secret.Bytes(), tolerance: tolerance, livemode: s.Livemode, now: env.Now}
	for i, text := range s.Secret {
		if !strings.HasPrefix(text, prefix) {
			r.warnings = append(r.warnings, s.Secret.Path("secret", i)+" does not begin with whsec_, as Stripe's "+
				"signing secrets do; check that it is the endpoint's signing secret")
		}
	}
	return r, nil
}
