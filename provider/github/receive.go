package github

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// typePrefix is in front of an event's type, since GitHub's words are not unique in the world.
const typePrefix = "github."

// DefaultType is the type of an event whose X-GitHub-Event is missing or no word. The body is signed all the same,
// and GitHub does not send it again.
const DefaultType = typePrefix + "event"

type receiver struct {
	secrets    [][]byte
	verify     func(h http.Header, body []byte) error
	byDelivery bool // X-GitHub-Delivery counts when repeats are told
}

// Receive verifies the signature and makes one event of the request, a ping included.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	ev, err := r.event(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("github: %w", err)
	}
	return provider.Receipt{Events: []bellhop.Event{ev}}, nil
}

func (r *receiver) event(req *provider.Request) (bellhop.Event, error) {
	if req.Method != http.MethodPost {
		return bellhop.Event{}, provider.ErrMethod
	}
	if err := r.verify(req.Header, req.Body); err != nil {
		return bellhop.Event{}, err
	}
	name, err := atMostOne(req.Header, EventHeader)
	if err != nil {
		return bellhop.Event{}, err
	}
	delivery, err := atMostOne(req.Header, DeliveryHeader)
	if err != nil {
		return bellhop.Event{}, err
	}
	p, err := readPayload(req.Body)
	if err != nil {
		return bellhop.Event{}, err
	}
	return bellhop.Event{
		Type:        eventType(name),
		Subject:     p.subject,
		ProviderID:  r.repeatKey(delivery, req.Body),
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}, nil
}

// atMostOne returns the value of a header that is not part of the proof, "" if it is not there.
func atMostOne(h http.Header, name string) (string, error) {
	if len(h.Values(name)) > 1 {
		return "", fmt.Errorf("%w: %s is there twice", provider.ErrBody, name)
	}
	return h.Get(name), nil
}

func eventType(name string) string {
	if name == "" || !provider.Word(typePrefix+name) {
		return DefaultType
	}
	return typePrefix + name
}

// repeatKey is made of the delivery and a hash of the body: an id that comes back with another body is no repeat. The
// delivery is not signed, so whoever caught a request could send it again under another; where that is to be a repeat
// all the same, only the body counts. It is not the signature, which a new secret would change.
func (r *receiver) repeatKey(delivery string, body []byte) string {
	sum := sha256.Sum256(body)
	key := hex.EncodeToString(sum[:])
	if r.byDelivery && delivery != "" {
		key = provider.RepeatKey(delivery + " " + key)
	}
	return key
}

// formStart is what the body of a form begins with. Whether it is one is told by what is signed, which the content
// type is not.
const formStart = "payload="

// A payload is what this package reads of a body.
type payload struct {
	json    []byte // the object
	form    bool   // it came in a form
	subject string
}

// readPayload reads a body: a JSON object, or a form whose only field is one. Anything else is provider.ErrBody.
func readPayload(body []byte) (payload, error) {
	p := payload{json: body}
	if field, ok := bytes.CutPrefix(body, []byte(formStart)); ok {
		text, err := url.QueryUnescape(string(field))
		if err != nil || bytes.IndexByte(field, '&') >= 0 {
			return payload{}, fmt.Errorf("%w: not a form with one field, payload", provider.ErrBody)
		}
		p.json, p.form = []byte(text), true
	}
	subject, err := readSubject(p.json)
	p.subject = subject
	return p, err
}

// readSubject returns what an event is about: the repository or, where there is none, the organization or enterprise.
func readSubject(object []byte) (string, error) {
	var repository, organization, enterprise []byte
	err := strictjson.Object(object, func(name, value []byte) {
		switch string(name) {
		case "repository":
			repository = value
		case "organization":
			organization = value
		case "enterprise":
			enterprise = value
		}
	})
	if err != nil {
		return "", err
	}
	for _, of := range [...]struct {
		object []byte
		member string
	}{{repository, "full_name"}, {organization, "login"}, {enterprise, "slug"}} {
		if text := strictjson.FindText(of.object, of.member); text != "" {
			return provider.Subject(text), nil
		}
	}
	return "", nil
}
