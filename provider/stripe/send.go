package stripe

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

type sendSettings struct {
	Secret     provider.Secrets `json:"secret"`
	APIVersion string           `json:"api_version"`
	Livemode   bool             `json:"livemode"`
}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(_ provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	if err := checkSecrets(s.Secret); err != nil {
		return nil, err
	}
	r := &renderer{secrets: s.Secret.Bytes(), livemode: s.Livemode}
	if s.APIVersion != "" {
		r.apiVersion = &s.APIVersion
	}
	return r, nil
}

type renderer struct {
	secrets    [][]byte
	apiVersion *string // nil renders null
	livemode   bool
}

// Render renders an event that came from Stripe with its own bytes, and any other as a snapshot event, signed for
// this attempt.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	body, err := r.body(ev)
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("stripe: %w", err)
	}
	value, err := Sign(body, at.Time, r.secrets...)
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("stripe: %w", err)
	}
	return provider.OutboundRequest{Body: body, Header: http.Header{
		"Accept":        {"*/*; q=0.5, application/xml"},
		"Cache-Control": {"no-cache"},
		"Content-Type":  {"application/json; charset=utf-8"},
		SignatureHeader: {value},
	}}, nil
}

func (r *renderer) body(ev *bellhop.Event) ([]byte, error) {
	if strings.HasPrefix(ev.Type, typePrefix) {
		if e, err := parse(ev.Body); err == nil && e.complete {
			return ev.Body, nil
		}
	}
	return r.newSnapshot(ev)
}

// A snapshot is an event in Stripe's form, with the changed object.
// Source: https://docs.stripe.com/api/events/object
type snapshot struct {
	ID              string       `json:"id"`
	Object          string       `json:"object"`
	APIVersion      *string      `json:"api_version"`
	Created         int64        `json:"created"`
	Data            snapshotData `json:"data"`
	Livemode        bool         `json:"livemode"`
	PendingWebhooks int          `json:"pending_webhooks"`
	Request         struct {
		ID             *string `json:"id"`
		IdempotencyKey *string `json:"idempotency_key"`
	} `json:"request"` // the API call that caused the event: none
	Type string `json:"type"`
}

type snapshotData struct {
	Object json.RawMessage `json:"object"`
}

// newSnapshot encodes ev as a snapshot event, with the same bytes on each attempt. Its id is that of ev, so that
// the receiver can recognize repeats; Bellhop's ids look like Stripe's.
func (r *renderer) newSnapshot(ev *bellhop.Event) ([]byte, error) {
	s := snapshot{
		ID:              ev.ID,
		Object:          "event",
		APIVersion:      r.apiVersion,
		Created:         max(0, ev.HappenedAt().Unix()),
		Livemode:        r.livemode,
		PendingWebhooks: 1,
		Type:            snapshotType(ev.Type),
	}
	var err error
	if s.Data.Object, err = newObject(ev); err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// snapshotType turns text into a type in Stripe's form: without typePrefix, short enough to take it again, and
// with "_" in place of characters that a type cannot have.
func snapshotType(text string) string {
	text = strings.TrimPrefix(text, typePrefix)
	text = text[:min(len(text), bellhop.MaxTypeLength-len(typePrefix))]
	if text == "" {
		return "event"
	}
	if provider.Word(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && provider.Word(string(r)) {
			return r
		}
		return '_'
	}, text)
}

// A carrier takes the place of Stripe's object if the body of an event is not a JSON object.
type carrier struct {
	ID         string          `json:"id,omitempty"` // the subject of the event
	Object     string          `json:"object"`
	Data       json.RawMessage `json:"data,omitempty"` // the body, if it is JSON
	DataBase64 string          `json:"data_base64,omitempty"`
}

// newObject returns the object for the body of ev: the body itself if it is a JSON object, else a carrier with the
// body as JSON or, if it cannot be embedded, in Base64. A body that is not UTF-8 goes in Base64, because Stripe's
// libraries verify the text that they decoded.
func newObject(ev *bellhop.Event) (json.RawMessage, error) {
	c := carrier{ID: ev.Subject, Object: "bellhop.body"}
	body, ok := strictjson.Embed(ev.Body)
	switch {
	case ok && body[0] == '{':
		return body, nil
	case ok:
		c.Data = body
	default:
		c.DataBase64 = base64.StdEncoding.EncodeToString(ev.Body)
	}
	return json.Marshal(c)
}
