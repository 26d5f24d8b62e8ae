// Package auth says who makes a request of the API. An [Authenticator] turns the credential of a request into a
// [Principal], and the principal travels in the context of the request.
//
// The server has one key, [AdminKey]: its principal may do everything and sees the nouns of every tenant. Handlers
// can read the scope and the tenant of a principal; none has to, while there is no other. A [Guard] counts and logs
// the requests that another authenticator refuses, and limits wrong keys from one address.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// A Scope says what a principal may do.
type Scope string

// ScopeAdmin is the scope of a principal that may do everything. It is the only scope.
const ScopeAdmin Scope = "admin"

// A Principal is the one who makes a request. The zero Principal is nobody.
type Principal struct {
	Name   string // for logs: "admin" for the admin key
	Scope  Scope
	Tenant string // the tenant whose nouns it sees; "" is every tenant
}

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

// An AdminKey authenticates requests by one key, sent as "Authorization: Bearer KEY". It keeps the SHA-256 of
// the key. The zero AdminKey refuses every request.
type AdminKey struct {
	hash [sha256.Size]byte
	set  bool
}

// NewAdminKey returns an AdminKey for key. With the key "" it refuses every request.
func NewAdminKey(key string) AdminKey {
	return AdminKey{sha256.Sum256([]byte(key)), key != ""}
}

// ErrNoKey and ErrWrongKey are the causes of the errors of an [AdminKey], and say which words a person gets.
var (
	ErrNoKey    = errors.New("no key")
	ErrWrongKey = errors.New("wrong key")
)

// Authenticate compares the key of r in constant time. A request with several Authorization headers is refused. The
// error wraps ErrNoKey if r has no such header at all, and ErrWrongKey otherwise.
func (k AdminKey) Authenticate(r *http.Request) (Principal, error) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return Principal{}, &bellhop.Error{Code: bellhop.CodeUnauthorized, Err: ErrNoKey,
			Message: "needs an API key: send the header Authorization: Bearer KEY"}
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return Principal{}, &bellhop.Error{Code: bellhop.CodeUnauthorized, Err: ErrWrongKey,
			Message: "cannot read the API key: send one header Authorization: Bearer KEY"}
	}
	given := sha256.Sum256([]byte(key))
	if subtle.ConstantTimeCompare(given[:], k.hash[:]) != 1 || !k.set {
		return Principal{}, &bellhop.Error{Code: bellhop.CodeUnauthorized, Err: ErrWrongKey,
			Message: "the API key is wrong"}
	}
	return Principal{Name: "admin", Scope: ScopeAdmin}, nil
}
