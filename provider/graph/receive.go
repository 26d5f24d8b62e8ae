package graph

import (
	"bytes"
	"context"
	"crypto/rsa"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

type receiver struct {
	now          func() time.Time
	states       []string                   // accepted client states; if empty, none is checked
	tenants      []string                   // accepted tenants; if empty, any
	tokens       *TokenCheck                // nil: rich items are refused
	certificates map[string]*rsa.PrivateKey // by encryptionCertificateId
}

// Receive answers a handshake, or returns one event for each item. Each item is checked alone, since a batch mixes
// subscriptions and tenants. Validation tokens belong to the batch, so an invalid token refuses all items.
func (r *receiver) Receive(ctx context.Context, req *provider.Request) (provider.Receipt, error) {
	receipt, err := r.receive(ctx, req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("graph: %w", err)
	}
	return receipt, nil
}

func (r *receiver) receive(ctx context.Context, req *provider.Request) (provider.Receipt, error) {
	if req.Method != http.MethodPost {
		return provider.Receipt{}, provider.ErrMethod
	}
	if reply, handshake, err := microsoft.Echo(req, parameter); handshake {
		return provider.Receipt{Reply: reply}, err
	}
	b, err := readBatch(req.Body)
	if err != nil {
		return provider.Receipt{}, err
	}
	for i := range b.items {
		if it := &b.items[i]; it.err == nil {
			it.err = r.check(it)
		}
	}
	if err := r.checkTokens(ctx, &b); err != nil {
		return provider.Receipt{}, err
	}
	return r.events(&b, provider.ContentType(req.Header)), nil
}

func (r *receiver) events(b *batch, contentType string) provider.Receipt {
	var receipt provider.Receipt
	if len(b.items) > 0 {
		receipt.Events = make([]bellhop.Event, 0, len(b.items))
	}
	for i := range b.items {
		it := &b.items[i]
		key := it.repeatKey()
		if it.err == nil && it.sealed != nil {
			it.err = r.unseal(it)
		}
		if it.err != nil {
			receipt.Refused = append(receipt.Refused, provider.ItemError{Index: i, Err: fmt.Errorf("graph: %w", it.err)})
			continue
		}
		receipt.Events = append(receipt.Events, bellhop.Event{
			Type:        it.eventType(),
			Subject:     it.subject(),
			ProviderID:  key,
			ContentType: contentType,
			Body:        it.body,
		})
	}
	return receipt
}

// unseal replaces the encrypted resource of an item by the decrypted one. Content for an unknown certificate stays
// encrypted.
func (r *receiver) unseal(it *item) error {
	key := r.certificates[it.sealed.CertificateID]
	if key == nil {
		return nil
	}
	resource, err := Unseal(*it.sealed, key)
	if err != nil {
		return err
	}
	body, err := withContent(it.body, resource)
	if err != nil {
		return err
	}
	it.body, it.sealed = body, nil
	return nil
}

// withContent replaces the encryptedContent of object by resource, which must be exactly one JSON value. Otherwise
// resource could end its value early and add members to the item.
func withContent(object, resource []byte) ([]byte, error) {
	resource = bytes.Trim(resource, " \t\r\n")
	m, ok := findMember(object, memberEncrypted)
	if !ok {
		return nil, fmt.Errorf("%w: no encryptedContent", provider.ErrBody)
	}
	body := replaceMember(object, m, memberContent, resource)
	if value, err := strictjson.Find(body, memberContent); err != nil || !bytes.Equal(value, resource) {
		return nil, fmt.Errorf("%w: the decrypted content is not JSON, or cannot be a member of the item", provider.ErrBody)
	}
	return body, nil
}

// MaxItems is the largest number of items in a request.
const MaxItems = 5000

// A batch is the body of a request.
type batch struct {
	items  []item
	tokens []byte // validationTokens as written; nil if absent or null
}

// An item is the part of one notification that this package reads.
type item struct {
	err  error  // if not nil, why the item is refused
	body []byte // as written

	subscription string
	tenant       string
	state        []byte // clientState as written; nil if absent or null
	change       string // "created", "lifecycle.missed"
	id           string // of the notification; often absent
	resource     string
	etag         string
	sealed       *EncryptedContent // nil if absent
	content      []byte            // of an event: the decrypted resource
}

// The parts that begin event types.
const (
	typePrefix      = "graph."
	sealedPrefix    = "sealed." // with content that was not decrypted here
	lifecyclePrefix = "lifecycle."
)

// readBatch reads body. Its error wraps provider.ErrBody. An item that cannot be read has its own error.
func readBatch(body []byte) (batch, error) {
	var b batch
	var value []byte
	err := strictjson.Object(body, func(name, v []byte) {
		switch string(name) {
		case "value":
			value = v
		case "validationTokens":
			b.tokens = notNull(v)
		}
	})
	if err != nil {
		return b, err
	}
	items, err := strictjson.Items(value, MaxItems)
	if err != nil {
		return b, fmt.Errorf("in value: %w", err)
	}
	b.items = make([]item, len(items))
	for i, v := range items {
		b.items[i] = readItem(v)
	}
	return b, nil
}

func readItem(body []byte) item {
	it := item{body: body}
	var changeType, lifecycleEvent string
	var encrypted []byte
	err := strictjson.Object(body, func(name, v []byte) {
		switch string(name) {
		case "id":
			it.id, _ = strictjson.Key(v)
		case "subscriptionId":
			it.subscription, _ = strictjson.Text(v)
		case "tenantId":
			it.tenant, _ = strictjson.Text(v)
		case "resource":
			it.resource, _ = strictjson.Text(v)
		case "changeType":
			changeType, _ = strictjson.Text(v)
		case "lifecycleEvent":
			lifecycleEvent, _ = strictjson.Text(v)
		case "resourceData":
			it.etag = strictjson.FindKey(v, "@odata.etag")
		case memberState:
			it.state = notNull(v)
		case memberEncrypted:
			encrypted = notNull(v)
		case memberContent:
			it.content = v
		}
	})
	if err == nil {
		it.change, err = readChange(changeType, lifecycleEvent)
	}
	if err == nil && encrypted != nil {
		it.sealed, err = readContent(encrypted)
	}
	if err != nil {
		return item{body: body, tenant: it.tenant, err: err}
	}
	return it
}

// readChange returns what happened: the lifecycleEvent if there is one, else the changeType. Neither may contain a
// dot, so that event types of changes, lifecycle events and sealed content stay distinct.
func readChange(changeType, lifecycleEvent string) (string, error) {
	prefix, word := "", changeType
	if lifecycleEvent != "" {
		prefix, word = lifecyclePrefix, lifecycleEvent
	}
	if word == "" || strings.Contains(word, ".") || !provider.Word(typePrefix+sealedPrefix+prefix+word) {
		return "", fmt.Errorf("%w: changeType or lifecycleEvent must be a word", provider.ErrBody)
	}
	return prefix + word, nil
}

func notNull(value []byte) []byte {
	if string(value) == "null" {
		return nil
	}
	return value
}

// eventType returns the type of the item's event, such as "graph.updated" or "graph.lifecycle.missed", or
// "graph.sealed.updated" with content that is still encrypted.
func (it *item) eventType() string {
	if it.sealed != nil {
		return typePrefix + sealedPrefix + it.change
	}
	return typePrefix + it.change
}

// subject returns the resource that changed or, without one, the subscription.
func (it *item) subject() string {
	if it.resource == "" {
		return provider.Subject(it.subscription)
	}
	return provider.Subject(it.resource)
}

// repeatKey returns a key that is equal for repeats of a notification, or "" if nothing identifies it. Without an
// id, an etag or a signature, two updates of a file look the same, and so do two warnings about one subscription:
// these are stored each time. An id alone is not enough, since an id in Graph's own examples is a part of the
// mailbox's etags.
func (it *item) repeatKey() string {
	own := strings.ReplaceAll(it.id, "|", "%7C") + "|" + strings.ReplaceAll(it.etag, "|", "%7C")
	if own == "|" && it.sealed != nil {
		own = it.sealed.DataSignature // its key is used only once
	}
	if own == "|" {
		return ""
	}
	return provider.RepeatKey(strings.Join([]string{it.subscription, it.change, own, it.resource}, "|"))
}

// A member holds the positions of a member's name and value in the bytes of its object.
type member struct{ name, value span }

type span struct{ start, end int }

// findMember finds the member name in object, which must be valid for strictjson.Object.
func findMember(object []byte, name string) (m member, ok bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(object), jsontext.AllowInvalidUTF8(true))
	if token, err := d.ReadToken(); err != nil || token.Kind() != '{' {
		return member{}, false
	}
	for d.PeekKind() == '"' {
		if m.name, ok = nextValue(d); !ok {
			return member{}, false
		}
		if m.value, ok = nextValue(d); !ok {
			return member{}, false
		}
		if text, _ := strictjson.Text(m.name.of(object)); text == name {
			return m, true
		}
	}
	return member{}, false
}

func nextValue(d *jsontext.Decoder) (span, bool) {
	v, err := d.ReadValue()
	end := int(d.InputOffset())
	return span{end - len(v), end}, err == nil
}

func (s span) of(b []byte) []byte { return b[s.start:s.end] }

// replaceMember returns object with the name and the value of m replaced, and all other bytes unchanged.
func replaceMember(object []byte, m member, name string, value []byte) []byte {
	return bytes.Join([][]byte{
		object[:m.name.start], []byte(`"` + name + `"`), object[m.name.end:m.value.start], value, object[m.value.end:],
	}, nil)
}

// addMember returns object with a new first member. object must have at least one member.
func addMember(object []byte, name string, value []byte) []byte {
	head, rest, _ := bytes.Cut(object, []byte("{"))
	return bytes.Join([][]byte{head, []byte(`{"` + name + `":`), value, []byte(","), rest}, nil)
}
