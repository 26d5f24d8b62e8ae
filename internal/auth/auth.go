// Package auth says who makes a request of the API. An [Authenticator] turns the credential of a request into a
// [Principal], and the principal travels in the context of the request.
//
// The server has one admin key, whose principal may do everything, and the keys that people make: [Keys] knows them
// all. A key has a scope, which the API compares with the scope that an operation needs. A [Guard] counts and logs
// the requests that another authenticator refuses, and limits wrong keys from one address. [Sessions] let people act
// in a browser as the holders of keys.
package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// A Principal is the one who makes a request. The zero Principal is nobody.
type Principal struct {
	Name   string // of the key, for logs: "admin" for the admin key
	KeyID  string // "" for the admin key
	Scope  bellhop.Scope
	Tenant string // the tenant whose nouns it sees; "" is every tenant

	// Portal is what a visitor of the portal of Tenant may do, within the scope; "" is no such visitor.
	Portal bellhop.PortalRights
}

// adminPrincipal is the principal of the admin key. The catalog gives its name to no other key.
var adminPrincipal = Principal{Name: bellhop.AdminKeyName, Scope: bellhop.ScopeAdmin}

// An Authenticator finds out who makes a request.
type Authenticator interface {
	// Authenticate returns the principal of r. If r carries no valid credential, the error is CodeUnauthorized and
	// says what to send. Authenticate does not read the body. It is safe for concurrent use.
	Authenticate(r *http.Request) (Principal, error)
}

type contextKey struct{}

// NewContext returns a copy of ctx that carries p.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext returns the principal that ctx carries; ok is false if it carries none.
func FromContext(ctx context.Context) (p Principal, ok bool) {
	p, ok = ctx.Value(contextKey{}).(Principal)
	return p, ok
}

// ErrNoKey, ErrWrongKey and ErrExpiredKey are the causes of the errors of an authenticator, for logs and metrics. The
// words that a caller gets are the same for a wrong, an expired and a revoked key: they tell a guesser nothing.
var (
	ErrNoKey      = errors.New("no key")
	ErrWrongKey   = errors.New("wrong key")
	ErrExpiredKey = errors.New("expired key")
)

// bearer returns the key of a request, sent as "Authorization: Bearer KEY". A request with several Authorization
// headers is refused. The error wraps ErrNoKey if r has no such header at all, and ErrWrongKey otherwise.
func bearer(r *http.Request) (string, error) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return "", &bellhop.Error{Code: bellhop.CodeUnauthorized, Err: ErrNoKey,
			Message: "needs an API key: send the header Authorization: Bearer KEY"}
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return "", &bellhop.Error{Code: bellhop.CodeUnauthorized, Err: ErrWrongKey,
			Message: "cannot read the API key: send one header Authorization: Bearer KEY"}
	}
	return key, nil
}

// refused returns the error for a key that is not accepted because of cause.
func refused(cause error) error {
	return &bellhop.Error{Code: bellhop.CodeUnauthorized, Err: cause,
		Message: "the API key is not accepted: it is wrong, has expired or was revoked"}
}

// An AdminKey authenticates requests by one key. It keeps the SHA-256 of the key. The zero AdminKey refuses every
// request.
type AdminKey struct {
	hash [32]byte
	set  bool
}

// NewAdminKey returns an AdminKey for key. With the key "" it refuses every request.
func NewAdminKey(key string) AdminKey {
	return AdminKey{bellhop.HashKey(key), key != ""}
}

// Authenticate compares the key of r in constant time. The error wraps ErrNoKey if r has no Authorization header at
// all, and ErrWrongKey otherwise.
func (k AdminKey) Authenticate(r *http.Request) (Principal, error) {
	key, err := bearer(r)
	if err != nil {
		return Principal{}, err
	}
	if !k.is(bellhop.HashKey(key)) {
		return Principal{}, refused(ErrWrongKey)
	}
	return adminPrincipal, nil
}

// is reports whether given is the hash of the key.
func (k AdminKey) is(given [32]byte) bool {
	return subtle.ConstantTimeCompare(given[:], k.hash[:]) == 1 && k.set
}
