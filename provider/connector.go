package provider

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A Connector knows the API of one outside system: which settings a connection there has, where its tokens come
// from, how its calls are authenticated, and which call shows that they are. A provider whose system has an API is
// one; so is a kind of API that belongs to no provider, such as "oauth2".
type Connector interface {
	// ConnectorInfo is constant.
	ConnectorInfo() ConnectorInfo
	// OpenConnection checks the settings of a connection, once, when it is saved or loaded. Its errors are
	// bellhop.CodeInvalid with paths within the settings ("client_id").
	OpenConnection(env Env, settings json.RawMessage) (Connected, error)
}

// ConnectorInfo describes a Connector: its settings, and how to register us at its system.
type ConnectorInfo struct {
	Name     string // in the member provider of a connection; the provider's own if there is one
	Title    string // of the system, as it calls itself
	Summary  string // one sentence: what calls are made with, and how they are authenticated
	Links    []string
	Settings []Setting
	// Addresses are the names of settings that are URLs to which secrets or tokens are sent. A change to another
	// origin needs the secrets anew.
	Addresses []string
	Setup     []string // steps to take at the system, in Markdown
}

// Connected says how the calls of one connection are made. It does not change.
type Connected struct {
	// BaseURL is scheme, host and path of the API, without a slash at the end. Every call goes to its origin.
	BaseURL string
	Header  http.Header // of each call, unless the call sets them; nil is none
	// OAuth says where tokens come from; nil if the Signers authenticate the calls.
	OAuth *OAuth
	// Signers authenticate calls by keys, each by another one. The next one is tried if the API answers 401.
	Signers []Signer
	// Storage reports whether u, of another origin than BaseURL, is a URL of the system's storage, which takes the
	// same credentials. Nil: there is no storage elsewhere.
	Storage func(u *url.URL) bool
	// Test makes the cheapest authentic call, and says who we are there and which permissions we have. Its error is
	// an *APIError. Nil if the system has no such call: then a token, or a key, is all there is to test.
	Test func(ctx context.Context, api API, granted Granted) (Tested, error)
}

// A Signer adds the headers that authenticate r. Its error means that r cannot be signed.
type Signer func(r SignedRequest, now time.Time) error

// A SignedRequest is a call that a Signer is about to sign.
type SignedRequest struct {
	Method  string
	URL     *url.URL
	Header  http.Header // the signer sets headers here
	Body    []byte
	Storage bool // the call is one to the system's storage: see Call.Storage
}

// A GrantKind says on whose behalf tokens are asked for.
type GrantKind string

// The kinds.
const (
	// GrantEither is the client's own behalf until somebody signs in; from then on that user's.
	GrantEither GrantKind = ""
	GrantClient GrantKind = "client_credentials" // the client's own behalf: RFC 6749, section 4.4
	GrantUser   GrantKind = "user"               // of a user who signs in by a browser or a device code
)

// Grants are the values of a setting that chooses a grant; without it, either is meant.
var Grants = []string{string(GrantClient), string(GrantUser)}

// OAuth says where the tokens of a connection come from, by OAuth 2 (RFC 6749).
type OAuth struct {
	// Issuer is the OpenID issuer whose discovery document has the URLs below; "" if the URLs are given. A URL that
	// is given counts more than that of the document.
	Issuer                       string
	AuthURL, TokenURL, DeviceURL string
	RevokeURL                    string // of tokens (RFC 7009), at a sign-out; "" if the authority has none

	ClientID     string
	ClientSecret string
	Basic        bool // the secret is sent in the header Authorization rather than in the body
	// Assertion returns a JSON Web Token that proves the client in place of a secret, for the token endpoint
	// audience; nil if there is none. Each call returns another one.
	Assertion func(audience string, now time.Time, random io.Reader) (string, error)

	Grant      GrantKind
	Scopes     []string   // of the client's own tokens
	UserScopes []string   // of a user's
	Params     url.Values // further parameters of each request: "resource", "audience"; nil is none

	// Explain says in words what a refusal means and what to do. It returns "" if it knows nothing about it; nil
	// knows nothing.
	Explain func(refusal TokenRefusal) string
}

// ByClient reports whether the client can get tokens on its own behalf.
func (o *OAuth) ByClient() bool {
	return o.Grant != GrantUser && (o.ClientSecret != "" || o.Assertion != nil)
}

// ByUser reports whether a user can sign in.
func (o *OAuth) ByUser() bool { return o.Grant != GrantClient }

// A TokenRefusal is what an authority answered in place of a token. Only Code and Numbers are safe to show.
type TokenRefusal struct {
	Status  int
	Code    string // RFC 6749, section 5.2: "invalid_grant"
	Numbers []int  // of the authority's own: those of error_codes
}

// Granted is what an authority granted, as far as it says so. It is not verified: it explains, and decides nothing.
type Granted struct {
	ByUser  bool
	Scopes  []string // of a user's token
	Roles   []string // of the client's own
	Account string   // as the tokens name it: "ada@example.com"; may be ""
}

// Tested is what a test call showed.
type Tested struct {
	Account     string // who we are at the system; "" if the call does not show that
	Permissions []Permission
}

// A Permission is what an account may do at a system.
type Permission struct {
	Name    string // as the system calls it: "Calendars.Read"
	For     string // what it is needed for, in words
	Granted bool
}

// CheckBaseURL returns a bellhop.CodeInvalid error at path unless text is an absolute http or https URL without user,
// query and fragment. It returns the URL without slashes at its end. "" is fallback.
func CheckBaseURL(path, text, fallback string) (string, error) {
	text = bellhop.Pasted(text)
	if text == "" {
		text = fallback
	}
	for len(text) > 0 && text[len(text)-1] == '/' {
		text = text[:len(text)-1]
	}
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "", bellhop.Invalid(path, "required: a URL such as https://api.example.com")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Opaque != "":
		return "", bellhop.Invalid(path, "use a URL such as https://api.example.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "", bellhop.Invalid(path, "leave user, password, query and fragment out of the URL")
	}
	return text, nil
}
