package microsoft

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// A BatchReader reads the requests of SharePoint and Outlook at one source: a handshake, or a batch of thin
// notifications, {"value":[item, ...]}. The client state may be in the ClientState header. The provider
// itself reads the items.
type BatchReader struct {
	Name      string   // of the provider; it begins each error
	Parameter string   // of the query, with the token of a handshake
	States    []string // accepted client states, whatever the subscription

	Unchecked  bool                // client states are not checked
	Subscribed provider.Subscribed // accepts client states of its subscriptions too; may be nil

	StateInHeader   bool // a batch needs the header, even if its items have a client state
	StrictHandshake bool // a handshake needs the header
	FoldNames       bool // the member "value" may be written in any letter case
}

// SecretHeaders implements [provider.SecretHeaders].
func (*BatchReader) SecretHeaders() []string { return []string{StateHeader} }

// CheckHeader implements [provider.HeaderChecker].
func (r *BatchReader) CheckHeader(req *provider.Request) error {
	_, _, err := r.readHeader(req)
	return provider.Named(r.Name, err)
}

// A Proof is what the ClientState header of a request proves. The zero Proof is that of a request without the header.
type Proof struct {
	Source bool   // it is a client state of the source: every item is proven
	state  string // else the client state of one or more subscriptions: only their items are proven
}

// proofOf reads the ClientState header of h. A missing header is not an error; a wrong or repeated header is.
func (r *BatchReader) proofOf(h http.Header) (Proof, error) {
	err := VerifyHeader(h, r.States...)
	switch {
	case err == nil:
		return Proof{Source: true}, nil
	case errors.Is(err, signature.ErrMissing):
		return Proof{}, nil
	case errors.Is(err, provider.ErrForbidden) && r.Subscribed != nil && r.Subscribed.Knows(h.Get(StateHeader)):
		return Proof{state: h.Get(StateHeader)}, nil
	}
	return Proof{}, err
}

// Proves reports whether the header proves an item of the registration remoteID.
func (r *BatchReader) Proves(p Proof, remoteID string) bool {
	return p.Source || p.state != "" && r.Subscribed.Takes(remoteID, p.state)
}

// VerifyItem checks the client state of an item of the registration remoteID, as the function of that name does.
func (r *BatchReader) VerifyItem(remoteID, state string) error {
	err := VerifyItem(state, r.States...)
	if errors.Is(err, provider.ErrForbidden) && r.Subscribed != nil && r.Subscribed.Takes(remoteID, state) {
		return nil
	}
	return err
}

// Hear notes what an accepted item says about the registration remoteID.
func (r *BatchReader) Hear(receipt *provider.Receipt, remoteID string, kind provider.HeardKind) {
	if r.Subscribed != nil && r.Subscribed.Any() {
		receipt.Heard = append(receipt.Heard, provider.Heard{RemoteID: remoteID, Kind: kind})
	}
}

// readHeader does all that does not depend on the body: it answers a handshake, or checks the header of a batch.
func (r *BatchReader) readHeader(req *provider.Request) (reply *provider.Reply, proof Proof, err error) {
	if req.Method != http.MethodPost {
		return nil, proof, provider.ErrMethod
	}
	if !r.Unchecked {
		if proof, err = r.proofOf(req.Header); err != nil {
			return nil, proof, err
		}
	}
	reply, handshake, err := Echo(req, r.Parameter)
	switch {
	case handshake && r.StrictHandshake && proof == Proof{}:
		return nil, proof, fmt.Errorf("handshake without a ClientState header: %w", signature.ErrMissing)
	case handshake:
		return reply, proof, err
	case r.StateInHeader && !r.Unchecked && proof == Proof{}:
		return nil, proof, fmt.Errorf("ClientState header: %w", signature.ErrMissing)
	}
	return nil, proof, nil
}

// Read answers a handshake, or makes the receipt of a batch, which is answered 200. It calls item for each item, to
// append the item's events to receipt; proof is that of the header. If item returns
// an error, that item is refused and its neighbours pass. Events without a ContentType get that of the request.
//
// The header is checked before the body is read: a client state that is not accepted refuses the whole request.
func (r *BatchReader) Read(
	req *provider.Request,
	item func(receipt *provider.Receipt, item []byte, proof Proof) error,
) (provider.Receipt, error) {
	receipt, err := r.read(req, item)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("%s: %w", r.Name, err)
	}
	return receipt, nil
}

func (r *BatchReader) read(
	req *provider.Request,
	item func(*provider.Receipt, []byte, Proof) error,
) (receipt provider.Receipt, err error) {
	reply, proof, err := r.readHeader(req)
	if reply != nil || err != nil {
		return provider.Receipt{Reply: reply}, err
	}
	items, err := r.items(req.Content())
	if err != nil {
		return receipt, err
	}
	receipt.Status = http.StatusOK
	for i, value := range items {
		if err := item(&receipt, value, proof); err != nil {
			receipt.Refused = append(receipt.Refused,
				provider.ItemError{Index: i, Err: fmt.Errorf("%s: %w", r.Name, err)})
		}
	}
	contentType := provider.ContentType(req.Header)
	for i := range receipt.Events {
		if ev := &receipt.Events[i]; ev.ContentType == "" {
			ev.ContentType = contentType
		}
	}
	return receipt, nil
}

// items reads a body. Both null and an empty list are a batch without items.
func (r *BatchReader) items(body []byte) ([][]byte, error) {
	list := strictjson.Member{Name: "value"}
	var err error
	if r.FoldNames {
		err = strictjson.FindFold(body, &list)
	} else {
		list.Value, err = strictjson.Find(body, list.Name)
	}
	if err != nil {
		return nil, err
	}
	items, err := strictjson.Items(list.Value, provider.MaxItems)
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	return items, nil
}

// A BatchRenderer is the [provider.Batcher] and [provider.Handshaker] of SharePoint and Outlook: it writes what a
// [BatchReader] reads, with one client state in the ClientState header of each request.
type BatchRenderer struct {
	Name      string // of the provider; it begins each error
	Parameter string // of the query, with the token of a handshake
	Env       provider.Env
	State     string
	// Item returns the item that carries ev.
	Item func(ev *bellhop.Event, at provider.AttemptInfo) ([]byte, error)
}

var (
	_ provider.Batcher    = (*BatchRenderer)(nil)
	_ provider.Handshaker = (*BatchRenderer)(nil)
)

// Handshake asks the receiver for its consent, as the service does when a subscription is made.
func (r *BatchRenderer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	request, err := EchoHandshake(r.Env, at, r.Parameter)
	if err != nil {
		return request, fmt.Errorf("%s: %w", r.Name, err)
	}
	request.Request.Header.Set(StateHeader, r.State)
	return request, nil
}

// HandshakeByDefault implements [provider.Handshaker]: a receiver of thin notifications need not know the handshake.
func (*BatchRenderer) HandshakeByDefault() bool { return false }

// Render sends ev in a batch of one.
func (r *BatchRenderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	return r.RenderBatch([]*bellhop.Event{ev}, at)
}

// RenderBatch sends events as the items of one batch.
func (r *BatchRenderer) RenderBatch(
	events []*bellhop.Event,
	at provider.AttemptInfo,
) (provider.OutboundRequest, error) {
	items, err := strictjson.JoinItems(events, func(ev *bellhop.Event) ([]byte, error) { return r.Item(ev, at) })
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("%s: %w", r.Name, err)
	}
	return provider.OutboundRequest{Body: slices.Concat([]byte(`{"value":`), items, []byte("}")), Header: http.Header{
		"Content-Type": {"application/json"},
		StateHeader:    {r.State},
	}}, nil
}
