package eventgrid

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/signature"
)

// The headers that Event Grid adds to what it posts, in canonical form; on the wire it writes them in lower case.
const (
	EventTypeHeader        = "Aeg-Event-Type"
	SubscriptionNameHeader = "Aeg-Subscription-Name"
	DeliveryCountHeader    = "Aeg-Delivery-Count"
	DataVersionHeader      = "Aeg-Data-Version"
	MetadataVersionHeader  = "Aeg-Metadata-Version"
)

// What EventTypeHeader says.
const (
	headerNotification = "Notification"
	headerValidation   = "SubscriptionValidation"
	headerDeletion     = "SubscriptionDeletion"
)

type receiver struct {
	env           provider.Env
	cloud         cloud
	proofs        []proof // all are to hold; none takes events from anyone
	manual        bool    // validation events are answered by a call to their URL
	subscriptions []string
}

var _ provider.SecretHeaders = (*receiver)(nil)

// SecretHeaders implements [provider.SecretHeaders].
func (r *receiver) SecretHeaders() []string {
	var names []string
	for _, p := range r.proofs {
		if header, ok := p.(*headerSecret); ok {
			names = append(names, header.name)
		}
	}
	return names
}

// Receive answers the handshakes of both schemas, and reads what is delivered in either. A validation event carries
// the proofs that a delivery does, so it is answered to nobody else; an OPTIONS request cannot, and says only what
// anyone may know: that Event Grid is welcome.
func (r *receiver) Receive(ctx context.Context, req *provider.Request) (provider.Receipt, error) {
	receipt, err := r.receive(ctx, req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("eventgrid: %w", err)
	}
	return receipt, nil
}

func (r *receiver) receive(ctx context.Context, req *provider.Request) (provider.Receipt, error) {
	reply, asked, err := cloudevents.Consent(req, []string{r.cloud.domain}, 0)
	switch {
	case asked:
		return provider.Receipt{Reply: reply}, err
	case req.Method != http.MethodPost:
		return provider.Receipt{}, provider.ErrMethod
	}
	if err := r.authenticate(ctx, req); err != nil {
		return provider.Receipt{}, err
	}
	items, err := Items(req.Body)
	if err != nil {
		return provider.Receipt{}, err
	}
	v, asked, err := ReadValidation(req.Header, items)
	switch {
	case err != nil:
		return provider.Receipt{}, err
	case asked:
		reply, err := r.validate(v)
		return provider.Receipt{Reply: reply}, err
	}
	return readItems(items)
}

// authenticate checks what proves who sent req, and then the name of the subscription, which proves nothing.
func (r *receiver) authenticate(ctx context.Context, req *provider.Request) error {
	for _, p := range r.proofs {
		if err := p.check(ctx, req); err != nil {
			return err
		}
	}
	if len(r.subscriptions) == 0 {
		return nil
	}
	name, err := signature.Single(req.Header, SubscriptionNameHeader)
	if err != nil || !slices.ContainsFunc(r.subscriptions, func(known string) bool { return strictjson.EqualFold(name, known) }) {
		return fmt.Errorf("%w: not one of settings.subscriptions", provider.ErrForbidden)
	}
	return nil
}

// readItems makes an event of each item. Those that make none are refused alone: Event Grid would never again send
// what came with them. It is told only where none is left, since then there is nothing that it could lose.
func readItems(items [][]byte) (provider.Receipt, error) {
	receipt := provider.Receipt{Status: http.StatusOK, Events: make([]bellhop.Event, 0, len(items))}
	for i, item := range items {
		ev, err := Parse(item)
		if err != nil {
			receipt.Refused = append(receipt.Refused, provider.ItemError{Index: i, Err: err})
			continue
		}
		receipt.Events = append(receipt.Events, ev)
	}
	if len(items) > 0 && len(receipt.Events) == 0 {
		return provider.Receipt{}, receipt.Refused[0].Err
	}
	return receipt, nil
}
