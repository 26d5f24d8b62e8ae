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

// The values of settings that have a few.
var (
	hashes             = []string{"sha1", "sha256", "sha384", "sha512"}
	signatureEncodings = []string{"hex", "hex-upper", "base64", "base64url"}
	separators         = []string{",", ";", " "}
	secretEncodings    = []string{"text", "hex", "base64"}
	timestampFormats   = []string{formatSeconds, formatMillis, formatRFC3339}
)

// mac is the scheme "hmac": a header holds the HMAC of the text that the template makes of a request.
type mac struct {
	hmac      signature.HMAC
	keys      [][]byte
	header    string
	form      headerForm
	separator string // between several signatures; "" if the header has only one
	idHeader  string // "" if the id is not signed
	timestamp timestamp
	template  template
	urls      []string // the forms of the source's URL, if it is signed; else one empty string
}

func newMAC(s settings, now func() time.Time) (scheme, error) {
	hash, hashErr := provider.OneOf("hash", s.Hash, "sha256", hashes...)
	encoding, encodingErr := provider.OneOf("encoding", s.Encoding, "hex", signatureEncodings...)
	_, separatorErr := provider.OneOf("separator", s.Separator, ",", separators...)
	keys, keysErr := decodeKeys(s.Secret, s.SecretEncoding)
	timestamp, timestampErr := newTimestamp(s, now)
	template, templateErr := newTemplate(s)
	form, formErr := parseHeaderForm(s.HeaderForm)
	m := &mac{
		form:      form,
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
	return m, bellhop.Join("",
		checkSigned(s), formErr, hashErr, encodingErr, separatorErr, keysErr, timestampErr, templateErr, urlErr)
}

// signsTime reports whether the header of the signature, or one beside it, holds a time that is signed.
func (s settings) signsTime() bool { return s.TimestampHeader != "" || s.HeaderForm != "" }

func decodeKeys(secrets provider.Secrets, encoding string) ([][]byte, error) {
	encoding, err := provider.OneOf("secret_encoding", encoding, "text", secretEncodings...)
	if err != nil {
		return nil, err
	}
	return provider.ReadSecrets("secret", secrets, func(text string) ([]byte, error) {
		return signature.DecodeKey(text, signature.KeyEncoding(encoding))
	})
}

// checkSigned checks the headers of the signed parts: the signature needs a header, and no header has two roles.
func checkSigned(s settings) error {
	same := func(a, b string) bool { return a != "" && strings.EqualFold(a, b) }
	switch {
	case s.Header == "":
		return bellhop.Invalid("header", "required: the header that holds the signature, such as X-Signature")
	case s.HeaderForm != "" && s.TimestampHeader != "":
		return bellhop.Invalid("timestamp_header", "header_form has the timestamp already; keep one of them")
	case s.HeaderForm != "" && s.Separator != "":
		return bellhop.Invalid("separator", "header_form has the separator already; keep one of them")
	case s.HeaderForm != "" && s.Prefix != nil:
		return bellhop.Invalid("prefix", "header_form has the text before the signature already; keep one of them")
	case same(s.TimestampHeader, s.Header):
		return bellhop.Invalid("timestamp_header", "is also the header of the signature; use another")
	case same(s.IDHeader, s.Header), same(s.IDHeader, s.TimestampHeader):
		return bellhop.Invalid("id_header", "is also the header of the signature or timestamp; use another")
	}
	return checkHeader("timestamp_header", s.TimestampHeader)
}

func (m *mac) sign(h http.Header, body []byte, id string, at provider.AttemptInfo) error {
	signed := signedParts{body: body, url: at.URL}
	if m.timestamp.signed() {
		signed.timestamp = m.timestamp.write(at.Time)
	}
	if m.timestamp.header != "" {
		h.Set(m.timestamp.header, signed.timestamp)
	}
	if m.idHeader != "" {
		signed.id = id
		h.Set(m.idHeader, id)
	}
	if m.template.has(placeParams) {
		var err error
		if signed.params, err = formParams(h, at.URL, body, body); err != nil {
			return fmt.Errorf("settings.template: {params} needs a form, and the event's body is not a valid one: %w",
				err)
		}
	}
	parts, err := m.template.fill(signed)
	if err != nil {
		return fmt.Errorf("settings.template: the event's id cannot be separated from the text next to it: %w", err)
	}
	value, err := m.hmac.Sign(m.keys[0], parts...)
	if err != nil {
		return err
	}
	if m.form.isSet() {
		value = m.form.write(signed.timestamp, value)
	}
	h.Set(m.header, value)
	return nil
}

// verify returns the signature as the text that identifies repeats, in its canonical form.
func (m *mac) verify(req *provider.Request) (verification, error) {
	h, err := m.readHeader(req)
	if err != nil {
		return verification{}, err
	}
	signed := signedParts{body: req.Body, timestamp: h.timestamp, id: h.id}
	if m.template.has(placeParams) {
		if signed.params, err = formParams(req.Header, req.Target, req.Content(), req.Body); err != nil {
			return verification{}, err
		}
	}
	found, err := m.match(h.candidates, signed, req.Target)
	if req.Decoded != nil && errors.Is(err, signature.ErrMismatch) { // some systems sign first and compress afterwards
		signed.body = req.Decoded
		found, err = m.match(h.candidates, signed, req.Target)
	}
	if err != nil {
		return verification{}, err
	}
	return found, m.timestamp.checkBody(req.Content())
}

// A macHeader holds the parts of the proof that are in the headers of a request.
type macHeader struct {
	candidates    []candidate // at least one
	timestamp, id string      // signed; "" if the template does not have them
}

// A candidate is a signature in the form of the scheme, which may be valid for the request.
type candidate struct {
	text string
	sum  signature.Sum
}

// readHeader returns the parts of the proof in the headers of req, after it has checked all that does not depend on
// the body: the form of the signature, the age, and the form of the id.
func (m *mac) readHeader(req *provider.Request) (h macHeader, err error) {
	value, err := signature.Single(req.Header, m.header)
	if err != nil {
		return h, fmt.Errorf("%s: %w", m.header, err)
	}
	var at time.Time
	texts := []string{value}
	if m.form.isSet() {
		if h.timestamp, texts, err = m.form.read(value); err == nil {
			at, err = m.timestamp.parse(h.timestamp)
		}
		err = provider.Named(m.header, err)
	} else {
		h.timestamp, at, err = m.timestamp.fromHeader(req.Header)
	}
	if err != nil {
		return h, err
	}
	if m.idHeader != "" {
		if h.id, err = signature.Single(req.Header, m.idHeader); err == nil {
			err = m.template.checkID(h.id)
		}
		if err != nil {
			return h, fmt.Errorf("%s: %w", m.idHeader, err)
		}
	}
	if m.separator != "" {
		texts = m.split(value)
	}
	for _, text := range texts {
		sum, err := m.hmac.Read(text)
		if err == nil {
			h.candidates = append(h.candidates, candidate{text, sum})
		}
	}
	if len(h.candidates) == 0 {
		return h, fmt.Errorf("%s: %w", m.header, signature.ErrMalformed)
	}
	return h, m.timestamp.checkHeader(at)
}

// match finds one of candidates that one of the keys made. For each key it tries all candidates, so that a repeat with
// the signatures in another order has the same result.
func (m *mac) match(candidates []candidate, signed signedParts, target string) (verification, error) {
	urls := m.urls
	if m.template.has(placeURL) {
		urls = signedURLs(m.urls, target)
	}
	for _, url := range urls {
		signed.url = url
		parts, err := m.template.fill(signed)
		if err != nil {
			return verification{}, fmt.Errorf("%s: %w", m.idHeader, err)
		}
		for i := range m.keys {
			for k := range candidates {
				if candidates[k].sum.Verify(m.keys[i:i+1], parts...) == nil {
					return verification{repeat: m.canonical(candidates[k].text), key: m.keys[i]}, nil
				}
			}
		}
	}
	return verification{}, fmt.Errorf("%s: %w", m.header, signature.ErrMismatch)
}

// maxSignatures is how many signatures of a list are tried.
const maxSignatures = 16

func (m *mac) split(value string) []string {
	list := strings.SplitN(value, m.separator, maxSignatures+1)
	return list[:min(len(list), maxSignatures)]
}

// canonical returns a valid signature without its prefix, and in lower case if case is ignored.
func (m *mac) canonical(value string) string {
	value = strings.TrimPrefix(value, m.hmac.Prefix)
	if m.hmac.Encoding == signature.Hex {
		value = strings.ToLower(value)
	}
	return value
}

// The values of the setting timestamp_format.
const (
	formatSeconds = "seconds"
	formatMillis  = "milliseconds"
	formatRFC3339 = "rfc3339"
)

// A timestamp describes where a request holds its time: in a header that the template signs, in the header of the
// signature, or in a member of the body. The zero timestamp describes a request without a time.
type timestamp struct {
	header    string
	inForm    bool // in the header of the signature
	field     path
	format    string
	tolerance time.Duration
	now       func() time.Time
}

func newTimestamp(s settings, now func() time.Time) (timestamp, error) {
	format, formatErr := provider.OneOf("timestamp_format", s.TimestampFormat, formatSeconds, timestampFormats...)
	tolerance, toleranceErr := provider.Tolerance("tolerance", s.Tolerance, 5*time.Minute)
	t := timestamp{
		header: s.TimestampHeader, inForm: s.HeaderForm != "", field: parsePath(s.TimestampField), format: format,
		tolerance: tolerance, now: now,
	}
	return t, bellhop.Join("", t.checkUse(s), formatErr, toleranceErr)
}

// checkUse refuses two timestamps, and settings of a timestamp that is not there.
func (t timestamp) checkUse(s settings) error {
	const unused = "there is no timestamp; set timestamp_header, header_form or timestamp_field, or remove this"
	absent := !t.signed() && len(t.field) == 0
	switch {
	case t.signed() && len(t.field) > 0:
		return bellhop.Invalid("timestamp_field", "timestamp_header or header_form is set too; keep one of them")
	case absent && s.TimestampFormat != "":
		return bellhop.Invalid("timestamp_format", unused)
	case absent && s.Tolerance != "":
		return bellhop.Invalid("tolerance", unused)
	}
	return nil
}

// signed reports whether the template signs the timestamp by itself, and not as a part of the body.
func (t timestamp) signed() bool { return t.header != "" || t.inForm }

// fromHeader returns the text of the header and the time in it, or "" if the timestamp is not in a header.
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

// checkHeader checks the age of a request by at, the time in a header, if there is one.
func (t timestamp) checkHeader(at time.Time) error {
	switch {
	case t.header != "":
		return t.checkFresh(at, t.header)
	case t.inForm:
		return t.checkFresh(at, "the timestamp in the header")
	}
	return nil
}

// checkBody checks the age of a request by the time in its body, if there is one. The signature is valid.
func (t timestamp) checkBody(body []byte) error {
	if len(t.field) == 0 {
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
	at, err := t.parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return t.checkFresh(at, name)
}

func (t timestamp) checkFresh(at time.Time, name string) error {
	if err := signature.CheckTime(at, t.now(), t.tolerance); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// write returns the text that parse reads.
func (t timestamp) write(at time.Time) string {
	switch t.format {
	case formatMillis:
		return strconv.FormatInt(at.UnixMilli(), 10)
	case formatRFC3339:
		return at.UTC().Format(time.RFC3339Nano)
	}
	return strconv.FormatInt(at.Unix(), 10)
}

// parse reads a time in the one valid form of each format: decimal digits without sign and leading zero, at most 11
// for seconds and 14 for milliseconds; or RFC 3339 in UTC, in upper case.
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

// isUTC reports whether text has the form 2006-01-02T15:04:05Z, with up to 9 digits of a fraction. time.Parse
// accepts more: hours of one digit, and a comma instead of the point.
func isUTC(text string) bool {
	const form = "0000-00-00T00:00:00"
	if len(text) <= len(form) || len(text) > len(form)+len(".123456789Z") || text[len(text)-1] != 'Z' {
		return false
	}
	for i := range form {
		if !matchesForm(form[i], text[i]) {
			return false
		}
	}
	fraction := text[len(form) : len(text)-1]
	for i := range len(fraction) {
		if i == 0 && fraction[i] != '.' || i > 0 && !matchesForm('0', fraction[i]) {
			return false
		}
	}
	return fraction != "."
}

// matchesForm reports whether c is the byte form, or any digit if form is '0'.
func matchesForm(form, c byte) bool { return c == form || form == '0' && c >= '0' && c <= '9' }
