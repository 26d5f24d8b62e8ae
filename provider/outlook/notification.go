package outlook

import (
	"fmt"
	"strconv"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
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

// parse reads an item. Its errors wrap provider.ErrBody: not an object, no SubscriptionId, no ChangeType or one that
// is not a word. Anything else may be absent or of another kind. Names are matched without regard to case, as Outlook's own
// classes do.
func parse(item []byte) (notification, error) {
	subscription, changeType := strictjson.Member{Name: "SubscriptionId"}, strictjson.Member{Name: "ChangeType"}
	resource, sequence := strictjson.Member{Name: "Resource"}, strictjson.Member{Name: "SequenceNumber"}
	first, last := strictjson.Member{Name: "FirstMissing"}, strictjson.Member{Name: "LastMissing"}
	if err := strictjson.FindFold(item, &subscription, &changeType, &resource, &sequence, &first, &last); err != nil {
		return notification{}, err
	}
	n := notification{eventType: typePrefix + changeType.Text(), subscription: subscription.Text(), resource: resource.Text()}
	switch {
	case n.subscription == "":
		return n, fmt.Errorf("%w: no SubscriptionId", provider.ErrBody)
	case n.eventType == typePrefix || !provider.Word(n.eventType):
		return n, fmt.Errorf("%w: no ChangeType, or none that is a word", provider.ErrBody)
	case n.eventType == typeGap:
		n.numbers = parseNumbers(first.Value, last.Value)
	default:
		n.numbers = parseNumbers(sequence.Value, sequence.Value)
	}
	return n, nil
}
