package ams

import (
	"fmt"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
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
	err := strictjson.Object(body, func(name, value []byte) {
		switch string(name) {
		case "ETag":
			n.etag, _ = strictjson.Key(value)
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
	text, named := strictjson.Text(value)
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
	text, _ := strictjson.Text(value)
	t := provider.Time(text)
	if t.IsZero() {
		t = provider.Time(text + "Z")
	}
	return t
}

// readProperties reads the properties that matter here. Their names come in PascalCase and in camelCase, so case is
// disregarded; where two differ in nothing else, the one in PascalCase counts.
func (n *notification) readProperties(object []byte) error {
	account, task := strictjson.Member{Name: "AccountId"}, strictjson.Member{Name: "TaskId"}
	job, endpoint := strictjson.Member{Name: "JobId"}, strictjson.Member{Name: "NotificationEndPointId"}
	err := strictjson.FindFold(object, &account, &task, &job, &endpoint)
	n.account = account.Text()
	for _, m := range [...]*strictjson.Member{&task, &job, &endpoint} {
		if text := m.Text(); text != "" {
			n.subject = provider.Subject(text)
			break
		}
	}
	return err
}
