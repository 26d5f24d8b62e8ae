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

// parameter is the query parameter with the token of a handshake, as Outlook spells it; other systems use lower case.
const parameter = "validationToken"

type receiver struct {
	microsoft.BatchReader
	gaps   bool
	memory *memory // nil: detect gaps only within a request
}

var _ provider.SecretHeaders = (*receiver)(nil)

// Receive answers a handshake, or checks the client state and returns an event for each notification. If the
// number of a notification shows that earlier ones are missing, an event about the gap precedes it.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	watch := batch{memory: r.memory}
	return r.Read(req, func(receipt *provider.Receipt, item []byte, proof microsoft.Proof) error {
		n, err := parse(item)
		if err != nil {
			return err
		}
		if !r.Unchecked && !r.Proves(proof, n.subscription) {
			return fmt.Errorf("%w: the ClientState header is that of another subscription", provider.ErrForbidden)
		}
		if r.gaps {
			if missing, ok := watch.missing(n); ok {
				receipt.Events = append(receipt.Events, missing.event(n.subscription))
				r.Hear(receipt, n.subscription, provider.HeardMissed)
			}
		}
		r.Hear(receipt, n.subscription, n.heardKind())
		receipt.Events = append(receipt.Events, bellhop.Event{Type: n.eventType, Subject: n.subject(),
			ProviderID: n.repeatKey(), Body: item})
		return nil
	})
}

// A notification holds the members of an item that this package reads.
type notification struct {
	eventType    string // "outlook.Created"
	subscription string
	resource     string // "" for the whole subscription
	numbers      numbers
}

// typePrefix precedes Outlook's type in the type of an event, because Outlook's words are not globally unique.
const typePrefix = "outlook."

// typeGap is the type of the events that this package adds for gaps.
const typeGap = typePrefix + "Gap"

// subject returns the item of the mailbox, or the subscription if there is no item.
func (n *notification) subject() string {
	if n.resource == "" {
		return provider.Subject(n.subscription)
	}
	return provider.Subject(n.resource)
}

// heardKind returns what n says about its subscription.
func (n *notification) heardKind() provider.HeardKind {
	if n.eventType == typePrefix+"Missed" || n.eventType == typeGap {
		return provider.HeardMissed
	}
	return provider.HeardNotification
}

// repeatKey returns a key that is the same for each receipt of n, or "" if n has no number.
func (n *notification) repeatKey() string {
	switch {
	case !n.numbers.known:
		return ""
	case n.eventType == typeGap:
		return n.numbers.gapKey(n.subscription)
	}
	return provider.RepeatKey(n.subscription + ":" + strconv.FormatUint(n.numbers.first, 10))
}

// parse parses an item. Its error wraps provider.ErrBody if the item is not an object, has no SubscriptionId, or
// has no ChangeType that is a word. Other members may be absent or of another kind. Letter case of names does not
// matter, as in Outlook's own classes.
func parse(item []byte) (notification, error) {
	subscription, changeType := strictjson.Member{Name: "SubscriptionId"}, strictjson.Member{Name: "ChangeType"}
	resource, sequence := strictjson.Member{Name: "Resource"}, strictjson.Member{Name: "SequenceNumber"}
	first, last := strictjson.Member{Name: "FirstMissing"}, strictjson.Member{Name: "LastMissing"}
	if err := strictjson.FindFold(item, &subscription, &changeType, &resource, &sequence, &first, &last); err != nil {
		return notification{}, err
	}
	n := notification{eventType: typePrefix + changeType.Text(), subscription: subscription.Text(),
		resource: resource.Text()}
	switch {
	case n.subscription == "":
		return n, fmt.Errorf("%w: SubscriptionId is missing", provider.ErrBody)
	case n.eventType == typePrefix || !provider.Word(n.eventType):
		return n, fmt.Errorf("%w: ChangeType is missing, or is not a word", provider.ErrBody)
	case n.eventType == typeGap:
		n.numbers = parseNumbers(first.Value, last.Value)
	default:
		n.numbers = parseNumbers(sequence.Value, sequence.Value)
	}
	return n, nil
}

// StateHeader is the header with the client state, in canonical form; Outlook spells it ClientState.
const StateHeader = microsoft.StateHeader

// Verify returns nil if the ClientState header of h is one of states, byte for byte; it compares in constant
// time. It returns signature.ErrMissing, signature.ErrMalformed for a repeated header, or
// provider.ErrForbidden. The text identifies the sender. It does not cover the body, and it does not expire.
// Source:
// https://learn.microsoft.com/en-us/previous-versions/office/office-365-api/api/version-2.0/notify-rest-operations
func Verify(h http.Header, states ...string) error {
	return microsoft.VerifyHeader(h, states...)
}
