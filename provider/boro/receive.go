package boro

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

type receiver struct {
	verifier *verifier // nil with unauthenticated
	// the prefix that a reverse proxy removed from the path, or the full path that Boro posts to
	prefix, path string
	now          func() time.Time
}

// CheckHeader implements [provider.HeaderChecker].
func (r *receiver) CheckHeader(req *provider.Request) error {
	var err error
	switch {
	case req.Method != http.MethodPost:
		err = provider.ErrMethod
	case r.verifier != nil:
		_, _, err = r.verifier.readHeader(r.message(req), r.now())
	}
	return provider.Named("boro", err)
}

// message returns req as Boro signed it.
func (r *receiver) message(req *provider.Request) Message {
	return Message{Method: req.Method, URI: r.uri(req.Target), Header: req.Header, Body: req.Body}
}

// Receive verifies the signature, then parses the notification.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	n, err := r.read(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("boro: %w", err)
	}
	key := n.repeatKey()
	if key == "" && r.verifier != nil {
		// The message has no number. A captured request that is sent again has the same signature.
		key = provider.RepeatKey(req.Header.Get("Authorization"))
	}
	return provider.Receipt{Status: http.StatusOK, Events: []bellhop.Event{{
		Type:        n.eventType(),
		Subject:     n.subject(),
		ProviderID:  key,
		Time:        n.at(),
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}}}, nil
}

func (r *receiver) read(req *provider.Request) (Notification, error) {
	if req.Method != http.MethodPost {
		return Notification{}, provider.ErrMethod
	}
	if r.verifier != nil {
		if err := r.verifier.verify(r.message(req), r.now()); err != nil {
			return Notification{}, err
		}
	}
	return Parse(req.Content())
}

// uri returns the target that Boro posted to and signed.
func (r *receiver) uri(target string) string {
	if r.prefix == "" && r.path == "" {
		return target
	}
	path, query, hasQuery := strings.Cut(originForm(target), "?")
	if r.path != "" {
		path = r.path
	} else {
		path = r.prefix + path
	}
	if hasQuery {
		path += "?" + query
	}
	return path
}

// A Notification is one message of Boro. A text is "" if its member is absent or of another kind. Numbers are kept
// as text, because some are larger than 32 bits and some may be absent.
type Notification struct {
	Version         string // "1.1"
	SequenceID      string // the number of the message
	ReferenceNumber string // the same number for an Active and its Cleared

	Project, Probe     string
	Task, TaskURI      string // the URI need not be HTTP: "udp://239.0.0.1:1234"
	SubtaskURI         string // the representation, if the stream has several
	SubtaskDescription string

	Trigger  string // the display name, in the language of the server's interface
	Status   string // StatusActive, StatusCleared, StatusEvent, or an undocumented one
	Level    string // severity in the profile: "major"
	Time     string // when the state or the event began; RFC 3339 with the server's offset
	TimeEnd  string // when the state ended
	Duration string // display text: "1 s"
	Profile  string // the notification profile's name

	PID         string
	Count       string // number of errors
	CountByPIDs []byte // JSON: an object of PID to number, or an array
	Details     []byte // JSON object: curl_error, http_error, source_ip
	Links       []Link // at most 32
}

// A Link is a link to a page of the Boro server.
type Link struct {
	Type string // "task", "subtask" or "profile"
	Href string
}

// The documented values of Status.
const (
	StatusActive  = "Active"
	StatusCleared = "Cleared"
	StatusEvent   = "Event"
)

const maxLinks = 32

// Parse parses a notification. It accepts every JSON object, because the contents of a test message are not
// published, and ignores unknown members. Its error wraps provider.ErrBody if body is not one JSON object, or has a
// member twice that this package reads. The JSON members of the result are parts of body.
func Parse(body []byte) (Notification, error) {
	var n Notification
	read := map[string]bool{}
	twice := ""
	err := strictjson.Object(body, func(name, value []byte) {
		if !n.set(string(name), value) {
			return
		}
		if read[string(name)] {
			twice = string(name)
		}
		read[string(name)] = true
	})
	switch {
	case err != nil:
		return Notification{}, err
	case twice != "":
		return Notification{}, fmt.Errorf("%w: member %s occurs twice", provider.ErrBody, twice)
	}
	return n, nil
}

// set takes the value of the named member. It reports whether this package reads that member.
func (n *Notification) set(name string, value []byte) bool {
	text, number := n.text(name), n.number(name)
	switch {
	case name == "count_by_pids":
		n.CountByPIDs = value
	case name == "details":
		n.Details = value
	case name == "links":
		n.Links = readLinks(value)
	case text != nil:
		*text, _ = strictjson.Text(value)
	case number != nil:
		*number = readNumber(value)
	default:
		return false
	}
	return true
}

// text returns the field of the text member name.
func (n *Notification) text(name string) *string {
	switch name {
	case "version":
		return &n.Version
	case "project_name":
		return &n.Project
	case "probe_name":
		return &n.Probe
	case "task_name":
		return &n.Task
	case "task_uri":
		return &n.TaskURI
	case "subtask_uri":
		return &n.SubtaskURI
	case "subtask_description":
		return &n.SubtaskDescription
	case "trigger":
		return &n.Trigger
	case "status":
		return &n.Status
	case "level":
		return &n.Level
	case "time":
		return &n.Time
	case "time_end":
		return &n.TimeEnd
	case "duration":
		return &n.Duration
	case "profile_name":
		return &n.Profile
	}
	return nil
}

// number returns the field of the number member name.
func (n *Notification) number(name string) *string {
	switch name {
	case "sequenceId":
		return &n.SequenceID
	case "referenceNumber":
		return &n.ReferenceNumber
	case "pid":
		return &n.PID
	case "count":
		return &n.Count
	}
	return nil
}

// readNumber returns the digits of a whole number, which may be in quotes, or "" for any other value.
func readNumber(value []byte) string {
	text, quoted := strictjson.Text(value)
	if !quoted {
		text = string(value)
	}
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || len(digits) > 20 || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	return text
}

// readLinks parses an array of links and leaves out invalid ones.
func readLinks(array []byte) []Link {
	var links []Link
	err := strictjson.Array(array, func(_ int, item []byte) {
		var link Link
		if len(links) == maxLinks || strictjson.Object(item, func(name, value []byte) {
			switch string(name) {
			case "type":
				link.Type, _ = strictjson.Text(value)
			case "href":
				link.Href, _ = strictjson.Text(value)
			}
		}) != nil {
			return
		}
		links = append(links, link)
	})
	if err != nil {
		return nil
	}
	return links
}

// typePrefix precedes the status in the type of an event, because the statuses are not globally unique.
const typePrefix = "boro."

// otherType is the type of a message without a status, such as a test message.
const otherType = typePrefix + "Message"

func (n *Notification) eventType() string {
	if kind := typePrefix + n.Status; n.Status != "" && provider.Word(kind) {
		return kind
	}
	return otherType
}

// subject returns the number that an Active and its Cleared share, or the stream if there is none.
func (n *Notification) subject() string {
	return provider.Subject(cmp.Or(n.ReferenceNumber, n.TaskURI))
}

// repeatKey is made of the profile, the number of the message and its time. The time is part of it because numbers
// start again when a server is installed again, and an alarm that is mistaken for a repeat would be lost.
func (n *Notification) repeatKey() string {
	if n.SequenceID == "" {
		return ""
	}
	return provider.RepeatKey(n.Profile + "/" + n.SequenceID + "/" + n.Time)
}

// at returns the time of the event: for a Cleared, the end of the state.
func (n *Notification) at() time.Time {
	if n.Status == StatusCleared {
		if end := provider.Time(n.TimeEnd); !end.IsZero() {
			return end
		}
	}
	return provider.Time(n.Time)
}

// A document is a notification to encode, with all members that Boro always sends.
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

// details holds the data of another system's event in a notification.
type details struct {
	EventID     string          `json:"event_id"`
	ContentType string          `json:"content_type,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`        // the body, if it is a JSON object or array
	DataText    string          `json:"data_text,omitempty"`   // otherwise the body, if it is text
	DataBase64  []byte          `json:"data_base64,omitempty"` // otherwise the body in Base64
}

const (
	version    = "1.1"
	self       = "Bellhop"                       // for project, probe and profile
	levelInfo  = "info"                          // for the severity
	timeFormat = "2006-01-02T15:04:05.000-07:00" // milliseconds and an offset, as Boro writes it
)

// Bounds in bytes. maxData in Base64 fits into maxBody.
const (
	maxBody = 1 << 20   // of a notification, as receivers accept it
	maxData = 700 << 10 // of another system's event in a notification
)

// TestMessage returns the body that the button "Send test message" sends at that time: a notification of an Event
// without a probe. Boro does not publish the contents of its own test message.
func TestMessage(at time.Time) []byte {
	body, err := strictjson.Encode(document{
		Version: version, SequenceID: at.UnixMilli(), Project: self, Probe: self, TaskURI: "bellhop:test",
		Task:    "Test",
		Trigger: "Test message", Status: StatusEvent, Level: levelInfo, Time: at.Format(timeFormat), Profile: self,
	})
	if err != nil {
		panic(err) // a document always encodes
	}
	return body
}

// newNotification encodes ev as a notification of Boro, with the same bytes on each attempt.
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

// withData encodes d with data in its details, in the simplest form that works: JSON, text or Base64. Data that is
// empty or too long is left out.
func (d document) withData(data []byte) ([]byte, error) {
	if len(data) == 0 || len(data) > maxData {
		return strictjson.Encode(d)
	}
	text := utf8.Valid(data)
	if value, ok := strictjson.Embed(data); ok && isComposite(value) {
		d.Details.Data = value
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

// readable reports whether a receiver accepts body: with escapes it is not too long.
func readable(body []byte) bool {
	return len(body) <= maxBody
}

// isComposite reports whether body begins like a JSON object or array.
func isComposite(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return len(body) > 0 && (body[0] == '{' || body[0] == '[')
}

// sequenceID derives the number of a message from the id of an event, so that the receiver recognizes repeats. It
// has 53 bits, which every JSON decoder keeps exact.
func sequenceID(id string) int64 {
	sum := sha256.Sum256([]byte(id))
	return int64(binary.BigEndian.Uint64(sum[:]) >> 11)
}
