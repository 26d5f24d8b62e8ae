package stripe

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A snapshot is an event as Stripe writes it, with the object that changed.
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
	} `json:"request"` // of the API call that made the event; there was none
	Type string `json:"type"`
}

type snapshotData struct {
	Object json.RawMessage `json:"object"`
}

// newSnapshot writes ev as a snapshot event, the same bytes on each attempt. Its id is that of ev, so that the
// receiver knows repeats; Bellhop's ids look like Stripe's.
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
	for _, object := range newObjects(ev) {
		s.Data.Object = object
		body, err := json.Marshal(s)
		if err == nil && isObject(body) {
			return body, nil
		}
	}
	return nil, errors.New("the event cannot be written as JSON")
}

// isObject reports whether body is a JSON object that our own Receiver reads.
func isObject(body []byte) bool { return strictjson.Object(body, func(_, _ []byte) {}) == nil }

// snapshotType returns a type as Stripe could have it: without the prefix that it gets where it arrives, of no more
// characters than leave room for that, and of those that a type is made of.
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

// A carrier is what stands in the place of Stripe's object where an event's body is no JSON object.
type carrier struct {
	ID         string          `json:"id,omitempty"` // the event's subject
	Object     string          `json:"object"`
	Data       json.RawMessage `json:"data,omitempty"` // the body where it is JSON
	DataBase64 string          `json:"data_base64,omitempty"`
}

// newObjects returns what can stand for ev's body, best first: itself, a carrier of it as JSON, a carrier of it in
// Base64, which always can. Text that is not UTF-8 goes in Base64, for Stripe's libraries verify what they decoded.
func newObjects(ev *bellhop.Event) []json.RawMessage {
	c := carrier{ID: ev.Subject, Object: "bellhop.body"}
	var objects []json.RawMessage
	if utf8.Valid(ev.Body) && isObject(ev.Body) {
		objects = append(objects, ev.Body)
	}
	if utf8.Valid(ev.Body) && json.Valid(ev.Body) {
		c.Data = ev.Body
		objects = append(objects, c.encode())
		c.Data = nil
	}
	c.DataBase64 = base64.StdEncoding.EncodeToString(ev.Body)
	return append(objects, c.encode())
}

func (c carrier) encode() json.RawMessage {
	raw, err := json.Marshal(c)
	if err != nil {
		panic("stripe: valid JSON and text cannot be encoded: " + err.Error())
	}
	return raw
}
