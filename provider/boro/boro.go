// Package boro understands the webhook notifications of Elecard Boro, which monitors video streams.
//
// Boro posts one JSON object for each alarm that begins (Active), for each that ends (Cleared), and for each trigger
// that has no end (Event). Where the notification profile says so, it signs them: the Authorization header carries
// "APIAuth-HMAC-SHA256", the profile's id, and an HMAC of method, content type, hash of the body, URI and date. It
// asks for no handshake, puts one notification into a request, and does not say that it repeats what was not taken.
//
// Without the server: [Verify] with the profile's id and the key after hex decoding, over the URI that Boro posted to, and
// [Parse] to read. [Sign] makes the headers.
//
// The product's help says what is signed, but not how the hash and the signature are written, nor how long a
// signature holds. There we follow the Ruby library whose scheme it is by name and by form, api-auth; where a server
// differs from it, the source's settings say how.
//
// Sources:
//   - https://boro.elecard.com/docs/en/UserGuide/Introduction/description.html, chapter Webhook
//   - https://boro.elecard.com/docs/en/boro-solution-userguide/chapter.ControlAPI/Signing.Requests.html
//   - https://github.com/mgomes/api_auth
package boro

import (
	"encoding/json"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Provider receives and sends Boro notifications.
type Provider struct{}

var (
	_ provider.Sender = Provider{}
	_ provider.Tester = Provider{}
)

// TestBody implements [provider.Tester].
func (Provider) TestBody(at time.Time) []byte { return TestMessage(at) }

type settings struct {
	ProfileID         string           `json:"profile_id"`
	SecretKey         provider.Secrets `json:"secret_key"`
	KeyEncoding       string           `json:"key_encoding"`
	SignatureEncoding string           `json:"signature_encoding"`
	HashEncoding      string           `json:"hash_encoding"`
	Tolerance         string           `json:"tolerance"`
	AnyDate           bool             `json:"any_date"`
	PathPrefix        string           `json:"path_prefix"`
	Path              string           `json:"path"`
	Unauthenticated   bool             `json:"unauthenticated"`
}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	if s.Unauthenticated {
		if err := s.checkUnauthenticated(); err != nil {
			return nil, err
		}
		return &receiver{}, nil
	}
	v, err := s.verifier()
	if err := bellhop.Join("", err, s.checkPaths()); err != nil {
		return nil, err
	}
	return &receiver{verifier: v, prefix: s.PathPrefix, path: s.Path, now: env.Now}, nil
}

// checkUnauthenticated refuses what would look like a protection and be none.
func (s *settings) checkUnauthenticated() error {
	var errs []error
	if s.ProfileID != "" {
		errs = append(errs, bellhop.Invalid("profile_id", "leave it out where unauthenticated is true; nothing is checked then"))
	}
	if len(s.SecretKey) > 0 {
		errs = append(errs, bellhop.Invalid("secret_key", "leave it out where unauthenticated is true; nothing is checked then"))
	}
	return bellhop.Join("", errs...)
}

func (s *settings) verifier() (*verifier, error) {
	keys, keyErr := decodeKeys(s.SecretKey, s.KeyEncoding)
	signatures, signatureErr := readEncoding("signature_encoding", s.SignatureEncoding)
	hashes, hashErr := readEncoding("hash_encoding", s.HashEncoding)
	tolerance, toleranceErr := provider.Tolerance("tolerance", s.Tolerance, DefaultTolerance)
	if s.AnyDate && s.Tolerance != "" {
		toleranceErr = bellhop.Invalid("tolerance", "leave it out where any_date is true")
	}
	err := bellhop.Join("", checkProfileID(s.ProfileID), keyErr, signatureErr, hashErr, toleranceErr)
	return &verifier{profileID: s.ProfileID, keys: keys, signatures: signatures, hashes: hashes, tolerance: tolerance, anyDate: s.AnyDate}, err
}
