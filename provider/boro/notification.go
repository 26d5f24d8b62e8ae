package boro

import (
	"cmp"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A Notification is one message of Boro's. A text is "" where its member is absent or of another kind; numbers are
// kept as they are written, since some are larger than 32 bits and some may be absent.
type Notification struct {
	Version         string // "1.1"
	SequenceID      string // number of the message
	ReferenceNumber string // the number that an Active and its Cleared share

	Project, Probe     string
	Task, TaskURI      string // the URI need not be HTTP: "udp://239.0.0.1:1234"
	SubtaskURI         string // of one representation, where the stream has several
	SubtaskDescription string

	Trigger  string // as people call it, in the language of the server's interface
	Status   string // StatusActive, StatusCleared, StatusEvent, or one that nobody told us of
	Level    string // severity, by the profile: "major"
	Time     string // when the state or the event began; RFC 3339 with the server's offset
	TimeEnd  string // when the state ended
	Duration string // for people: "1 s"
	Profile  string // the notification profile's name

	PID         string
	Count       string // of errors
	CountByPIDs []byte // JSON: an object of PID to number, or an array
	Details     []byte // JSON object: curl_error, http_error, source_ip
	Links       []Link // at most 32
}

// A Link leads to a page of the Boro server.
type Link struct {
	Type string // "task", "subtask" or "profile"
	Href string
}

// What the Status of a notification can be.
const (
	StatusActive  = "Active"
	StatusCleared = "Cleared"
	StatusEvent   = "Event"
)

const maxLinks = 32

// Parse reads a notification. The only error is one that wraps provider.ErrBody: body is not one JSON object. Any
// object is taken, since what a test message contains is not published; unknown members are disregarded.
// The JSON members of the result are parts of body.
func Parse(body []byte) (Notification, error) {
	var n Notification
	var links []byte
	err := strictjson.Object(body, func(name, value []byte) {
		switch string(name) {
		case "count_by_pids":
			n.CountByPIDs = value
		case "details":
			n.Details = value
		case "links":
			links = value
		default:
			if text := n.text(string(name)); text != nil {
				*text, _ = strictjson.Text(value)
			} else if number := n.number(string(name)); number != nil {
				*number = readNumber(value)
			}
		}
	})
	if err != nil {
		return Notification{}, err
	}
	n.Links = readLinks(links)
	return n, nil
}

// text returns where the text called name is kept.
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

// number returns where the number called name is kept.
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

// readNumber returns the digits of a whole number, which may also stand in quotes; "" for anything else.
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

// readLinks reads an array of links; what is none is left out.
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

// typePrefix is in front of an event's type, since the statuses are not unique in the world.
const typePrefix = "boro."

// otherType is the type of what has no status, such as a test message.
const otherType = typePrefix + "Message"

func (n *Notification) eventType() string {
	if kind := typePrefix + n.Status; n.Status != "" && provider.Word(kind) {
		return kind
	}
	return otherType
}

// subject returns the number that an Active and its Cleared share, or else the stream.
func (n *Notification) subject() string {
	return provider.Subject(cmp.Or(n.ReferenceNumber, n.TaskURI))
}

// repeatKey is the message's number with the profile. The time is in it because numbers may begin anew when a server
// is set up anew, and an alarm taken for a repeat would be lost.
func (n *Notification) repeatKey() string {
	if n.SequenceID == "" {
		return ""
	}
	return provider.RepeatKey(n.Profile + "/" + n.SequenceID + "/" + n.Time)
}

// at returns when it happened: for a Cleared, when the state ended.
func (n *Notification) at() time.Time {
	if n.Status == StatusCleared {
		if end := provider.Time(n.TimeEnd); !end.IsZero() {
			return end
		}
	}
	return provider.Time(n.Time)
}
