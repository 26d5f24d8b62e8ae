package generic

import (
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
	hmac            signature.HMAC
	keys            [][]byte
	header          string
	timestampHeader string // "" if there is none
	idHeader        string // "" if the id is not signed
	template        template
	tolerance       time.Duration
	now             func() time.Time
}

func newMAC(s settings, now func() time.Time) (scheme, error) {
	hash, hashErr := oneOf("hash", s.Hash, "sha256", "sha1", "sha256", "sha384", "sha512")
	encoding, encodingErr := oneOf("encoding", s.Encoding, "hex", "hex", "hex-upper", "base64", "base64url")
	keys, keysErr := decodeKeys(s.Secret, s.SecretEncoding)
	template, templateErr := newTemplate(s)
	tolerance, toleranceErr := provider.Tolerance("tolerance", s.Tolerance, 5*time.Minute)
	if err := bellhop.Join("", checkSigned(s), hashErr, encodingErr, keysErr, templateErr, toleranceErr); err != nil {
		return nil, err
	}
	m := &mac{
		hmac:            signature.HMAC{Hash: signature.Hash(hash), Encoding: signature.Encoding(encoding)},
		keys:            keys,
		header:          s.Header,
		timestampHeader: s.TimestampHeader,
		template:        template,
		tolerance:       tolerance,
		now:             now,
	}
	if s.Prefix != nil {
		m.hmac.Prefix = *s.Prefix
	}
	if template.has(placeID) {
		m.idHeader = s.IDHeader
	}
	return m, nil
}

func decodeKeys(secrets provider.Secrets, encoding string) ([][]byte, error) {
	encoding, err := oneOf("secret_encoding", encoding, "text", "text", "hex", "base64")
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	var errs []error
	for i, text := range secrets {
		key, err := signature.DecodeKey(text, signature.KeyEncoding(encoding))
		if err != nil {
			err = bellhop.Invalid(secrets.Path("secret", i), err.Error())
		}
		keys, errs = append(keys, key), append(errs, err)
	}
	return keys, bellhop.Join("", errs...)
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
	case s.Tolerance != "" && s.TimestampHeader == "":
		return bellhop.Invalid("tolerance", "there is no timestamp without timestamp_header; set that, or remove this")
	}
	return checkHeader("timestamp_header", s.TimestampHeader)
}

// verify returns the signature as the text by which a repeat is known, in the one form it has.
func (m *mac) verify(req *provider.Request) (repeat string, err error) {
	value, err := signature.Single(req.Header, m.header)
	if err != nil {
		return "", fmt.Errorf("%s: %w", m.header, err)
	}
	var timestamp, id string
	var at int64
	if m.timestampHeader != "" {
		if timestamp, at, err = readTimestamp(req.Header, m.timestampHeader); err != nil {
			return "", fmt.Errorf("%s: %w", m.timestampHeader, err)
		}
	}
	if m.idHeader != "" {
		if id, err = signature.Single(req.Header, m.idHeader); err != nil {
			return "", fmt.Errorf("%s: %w", m.idHeader, err)
		}
	}
	parts, err := m.template.fill(timestamp, id, req.Body)
	if err != nil {
		return "", fmt.Errorf("%s: %w", m.idHeader, err)
	}
	if err := m.hmac.Verify(value, m.keys, parts...); err != nil {
		return "", fmt.Errorf("%s: %w", m.header, err)
	}
	if m.timestampHeader != "" && !within(m.now().Unix()-at, m.tolerance) {
		return "", fmt.Errorf("%s: %w", m.timestampHeader, signature.ErrExpired)
	}
	repeat = strings.TrimPrefix(value, m.hmac.Prefix)
	if m.hmac.Encoding == signature.Hex {
		repeat = strings.ToLower(repeat)
	}
	return repeat, nil
}

func (m *mac) sign(h http.Header, body []byte, id string, at provider.Sending) error {
	timestamp := ""
	if m.timestampHeader != "" {
		timestamp = strconv.FormatInt(at.Time.Unix(), 10)
		h.Set(m.timestampHeader, timestamp)
	}
	if m.idHeader != "" {
		h.Set(m.idHeader, id)
	}
	parts, err := m.template.fill(timestamp, id, body)
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

// readTimestamp reads seconds since 1970 in the one form there is for each: decimal digits, at most 11, no sign, no
// leading zero.
func readTimestamp(h http.Header, name string) (text string, at int64, err error) {
	text, err = signature.Single(h, name)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || len(text) > 11 || text[0] == '0' && len(text) > 1 {
		return "", 0, signature.ErrMalformed
	}
	return text, int64(n), nil
}

// within reports whether an age in seconds is within tolerance, in the past or in the future.
func within(seconds int64, tolerance time.Duration) bool {
	limit := int64(tolerance / time.Second)
	return seconds <= limit && seconds >= -limit
}
