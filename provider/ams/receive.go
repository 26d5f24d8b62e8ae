package ams

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

type receiver struct {
	keys    [][]byte
	account string // "" is any
	verify  func(h http.Header, body []byte, keys ...[]byte) error
}

// Receive verifies the signature, then reads the document, then compares the accounts, in this order: to who
// cannot sign, it tells nothing of which accounts there are.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	n, err := r.read(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("ams: %w", err)
	}
	return provider.Receipt{Status: http.StatusOK, Events: []bellhop.Event{{
		Type:        n.eventType,
		Subject:     n.subject,
		ProviderID:  repeatKey(n.etag, req.Body),
		Time:        n.time,
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}}}, nil
}

func (r *receiver) read(req *provider.Request) (notification, error) {
	if req.Method != http.MethodPost {
		return notification{}, provider.ErrMethod
	}
	if err := r.verify(req.Header, req.Body, r.keys...); err != nil {
		return notification{}, err
	}
	n, err := parse(req.Body)
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
		return fmt.Errorf("%w: two account headers", signature.ErrMalformed)
	case len(values) == 0 || values[0] == "":
		return fmt.Errorf("%w: no ms-mediaservices-accountid header", provider.ErrForbidden)
	case inBody == "":
		return fmt.Errorf("%w: no AccountId among the Properties", provider.ErrForbidden)
	case !strictjson.EqualFold(values[0], inBody):
		return fmt.Errorf("%w: the header names another account than the body", provider.ErrForbidden)
	case r.account != "" && !strictjson.EqualFold(inBody, r.account):
		return fmt.Errorf("%w: not the account of settings.account_id", provider.ErrForbidden)
	}
	return nil
}

// repeatKey is the ETag of a document. One without is known by its bytes: no time is signed, so who caught it could
// send it for ever.
func repeatKey(etag string, body []byte) string {
	if etag != "" {
		return provider.RepeatKey(etag)
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
