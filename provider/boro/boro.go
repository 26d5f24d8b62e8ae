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
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
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

// maxProfileID bounds a profile's id in bytes; Boro's are short numbers.
const maxProfileID = 128

// checkProfileID lets through what can stand in front of the colon in an Authorization header.
func checkProfileID(id string) error {
	switch {
	case id == "":
		return bellhop.Invalid("profile_id", "required: the id of the notification profile in Boro, such as 265")
	case len(id) > maxProfileID || !provider.Visible(id) || strings.Contains(id, ":"):
		return bellhop.Invalid("profile_id", "use the id of the notification profile in Boro, such as 265")
	}
	return nil
}

// decodeKeys returns the bytes that secrets may stand for, by key_encoding: "hex", "raw", or "auto" for both.
func decodeKeys(secrets provider.Secrets, encoding string) ([][]byte, error) {
	const path = "secret_key"
	var as []signature.KeyEncoding
	switch encoding {
	case "", "hex":
		as = []signature.KeyEncoding{signature.KeyHex}
	case "raw":
		as = []signature.KeyEncoding{signature.Text}
	case "auto":
		as = []signature.KeyEncoding{signature.KeyHex, signature.Text}
	default:
		return nil, bellhop.Invalid("key_encoding", "use hex, raw or auto")
	}
	if err := secrets.Check(path); err != nil {
		return nil, err
	}
	var keys [][]byte
	var errs []error
	for i, text := range secrets {
		for _, enc := range as {
			key, err := signature.DecodeKey(text, enc)
			switch {
			case err == nil:
				keys = append(keys, key)
			case encoding != "auto": // there, a text that is not hex is the key itself
				errs = append(errs, bellhop.Invalid(secrets.Path(path, i), err.Error()))
			}
		}
	}
	return keys, bellhop.Join("", errs...)
}

// readEncoding returns the ways in which a hash may be written, by the setting at path: "base64", "hex", or "auto"
// for both.
func readEncoding(path, text string) ([]signature.Encoding, error) {
	switch text {
	case "", "base64":
		return []signature.Encoding{signature.Base64}, nil
	case "hex":
		return []signature.Encoding{signature.Hex}, nil
	case "auto":
		return []signature.Encoding{signature.Base64, signature.Hex}, nil
	}
	return nil, bellhop.Invalid(path, "use base64, hex or auto")
}

func (s *settings) checkPaths() error {
	var errs []error
	if s.PathPrefix != "" && (!isPath(s.PathPrefix) || strings.HasSuffix(s.PathPrefix, "/")) {
		errs = append(errs, bellhop.Invalid("path_prefix", "use a path that begins with / and does not end in it, such as /hooks"))
	}
	if s.Path != "" && !isPath(s.Path) {
		errs = append(errs, bellhop.Invalid("path", "use a path that begins with /, such as /alarms/boro, without a query"))
	}
	if s.Path != "" && s.PathPrefix != "" {
		errs = append(errs, bellhop.Invalid("path_prefix", "leave it out where path is set; that is the whole path"))
	}
	return bellhop.Join("", errs...)
}

func isPath(text string) bool {
	return strings.HasPrefix(text, "/") && provider.Visible(text) && !strings.ContainsAny(text, "?#")
}
