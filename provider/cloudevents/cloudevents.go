// Package cloudevents receives and sends CloudEvents over HTTP, with the handshake of the Web Hooks specification.
//
// An event has one of three modes: binary, with its attributes in ce- headers and its data as the body; structured,
// the whole event as one JSON document; and batch, a JSON array of such documents. Requests are not signed. A
// bearer token, in Authorization or in the query, authenticates them. Before its first delivery a sender may make a
// handshake: it asks by an OPTIONS request whether it may deliver, and headers of the answer allow it.
//
// Without the server: check the token with [Verify], then read the events in any mode with [ReadRequest].
// [AnswerHandshake] answers the handshake.
//
// Sources:
//   - https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
//   - https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
//   - https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
//   - https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md
package cloudevents

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Provider receives and sends CloudEvents.
type Provider struct{}

var _ provider.Sender = Provider{}

type settings struct {
	AllowedOrigins  []string         `json:"allowed_origins"`
	BearerToken     provider.Secrets `json:"bearer_token"`
	Unauthenticated bool             `json:"unauthenticated"`
	AllowedRate     int              `json:"allowed_rate"`
	CallbackHosts   []string         `json:"callback_hosts"`
	Accept03        bool             `json:"accept_03"`
}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	err := bellhop.Join("",
		checkList("allowed_origins", s.AllowedOrigins, checkAllowedOrigin),
		s.checkToken(),
		checkRate("allowed_rate", s.AllowedRate),
		checkList("callback_hosts", s.CallbackHosts, checkHost),
	)
	if err != nil {
		return nil, err
	}
	r := &receiver{origins: s.AllowedOrigins, tokens: s.BearerToken, rate: s.AllowedRate, versions: []string{version}}
	r.callbacks = callbacks{hosts: s.CallbackHosts, client: env.Client}
	if s.Accept03 {
		r.versions = append(r.versions, version03)
	}
	return r, nil
}

// checkToken requires a token unless the settings explicitly do without one.
func (s *settings) checkToken() error {
	switch {
	case s.BearerToken != nil && s.Unauthenticated:
		return bellhop.Invalid("unauthenticated", "remove it: bearer_token authenticates requests")
	case s.BearerToken != nil:
		return checkTokens(s.BearerToken)
	case !s.Unauthenticated && len(s.AllowedOrigins) == 0:
		return bellhop.Invalid("bearer_token", "required, since CloudEvents are not signed; set allowed_origins, or "+
			"unauthenticated to true, to accept events from anyone who knows the URL")
	}
	return nil
}

func checkTokens(tokens provider.Secrets) error {
	const path = "bearer_token"
	if err := tokens.Check(path); err != nil {
		return err
	}
	var errs []error
	for i, token := range tokens {
		if !provider.Visible(token) {
			errs = append(errs, bellhop.Invalid(tokens.Path(path, i), "cannot be sent in a header: use printable "+
				"ASCII without blanks"))
		}
	}
	return bellhop.Join("", errs...)
}

// maxListed is the largest number of entries in a list of the settings.
const maxListed = 100

func checkList(path string, list []string, check func(path, text string) error) error {
	if len(list) > maxListed {
		return bellhop.Invalid(path, fmt.Sprintf("has %d entries; at most %d", len(list), maxListed))
	}
	var errs []error
	for i, text := range list {
		errs = append(errs, check(fmt.Sprintf("%s[%d]", path, i), text))
	}
	return bellhop.Join("", errs...)
}

func checkAllowedOrigin(path, text string) error {
	if text == "*" {
		return nil
	}
	return checkOriginName(path, text)
}

func checkOriginName(path, text string) error {
	if !dnsName(text) {
		return bellhop.Invalid(path, "use a DNS name without scheme and port, such as eventgrid.azure.net")
	}
	return nil
}

func checkHost(path, text string) error {
	u, err := url.Parse("https://" + text)
	if err != nil || u.Host != text || u.Hostname() == "" || !provider.Visible(text) {
		return bellhop.Invalid(path, "use a host, and a port if it is not 443: eventemitter.example.com")
	}
	return nil
}

func checkRate(path string, rate int) error {
	if rate < 0 || rate > provider.MaxWebHookRate {
		return bellhop.Invalid(path, "use a number of requests a minute from 1 to 999999999, or remove the setting")
	}
	return nil
}
