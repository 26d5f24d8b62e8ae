package generic

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// mac is the scheme hmac: a header holds the HMAC of what the template makes of a request.
type mac struct {
	hmac      signature.HMAC
	keys      [][]byte
	header    string
	separator string // between several signatures; "" where there is one
	idHeader  string // "" if the id is not signed
	timestamp timestamp
	template  template
	urls      []string // of a source that signs its own; else one, which is not signed
}

func newMAC(s settings, now func() time.Time) (scheme, error) {
	hash, hashErr := provider.OneOf("hash", s.Hash, "sha256", "sha1", "sha256", "sha384", "sha512")
	encoding, encodingErr := provider.OneOf("encoding", s.Encoding, "hex", "hex", "hex-upper", "base64", "base64url")
	_, separatorErr := provider.OneOf("separator", s.Separator, ",", ",", ";", " ")
	keys, keysErr := decodeKeys(s.Secret, s.SecretEncoding)
	timestamp, timestampErr := newTimestamp(s, now)
	template, templateErr := newTemplate(s)
	m := &mac{
		hmac:      signature.HMAC{Hash: signature.Hash(hash), Encoding: signature.Encoding(encoding)},
		keys:      keys,
		header:    s.Header,
		separator: s.Separator,
		timestamp: timestamp,
		template:  template,
		urls:      []string{""},
	}
	var urlErr error
	if s.URL != "" {
		m.urls, urlErr = publicURLs(s.URL)
	}
	if s.Prefix != nil {
		m.hmac.Prefix = *s.Prefix
	}
	if template.has(placeID) {
		m.idHeader = s.IDHeader
	}
	return m, bellhop.Join("", checkSigned(s), hashErr, encodingErr, separatorErr, keysErr, timestampErr, templateErr, urlErr)
}

func decodeKeys(secrets provider.Secrets, encoding string) ([][]byte, error) {
	encoding, err := provider.OneOf("secret_encoding", encoding, "text", "text", "hex", "base64")
	if err != nil {
		return nil, err
	}
	return provider.ReadSecrets("secret", secrets, func(text string) ([]byte, error) {
		return signature.DecodeKey(text, signature.KeyEncoding(encoding))
	})
}

// checkSigned checks the headers that sign or are signed: there is one for the signature, and none has two duties.
func checkSigned(s settings) error {
	same := func(a, b string) bool { return a != "" && strings.EqualFold(a, b) }
	switch {
	case s.Header == "":
		return bellhop.Invalid("header", "required: the header that holds the signature, such as X-Signature")
	case same(s.TimestampHeader, s.Header):
		return bellhop.Invalid("timestamp_header", "is the header of the signature; name another")
	case same(s.IDHeader, s.Header), same(s.IDHeader, s.TimestampHeader):
		return bellhop.Invalid("id_header", "is the header of the signature or timestamp; name another")
	}
	return checkHeader("timestamp_header", s.TimestampHeader)
}

func (m *mac) sign(h http.Header, body []byte, id string, at provider.AttemptInfo) error {
	signed := material{body: body, url: at.URL}
	if m.timestamp.header != "" {
		signed.timestamp = m.timestamp.write(at.Time)
		h.Set(m.timestamp.header, signed.timestamp)
	}
	if m.idHeader != "" {
		signed.id = id
		h.Set(m.idHeader, id)
	}
	if m.template.has(placeParams) {
		var err error
		if signed.params, err = formParams(h, at.URL, body); err != nil {
			return fmt.Errorf("settings.template: {params} are those of a form, and the event's body is none: %w", err)
		}
	}
	parts, err := m.template.fill(signed)
	if err != nil {
		return fmt.Errorf("settings.template: the id of the event cannot be told from the text beside it: %w", err)
	}
	value, err := m.hmac.Sign(m.keys[0], parts...)
	if err != nil {
		return err
	}
	h.Set(m.header, value)
	return nil
}

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
