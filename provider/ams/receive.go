package ams

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

type receiver struct {
	keys    [][]byte
	account string // "" accepts any account
	scheme  signature.HMAC

	subscribed provider.Subscribed // may be nil
}

// CheckHeader implements [provider.HeaderChecker].
func (r *receiver) CheckHeader(req *provider.Request) error {
	_, err := r.readHeader(req)
	return provider.Named("ams", err)
}

// readHeader returns the signature of req. It does not look at the body.
func (r *receiver) readHeader(req *provider.Request) (signature.Sum, error) {
	if req.Method != http.MethodPost {
		return signature.Sum{}, provider.ErrMethod
	}
	return readSignature(r.scheme, req.Header)
}

// Receive verifies the signature, then reads the document, then compares the accounts. The order matters: a sender
// without the key must not learn which accounts exist.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	n, err := r.read(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("ams: %w", err)
	}
	receipt := provider.Receipt{Status: http.StatusOK, Events: []bellhop.Event{{
		Type:        n.eventType,
		Subject:     n.subject,
		ProviderID:  repeatKey(n.etag, req.Content()),
		Time:        n.time,
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}}}
	if n.endpoint != "" && r.subscribed != nil && r.subscribed.Any() {
		receipt.Heard = []provider.Heard{n.heard()}
	}
	return receipt, nil
}

// heard returns what a notification says about the endpoint that it was sent to.
func (n *notification) heard() provider.Heard {
	h := provider.Heard{RemoteID: n.endpoint}
	if n.eventType == eventTypes[unregistration] {
		h.Kind = provider.HeardRemoved
	}
	return h
}

func (r *receiver) read(req *provider.Request) (notification, error) {
	sum, err := r.readHeader(req)
	if err != nil {
		return notification{}, err
	}
	if err := sum.Verify(r.keys, req.Body); err != nil {
		return notification{}, err
	}
	n, err := parse(req.Content())
	if err != nil {
		return n, err
	}
	return n, r.checkAccount(req.Header, n.account)
}

// checkAccount compares the accounts that the body, the header and the source's settings name.
func (r *receiver) checkAccount(h http.Header, inBody string) error {
	values := h.Values(AccountHeader)
	switch {
	case len(values) > 1:
		return fmt.Errorf("%w: the account header occurs twice", signature.ErrMalformed)
	case len(values) == 0 || values[0] == "":
		return fmt.Errorf("%w: no ms-mediaservices-accountid header", provider.ErrForbidden)
	case inBody == "":
		return fmt.Errorf("%w: no AccountId in Properties", provider.ErrForbidden)
	case !strictjson.EqualFold(values[0], inBody):
		return fmt.Errorf("%w: the header and the body name different accounts", provider.ErrForbidden)
	case r.account != "" && !strictjson.EqualFold(inBody, r.account):
		return fmt.Errorf("%w: not the account of settings.account_id", provider.ErrForbidden)
	}
	return nil
}

// repeatKey returns the ETag of a document. Without an ETag it returns a hash of the body: no timestamp is signed,
// so a captured request could otherwise be repeated forever.
func repeatKey(etag string, body []byte) string {
	if etag != "" {
		return provider.RepeatKey(etag)
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// A notification is the part of a document that this package reads.
type notification struct {
	etag      string
	eventType string // "ams.JobStateChange"
	time      time.Time
	account   string
	subject   string
	endpoint  string // id of the notification endpoint; "" if it is not named
}

// typePrefix begins every event type, since Media Services' names are not unique among providers.
const typePrefix = "ams."

// eventTypes are the event types, indexed by the number in EventType.
var eventTypes = [...]string{
	typePrefix + "None", typePrefix + "JobStateChange", typePrefix + "NotificationEndPointRegistration",
	typePrefix + "NotificationEndPointUnregistration", typePrefix + "TaskStateChange", typePrefix + "TaskProgress",
}

// The EventTypes that count here: a job changed its state, and an endpoint was deleted.
const (
	jobStateChange = 1
	unregistration = 3
)

// parse reads a document. The error wraps provider.ErrBody if the document is not JSON, if its EventType is invalid
// or if Properties is not an object. Any other member may be absent or of another kind, and then counts as empty.
func parse(body []byte) (notification, error) {
	etag, kind := strictjson.Member{Name: "ETag"}, strictjson.Member{Name: "EventType"}
	timestamp, properties := strictjson.Member{Name: "TimeStamp"}, strictjson.Member{Name: "Properties"}
	if err := strictjson.FindAll(body, &etag, &kind, &timestamp, &properties); err != nil {
		return notification{}, err
	}
	eventType, err := parseType(kind.Value)
	if err != nil {
		return notification{}, err
	}
	n := notification{etag: etag.Key(), eventType: eventType, time: parseTime(timestamp.Value)}
	if err := n.readProperties(properties.Value); err != nil {
		return n, fmt.Errorf("in Properties: %w", err)
	}
	return n, nil
}

// parseType reads an EventType: a number in a webhook, a name in a message that went through a queue.
// Unknown numbers are accepted: "ams.EventType99".
func parseType(value []byte) (string, error) {
	text, named := strictjson.Text(value)
	if !named {
		text = string(value)
	}
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		if n < uint64(len(eventTypes)) {
			return eventTypes[n], nil
		}
		return typePrefix + "EventType" + strconv.FormatUint(n, 10), nil
	}
	if named && text != "" && provider.Word(typePrefix+text) {
		return typePrefix + text, nil
	}
	return "", fmt.Errorf("%w: EventType must be a whole number or a name", provider.ErrBody)
}

// parseTime reads a TimeStamp in RFC 3339. Older documents have no zone; their time is UTC.
func parseTime(value []byte) time.Time {
	text, _ := strictjson.Text(value)
	t := provider.Time(text)
	if t.IsZero() {
		t = provider.Time(text + "Z")
	}
	return t
}

// readProperties reads the account and the subject. Property names come in PascalCase and in camelCase, so case is
// ignored; of two names that differ only in case, the one in PascalCase counts.
func (n *notification) readProperties(object []byte) error {
	account, task := strictjson.Member{Name: "AccountId"}, strictjson.Member{Name: "TaskId"}
	job, endpoint := strictjson.Member{Name: "JobId"}, strictjson.Member{Name: "NotificationEndPointId"}
	err := strictjson.FindFold(object, &account, &task, &job, &endpoint)
	n.account, n.endpoint = account.Text(), endpoint.Text()
	for _, m := range [...]*strictjson.Member{&task, &job, &endpoint} {
		if text := m.Text(); text != "" {
			n.subject = provider.Subject(text)
			break
		}
	}
	return err
}
