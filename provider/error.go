package provider

import "github.com/bellhop-gateway/bellhop/internal/strictjson"

// An Error is a reason to refuse a request that is not about its signature.
type Error struct{ code, text string }

func (e *Error) Error() string { return e.text }

// Code returns the short code under which the refusal is recorded and counted. The sentinels of package
// signature have the same method; that is how the door tells them all apart.
func (e *Error) Code() string { return e.code }

// A MethodError is ErrMethod with the methods that a source takes.
type MethodError struct{ Allow []string }

func (e *MethodError) Error() string { return ErrMethod.Error() }
func (e *MethodError) Unwrap() error { return ErrMethod }

// Reasons to refuse a request. Wrap them to say more.
var (
	// ErrBody: authentic as far as can be told, but not what the provider sends. Answered 400.
	ErrBody = strictjson.ErrMalformed
	// ErrForbidden: a known sender's shared state or account differs. Answered 403.
	ErrForbidden error = &Error{"forbidden", "not the expected account or state"}
	// ErrMethod: the provider does not use this method, but POST; where it is another, use a [MethodError]. Answered 405.
	ErrMethod error = &Error{"method", "method not used by the provider"}
	// ErrEncoding: a content coding that cannot be taken. Answered 415.
	ErrEncoding error = &Error{"content_encoding", "content encoding not accepted"}
	// ErrMediaType: a Content-Type that is not the provider's. Answered 415.
	ErrMediaType error = &Error{"media_type", "media type not used by the provider"}
	// ErrUnavailable: we lack something to decide with, such as a key set. Answered 503; the sender repeats.
	ErrUnavailable error = &Error{"unavailable", "cannot be decided now"}
)
