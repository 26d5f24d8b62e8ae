package provider

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"math/big"
	"net/url"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// Keys are RSA public keys by their ids: a key set that was read, or that never changes.
type Keys map[string]*rsa.PublicKey

// Key returns the key of that id, or nil. There is never an error.
func (k Keys) Key(_ context.Context, id string) (*rsa.PublicKey, error) { return k[id], nil }

// Bounds of an RSA key in bits.
const (
	MinRSABits = 2048
	MaxRSABits = 4096
)

// ParseKeys reads a JSON Web Key Set: {"keys":[...]}. Keys that are not for checking RS256 signatures, are not of
// [MinRSABits] to [MaxRSABits] bits, have no kid, or one that an earlier key has, are left out. It is an error if none
// remains.
// Source: https://www.rfc-editor.org/rfc/rfc7517
func ParseKeys(jwks []byte) (Keys, error) {
	list, err := Find(jwks, "keys")
	if err != nil {
		return nil, errors.New("not a JSON object, or a name occurs twice")
	}
	keys := Keys{}
	err = Array(list, func(_ int, value []byte) {
		id, key := parseKey(value)
		if key != nil && id != "" && keys[id] == nil {
			keys[id] = key
		}
	})
	switch {
	case err != nil:
		return nil, errors.New("its keys are no list")
	case len(keys) == 0:
		return nil, errors.New("no RSA key of 2048 to 4096 bits with a kid in it")
	}
	return keys, nil
}

// parseKey reads one JSON Web Key. key is nil if it is not to be used.
func parseKey(jwk []byte) (id string, key *rsa.PublicKey) {
	member := map[string]string{}
	err := Object(jwk, func(name, value []byte) {
		switch name := string(name); name {
		case "kty", "use", "alg", "kid", "n", "e":
			member[name], _ = Text(value)
		}
	})
	if err != nil || member["kty"] != "RSA" || cmp.Or(member["use"], "sig") != "sig" || cmp.Or(member["alg"], "RS256") != "RS256" {
		return "", nil
	}
	n, errN := decodeBigInt(member["n"])
	e, errE := decodeBigInt(member["e"])
	if errN != nil || errE != nil || n.BitLen() < MinRSABits || n.BitLen() > MaxRSABits || n.Bit(0) == 0 ||
		e.BitLen() < 2 || e.BitLen() > 31 || e.Bit(0) == 0 {
		return "", nil
	}
	return member["kid"], &rsa.PublicKey{N: n, E: int(e.Int64())}
}

func decodeBigInt(text string) (*big.Int, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return new(big.Int).SetBytes(b), err
}

// KeysURL reads the setting at path that says where an authority publishes its keys: an https URL, or an http URL of
// this machine for trying things out; "" is standard. Its error is bellhop.CodeInvalid.
func KeysURL(path, text, standard string) (string, error) {
	if text == "" {
		return standard, nil
	}
	u, err := url.Parse(text)
	if err == nil && u.User == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())) {
		return text, nil
	}
	return "", bellhop.Invalid(path, "use an https URL without a user in it")
}

func isLoopback(host string) bool {
	return strings.EqualFold(host, "localhost") || host == "127.0.0.1" || host == "::1"
}
