package graph

import (
	"bytes"
	"context"
	"crypto/rsa"
	"fmt"
	"net/http"
	"time"

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
