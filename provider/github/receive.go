package github

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// typePrefix begins every event type, since GitHub's event names are not unique among providers.
const typePrefix = "github."

// DefaultType is the type of an event whose X-GitHub-Event is missing or is not a word. Such an event is accepted,
// because its body is signed and GitHub does not send it again.
const DefaultType = typePrefix + "event"

type receiver struct {
	allowSHA1  bool
	secrets    [][]byte
	byDelivery bool // repeats are found by X-GitHub-Delivery and body, not by the body alone
}

// Warnings implements [provider.Warner].
func (r *receiver) Warnings() []string {
	if r.allowSHA1 {
		return []string{"allow_sha1 accepts requests that only SHA-1 signs; remove it once the server sends " +
			"X-Hub-Signature-256"}
	}
	return nil
}

// CheckHeader implements [provider.HeaderChecker].
func (r *receiver) CheckHeader(req *provider.Request) error {
	_, err := r.readHeader(req)
	return provider.Named("github", err)
}

// readHeader returns the signature of req. It does not look at the body.
func (r *receiver) readHeader(req *provider.Request) (signature.Sum, error) {
	if req.Method != http.MethodPost {
		return signature.Sum{}, provider.ErrMethod
	}
	return readSignature(req.Header, r.allowSHA1)
}

// Receive verifies the signature and returns one event for each request, including a ping.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	ev, err := r.event(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("github: %w", err)
	}
	return provider.Receipt{Events: []bellhop.Event{ev}}, nil
}

func (r *receiver) event(req *provider.Request) (bellhop.Event, error) {
	sum, err := r.readHeader(req)
	if err != nil {
		return bellhop.Event{}, err
	}
	if err := sum.Verify(r.secrets, req.Body); err != nil {
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
	p, err := readPayload(req.Content())
	if err != nil && isObject(p.json) {
		return bellhop.Event{}, err // a member that is read occurs twice
	}
	// Any other body, such as the "Hello, World!" of GitHub's page, is signed like one that GitHub sends. It has no
	// subject.
	return bellhop.Event{
		Type:        eventType(name),
		Subject:     p.subject,
		ProviderID:  r.repeatKey(delivery, req.Content()),
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}, nil
}

// isObject reports whether text is a JSON object, though perhaps one in which a name is repeated.
func isObject(text []byte) bool {
	text = bytes.TrimLeft(strictjson.TrimBOM(text), " \t\r\n")
	return len(text) > 0 && text[0] == '{' && json.Valid(text)
}

// atMostOne returns the value of a header that is not signed, or "" if the request does not have it.
func atMostOne(h http.Header, name string) (string, error) {
	if len(h.Values(name)) > 1 {
		return "", fmt.Errorf("%w: header %s occurs twice", provider.ErrBody, name)
	}
	return h.Get(name), nil
}

func eventType(name string) string {
	if name == "" || !provider.Word(typePrefix+name) {
		return DefaultType
	}
	return typePrefix + name
}

// repeatKey returns the delivery id and a hash of the body: the same id with another body is a new event. The id is
// not signed, so an attacker could repeat a captured request under another id; with byDelivery false only the body
// counts. The signature cannot be the key, because it changes with the secret.
func (r *receiver) repeatKey(delivery string, body []byte) string {
	sum := sha256.Sum256(body)
	key := hex.EncodeToString(sum[:])
	if r.byDelivery && delivery != "" {
		key = provider.RepeatKey(delivery + " " + key)
	}
	return key
}

// formStart begins the body of a form. The body decides whether a request is a form, because the body is signed and
// the content type is not.
const formStart = "payload="

// A payload is the part of a request body that this package reads.
type payload struct {
	json    []byte // the JSON object
	form    bool   // the object was the field of a form
	subject string
}

// readPayload reads a JSON object, or a form whose only field is a JSON object. Anything else is provider.ErrBody.
func readPayload(body []byte) (payload, error) {
	p := payload{json: body}
	if field, ok := bytes.CutPrefix(body, []byte(formStart)); ok {
		text, err := url.QueryUnescape(string(field))
		if err != nil || bytes.IndexByte(field, '&') >= 0 {
			return payload{}, fmt.Errorf("%w: a form must have one field, payload", provider.ErrBody)
		}
		p.json, p.form = []byte(text), true
	}
	subject, err := readSubject(p.json)
	p.subject = subject
	return p, err
}

// readSubject returns the name of the event's repository; without a repository, of its organization or enterprise.
func readSubject(object []byte) (string, error) {
	repository, organization := strictjson.Member{Name: "repository"}, strictjson.Member{Name: "organization"}
	enterprise := strictjson.Member{Name: "enterprise"}
	if err := strictjson.FindAll(object, &repository, &organization, &enterprise); err != nil {
		return "", err
	}
	for _, of := range [...]struct {
		object []byte
		member string
	}{{repository.Value, "full_name"}, {organization.Value, "login"}, {enterprise.Value, "slug"}} {
		if text := strictjson.FindText(of.object, of.member); text != "" {
			return provider.Subject(text), nil
		}
	}
	return "", nil
}
