package graph

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rsa"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

type receiver struct {
	now          func() time.Time
	states       []string                   // accepted client states, whatever the subscription
	unchecked    bool                       // client states are not checked
	subscribed   provider.Subscribed        // may be nil
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
	b, err := readBatch(req.Content())
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
	hears := r.subscribed != nil && r.subscribed.Any()
	for i := range b.items {
		it := &b.items[i]
		key := it.repeatKey()
		if it.err == nil && it.sealed != nil {
			it.err = r.unseal(it)
		}
		if it.err != nil {
			receipt.Refused = append(receipt.Refused,
				provider.ItemError{Index: i, Err: fmt.Errorf("graph: %w", it.err)})
			continue
		}
		receipt.Events = append(receipt.Events, bellhop.Event{
			Type:        it.eventType(),
			Subject:     it.subject(),
			ProviderID:  key,
			ContentType: contentType,
			Body:        it.body,
		})
		if hears {
			receipt.Heard = append(receipt.Heard, it.heard())
		}
	}
	return receipt
}

// unseal replaces the encrypted resource of an item by the decrypted one. Content for an unknown certificate stays
// encrypted.
func (r *receiver) unseal(it *item) error {
	key := r.certificates[it.sealed.CertificateID]
	if key == nil && r.subscribed != nil {
		key, _ = r.subscribed.Key(it.sealed.CertificateID).(*rsa.PrivateKey)
	}
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
	resource = bytes.Trim(strictjson.TrimBOM(resource), " \t\r\n")
	body, ok := strictjson.ReplaceMember(object, memberEncrypted, memberContent, resource)
	if !ok {
		return nil, fmt.Errorf("%w: no encryptedContent", provider.ErrBody)
	}
	if value, err := strictjson.Find(body, memberContent); err != nil || !bytes.Equal(value, resource) {
		return nil, fmt.Errorf("%w: the decrypted content is not JSON, or cannot be a member of the item",
			provider.ErrBody)
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
	tenant       string // tenantId or, as in lifecycle events, organizationId
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
	value, tokens := strictjson.Member{Name: "value"}, strictjson.Member{Name: "validationTokens"}
	if err := strictjson.FindAll(body, &value, &tokens); err != nil {
		return batch{}, err
	}
	items, err := strictjson.Items(value.Value, MaxItems)
	if err != nil {
		return batch{}, fmt.Errorf("in value: %w", err)
	}
	b := batch{items: make([]item, len(items)), tokens: notNull(tokens.Value)}
	for i, v := range items {
		b.items[i] = readItem(v)
	}
	return b, nil
}

func readItem(body []byte) item {
	id, subscription := strictjson.Member{Name: "id"}, strictjson.Member{Name: "subscriptionId"}
	tenant, organization := strictjson.Member{Name: "tenantId"}, strictjson.Member{Name: "organizationId"}
	resource, resourceData := strictjson.Member{Name: "resource"}, strictjson.Member{Name: "resourceData"}
	changeType, lifecycleEvent := strictjson.Member{Name: "changeType"}, strictjson.Member{Name: "lifecycleEvent"}
	state, content := strictjson.Member{Name: memberState}, strictjson.Member{Name: memberContent}
	encrypted := strictjson.Member{Name: memberEncrypted}
	err := strictjson.FindAll(body, &id, &subscription, &tenant, &organization, &resource, &resourceData, &changeType,
		&lifecycleEvent, &state, &content, &encrypted)
	it := item{
		body: body, subscription: subscription.Text(), tenant: cmp.Or(tenant.Text(), organization.Text()),
		state: notNull(state.Value), id: id.Key(), resource: resource.Text(), content: content.Value,
		etag: strictjson.FindKey(resourceData.Value, "@odata.etag"),
	}
	if err == nil && organization.Text() != "" && !strictjson.EqualFold(it.tenant, organization.Text()) {
		err = fmt.Errorf("%w: tenantId and organizationId name different tenants", provider.ErrBody)
	}
	if err == nil {
		it.change, err = readChange(changeType.Text(), lifecycleEvent.Text())
	}
	if sealed := notNull(encrypted.Value); err == nil && sealed != nil {
		it.sealed, err = readContent(sealed)
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

// subject returns the resource that changed. A lifecycle event is about the subscription, whose path is then the
// resource, if there is one; so the subject is the id of the subscription, as it is without a resource.
func (it *item) subject() string {
	if it.resource == "" || strings.HasPrefix(it.change, lifecyclePrefix) && it.subscription != "" {
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
