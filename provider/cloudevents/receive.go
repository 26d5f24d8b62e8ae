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
	origins   []string // that may deliver; "*" allows any
	tokens    []string // if empty, requests are not authenticated
	rate      int      // the most requests a minute that a handshake grants; 0 is no limit
	callbacks callbacks
	versions  []string
}

var _ provider.SecretHeaders = (*receiver)(nil)

// SecretHeaders implements [provider.SecretHeaders]: whoever knows the callback URL can accept a handshake in our
// name.
func (r *receiver) SecretHeaders() []string { return []string{RequestCallbackHeader} }

// CheckHeader implements [provider.HeaderChecker].
func (r *receiver) CheckHeader(req *provider.Request) error {
	_, asked, err := AnswerHandshake(req, r.origins, r.rate)
	if !asked {
		err = r.authorize(req)
	}
	return provider.Named("cloudevents", err)
}

// Receive answers the handshake, which carries no token. For any other request it verifies the token, then checks
// the origin, then reads the events.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	reply, ok, err := r.handshake(req)
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

func (r *receiver) handshake(req *provider.Request) (*provider.Reply, bool, error) {
	reply, ok, err := AnswerHandshake(req, r.origins, r.rate)
	if ok && err == nil {
		reply = r.callbacks.deferReply(reply, req.Header)
	}
	return reply, ok, err
}

func (r *receiver) read(req *provider.Request) (provider.Receipt, error) {
	if err := r.authorize(req); err != nil {
		return provider.Receipt{}, err
	}
	return readRequest(req.Header, req.Content(), r.versions...)
}

// authorize checks the method, the token and the origin of a request that is not a handshake.
func (r *receiver) authorize(req *provider.Request) error {
	if req.Method != http.MethodPost {
		return provider.ErrMethod
	}
	if len(r.tokens) > 0 {
		if err := Verify(req.Header, req.Target, r.tokens...); err != nil {
			return err
		}
	}
	return r.checkOrigin(req.Header)
}

// checkOrigin checks that the request's origin, if it has one, is allowed, if the source has a list. Senders that
// make no handshake send no origin.
func (r *receiver) checkOrigin(h http.Header) error {
	name := origin(h)
	if len(r.origins) > 0 && name != "" && !originAllowed(name, r.origins) {
		return fmt.Errorf("%w: the origin is not in settings.allowed_origins", provider.ErrForbidden)
	}
	return nil
}

// origin returns the origin of a request. Version 1.0 of the specification put it into Origin, where Event Grid
// still sends it. A browser sends a URL in Origin, which is ignored.
func origin(h http.Header) string {
	if values := h[RequestOriginHeader]; len(values) > 0 {
		return strings.Join(values, ",")
	}
	if name := strings.Join(h["Origin"], ","); dnsName(name) && name != "null" {
		return name
	}
	return ""
}

// MaxItems is the largest number of events in a batch.
const MaxItems = 5000

// ReadRequest reads the events of a request in the mode that its Content-Type names: batch, structured, or binary
// if it has ce- headers. An invalid item of a batch is refused alone; a batch with items and without any valid
// event is an error. The body of a binary event is its data, and attributes without a field in bellhop.Event stay
// in the headers.
//
// The error is provider.ErrMediaType if the request is not a CloudEvent, and provider.ErrBody if the event is
// malformed. ReadRequest does not authenticate the sender; see [Verify]. Source:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3-http-message-mapping
func ReadRequest(h http.Header, body []byte) (provider.Receipt, error) {
	return readRequest(h, body, version)
}

func readRequest(h http.Header, body []byte, versions ...string) (provider.Receipt, error) {
	if len(h["Content-Type"]) > 1 {
		return provider.Receipt{}, fmt.Errorf("%w: Content-Type occurs twice", provider.ErrMediaType)
	}
	var ev bellhop.Event
	var err error
	switch kind := mediaType(h.Get("Content-Type")); {
	case kind == BatchMediaType:
		return readBatch(body, versions)
	case kind == MediaType:
		ev, err = readStructured(h, body, versions)
	case isCloudEvents(kind):
		err = fmt.Errorf("%w: a CloudEvents format that is not JSON", provider.ErrMediaType)
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

// isCloudEvents reports whether kind is the media type of whole events, one or many, in any format.
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
		count++
		if count <= MaxItems {
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
		return provider.Receipt{}, fmt.Errorf("no valid event in the batch; the first item: %w",
			receipt.Refused[0].Err)
	}
	return receipt, nil
}

// headerPrefix begins the canonical name of an attribute's header.
const headerPrefix = "Ce-"

func readBinary(h http.Header, body []byte, versions []string) (bellhop.Event, error) {
	a, err := headerAttributes(h)
	if err == nil && a.specversion == version {
		err = checkHeaders(h)
	}
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
		{"Ce-Specversion", true, &a.specversion}, {"Ce-Id", true, &a.id},
		{"Ce-Source", true, &a.source}, {"Ce-Type", true, &a.kind},
		{"Ce-Subject", false, &a.subject}, {"Ce-Time", false, &a.time},
	} {
		values := h[attribute.header]
		switch {
		case len(values) > 1:
			return a, fmt.Errorf("%w: header %s occurs twice", provider.ErrBody, attribute.header)
		case len(values) == 1:
			if *attribute.text, err = DecodeHeaderValue(values[0]); err != nil {
				return a, err
			}
		case attribute.required:
			const format = "%w: Content-Type is not application/cloudevents+json, and there is no header %s"
			return a, fmt.Errorf(format, provider.ErrMediaType, attribute.header)
		}
	}
	if len(h["Ce-Datacontenttype"]) > 0 {
		err = fmt.Errorf("%w: header Ce-Datacontenttype; binary mode uses Content-Type", provider.ErrBody)
	}
	return a, err
}
