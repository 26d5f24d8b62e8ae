package signature

import (
	"strconv"
	"time"
)

// Bounds of a timestamp that is signed: 11 digits of seconds since 1970, or 14 of milliseconds. Milliseconds have 13
// today, so that they are never taken for seconds.
const (
	MaxUnix      = 99_999_999_999
	MaxUnixMilli = 99_999_999_999_999
)

// ParseUnix reads seconds or milliseconds since 1970 in the one form there is for each: decimal digits, no sign, no
// leading zero. It returns ErrMissing for "" and ErrMalformed for anything else, or more than max.
func ParseUnix(text string, max int64) (int64, error) {
	if text == "" {
		return 0, ErrMissing
	}
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil || at > max || text[0] < '0' || text[0] > '9' || text[0] == '0' && len(text) > 1 {
		return 0, ErrMalformed
	}
	return at, nil
}

// CheckAge returns ErrExpired if at, in seconds since 1970, is more than tolerance from now, in whole seconds, in the
// past or in the future. A tolerance of 0 is strict.
func CheckAge(at int64, now time.Time, tolerance time.Duration) error {
	age, limit := now.Unix()-at, int64(tolerance/time.Second)
	if age > limit || age < -limit {
		return ErrExpired
	}
	return nil
}
