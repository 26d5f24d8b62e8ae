package stripe

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// typePrefix is in front of an event's type, since Stripe's words are not unique in the world.
const typePrefix = "stripe."

// An event is what this package reads of a body. Snapshot events and thin ones have the same members but for created,
// which is a number of seconds in the former and RFC 3339 in the latter, and for where the object's id is.
type event struct {
	id        string
	eventType string // "stripe.invoice.paid"
	subject   string
	created   time.Time
	livemode  bool
}

// parse reads a body. Its errors wrap provider.ErrBody: not a JSON object, no id, no type that is a word. Any other
// member may be absent or of another kind; it then counts as empty.
func parse(body []byte) (event, error) {
	var e event
	var kind, data, related []byte
	err := strictjson.Object(body, func(name, value []byte) {
		switch string(name) {
		case "id":
			e.id, _ = strictjson.Key(value)
		case "type":
			kind = value
		case "created":
			e.created = parseTime(value)
		case "livemode":
			e.livemode = string(value) == "true"
		case "data":
			data = value
		case "related_object":
			related = value
		}
	})
	if err != nil {
		return e, err
	}
	text, _ := strictjson.Text(kind)
	e.eventType = typePrefix + text
	if e.id == "" || text == "" || !provider.Word(e.eventType) {
		return e, fmt.Errorf("%w: an event has an id and a type", provider.ErrBody)
	}
	e.subject = subject(data, related)
	return e, nil
}

// subject returns the id of the object that an event is about: data.object.id of a snapshot event, related_object.id
// of a thin one. Some objects, such as a balance, have none.
func subject(data, related []byte) string {
	object, _ := strictjson.Find(data, "object") // what is null or of another kind has no members
	return provider.Subject(cmp.Or(strictjson.FindText(object, "id"), strictjson.FindText(related, "id")))
}

// parseTime reads a time in whole seconds since 1970 or as RFC 3339. It returns the zero Time for anything else.
func parseTime(value []byte) time.Time {
	if text, ok := strictjson.Text(value); ok {
		return provider.Time(text)
	}
	seconds, err := strconv.ParseInt(string(value), 10, 64)
	t := time.Unix(seconds, 0).UTC()
	if err != nil || t.Year() < 1970 || t.Year() > 2199 {
		return time.Time{}
	}
	return t
}
