// Package standardwebhooks implements Standard Webhooks, for every system that signs by the specification of that
// name. Its headers begin with webhook- or, at customers of Svix, with svix-.
//
// A request carries webhook-id, which is the same for each attempt; webhook-timestamp, the time of this attempt;
// and webhook-signature, one or more signatures over both and the body. Any body is accepted, because its bytes
// are signed. If the body is a JSON object with a "type" and a "timestamp", the event gets them.
//
// Without the server, parse the secret with [signature.ParseStandardKey] and verify with
// [signature.VerifyStandardHeader].
//
// Sources:
//   - https://www.standardwebhooks.com
//   - https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
package standardwebhooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Provider receives and sends Standard Webhooks.
type Provider struct{}

var _ provider.Sender = Provider{}

type settings struct {
	Secret    provider.Secrets `json:"secret"`
	Tolerance string           `json:"tolerance"`
	Family    string           `json:"header_family"`
}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	keys, err := parseKeys(s.Secret, signature.StandardKey.Private, "is a private key, but a source only "+
		"verifies; use the public key (whpk_) that belongs to it")
	tolerance, toleranceErr := provider.Tolerance("tolerance", s.Tolerance, signature.StandardTolerance)
	family, familyErr := readFamily(s.Family, "")
	if err := bellhop.Join("", err, toleranceErr, familyErr); err != nil {
		return nil, err
	}
	return &receiver{keys: keys, tolerance: tolerance, family: family, now: env.Now}, nil
}

type sendSettings struct {
	Secret provider.Secrets `json:"secret"`
	Family string           `json:"header_family"`
}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(_ provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	keys, err := parseKeys(s.Secret, signature.StandardKey.Public, "is a public key, which cannot sign; use a secret "+
		"(whsec_) or a private key (whsk_)")
	family, familyErr := readFamily(s.Family, familyWebhook)
	if err := bellhop.Join("", err, familyErr); err != nil {
		return nil, err
	}
	return &renderer{keys: keys, family: family}, nil
}

// parseKeys parses secrets, each of which may be several keys in one text. A key that is unfit is left out if its text
// has another key, as a public key has beside its private one, and refused for the given reason otherwise.
func parseKeys(
	secrets provider.Secrets, unfit func(signature.StandardKey) bool, reason string,
) ([]signature.StandardKey, error) {
	lists, err := provider.ReadSecrets("secret", secrets, func(text string) ([]signature.StandardKey, error) {
		keys, err := signature.ParseStandardKeys(text)
		if err != nil {
			return nil, err
		}
		if keys = slices.DeleteFunc(keys, unfit); len(keys) == 0 {
			return nil, errors.New(reason)
		}
		return keys, nil
	})
	keys := slices.Concat(lists...)
	if err == nil && len(keys) > signature.MaxStandardEntries {
		err = bellhop.Invalid("secret", fmt.Sprintf("has %d keys; at most %d", len(keys),
			signature.MaxStandardEntries))
	}
	return keys, err
}

// warnings warns about shared secrets that are shorter than the specification asks for.
func warnings(keys []signature.StandardKey) []string {
	if slices.ContainsFunc(keys, signature.StandardKey.Short) {
		return []string{"secret has fewer than 24 bytes, the least that Standard Webhooks asks for; have the " +
			"sender make a longer one if it can"}
	}
	return nil
}

// Warnings implements [provider.Warner].
func (r *receiver) Warnings() []string { return warnings(r.keys) }

// Warnings implements [provider.Warner].
func (r *renderer) Warnings() []string { return warnings(r.keys) }

// A family is what the names of a request's three headers begin with, in canonical form. Families are never mixed.
type family string

const (
	familyWebhook family = "Webhook-"
	familySvix    family = "Svix-"
)

func (f family) id() string        { return string(f) + "Id" }
func (f family) timestamp() string { return string(f) + "Timestamp" }
func (f family) signature() string { return string(f) + "Signature" }

// families are the values of the setting header_family.
var families = []string{"webhook", "svix"}

// readFamily parses the setting header_family; "" is standard.
func readFamily(text string, standard family) (family, error) {
	name, err := provider.OneOf("header_family", text, "", families...)
	switch name {
	case "webhook":
		return familyWebhook, nil
	case "svix":
		return familySvix, nil
	}
	return standard, err
}

// only returns the headers of h that belong to the family, or h itself for either family.
func (f family) only(h http.Header) http.Header {
	if f == "" {
		return h
	}
	kept := make(http.Header, 3)
	for _, name := range []string{f.id(), f.timestamp(), f.signature()} {
		if values := h.Values(name); len(values) > 0 {
			kept[name] = values
		}
	}
	return kept
}
