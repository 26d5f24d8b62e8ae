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

import "github.com/bellhop-gateway/bellhop/provider"

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
