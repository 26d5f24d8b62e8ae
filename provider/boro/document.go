package boro

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
)

// A document is a notification as it is written. It has all members that Boro's always have.
type document struct {
	Version    string   `json:"version"`
	SequenceID int64    `json:"sequenceId"`
	Project    string   `json:"project_name"`
	Probe      string   `json:"probe_name"`
	TaskURI    string   `json:"task_uri"`
	Task       string   `json:"task_name"`
	Trigger    string   `json:"trigger"`
	Status     string   `json:"status"`
	Level      string   `json:"level"`
	Time       string   `json:"time"`
	Profile    string   `json:"profile_name"`
	Details    *details `json:"details,omitempty"`
}

// details are what a notification tells of another system's event.
type details struct {
	EventID     string          `json:"event_id"`
	ContentType string          `json:"content_type,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`        // the body, if it is a JSON object or array
	DataText    string          `json:"data_text,omitempty"`   // or else if it is text
	DataBase64  []byte          `json:"data_base64,omitempty"` // or else
}

const (
	version    = "1.1"
	self       = "Bellhop"                       // in the place of a project, probe or profile
	levelInfo  = "info"                          // in the place of a severity
	timeFormat = "2006-01-02T15:04:05.000-07:00" // milliseconds and an offset, as Boro writes it
)

// Bounds in bytes. Data in Base64 is always within those of a notification.
const (
	maxBody = 1 << 20   // of a notification: what receivers take
	maxData = 700 << 10 // of another system's event within it
)

// TestMessage returns what the button "Send test message" sends at that time: a notification of an event that no probe
// registered. Boro does not publish the contents of its own.
func TestMessage(at time.Time) []byte {
	body, err := strictjson.Encode(document{
		Version: version, SequenceID: at.UnixMilli(), Project: self, Probe: self, TaskURI: "bellhop:test", Task: "Test",
		Trigger: "Test message", Status: StatusEvent, Level: levelInfo, Time: at.Format(timeFormat), Profile: self,
	})
	if err != nil {
		panic(err) // there is nothing in it that could fail
	}
	return body
}

// newNotification writes ev as Boro would, the same bytes on each attempt.
func newNotification(ev *bellhop.Event) ([]byte, error) {
	d := document{
		Version:    version,
		SequenceID: sequenceID(ev.ID),
		Project:    cmp.Or(ev.Source, self),
		Probe:      self,
		TaskURI:    cmp.Or(ev.Subject, "bellhop:"+ev.ID),
		Task:       cmp.Or(ev.Subject, ev.Type),
		Trigger:    ev.Type,
		Status:     StatusEvent,
		Level:      levelInfo,
		Time:       ev.HappenedAt().UTC().Format(timeFormat),
		Profile:    self,
		Details:    &details{EventID: ev.ID, ContentType: ev.ContentType},
	}
	return d.withData(ev.Body)
}

// withData writes d with data among its details, in the plainest form in which it can stand there: as JSON, as text
// or in Base64. Without data, and where it is too long, it is left out.
func (d document) withData(data []byte) ([]byte, error) {
	if len(data) == 0 || len(data) > maxData {
		return strictjson.Encode(d)
	}
	text := utf8.Valid(data)
	if text && isComposite(data) {
		d.Details.Data = data
		if body, err := strictjson.Encode(d); err == nil && readable(body) {
			return body, nil
		}
		d.Details.Data = nil
	}
	if text {
		d.Details.DataText = string(data)
		if body, err := strictjson.Encode(d); err == nil && readable(body) {
			return body, nil
		}
		d.Details.DataText = ""
	}
	d.Details.DataBase64 = data
	return strictjson.Encode(d)
}

// readable reports whether a receiver takes body: not too long with all that had to be escaped, not too deep with data
// further down, no name twice.
func readable(body []byte) bool {
	return len(body) <= maxBody && strictjson.Object(body, func(_, _ []byte) {}) == nil
}

// isComposite reports whether body begins as a JSON object or array does.
func isComposite(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return len(body) > 0 && (body[0] == '{' || body[0] == '[')
}

// sequenceID derives a message's number from an event's id, so that the receiver knows repeats. It has 53 bits,
// which every reader of JSON keeps whole.
func sequenceID(id string) int64 {
	sum := sha256.Sum256([]byte(id))
	return int64(binary.BigEndian.Uint64(sum[:]) >> 11)
}
