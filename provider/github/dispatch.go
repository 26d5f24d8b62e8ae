package github

import (
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
)

// dispatchName is the event by which GitHub tells of what happened outside of it.
// Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads#repository_dispatch
const dispatchName = "repository_dispatch"

// A dispatch is the payload of a repository_dispatch. GitHub's own has repository, branch, sender and installation
// too; an event of another system has none of these.
type dispatch struct {
	Action        string        `json:"action"`
	ClientPayload clientPayload `json:"client_payload"`
}

// A clientPayload carries an event in the members that Bellhop's format envelope has: its body is data where it is
// JSON, else data_base64.
type clientPayload struct {
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	Source     string          `json:"source,omitempty"`
	Subject    string          `json:"subject,omitempty"`
	Time       time.Time       `json:"time"`
	Data       json.RawMessage `json:"data,omitempty"`
	DataBase64 string          `json:"data_base64,omitempty"`
}

// newDispatch writes ev as a repository_dispatch, the same bytes on each attempt.
func newDispatch(ev *bellhop.Event) ([]byte, error) {
	d := dispatch{Action: ev.Type, ClientPayload: clientPayload{
		ID: ev.ID, Type: ev.Type, Source: ev.Source, Subject: ev.Subject, Time: ev.HappenedAt().UTC(),
	}}
	if utf8.Valid(ev.Body) && json.Valid(ev.Body) {
		d.ClientPayload.Data = ev.Body
		object, err := json.Marshal(d)
		if err == nil && strictjson.Object(object, func(_, _ []byte) {}) == nil {
			return object, nil
		}
		d.ClientPayload.Data = nil // what our own Receiver would not read, such as a name that is there twice
	}
	d.ClientPayload.DataBase64 = base64.StdEncoding.EncodeToString(ev.Body)
	return json.Marshal(d)
}
