package outlook

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// parameter holds the token of a handshake. Outlook writes it so; others look for it in lower case.
const parameter = "validationToken"

type receiver struct {
	microsoft.BatchReader
	gaps   bool
	memory *memory // nil looks for gaps within a request only
}

var _ provider.SecretHeaders = (*receiver)(nil)

// Receive answers a handshake, or checks the client state and makes an event of each notification. If the number of a
// notification says that others before it are missing, an event that says so precedes it.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	watch := batch{memory: r.memory}
	return r.Read(req, func(receipt *provider.Receipt, item []byte, _ bool) error {
		n, err := parse(item)
		if err != nil {
			return err
		}
		if r.gaps {
			if missing, ok := watch.missing(n); ok {
				receipt.Events = append(receipt.Events, missing.event(n.subscription))
			}
		}
		receipt.Events = append(receipt.Events, bellhop.Event{Type: n.eventType, Subject: n.subject(), ProviderID: n.repeatKey(), Body: item})
		return nil
	})
}

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

// StateHeader is the header that holds the client state, in canonical form; Outlook writes ClientState.
const StateHeader = microsoft.StateHeader

// Verify reports whether the ClientState header of h is one of states, byte for byte, in constant time.
// It returns signature.ErrMissing, signature.ErrMalformed for a header that is there twice, or provider.ErrForbidden.
// The text says who sent the request and nothing of its body; nor does it grow old.
// Source: https://learn.microsoft.com/en-us/previous-versions/office/office-365-api/api/version-2.0/notify-rest-operations
func Verify(h http.Header, states ...string) error {
	return microsoft.VerifyHeader(h, states...)
}
