package provider

import (
	"fmt"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
)

// An Error is a reason to refuse a request that is not about its signature.
type Error struct{ code, text string }

func (e *Error) Error() string { return e.text }

// Code returns the short code under which the refusal is recorded and counted. The sentinels of package signature have
// the same method: by it, the server recognizes them all.
func (e *Error) Code() string { return e.code }

// Reasons to refuse a request. Wrap them to say more.
var (
	// ErrBody: the body is not what the provider sends. Answered 400.
	ErrBody = strictjson.ErrMalformed
	// ErrForbidden: the sender is known, but its shared state or its account is not the expected one. Answered 403.
	ErrForbidden error = &Error{"forbidden", "not the expected account or state"}
	// ErrMethod: the provider does not use this method. It uses POST; if it uses another one, wrap ErrMethod by a
	// [MethodError]. Answered 405.
	ErrMethod error = &Error{"method", "method not used by the provider"}
	// ErrEncoding: a content coding that the server does not know, or several. Answered 415.
	ErrEncoding error = &Error{"content_encoding", "no content encoding that is known here, or several"}
	// ErrMediaType: a Content-Type that the provider does not use. Answered 415.
	ErrMediaType error = &Error{"media_type", "media type not used by the provider"}
	// ErrUnavailable: the server lacks what it needs to decide, such as a key set. Answered 503; the sender repeats.
	ErrUnavailable error = &Error{"unavailable", "cannot be decided now"}
)

// Named returns err, an error of the provider of that name, with the name in front. It returns nil for nil.
func Named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// A MethodError is ErrMethod with the methods that a source accepts.
type MethodError struct{ Allow []string }

func (e *MethodError) Error() string { return ErrMethod.Error() }
func (e *MethodError) Unwrap() error { return ErrMethod }
