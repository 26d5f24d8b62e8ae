package ams

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
)

// A notification is what this package reads of a document.
type notification struct {
	etag      string
	eventType string // "ams.JobStateChange"
	time      time.Time
	account   string
	subject   string
}

// typePrefix is in front of an event's type, since the names are not unique in the world.
const typePrefix = "ams."

// eventTypes are the types of events by the number that EventType has.
var eventTypes = [...]string{
	typePrefix + "None", typePrefix + "JobStateChange", typePrefix + "NotificationEndPointRegistration",
	typePrefix + "NotificationEndPointUnregistration", typePrefix + "TaskStateChange", typePrefix + "TaskProgress",
}

// parse reads a document. Its errors wrap provider.ErrBody: not JSON, an EventType that is none, Properties that
// are not an object. Any other member may be absent or of another kind; it then counts as empty.
func parse(body []byte) (notification, error) {
	var n notification
	var eventType, properties []byte
	err := provider.Object(body, func(name, value []byte) {
		switch string(name) {
		case "ETag":
			n.etag, _ = provider.Text(value)
		case "EventType":
			eventType = value
		case "TimeStamp":
			n.time = parseTime(value)
		case "Properties":
			properties = value
		}
	})
	if err != nil {
		return n, err
	}
	if n.eventType, err = parseType(eventType); err != nil {
		return n, err
	}
	if err := n.readProperties(properties); err != nil {
		return n, fmt.Errorf("in Properties: %w", err)
	}
	return n, nil
}

// parseType reads an EventType: a number on webhooks, a name on messages that went through a queue.
// Numbers nobody told us of are taken too: "ams.EventType99".
func parseType(value []byte) (string, error) {
	text, named := provider.Text(value)
	if !named {
		text = string(value)
	}
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		if n < uint64(len(eventTypes)) {
			return eventTypes[n], nil
		}
		return typePrefix + "EventType" + strconv.FormatUint(n, 10), nil
	}
	if named && text != "" && provider.Word(typePrefix+text) {
		return typePrefix + text, nil
	}
	return "", fmt.Errorf("%w: EventType is neither a whole number nor a name", provider.ErrBody)
}

// parseTime reads a TimeStamp: RFC 3339, in older documents without a zone, which is UTC then.
func parseTime(value []byte) time.Time {
	text, _ := provider.Text(value)
	t := provider.Time(text)
	if t.IsZero() {
		t = provider.Time(text + "Z")
	}
	return t
}

// readProperties reads the properties that matter here. Their names come in PascalCase and in camelCase, so case is
// disregarded; where two differ in nothing else, the one in PascalCase counts.
func (n *notification) readProperties(object []byte) error {
	account, task := property{name: "AccountId"}, property{name: "TaskId"}
	job, endpoint := property{name: "JobId"}, property{name: "NotificationEndPointId"}
	err := provider.Object(object, func(name, value []byte) {
		for _, p := range [...]*property{&account, &task, &job, &endpoint} {
			p.take(name, value)
		}
	})
	n.account, _ = provider.Text(account.value)
	for _, p := range [...]*property{&task, &job, &endpoint} {
		if text, _ := provider.Text(p.value); text != "" {
			n.subject = provider.Subject(text)
			break
		}
	}
	return err
}

// A property is one that is wanted, and its value once it was seen.
type property struct {
	name  string
	value []byte
	exact bool // seen in its own case
}

func (p *property) take(name, value []byte) {
	if !p.exact && equalFold(string(name), p.name) {
		p.value, p.exact = value, string(name) == p.name
	}
}

// equalFold compares without regard to case. As many bytes are as many letters where one is ASCII: then none of the
// letters that Unicode folds to ASCII gets through, such as the Kelvin sign for the k of TaskId (N03).
func equalFold(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }
