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
	states       []string // none checks nothing
	tenants      []string // none takes any
	tokens       *TokenCheck
	certificates map[string]*rsa.PrivateKey // by the ids given to them with subscriptions
}

// Receive answers a handshake, or makes an event of each item. Items are looked at one by one, since a batch mixes
// subscriptions and tenants; validation tokens are the batch's, so that one that is wrong refuses all of it.
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

// unseal puts the decrypted resource in the place of what it was decrypted from. Content for a certificate that we do
// not have stays as it is.
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

// withContent replaces the encryptedContent of object by resource, which must be one JSON value: text that ends it
// and goes on with members of its own would be another item.
func withContent(object, resource []byte) ([]byte, error) {
	resource = bytes.Trim(resource, " \t\r\n")
	m, ok := findMember(object, memberEncrypted)
	if !ok {
		return nil, fmt.Errorf("%w: no encryptedContent", provider.ErrBody)
	}
	body := replaceMember(object, m, memberContent, resource)
	if value, err := strictjson.Find(body, memberContent); err != nil || !bytes.Equal(value, resource) {
		return nil, fmt.Errorf("%w: the decrypted content is not JSON, or has no place in the item", provider.ErrBody)
	}
	return body, nil
}

// MaxItems is how many items a request may hold.
const MaxItems = 5000

// A batch is the body of a request.
type batch struct {
	items  []item
	tokens []byte // validationTokens as written; nil if they are not there, or null
}

// An item is what this package reads of one notification.
type item struct {
	err  error  // why it is refused
	body []byte // as written

	subscription string
	tenant       string
	state        []byte // clientState as written; nil if it is not there, or null
	word         string // "created", "lifecycle.missed"
	id           string // of the notification; often absent
	resource     string
	etag         string
	sealed       *EncryptedContent // nil if there is none
	content      []byte            // of an event: the resource that was decrypted
}

// Types of events have these in front.
const (
	typePrefix      = "graph."
	sealedPrefix    = "sealed." // content that could not be decrypted here
	lifecyclePrefix = "lifecycle."
)

// readBatch reads body. Its errors wrap provider.ErrBody; items that cannot be read are its items' own affair.
func readBatch(body []byte) (batch, error) {
	var b batch
	var value []byte
	err := strictjson.Object(body, func(name, v []byte) {
		switch string(name) {
		case "value":
			value = v
		case "validationTokens":
			b.tokens = orNil(v)
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
	var change, lifecycle string
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
			change, _ = strictjson.Text(v)
		case "lifecycleEvent":
			lifecycle, _ = strictjson.Text(v)
		case "resourceData":
			it.etag = strictjson.FindKey(v, "@odata.etag")
		case memberState:
			it.state = orNil(v)
		case memberEncrypted:
			encrypted = orNil(v)
		case memberContent:
			it.content = v
		}
	})
	if err == nil {
		it.word, err = readWord(change, lifecycle)
	}
	if err == nil && encrypted != nil {
		it.sealed, err = readContent(encrypted)
	}
	if err != nil {
		return item{body: body, tenant: it.tenant, err: err}
	}
	return it
}

// readWord returns what happened. A change has no lifecycleEvent; neither has a dot, so that none looks like the other
// or like sealed content in an event's type.
func readWord(change, lifecycle string) (string, error) {
	prefix, word := "", change
	if lifecycle != "" {
		prefix, word = lifecyclePrefix, lifecycle
	}
	if word == "" || strings.Contains(word, ".") || !provider.Word(typePrefix+sealedPrefix+prefix+word) {
		return "", fmt.Errorf("%w: neither changeType nor lifecycleEvent is a word", provider.ErrBody)
	}
	return prefix + word, nil
}

func orNil(value []byte) []byte {
	if string(value) == "null" {
		return nil
	}
	return value
}

// eventType is "graph.updated", "graph.lifecycle.missed" or, with content that nobody has decrypted yet,
// "graph.sealed.updated".
func (it *item) eventType() string {
	if it.sealed != nil {
		return typePrefix + sealedPrefix + it.word
	}
	return typePrefix + it.word
}

// subject is the resource that changed, or the subscription that something happened to.
func (it *item) subject() string {
	if it.resource == "" {
		return provider.Subject(it.subscription)
	}
	return provider.Subject(it.resource)
}

// repeatKey tells repeats of a notification from other notifications, or is "" where nothing does. Without an id, an
// etag or a signature, two updates of a file look alike, as do two warnings of one subscription: those are kept each
// time. An id does not stand alone, for Graph's own examples show one that is a part of the mailbox's etags.
func (it *item) repeatKey() string {
	own := strings.ReplaceAll(it.id, "|", "%7C") + "|" + strings.ReplaceAll(it.etag, "|", "%7C")
	if own == "|" && it.sealed != nil {
		own = it.sealed.DataSignature // by a key that is used once
	}
	if own == "|" {
		return ""
	}
	return provider.RepeatKey(strings.Join([]string{it.subscription, it.word, own, it.resource}, "|"))
}

// A member is where a member of an object stands in its bytes.
type member struct{ name, value span }

type span struct{ start, end int }

// findMember looks name up in object, which strictjson.Object has taken.
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

// replaceMember returns object with name and value of m replaced, and every other byte as it was.
func replaceMember(object []byte, m member, name string, value []byte) []byte {
	return bytes.Join([][]byte{
		object[:m.name.start], []byte(`"` + name + `"`), object[m.name.end:m.value.start], value, object[m.value.end:],
	}, nil)
}

// addMember returns object with a member in front of its others, of which there is at least one.
func addMember(object []byte, name string, value []byte) []byte {
	head, rest, _ := bytes.Cut(object, []byte("{"))
	return bytes.Join([][]byte{head, []byte(`{"` + name + `":`), value, []byte(","), rest}, nil)
}
