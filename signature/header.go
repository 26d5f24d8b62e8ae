package signature

import "net/http"

// Single returns the value of a header that must be there exactly once: ErrMissing when it is absent or empty,
// ErrMalformed when it is there twice, even with the same value. Which of two is meant is not ours to guess, and
// a proxy in front may have guessed otherwise.
func Single(h http.Header, name string) (string, error) {
	values := h.Values(name)
	switch {
	case len(values) > 1:
		return "", ErrMalformed
	case len(values) == 0 || values[0] == "":
		return "", ErrMissing
	}
	return values[0], nil
}

// Optional is [Single] for a header that may be absent; it is "" then.
func Optional(h http.Header, name string) (string, error) {
	values := h.Values(name)
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", ErrMalformed
}
