package stripe

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

type receiver struct {
	secrets   [][]byte
	tolerance time.Duration
	livemode  *bool // the only accepted mode; nil accepts both
	warnings  []string
	now       func() time.Time
}

// Warnings implements [provider.Warner].
func (r *receiver) Warnings() []string { return r.warnings }

// CheckHeader implements [provider.HeaderChecker].
func (r *receiver) CheckHeader(req *provider.Request) error {
	_, err := r.readHeader(req)
	return provider.Named("stripe", err)
}

// readHeader returns the signatures of req. It does not look at the body.
func (r *receiver) readHeader(req *provider.Request) (*signedHeader, error) {
	if req.Method != http.MethodPost {
		return nil, provider.ErrMethod
	}
	return readHeader(req.Header, r.now(), r.tolerance)
}

// Receive verifies the signature, then parses the event.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	e, err := r.read(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("stripe: %w", err)
	}
	if e.id == "" { // a request that is captured and sent again has the same signature
		e.id = req.Header.Get(SignatureHeader)
	}
	return provider.Receipt{Events: []bellhop.Event{{
		Type:        e.eventType,
		Subject:     e.subject,
		ProviderID:  provider.RepeatKey(e.id),
		Time:        e.created,
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
		Fingerprint: e.fingerprint,
	}}}, nil
}

func (r *receiver) read(req *provider.Request) (event, error) {
	signed, err := r.readHeader(req)
	if err != nil {
		return event{}, err
	}
	if err := signed.verify(r.secrets, req.Body); err != nil {
		return event{}, err
	}
	e, err := parse(req.Content())
	if err != nil {
		return e, err
	}
	if r.livemode != nil && e.livemode != *r.livemode {
		return e, fmt.Errorf("%w: livemode is not that of settings.livemode", provider.ErrForbidden)
	}
	return e, nil
}

// typePrefix precedes Stripe's type in the type of an event, because Stripe's words are not globally unique.
const typePrefix = "stripe."

// DefaultType is the type of an event whose body names no type that is a word, such as a test message of a library. It
// is accepted, because its body is signed.
const DefaultType = typePrefix + "event"

// An event holds the members of a body that this package reads. Snapshot and thin events differ in two of them:
// created is a number of seconds in a snapshot event and RFC 3339 in a thin one, and the id of the object has
// another place.
type event struct {
	id        string
	eventType string // "stripe.invoice.paid"
	subject   string
	created   time.Time
	livemode  bool
	complete  bool // the body has an id and a type, as all of Stripe's events have

	// fingerprint is the SHA-256 of the body without the value of pending_webhooks, which counts the endpoints that
	// have not taken the event yet: a repeat may have a smaller number.
	fingerprint [32]byte
}

// parse parses a body. Its error wraps provider.ErrBody if the body is not a JSON object. Every member may be absent
// or of another kind; it then counts as empty.
func parse(body []byte) (event, error) {
	id, kind, created := strictjson.Member{Name: "id"}, strictjson.Member{Name: "type"},
		strictjson.Member{Name: "created"}
	livemode, data := strictjson.Member{Name: "livemode"}, strictjson.Member{Name: "data"}
	related := strictjson.Member{Name: "related_object"}
	if err := strictjson.FindAll(body, &id, &kind, &created, &livemode, &data, &related); err != nil {
		return event{}, err
	}
	e := event{
		id: id.Key(), eventType: typePrefix + kind.Text(), created: parseTime(created.Value),
		livemode: livemode.Is("true"),
		subject:  subject(data.Value, related.Value), fingerprint: fingerprint(body),
	}
	known := kind.Text() != "" && provider.Word(e.eventType)
	if !known {
		e.eventType = DefaultType
	}
	e.complete = known && e.id != ""
	return e, nil
}

// pendingWebhooks matches the member pending_webhooks of an event.
var pendingWebhooks = regexp.MustCompile(`"pending_webhooks"\s*:\s*[0-9]+`)

// fingerprint returns the SHA-256 of body without the numbers of pending_webhooks.
func fingerprint(body []byte) [32]byte {
	return sha256.Sum256(pendingWebhooks.ReplaceAllLiteral(body, []byte(`"pending_webhooks":`)))
}

// subject returns the id of the object of an event: data.object.id in a snapshot event, related_object.id in a
// thin one. Some objects, such as a balance, have no id.
func subject(data, related []byte) string {
	object, _ := strictjson.Find(data, "object") // null and other kinds have no members
	return provider.Subject(cmp.Or(strictjson.FindText(object, "id"), strictjson.FindText(related, "id")))
}

// parseTime parses a time in whole seconds since 1970 or in RFC 3339. It returns the zero Time for any other value.
func parseTime(value []byte) time.Time {
	if text, ok := strictjson.Text(value); ok {
		return provider.Time(text)
	}
	seconds, err := strconv.ParseInt(string(value), 10, 64)
	t := time.Unix(seconds, 0).UTC()
	if err != nil || t.Year() < 1970 || t.Year() > 2199 {
		return time.Time{}
	}
	return t
}
