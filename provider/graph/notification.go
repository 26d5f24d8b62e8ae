package graph

import (
	"fmt"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

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
