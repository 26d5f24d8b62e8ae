package generic

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// verify returns the signature as the text by which a repeat is known, in the one form it has.
func (m *mac) verify(req *provider.Request) (proof, error) {
	value, err := signature.Single(req.Header, m.header)
	if err != nil {
		return proof{}, fmt.Errorf("%s: %w", m.header, err)
	}
	signed, at, err := m.gather(req)
	if err != nil {
		return proof{}, err
	}
	found, err := m.match(value, signed, req.Target)
	if err != nil {
		return proof{}, err
	}
	return found, m.timestamp.check(at, req.Body)
}

// gather takes what is signed from req, but for the URL.
func (m *mac) gather(req *provider.Request) (signed material, at time.Time, err error) {
	signed.body = req.Body
	if signed.timestamp, at, err = m.timestamp.fromHeader(req.Header); err != nil {
		return signed, at, err
	}
	if m.idHeader != "" {
		if signed.id, err = signature.Single(req.Header, m.idHeader); err != nil {
			return signed, at, fmt.Errorf("%s: %w", m.idHeader, err)
		}
	}
	if m.template.has(placeParams) {
		signed.params, err = formParams(req.Header, req.Target, req.Body)
	}
	return signed, at, err
}

// match looks for one of the keys behind one of the signatures in value. With each key it looks at them all, so that a
// request in which they stand in another order is known for a repeat.
func (m *mac) match(value string, signed material, target string) (proof, error) {
	candidates := m.split(value)
	failure := signature.ErrMalformed
	for _, base := range m.urls {
		signed.url = signedURL(base, target)
		parts, err := m.template.fill(signed)
		if err != nil {
			return proof{}, fmt.Errorf("%s: %w", m.idHeader, err)
		}
		for i := range m.keys {
			for _, candidate := range candidates {
				err := m.hmac.Verify(candidate, m.keys[i:i+1], parts...)
				if err == nil {
					return proof{repeat: m.plain(candidate), key: m.keys[i]}, nil
				}
				if errors.Is(err, signature.ErrMismatch) {
					failure = err
				}
			}
		}
	}
	return proof{}, fmt.Errorf("%s: %w", m.header, failure)
}

// maxSignatures bounds how many of a list are looked at.
const maxSignatures = 16

func (m *mac) split(value string) []string {
	if m.separator == "" {
		return []string{value}
	}
	list := strings.SplitN(value, m.separator, maxSignatures+1)
	return list[:min(len(list), maxSignatures)]
}

// plain returns a good signature without its prefix and in lower case, where case means nothing.
func (m *mac) plain(value string) string {
	value = strings.TrimPrefix(value, m.hmac.Prefix)
	if m.hmac.Encoding == signature.Hex {
		value = strings.ToLower(value)
	}
	return value
}
