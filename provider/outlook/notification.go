package outlook

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
)

// A notification is what this package reads of an item.
type notification struct {
	eventType    string // "outlook.Created"
	subscription string
	resource     string // "" where the whole subscription is meant
	numbers      numbers
}

// typePrefix is in front of an event's type, since the names are not unique in the world.
const typePrefix = "outlook."

// typeGap is the type of our own events. Outlook has none like it.
const typeGap = typePrefix + "Gap"

// subject is what the notification is about: the item of the mailbox, or the subscription.
func (n *notification) subject() string {
	if n.resource == "" {
		return provider.Subject(n.subscription)
	}
	return provider.Subject(n.resource)
}

// repeatKey is the same for each receipt of n; "" where n has no number.
func (n *notification) repeatKey() string {
	switch {
	case !n.numbers.known:
		return ""
	case n.eventType == typeGap:
		return n.numbers.gapKey(n.subscription)
	}
	return provider.RepeatKey(n.subscription + ":" + strconv.FormatUint(n.numbers.first, 10))
}

// readItems reads a body: {"value":[item, ...]}. No items are null or an empty list.
func readItems(body []byte) ([][]byte, error) {
	value := member{name: "value"}
	if err := provider.Object(body, value.take); err != nil {
		return nil, err
	}
	items, err := provider.Items(value.value, provider.MaxItems)
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	return items, nil
}

// parse reads an item. Its errors wrap provider.ErrBody: not an object, no SubscriptionId, no ChangeType or one that
// is not a word. Anything else may be absent or of another kind.
func parse(item []byte) (notification, error) {
	subscription, changeType := member{name: "SubscriptionId"}, member{name: "ChangeType"}
	resource, sequence := member{name: "Resource"}, member{name: "SequenceNumber"}
	first, last := member{name: "FirstMissing"}, member{name: "LastMissing"}
	err := provider.Object(item, func(name, value []byte) {
		for _, m := range [...]*member{&subscription, &changeType, &resource, &sequence, &first, &last} {
			m.take(name, value)
		}
	})
	if err != nil {
		return notification{}, err
	}
	n := notification{eventType: typePrefix + changeType.text(), subscription: subscription.text(), resource: resource.text()}
	switch {
	case n.subscription == "":
		return n, fmt.Errorf("%w: no SubscriptionId", provider.ErrBody)
	case n.eventType == typePrefix || !provider.Word(n.eventType):
		return n, fmt.Errorf("%w: no ChangeType, or none that is a word", provider.ErrBody)
	case n.eventType == typeGap:
		n.numbers = parseNumbers(first.value, last.value)
	default:
		n.numbers = parseNumbers(sequence.value, sequence.value)
	}
	return n, nil
}

// A member is one that is wanted of an object, and its value once it was seen. Names are matched without regard to case,
// as Outlook's own classes do; of two that differ in nothing else, the one in its own case counts.
type member struct {
	name  string
	value []byte
	exact bool // seen in its own case
}

// take keeps value if name is wanted. As many bytes are as many letters where one is ASCII: then none of the letters
// that Unicode folds to ASCII gets through.
func (m *member) take(name, value []byte) {
	if !m.exact && len(name) == len(m.name) && strings.EqualFold(string(name), m.name) {
		m.value, m.exact = value, string(name) == m.name
	}
}

// text is "" for anything but a string.
func (m *member) text() string {
	text, _ := provider.Text(m.value)
	return text
}
