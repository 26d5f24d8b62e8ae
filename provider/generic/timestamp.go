package generic

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// The ways to write a time.
const (
	formatSeconds = "seconds"
	formatMillis  = "milliseconds"
	formatRFC3339 = "rfc3339"
)

// A timestamp is where a request says when it was made: in a header that the template signs, or in a member of the
// body. The zero timestamp is nowhere.
type timestamp struct {
	header    string
	field     path
	format    string
	tolerance time.Duration
	now       func() time.Time
}

func newTimestamp(s settings, now func() time.Time) (timestamp, error) {
	format, formatErr := provider.OneOf("timestamp_format", s.TimestampFormat, formatSeconds, formatSeconds, formatMillis, formatRFC3339)
	tolerance, toleranceErr := provider.Tolerance("tolerance", s.Tolerance, 5*time.Minute)
	t := timestamp{header: s.TimestampHeader, field: parsePath(s.TimestampField), format: format, tolerance: tolerance, now: now}
	return t, bellhop.Join("", t.checkUse(s), formatErr, toleranceErr)
}

// checkUse refuses what says more of a timestamp than where it is, or where it is twice.
func (t timestamp) checkUse(s settings) error {
	nowhere := t.header == "" && len(t.field) == 0
	switch {
	case t.header != "" && len(t.field) > 0:
		return bellhop.Invalid("timestamp_field", "there is timestamp_header too; keep one of them")
	case nowhere && s.TimestampFormat != "":
		return bellhop.Invalid("timestamp_format", "there is no timestamp without timestamp_header or timestamp_field; set one of them, or remove this")
	case nowhere && s.Tolerance != "":
		return bellhop.Invalid("tolerance", "there is no timestamp without timestamp_header or timestamp_field; set one of them, or remove this")
	}
	return nil
}

// fromHeader returns the time as it stands in the header and what it says; "" if that is not where it is.
func (t timestamp) fromHeader(h http.Header) (text string, at time.Time, err error) {
	if t.header == "" {
		return "", time.Time{}, nil
	}
	if text, err = signature.Single(h, t.header); err == nil {
		at, err = t.parse(text)
	}
	if err != nil {
		return "", time.Time{}, fmt.Errorf("%s: %w", t.header, err)
	}
	return text, at, nil
}

// check looks at a request whose signature holds. at is what fromHeader returned.
func (t timestamp) check(at time.Time, body []byte) error {
	switch {
	case t.header != "":
		return t.fresh(at, t.header)
	case len(t.field) == 0:
		return nil
	}
	const name = "the timestamp in the body"
	values, err := find(body, t.field)
	if err != nil {
		return err
	}
	text := textOrNumber(values[0])
	if text == "" {
		return fmt.Errorf("%s: %w", name, signature.ErrMissing)
	}
	if at, err = t.parse(text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return t.fresh(at, name)
}

// fresh compares in the unit of the format, so that what came within the last second of the tolerance is taken.
func (t timestamp) fresh(at time.Time, name string) error {
	if t.now().Truncate(t.unit()).Sub(at).Abs() > t.tolerance {
		return fmt.Errorf("%s: %w", name, signature.ErrExpired)
	}
	return nil
}

func (t timestamp) unit() time.Duration {
	switch t.format {
	case formatMillis:
		return time.Millisecond
	case formatRFC3339:
		return time.Nanosecond
	}
	return time.Second
}

// write is the other side of parse.
func (t timestamp) write(at time.Time) string {
	switch t.format {
	case formatMillis:
		return strconv.FormatInt(at.UnixMilli(), 10)
	case formatRFC3339:
		return at.UTC().Format(time.RFC3339Nano)
	}
	return strconv.FormatInt(at.Unix(), 10)
}

// parse reads a time in the one form that each has: decimal digits, at most 11 for seconds and 14 for milliseconds, no
// sign, no leading zero; or RFC 3339 in UTC, in capitals.
func (t timestamp) parse(text string) (time.Time, error) {
	switch t.format {
	case formatMillis:
		n, err := signature.ParseUnix(text, signature.MaxUnixMilli)
		return time.UnixMilli(n), err
	case formatRFC3339:
		at := provider.Time(text)
		if !isUTC(text) || at.IsZero() {
			return at, signature.ErrMalformed
		}
		return at, nil
	}
	n, err := signature.ParseUnix(text, signature.MaxUnix)
	return time.Unix(n, 0), err
}

// isUTC reports whether text looks like 2006-01-02T15:04:05Z, with up to 9 digits of a fraction. time.Parse takes more:
// hours of one digit, and a comma for the point.
func isUTC(text string) bool {
	const form = "0000-00-00T00:00:00"
	if len(text) <= len(form) || len(text) > len(form)+len(".123456789Z") || text[len(text)-1] != 'Z' {
		return false
	}
	for i := range form {
		if !fits(form[i], text[i]) {
			return false
		}
	}
	fraction := text[len(form) : len(text)-1]
	for i := range len(fraction) {
		if i == 0 && fraction[i] != '.' || i > 0 && !fits('0', fraction[i]) {
			return false
		}
	}
	return fraction != "."
}

// fits reports whether c can stand where form has a '0' for any digit, or that very byte.
func fits(form, c byte) bool { return c == form || form == '0' && c >= '0' && c <= '9' }
