package signature

// An Error is a reason why a signature does not hold. Compare with errors.Is; the sentinels may be wrapped.
type Error struct{ code, text string }

func (e *Error) Error() string { return e.text }

// Code returns the short code under which a refused request is recorded and counted.
func (e *Error) Code() string { return e.code }

// Reasons why a signature does not hold. To the sender they should all look the same: 401.
var (
	// ErrMissing: the request carries no signature, or not all that belongs to one.
	ErrMissing error = &Error{"signature_missing", "signature missing"}
	// ErrMismatch: none of the keys made this signature for these bytes.
	ErrMismatch error = &Error{"signature_mismatch", "signature does not match"}
	// ErrExpired: made by the right key, but its time is further from now than is tolerated, either way.
	ErrExpired error = &Error{"signature_expired", "signature too old, or from the future"}
	// ErrMalformed: not in the form of the scheme, or there twice.
	ErrMalformed error = &Error{"signature_malformed", "signature malformed"}
)

// ErrKey is a key that cannot be used. It is a matter of configuration and never an answer to a request.
var ErrKey error = &Error{"signature_key", "key cannot be used"}
