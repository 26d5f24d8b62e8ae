// Package generic takes webhooks of systems that have no package of their own: whatever signs with an HMAC in a
// header, or shows a shared secret in a header, by Basic authentication or in the URL. It sends in the same ways.
//
// The settings say what the system does; nothing is guessed from a request. Five schemes:
//
//	hmac   a header holds the HMAC of the body, or of a template with the body, a timestamp and an id in it
//	token  a header holds the secret
//	basic  Authorization: Basic with a user name and the secret
//	query  a parameter of the URL holds the secret
//	none   anyone who knows the URL
//
// The body may be anything. If it is a JSON object, its type and the id by which repeats are known can be taken from it.
//
// A preset is such settings for one system by name, together with the handshake that the system asks for, if it does:
// see the table in presets.go. Each request is one event, even where the system puts several changes into one.
//
// Without the server: [Provider.Open] with the settings, then Receive; the example shows it. A Receipt with a Reply is a
// handshake, to be answered; any other has events.
//
// Sources:
//   - https://www.rfc-editor.org/rfc/rfc2104 (HMAC)
//   - https://www.rfc-editor.org/rfc/rfc6750 (Bearer tokens)
//   - https://www.rfc-editor.org/rfc/rfc7617 (Basic)
package generic

import (
	"encoding/json"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Provider receives and sends generic webhooks.
type Provider struct{}

var _ provider.Sender = Provider{}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	s, preset, err := read(raw, source)
	if err != nil {
		return nil, err
	}
	scheme, err := newScheme(s, env.Now)
	reader, readerErr := newReader(s, preset)
	methods, methodsErr := checkMethods(s.Methods)
	if err := bellhop.Join("", err, readerErr, methodsErr); err != nil {
		return nil, err
	}
	r := &receiver{scheme: scheme, reader: reader, methods: methods, verifyTokens: s.VerifyToken}
	if preset != nil {
		r.preset = *preset
	}
	return r, nil
}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(env provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	s, _, err := read(raw, destination)
	if err != nil {
		return nil, err
	}
	if s.Scheme != schemeNone {
		if err := s.Secret.CheckOne("secret"); err != nil {
			return nil, err
		}
	}
	scheme, err := newScheme(s, env.Now)
	method, methodErr := provider.OneOf("method", s.Method, http.MethodPost, http.MethodPost, http.MethodPut, http.MethodPatch)
	if err := bellhop.Join("", err, methodErr, checkHeader("id_header", s.IDHeader), checkHeader("type_header", s.TypeHeader)); err != nil {
		return nil, err
	}
	return &renderer{scheme: scheme, method: method, idHeader: s.IDHeader, typeHeader: s.TypeHeader}, nil
}
