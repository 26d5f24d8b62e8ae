package graph

import (
	"context"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
	"github.com/bellhop-gateway/bellhop/signature"
)

// VerifyState checks that state, the clientState of an item, is one of states, byte for byte and in constant time.
// For an empty state the error is signature.ErrMissing; use "" also if the member is null or absent. For any other
// state that does not match it is provider.ErrForbidden. Only this authenticates a plain item. Check every item,
// since a batch mixes subscriptions.
// Source: https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
func VerifyState(state string, states ...string) error {
	return microsoft.VerifyItem(state, states...)
}

// check checks the client state and the tenant of an item. It refuses an item with a plain content member: in an
// event, that member means that the content was authenticated by tokens.
func (r *receiver) check(it *item) error {
	if it.content != nil {
		return fmt.Errorf("%w: content that is not encrypted", provider.ErrBody)
	}
	if !r.unchecked {
		state, _ := strictjson.Text(it.state)
		err := VerifyState(state, r.states...)
		if err != nil && (state == "" || r.subscribed == nil || !r.subscribed.Takes(it.subscription, state)) {
			return err
		}
	}
	if len(r.tenants) > 0 && !containsFold(r.tenants, it.tenant) {
		return fmt.Errorf("%w: the tenant is not in settings.tenant_ids", provider.ErrForbidden)
	}
	return nil
}

// checkTokens verifies the validation tokens of the batch. They are required with rich items. With other items they
// are verified if they are present and app_id is set. For a sender that knows no client state, no signature is
// computed.
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
		return fmt.Errorf("%w: settings.app_id is not set, so validationTokens cannot be verified",
			provider.ErrUnavailable)
	}
	check := *r.tokens
	check.Now = r.now()
	tenants, err := VerifyTokens(ctx, list, check)
	if err != nil {
		return err
	}
	return compareTenants(tenants, b.items)
}

// compareTenants checks that each token is for the tenant of an item, and that the tenant of each rich item has a
// token. The tenants of refused items count too, since their tokens came with them.
func compareTenants(tokens []string, items []item) error {
	vouched, batch := map[string]bool{}, map[string]bool{}
	for _, tenant := range tokens {
		vouched[strings.ToLower(tenant)] = true
	}
	for _, it := range items {
		tenant := strings.ToLower(it.tenant)
		batch[tenant] = true
		if it.err == nil && it.sealed != nil && !vouched[tenant] {
			return fmt.Errorf("%w: no validation token for an item's tenant", signature.ErrMismatch)
		}
	}
	for tenant := range vouched {
		if !batch[tenant] {
			return fmt.Errorf("%w: a validation token for a tenant of no item", signature.ErrMismatch)
		}
	}
	return nil
}

const (
	// PublisherAppID is Microsoft's application that publishes change notifications.
	PublisherAppID = "0bf30f3b-4a52-48df-9a82-234910c4a086"
	// KeysURL is where Microsoft Entra publishes the keys that sign validation tokens.
	KeysURL = "https://login.microsoftonline.com/common/discovery/v2.0/keys"
	// Leeway is the tolerated difference between Entra's clock and ours.
	Leeway = 5 * time.Minute
)

// A TokenCheck holds the expected values of validation tokens.
type TokenCheck struct {
	Keys      signature.KeyFinder // finds the keys at KeysURL: a jwks.KeySet, or jwks.Keys
	AppIDs    []string            // our applications that create subscriptions; a token is for one of them
	Publisher string              // the application that requested the token; "" is PublisherAppID
	Now       time.Time
}

// VerifyTokens checks that all of tokens, the validationTokens of a request, were issued by Microsoft Entra to
// Graph's publisher of change notifications, for one of our applications, and are valid now. It returns the tenant
// of each token; a tenant may occur several times. A token says nothing about items of another tenant: accept a
// rich item only if its tenant is in tenants.
//
// It returns signature.ErrMissing if there is no token, ErrMalformed, ErrMismatch, ErrExpired, or the error of
// check.Keys. Source:
// https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data#validating-the-authenticity-of-notifications
func VerifyTokens(ctx context.Context, tokens []string, check TokenCheck) (tenants []string, err error) {
	if len(tokens) == 0 {
		return nil, fmt.Errorf("%w: no validation token", signature.ErrMissing)
	}
	for _, token := range tokens {
		claims, err := signature.VerifyJWT(ctx, token, check.Keys)
		if err == nil {
			err = check.check(claims)
		}
		if err != nil {
			return nil, fmt.Errorf("validation token: %w", err)
		}
		tenants = append(tenants, claims.TenantID)
	}
	return tenants, nil
}

func (t TokenCheck) check(c signature.Claims) error {
	publisher := t.Publisher
	if publisher == "" {
		publisher = PublisherAppID
	}
	var by string
	switch c.Issuer {
	case issuerV1(c.TenantID):
		by = c.AppID
	case issuerV2(c.TenantID):
		by = c.AuthorizedParty
	default:
		return fmt.Errorf("%w: unexpected issuer", signature.ErrMismatch)
	}
	switch {
	case c.TenantID == "":
		return fmt.Errorf("%w: no tenant", signature.ErrMismatch)
	case !t.forUs(c.Audience):
		return fmt.Errorf("%w: the audience is another application", signature.ErrMismatch)
	case !strictjson.EqualFold(by, publisher):
		return fmt.Errorf("%w: not issued to the publisher of change notifications", signature.ErrMismatch)
	}
	return c.CheckTime(t.Now, Leeway)
}

func (t TokenCheck) forUs(audience []string) bool {
	for _, a := range audience {
		if containsFold(t.AppIDs, a) {
			return true
		}
	}
	return false
}

// signToken returns a validation token for an item of tenant, as Entra would issue it to Graph's publisher.
func signToken(key *rsa.PrivateKey, keyID, tenant, audience, publisher string, at time.Time) (string, error) {
	return signature.SignJWT(signature.Claims{
		Issuer: issuerV1(tenant), Audience: []string{audience}, TenantID: tenant, AppID: publisher,
		NotBefore: at, ExpiresAt: at.Add(time.Hour),
	}, key, keyID)
}

func issuerV1(tenant string) string { return "https://sts.windows.net/" + tenant + "/" }
func issuerV2(tenant string) string { return "https://login.microsoftonline.com/" + tenant + "/v2.0" }

// readTokens reads validationTokens as written. For an empty list it returns nil.
func readTokens(value []byte) (list []string, err error) {
	notText := false
	err = strictjson.Array(value, func(_ int, v []byte) {
		text, ok := strictjson.Text(v)
		list, notText = append(list, text), notText || !ok
	})
	if err != nil || notText {
		return nil, fmt.Errorf("%w: validationTokens must be a list of texts", signature.ErrMalformed)
	}
	return list, nil
}

// containsFold reports whether list contains id, without regard to case.
func containsFold(list []string, id string) bool {
	for _, each := range list {
		if strictjson.EqualFold(each, id) {
			return true
		}
	}
	return false
}
