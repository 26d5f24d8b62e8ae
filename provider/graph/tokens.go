package graph

import (
	"context"
	"crypto/rsa"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/signature"
)

const (
	// PublisherAppID is the application of Microsoft's that publishes change notifications.
	PublisherAppID = "0bf30f3b-4a52-48df-9a82-234910c4a086"
	// KeysURL is where Microsoft Entra publishes the keys that sign validation tokens.
	KeysURL = "https://login.microsoftonline.com/common/discovery/v2.0/keys"
	// Leeway is how far Entra's clock and ours may differ.
	Leeway = 5 * time.Minute
)

// A TokenCheck is what validation tokens have to agree with.
type TokenCheck struct {
	Keys      signature.KeyFinder // those at KeysURL: a jwks.KeySet, or jwks.Keys
	AppIDs    []string            // our applications that made subscriptions; a token is for one of them
	Publisher string              // the application that asked for the token; "" is PublisherAppID
	Now       time.Time
}

// VerifyTokens reports whether every one of tokens, the validationTokens of a request, was issued by Microsoft Entra
// to Graph's publisher of change notifications, for one of our applications, and holds now. It returns the tenants
// they are for, each as often as there are tokens for it. They say nothing of items of another tenant, so take rich
// items only if one of tenants is theirs.
//
// It returns signature.ErrMissing if there is no token, ErrMalformed, ErrMismatch, ErrExpired, or the error of check.Keys.
// Source: https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data#validating-the-authenticity-of-notifications
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
		return fmt.Errorf("%w: another issuer", signature.ErrMismatch)
	}
	switch {
	case c.TenantID == "":
		return fmt.Errorf("%w: of no tenant", signature.ErrMismatch)
	case !t.forUs(c.Audience):
		return fmt.Errorf("%w: for another application", signature.ErrMismatch)
	case !strictjson.EqualFold(by, publisher):
		return fmt.Errorf("%w: not of the publisher of change notifications", signature.ErrMismatch)
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

// readTokens reads validationTokens as written. An empty list is none.
func readTokens(value []byte) (list []string, err error) {
	notText := false
	err = strictjson.Array(value, func(_ int, v []byte) {
		text, ok := strictjson.Text(v)
		list, notText = append(list, text), notText || !ok
	})
	if err != nil || notText {
		return nil, fmt.Errorf("%w: validationTokens is no list of texts", signature.ErrMalformed)
	}
	return list, nil
}

// containsFold compares ids without regard to case.
func containsFold(list []string, id string) bool {
	for _, each := range list {
		if strictjson.EqualFold(each, id) {
			return true
		}
	}
	return false
}
