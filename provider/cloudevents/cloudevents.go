// Package cloudevents understands CloudEvents over HTTP, and the Web Hooks specification that says who may send them.
//
// An event comes in one of three modes: binary, its attributes in ce- headers and its data as the body; structured,
// the whole event as one JSON document; and batch, a JSON array of such documents. There is no signature. A request
// proves itself by a bearer token, in Authorization or in the query; before the first one, a sender may ask by OPTIONS
// whether it is welcome, and is told so in headers of the answer.
//
// Without the server: [Verify] with the token, then [ReadRequest] for the events in any mode; [Consent] answers the
// handshake.
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

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:    "cloudevents",
		Title:   "CloudEvents",
		Summary: "Any system that posts CloudEvents 1.0 over HTTP, single or in batches, with a bearer token and the handshake of the Web Hooks specification.",
		Links: []string{
			"https://cloudevents.io",
			"https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md",
			"https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md",
		},
		Key:          "bearer_token",
		MediaTypes:   []string{MediaType, BatchMediaType},
		Settings:     sourceSettings,
		SendSettings: destinationSettings,
		Handshake:    "cloudevents",
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Setup:         setup,
		SendSetup:     sendSetup,
		Notes:         notes,
		HandshakeWhen: "where `origin` is set",
		ByHand:        byHand,
		Recipe: provider.Recipe{
			Source:      `--key @FILE --set 'allowed_origins=["sender.example.com"]'`,
			Destination: "--set bearer_token=@FILE",
			Send:        "--key @FILE",
		},
	}
}

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

// checkToken lets nobody leave out the token by mistake.
func (s *settings) checkToken() error {
	switch {
	case s.BearerToken != nil && s.Unauthenticated:
		return bellhop.Invalid("unauthenticated", "leave it out: with a bearer_token, requests are authenticated")
	case s.BearerToken != nil:
		return checkTokens(s.BearerToken)
	case !s.Unauthenticated && len(s.AllowedOrigins) == 0:
		return bellhop.Invalid("bearer_token", "required, as CloudEvents are not signed; or name allowed_origins, or set unauthenticated to true, to take them from anyone who knows the URL")
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
			errs = append(errs, bellhop.Invalid(tokens.Path(path, i), "cannot stand in a header: use printable ASCII without blanks"))
		}
	}
	return bellhop.Join("", errs...)
}

// maxListed bounds the lists of the settings.
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
		return bellhop.Invalid(path, "use a number of requests a minute from 1 to 999999999, or leave it out")
	}
	return nil
}
