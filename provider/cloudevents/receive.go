package cloudevents

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

type receiver struct {
	origins   []string // that may deliver; "*" is any
	tokens    []string // none: nobody has to prove anything
	rate      int      // requests a minute granted at most; 0 is any
	callbacks callbacks
	versions  []string
}

var _ provider.SecretHeaders = (*receiver)(nil)

// SecretHeaders implements [provider.SecretHeaders]: who has the URL of a callback can agree in our name.
func (r *receiver) SecretHeaders() []string { return []string{RequestCallbackHeader} }

// Receive answers the handshake, which carries no token; of anything else it verifies the token, then looks at the
// name of the sender, then reads.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	reply, ok, err := r.consent(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("cloudevents: %w", err)
	}
	if ok {
		return provider.Receipt{Reply: reply}, nil
	}
	receipt, err := r.read(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("cloudevents: %w", err)
	}
	return receipt, nil
}

func (r *receiver) consent(req *provider.Request) (*provider.Reply, bool, error) {
	reply, ok, err := Consent(req, r.origins, r.rate)
	if ok && err == nil {
		reply = r.callbacks.instead(reply, req.Header)
	}
	return reply, ok, err
}

func (r *receiver) read(req *provider.Request) (provider.Receipt, error) {
	if req.Method != http.MethodPost {
		return provider.Receipt{}, provider.ErrMethod
	}
	if len(r.tokens) > 0 {
		if err := Verify(req.Header, req.Target, r.tokens...); err != nil {
			return provider.Receipt{}, err
		}
	}
	if err := r.checkOrigin(req.Header); err != nil {
		return provider.Receipt{}, err
	}
	return readRequest(req.Header, req.Body, r.versions...)
}

// checkOrigin compares the name under which a request is delivered with those that the source knows, if it knows any.
// Senders that make no handshake have no name.
func (r *receiver) checkOrigin(h http.Header) error {
	name := origin(h)
	if len(r.origins) > 0 && name != "" && !originAllowed(name, r.origins) {
		return fmt.Errorf("%w: delivered under a name that is not among settings.allowed_origins", provider.ErrForbidden)
	}
	return nil
}

// origin returns the name of the sender. Version 1.0 of the specification had it in Origin, which Event Grid still
// has; what a browser writes there is another thing and no name.
func origin(h http.Header) string {
	if values := h[RequestOriginHeader]; len(values) > 0 {
		return strings.Join(values, ",")
	}
	if name := strings.Join(h["Origin"], ","); dnsName(name) && name != "null" {
		return name
	}
	return ""
}

// MaxItems bounds the events of one batch.
const MaxItems = 5000

// ReadRequest reads the events of a request from its headers and body, in the mode that its Content-Type says:
// batch, structured or, where the ce- headers are there, binary. Of a batch, items that are no events are refused by
// themselves; one without any event in it is refused as a whole, unless it is empty. Of a binary event, the body is
// the data, and the attributes that are no fields of a bellhop.Event stay in the headers.
//
// What is no CloudEvent is provider.ErrMediaType, one that is malformed provider.ErrBody. Who sent it is not looked
// at; that is [Verify].
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3-http-message-mapping
func ReadRequest(h http.Header, body []byte) (provider.Receipt, error) {
	return readRequest(h, body, version)
}

func readRequest(h http.Header, body []byte, versions ...string) (provider.Receipt, error) {
	if len(h["Content-Type"]) > 1 {
		return provider.Receipt{}, fmt.Errorf("%w: two Content-Type headers", provider.ErrMediaType)
	}
	var ev bellhop.Event
	var err error
	switch kind := mediaType(h.Get("Content-Type")); {
	case kind == BatchMediaType:
		return readBatch(body, versions)
	case kind == MediaType:
		ev, err = readStructured(h, body, versions)
	case isCloudEvents(kind):
		err = fmt.Errorf("%w: a format of CloudEvents other than JSON", provider.ErrMediaType)
	default:
		ev, err = readBinary(h, body, versions)
	}
	if err != nil {
		return provider.Receipt{}, err
	}
	return provider.Receipt{Events: []bellhop.Event{ev}}, nil
}

// mediaType returns the type in a Content-Type, in lower case and without parameters.
func mediaType(contentType string) string {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// isCloudEvents reports whether a media type is that of whole events, one or many, in any format.
func isCloudEvents(kind string) bool { return strings.HasPrefix(kind, "application/cloudevents") }

func readStructured(h http.Header, body []byte, versions []string) (bellhop.Event, error) {
	ev, err := parse(body, versions...)
	if given := provider.ContentType(h); given != "" {
		ev.ContentType = given
	}
	return ev, err
}

func readBatch(body []byte, versions []string) (receipt provider.Receipt, err error) {
	var items [][]byte
	count := 0
	err = strictjson.Array(body, func(_ int, item []byte) {
		if count++; count <= MaxItems {
			items = append(items, item)
		}
	})
	if err == nil && count > MaxItems {
		err = fmt.Errorf("%w: more than %d events in a batch", provider.ErrBody, MaxItems)
	}
	if err != nil {
		return receipt, err
	}
	for i, item := range items {
		ev, err := parse(item, versions...)
		if err != nil {
			receipt.Refused = append(receipt.Refused, provider.ItemError{Index: i, Err: err})
			continue
		}
		receipt.Events = append(receipt.Events, ev)
	}
	if len(receipt.Events) == 0 && len(receipt.Refused) > 0 {
		return provider.Receipt{}, fmt.Errorf("no event in the batch; its first item: %w", receipt.Refused[0].Err)
	}
	return receipt, nil
}

// headerPrefix stands before the name of an attribute in the canonical name of its header.
const headerPrefix = "Ce-"

func readBinary(h http.Header, body []byte, versions []string) (bellhop.Event, error) {
	a, err := headerAttributes(h)
	if err != nil {
		return bellhop.Event{}, err
	}
	ev, err := a.event(versions)
	ev.ContentType, ev.Body = provider.ContentType(h), body
	return ev, err
}

func headerAttributes(h http.Header) (a attributes, err error) {
	for _, attribute := range []struct {
		header   string
		required bool
		text     *string
	}{
		{"Ce-Specversion", true, &a.specversion}, {"Ce-Id", true, &a.id}, {"Ce-Source", true, &a.source}, {"Ce-Type", true, &a.kind},
		{"Ce-Subject", false, &a.subject}, {"Ce-Time", false, &a.time},
	} {
		values := h[attribute.header]
		switch {
		case len(values) > 1:
			return a, fmt.Errorf("%w: two %s headers", provider.ErrBody, attribute.header)
		case len(values) == 1:
			if *attribute.text, err = DecodeHeaderValue(values[0]); err != nil {
				return a, err
			}
		case attribute.required:
			return a, fmt.Errorf("%w: neither application/cloudevents+json nor a %s header", provider.ErrMediaType, attribute.header)
		}
	}
	if len(h["Ce-Datacontenttype"]) > 0 {
		err = fmt.Errorf("%w: a Ce-Datacontenttype header; the Content-Type says that", provider.ErrBody)
	}
	return a, err
}
