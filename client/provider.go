package client

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
)

// A Provider is an outside system that the gateway understands.
type Provider struct {
	Name         string    `json:"name" example:"ams"`
	Title        string    `json:"title"`
	Summary      string    `json:"summary"`
	Links        []string  `json:"links"`
	Settings     []Setting `json:"settings"`      // of a source
	Setup        []string  `json:"setup"`         // steps to take at the system so that it calls a source, in Markdown
	Paste        []Paste   `json:"paste"`         // texts to paste at the system, in place of some steps
	Sends        bool      `json:"sends"`         // whether Name can be the type of a destination
	SendSettings []Setting `json:"send_settings"` // of such a destination

	// Subscribes says that the system has to be asked to call a source, by a subscription.
	Subscribes           bool      `json:"subscribes"`
	SubscriptionSettings []Setting `json:"subscription_settings"`
	Resource             string    `json:"resource"`     // what the resource of a subscription is, in Markdown
	ChangeTypes          []string  `json:"change_types"` // that a subscription may name
	Connector            string    `json:"connector"`    // whose connections make the calls of a subscription

	// Samples are what can be sent to a source as the system would; none if only the system can sign.
	Samples []SampleType `json:"samples"`
}

// A Paste is a text that sets a system up so that it calls a source. In it stand https://YOUR-HOST/in/SOURCE for the
// URL of the source, and {name} for the value of its setting of that name.
type Paste struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// A DestinationType is what the type of a destination can be: http, pull, a provider that sends, or an action.
type DestinationType struct {
	Name      string    `json:"name" example:"slack"`
	Title     string    `json:"title"`
	Summary   string    `json:"summary"`
	Links     []string  `json:"links"`
	Settings  []Setting `json:"settings"`
	Access    []Setting `json:"access"` // members of access; none of a type without requests of its own
	Setup     []string  `json:"setup"`  // steps to take so that there is something to call, in Markdown
	NeedsURL  bool      `json:"needs_url"`
	SecretURL bool      `json:"secret_url"` // only the end of the URL is ever shown
	Action    bool      `json:"action"`     // work that is done here
}

// A Connector is an outside system at whose API there can be connections.
type Connector struct {
	Name     string    `json:"name" example:"graph"`
	Title    string    `json:"title"`
	Summary  string    `json:"summary"`
	Links    []string  `json:"links"`
	Settings []Setting `json:"settings"`
	Setup    []string  `json:"setup"` // steps to take at the system, in Markdown
}

// A Setting describes one member of a settings object.
type Setting struct {
	Name     string   `json:"name" example:"signing_key"`
	Title    string   `json:"title"`
	Doc      string   `json:"doc"`
	Example  string   `json:"example"`
	Kind     string   `json:"kind"` // of the value: text, list, number, …
	Secret   bool     `json:"secret"`
	Required bool     `json:"required"`
	Choices  []string `json:"choices"` // of a text, or of each text of a list; none is any
	Many     bool     `json:"many"`    // a text may be a list of texts, too
	// Make is how MakeSecret makes a value; "" is not at all.
	Make string `json:"make" enum:",text,hex,base64,standard"`
}

// MakeSecret returns a new value of a secret that both sides agree on, out of random bytes.
func (s Setting) MakeSecret(random io.Reader) (string, error) {
	bytes := make([]byte, 32)
	if s.Make == "base64" {
		bytes = make([]byte, 64)
	}
	_, err := io.ReadFull(random, bytes)
	if err != nil {
		return "", fmt.Errorf("make %s: %w", s.Name, err)
	}
	switch s.Make {
	case "text":
		return base64.RawURLEncoding.EncodeToString(bytes), nil
	case "hex":
		return hex.EncodeToString(bytes), nil
	case "base64":
		return base64.StdEncoding.EncodeToString(bytes), nil
	case "standard":
		return "whsec_" + base64.StdEncoding.EncodeToString(bytes), nil
	}
	return "", fmt.Errorf("%s cannot be made: the other side makes it", s.Name)
}

// Stats counts the stored nouns.
type Stats struct {
	Sources      int64 `json:"sources"`
	Destinations int64 `json:"destinations"`
	Events       int64 `json:"events"`
	// by state; final states count from the start of the server
	Deliveries      map[string]int64 `json:"deliveries"`
	OldestPendingAt Time             `json:"oldest_pending_at"` // created_at of the oldest pending delivery
	NextDueAt       Time             `json:"next_due_at"`       // the earliest next_at of a pending delivery
	DatabaseBytes   int64            `json:"database_bytes"`
	RequestsRefused int64            `json:"requests_refused"` // since the start of the server

	Latency Latencies `json:"latency"`
}

// Latencies are how long things took since a time.
type Latencies struct {
	Since    Time    `json:"since"`    // an hour ago, or the start of the server if that is later
	Accept   Latency `json:"accept"`   // of a request whose events were stored: from its start to the answer
	Attempt  Latency `json:"attempt"`  // of an attempt: from rendering to the end of the reply
	Delivery Latency `json:"delivery"` // from receiving an event to its delivery
}

// A Latency is how long something took. The two figures are points between bounds that double, not exact values.
type Latency struct {
	Count int64   `json:"count"`
	P50MS float64 `json:"p50_ms"` // half took no longer
	P99MS float64 `json:"p99_ms"` // 99 of 100 took no longer
}

// Providers lists the providers.
func (c *Client) Providers(ctx context.Context) ([]Provider, error) {
	l, err := list[Provider](ctx, c, path("providers"), Page{}, nil)
	return l.Data, err
}

// DestinationTypes lists what the type of a destination can be.
func (c *Client) DestinationTypes(ctx context.Context) ([]DestinationType, error) {
	l, err := list[DestinationType](ctx, c, path("destination-types"), Page{}, nil)
	return l.Data, err
}

// Connectors lists the systems at whose API there can be connections.
func (c *Client) Connectors(ctx context.Context) ([]Connector, error) {
	l, err := list[Connector](ctx, c, path("connectors"), Page{}, nil)
	return l.Data, err
}

// Stats counts the stored nouns.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	return get[Stats](ctx, c, path("stats"))
}
