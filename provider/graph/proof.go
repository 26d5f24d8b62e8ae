package graph

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
	"github.com/bellhop-gateway/bellhop/signature"
)

// VerifyState reports whether state, the clientState of an item, is one of states, byte for byte, in constant time.
// null, "" and no member at all are the same: signature.ErrMissing. Otherwise it returns provider.ErrForbidden. It is all
// the proof there is of a plain item, and has to be asked of each: a batch mixes subscriptions.
// Source: https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
func VerifyState(state string, states ...string) error {
	return microsoft.VerifyItem(state, states...)
}

// check looks at what an item says of itself: whether it knows a client state, and whose it is. An item must not come
// with content in the open: in an event, that name says that tokens vouched for it.
func (r *receiver) check(it *item) error {
	if it.content != nil {
		return fmt.Errorf("%w: content that is not encrypted", provider.ErrBody)
	}
	if len(r.states) > 0 {
		state, _ := strictjson.Text(it.state)
		if err := VerifyState(state, r.states...); err != nil {
			return err
		}
	}
	if len(r.tenants) > 0 && !containsFold(r.tenants, it.tenant) {
		return fmt.Errorf("%w: not a tenant of settings.tenant_ids", provider.ErrForbidden)
	}
	return nil
}

// checkTokens holds the validation tokens against the batch. Rich items must have them; where others do, they must
// be right too, if it is known what that is. Nothing is computed for who knows no client state.
func (r *receiver) checkTokens(ctx context.Context, b *batch) error {
	good := slices.ContainsFunc(b.items, func(it item) bool { return it.err == nil })
	rich := slices.ContainsFunc(b.items, func(it item) bool { return it.err == nil && it.sealed != nil })
	switch {
	case !good, !rich && (b.tokens == nil || r.tokens == nil):
		return nil
	case b.tokens == nil:
		return fmt.Errorf("%w: encryptedContent without validationTokens", signature.ErrMissing)
	}
	list, err := readTokens(b.tokens)
	switch {
	case err != nil:
		return err
	case r.tokens == nil:
		return fmt.Errorf("%w: settings.app_id is not set, so that validationTokens cannot be checked", provider.ErrUnavailable)
	}
	check := *r.tokens
	check.Now = r.now()
	tenants, err := VerifyTokens(ctx, list, check)
	if err != nil {
		return err
	}
	return compareTenants(tenants, b.items)
}

// compareTenants holds that each token is for the tenant of an item, and that there is one for that of each rich
// item. Items refused already count as tenants of the batch: their tokens came with them.
func compareTenants(tokens []string, items []item) error {
	vouched, batch := map[string]bool{}, map[string]bool{}
	for _, tenant := range tokens {
		vouched[strings.ToLower(tenant)] = true
	}
	for _, it := range items {
		tenant := strings.ToLower(it.tenant)
		batch[tenant] = true
		if it.err == nil && it.sealed != nil && !vouched[tenant] {
			return fmt.Errorf("%w: no validation token of an item's tenant", signature.ErrMismatch)
		}
	}
	for tenant := range vouched {
		if !batch[tenant] {
			return fmt.Errorf("%w: validation token of a tenant that no item has", signature.ErrMismatch)
		}
	}
	return nil
}
