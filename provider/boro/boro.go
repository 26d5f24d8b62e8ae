// Package boro receives and sends the webhook notifications of Elecard Boro, which monitors video streams.
//
// Boro posts one JSON object when an alarm begins (Active), when it ends (Cleared), and for each trigger without
// an end (Event). If the notification profile says so, it signs the requests: the Authorization header has
// "APIAuth-HMAC-SHA256", the id of the profile, and an HMAC over method, content type, hash of the body, URI and
// date. Boro makes no handshake and puts one notification into a request. Its documentation does not mention
// retries.
//
// Without the server, call [Verify] with the id of the profile and the hex-decoded key, over the URI that Boro
// posted to, and [Parse] for the body. [Sign] returns the headers.
//
// The product's help says which parts are signed, but not how hash and signature are encoded and how long a
// signature is valid. For these, this package follows the Ruby library api-auth, whose scheme has the same name
// and form. Settings of the source adapt it to a server that differs.
//
// Sources:
//   - https://boro.elecard.com/docs/en/UserGuide/Introduction/description.html, chapter Webhook
//   - https://boro.elecard.com/docs/en/boro-solution-userguide/chapter.ControlAPI/Signing.Requests.html
//   - https://github.com/mgomes/api_auth
package boro

import (
	"encoding/json"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Provider receives and sends Boro notifications.
type Provider struct{}

var (
	_ provider.Sender   = Provider{}
	_ provider.Emulator = Provider{}
)

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

// checkUnauthenticated refuses settings of a check that unauthenticated switches off.
func (s *settings) checkUnauthenticated() error {
	var errs []error
	if s.ProfileID != "" {
		errs = append(errs, bellhop.Invalid("profile_id", "leave it out: with unauthenticated nothing is checked"))
	}
	if len(s.SecretKey) > 0 {
		errs = append(errs, bellhop.Invalid("secret_key", "leave it out: with unauthenticated nothing is checked"))
	}
	_, keyErr := provider.OneOf("key_encoding", s.KeyEncoding, "", keyEncodings...)
	_, signatureErr := readEncoding("signature_encoding", s.SignatureEncoding)
	_, hashErr := readEncoding("hash_encoding", s.HashEncoding)
	errs = append(errs, keyErr, signatureErr, hashErr)
	return bellhop.Join("", errs...)
}

func (s *settings) verifier() (*verifier, error) {
	keys, keyErr := decodeKeys(s.SecretKey, s.KeyEncoding)
	signatures, signatureErr := readEncoding("signature_encoding", s.SignatureEncoding)
	hashes, hashErr := readEncoding("hash_encoding", s.HashEncoding)
	tolerance, toleranceErr := provider.Tolerance("tolerance", s.Tolerance, DefaultTolerance)
	if s.AnyDate && s.Tolerance != "" {
		toleranceErr = bellhop.Invalid("tolerance", "leave it out: with any_date no date is checked")
	}
	err := bellhop.Join("", checkProfileID(s.ProfileID), keyErr, signatureErr, hashErr, toleranceErr)
	return &verifier{profileID: s.ProfileID, keys: keys, signatures: signatures, hashes: hashes,
		tolerance: tolerance, anyDate: s.AnyDate}, err
}

// maxProfileID bounds the id of a profile, in bytes; Boro's ids are short numbers.
const maxProfileID = 128

// checkProfileID accepts ids that can precede the colon in an Authorization header.
func checkProfileID(id string) error {
	switch {
	case id == "":
		return bellhop.Invalid("profile_id", "required: the id of the notification profile in Boro, such as 265")
	case len(id) > maxProfileID || !provider.Visible(id) || strings.Contains(id, ":"):
		return bellhop.Invalid("profile_id", "use the id of the notification profile in Boro, such as 265")
	}
	return nil
}

// The encodings of keys, and those of signatures and hashes. A destination signs with one key.
var (
	keyEncodings     = []string{"hex", "raw", "auto"}
	sendKeyEncodings = []string{"hex", "raw"}
	textEncodings    = []string{"base64", "hex", "auto"}
)

// decodeKeys returns the possible keys of secrets by key_encoding: "hex", "raw", or "auto" for both.
func decodeKeys(secrets provider.Secrets, encoding string) ([][]byte, error) {
	const path = "secret_key"
	encoding, encodingErr := provider.OneOf("key_encoding", encoding, "hex", keyEncodings...)
	if err := bellhop.Join("", secrets.Check(path), encodingErr); err != nil {
		return nil, err
	}
	as := map[string][]signature.KeyEncoding{
		"hex": {signature.KeyHex}, "raw": {signature.Text}, "auto": {signature.KeyHex, signature.Text},
	}[encoding]
	var keys [][]byte
	var errs []error
	for i, text := range secrets {
		for _, enc := range as {
			key, err := signature.DecodeKey(text, enc)
			switch {
			case err == nil:
				keys = append(keys, key)
			case encoding != "auto": // with auto, a text that is not hex is the key itself
				errs = append(errs, bellhop.Invalid(secrets.Path(path, i), err.Error()))
			}
		}
	}
	return keys, bellhop.Join("", errs...)
}

// readEncoding returns the possible encodings of a hash by the setting at path: "base64", "hex", or "auto" for both.
func readEncoding(path, text string) ([]signature.Encoding, error) {
	encoding, err := provider.OneOf(path, text, "base64", textEncodings...)
	return map[string][]signature.Encoding{
		"base64": {signature.Base64}, "hex": {signature.Hex}, "auto": {signature.Base64, signature.Hex},
	}[encoding], err
}

func (s *settings) checkPaths() error {
	var errs []error
	if s.PathPrefix != "" && (!isPath(s.PathPrefix) || strings.HasSuffix(s.PathPrefix, "/")) {
		errs = append(errs, bellhop.Invalid("path_prefix",
			"use a path that begins with / and does not end in it, such as /hooks"))
	}
	if s.Path != "" && !isPath(s.Path) {
		errs = append(errs, bellhop.Invalid("path", "use a path that begins with /, such as /alarms/boro, "+
			"without a query"))
	}
	if s.Path != "" && s.PathPrefix != "" {
		errs = append(errs, bellhop.Invalid("path_prefix", "leave it out: path is already the full path"))
	}
	return bellhop.Join("", errs...)
}

func isPath(text string) bool {
	return strings.HasPrefix(text, "/") && provider.Visible(text) && !strings.ContainsAny(text, "?#")
}
