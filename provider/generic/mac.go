package generic

import (
	"fmt"
	"net/http"
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
