// Package jwks holds the public keys of an authority that signs tokens. It reads them from a JSON Web Key Set
// (RFC 7517), which it fetches and keeps if the authority publishes the set at a URL.
//
// signature.VerifyJWT looks up keys in [Keys] or a [KeySet].
package jwks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/fetchcache"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Keys maps ids to RSA public keys: the result of [Parse], or a set that never changes.
type Keys map[string]*rsa.PublicKey

// Key returns the key of that id, or nil. The error is always nil.
func (k Keys) Key(_ context.Context, id string) (*rsa.PublicKey, error) { return k[id], nil }

// Bounds of an RSA key in bits.
const (
	MinRSABits = 2048
	MaxRSABits = 4096
)

// Parse reads a JSON Web Key Set: {"keys":[...]}. It leaves out keys that are not for checking RS256 signatures, that
// do not have [MinRSABits] to [MaxRSABits] bits, and that have no kid or the kid of an earlier key. It is an error if
// no key remains.
// Source: https://www.rfc-editor.org/rfc/rfc7517
func Parse(set []byte) (Keys, error) {
	list, err := strictjson.Find(set, "keys")
	if err != nil {
		return nil, errors.New("not a JSON object, or keys occurs twice")
	}
	keys := Keys{}
	err = strictjson.Array(list, func(_ int, value []byte) {
		id, key := parseKey(value)
		if key != nil && id != "" && keys[id] == nil {
			keys[id] = key
		}
	})
	switch {
	case err != nil:
		return nil, errors.New("its keys are not a list")
	case len(keys) == 0:
		return nil, errors.New("it has no RSA key of 2048 to 4096 bits with a kid")
	}
	return keys, nil
}

// parseKey reads one JSON Web Key. key is nil if it must not be used.
//
// The library gets only the members that are needed. It would refuse a valid key beside a certificate that it cannot
// read, and it would keep the private part of a key. It also accepts base64 whose unused bits are set, which
// parseKey refuses.
func parseKey(jwk []byte) (id string, key *rsa.PublicKey) {
	members := [...]strictjson.Member{{Name: "n"}, {Name: "e"}, {Name: "kty"}, {Name: "use"}, {Name: "alg"},
		{Name: "kid"}}
	modulus, exponent := &members[0], &members[1]
	err := strictjson.FindAll(jwk, modulus, exponent, &members[2], &members[3], &members[4], &members[5])
	if err != nil || !isStrictBase64(modulus.Value) || !isStrictBase64(exponent.Value) {
		return "", nil
	}
	var needed [][]byte
	for _, m := range members {
		if m.Value != nil {
			needed = append(needed, fmt.Appendf(nil, "%q:%s", m.Name, m.Value))
		}
	}
	var set jose.JSONWebKeySet
	reduced := fmt.Appendf(nil, `{"keys":[{%s}]}`, bytes.Join(needed, []byte(",")))
	if json.Unmarshal(reduced, &set) != nil || len(set.Keys) != 1 {
		return "", nil
	}
	parsed := set.Keys[0]
	key, ok := parsed.Key.(*rsa.PublicKey)
	switch {
	case !ok, cmp.Or(parsed.Use, "sig") != "sig", cmp.Or(parsed.Algorithm, "RS256") != "RS256":
		return "", nil
	case key.N.BitLen() < MinRSABits || key.N.BitLen() > MaxRSABits || key.N.Bit(0) == 0:
		return "", nil
	case key.E < 3 || key.E > 1<<31-1 || key.E%2 == 0:
		return "", nil
	}
	return parsed.KeyID, key
}

// isStrictBase64 reports whether value is a string in unpadded base64url whose unused bits are 0.
func isStrictBase64(value []byte) bool {
	text, ok := strictjson.Text(value)
	_, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return ok && err == nil
}

// URL reads the setting at path that names the URL of an authority's keys: an https URL or, for trials, an http URL of
// this machine. If text is "", it returns fallback. Its error is bellhop.CodeInvalid.
func URL(path, text, fallback string) (string, error) {
	if text == "" {
		return fallback, nil
	}
	u, err := url.Parse(text)
	if err == nil && u.User == nil && u.Host != "" &&
		(u.Scheme == "https" || u.Scheme == "http" && bellhop.IsLoopback(u.Hostname())) {
		return text, nil
	}
	return "", bellhop.Invalid(path, "use an https URL without a user in it")
}

// Times and bounds of a KeySet.
const (
	fetchTimeout  = 3 * time.Second
	maxBytes      = 256 << 10
	freshFor      = time.Hour        // older keys are fetched again, and used until that succeeds
	keptFor       = 24 * time.Hour   // older keys are not used
	restUnknown   = 5 * time.Minute  // younger keys are not fetched again if they lack an id
	restOnFailure = 10 * time.Second // from a fetch that failed to the next fetch
)

// A KeySet is the set of public keys that an authority publishes at a URL. It is fetched when a key is asked for,
// never in the background, and kept. While the authority does not answer, the keys of its last answer serve for a
// day. It is safe for concurrent use: one caller fetches, and callers without a usable key wait for the result.
type KeySet struct {
	env   provider.Env
	url   string
	cache fetchcache.Cache[Keys] // under the one key ""

	fetchedAt time.Time // of the last fetch that succeeded; only fetch uses it, and fetches do not overlap
}

// New returns the key set at url. It fetches nothing yet. It uses Now, Client and Logger of env.
func New(env provider.Env, url string) *KeySet {
	s := &KeySet{env: env, url: url}
	s.cache = fetchcache.Cache[Keys]{
		Fetch:            s.fetch,
		Now:              env.Now,
		RestAfterFailure: restOnFailure,
		RestAfterSuccess: restUnknown,
	}
	return s
}

// Key returns the key of that id, or nil without an error if the authority has none. Its error wraps
// [provider.ErrUnavailable]: the keys could not be fetched, and no kept key is young enough.
func (s *KeySet) Key(ctx context.Context, id string) (*rsa.PublicKey, error) {
	keys, err := s.cache.Get(ctx, "", func(k Keys) bool { return k[id] != nil })
	if err != nil {
		return nil, fmt.Errorf("%w: key set: %w", provider.ErrUnavailable, err)
	}
	return keys[id], nil
}

// fetch fetches the keys and logs a failure. It does not end with the context of its caller, because other callers
// wait for the keys, too.
func (s *KeySet) fetch(ctx context.Context, _ string) (fetchcache.Value[Keys], error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	keys, err := s.get(ctx)
	now := s.env.Now()
	if err != nil {
		if s.env.Logger != nil {
			s.env.Logger.Warn("keyset.failed", "component", "provider", "error", err, "age", now.Sub(s.fetchedAt))
		}
		return fetchcache.Value[Keys]{}, err
	}
	s.fetchedAt = now
	return fetchcache.Value[Keys]{Value: keys, FreshUntil: now.Add(freshFor), UsableUntil: now.Add(keptFor)}, nil
}

// get requests the key set from the authority. Its errors do not contain the URL.
func (s *KeySet) get(ctx context.Context) (Keys, error) {
	if s.env.Client == nil {
		return nil, errors.New("there is no network here")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, errors.New("its URL is not valid")
	}
	req.Header.Set("Accept", "application/json")
	resp, err := provider.NoRedirects(s.env.Client).Do(req)
	if err != nil {
		return nil, errors.New("no answer")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBytes+1))
	switch {
	case err != nil:
		return nil, errors.New("the answer broke off")
	case len(body) > maxBytes:
		return nil, errors.New("longer than 256 KiB")
	}
	return Parse(body)
}
