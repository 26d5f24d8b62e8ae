package generic

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// A template describes the signed text: literal text, and places for parts of the request.
type template struct {
	pieces []piece
	stops  string // bytes that an id must not contain, because they end it
}

// A piece is literal text or a place.
type piece struct {
	text  []byte
	place place
}

type place byte

const (
	placeText place = iota
	placeBody
	placeTimestamp
	placeID
	placeURL
	placeParams
)

var placeNames = map[string]place{
	"{body}": placeBody, "{timestamp}": placeTimestamp, "{id}": placeID, "{url}": placeURL, "{params}": placeParams,
}

const placesRule = "use text with {body} or {params} and, with their settings, {timestamp}, {id} and {url}, each once"

// newTemplate checks the template of s against the other settings.
func newTemplate(s settings) (template, error) {
	refuse := func(why string) (template, error) { return template{}, bellhop.Invalid("template", why) }
	text := s.Template
	switch {
	case text == "" && !s.signsTime():
		text = "{body}"
	case text == "":
		text = "{timestamp}.{body}"
	}
	t, ok := parseTemplate(text)
	switch {
	case !ok || t.has(placeBody) == t.has(placeParams):
		return refuse(placesRule)
	case s.TimestampField != "" && !t.has(placeBody):
		return refuse("timestamp_field needs {body}, since the timestamp is signed as a part of it")
	case t.has(placeTimestamp) && !s.signsTime():
		return refuse("{timestamp} needs timestamp_header or header_form")
	case !t.has(placeTimestamp) && s.signsTime():
		return refuse("the timestamp of timestamp_header or header_form must be signed: put " +
			"{timestamp} into the template")
	case t.has(placeID) && s.IDHeader == "":
		return refuse("{id} needs id_header")
	case t.has(placeURL) != (s.URL != "") && !s.sends:
		return refuse("{url} and the setting url need each other")
	case !t.separateID(s.TimestampFormat == formatRFC3339):
		return refuse("put text, such as a dot, between {id} and the place next to it")
	}
	return t, nil
}

// parseTemplate splits text at its places. ok is false if a place occurs twice or a brace does not begin a place.
func parseTemplate(text string) (t template, ok bool) {
	for text != "" {
		if text[0] != '{' {
			end := strings.IndexByte(text, '{')
			if end < 0 {
				end = len(text)
			}
			t.pieces = append(t.pieces, piece{text: []byte(text[:end])})
			text = text[end:]
			continue
		}
		end := strings.IndexByte(text, '}') + 1
		p := placeNames[text[:end]]
		if p == placeText || t.has(p) {
			return t, false
		}
		t.pieces = append(t.pieces, piece{place: p})
		text = text[end:]
	}
	return t, true
}

func (t *template) has(p place) bool {
	for _, piece := range t.pieces {
		if piece.place == p && p != placeText {
			return true
		}
	}
	return false
}

// separateID collects the bytes that end or begin an id in the signed text. It returns false if another place is
// next to the id: then bytes could move from one to the other under the same signature. The timestamp and the body
// need no separator: one digit more or less puts a timestamp outside any tolerance, and RFC 3339 ends with "Z". A
// timestamp in RFC 3339 may even follow an id: it has colons at two fixed positions and the id has none, so no
// other split is valid.
func (t *template) separateID(rfc3339 bool) bool {
	i := slices.IndexFunc(t.pieces, func(p piece) bool { return p.place == placeID })
	if i > 0 {
		before := t.pieces[i-1]
		if before.place != placeText {
			return false
		}
		if i > 1 {
			t.stops += string(before.text[len(before.text)-1:])
		}
	}
	if i < 0 || i+1 == len(t.pieces) {
		return true
	}
	switch after := t.pieces[i+1]; {
	case after.place == placeTimestamp && rfc3339:
		t.stops += ":"
	case after.place != placeText:
		return false
	case i+2 < len(t.pieces):
		t.stops += string(after.text[:1])
	}
	return true
}

// signedParts are the parts of a request that fill the places of a template.
type signedParts struct {
	timestamp, id, url string
	body, params       []byte
}

// fill returns the pieces of the signed text in order. The error is signature.ErrMalformed if the id contains a
// byte that ends it, is too long or has control characters.
func (t *template) fill(m signedParts) ([][]byte, error) {
	if err := t.checkID(m.id); err != nil {
		return nil, err
	}
	parts := make([][]byte, len(t.pieces))
	for i, p := range t.pieces {
		switch p.place {
		case placeText:
			parts[i] = p.text
		case placeBody:
			parts[i] = m.body
		case placeParams:
			parts[i] = m.params
		case placeTimestamp:
			parts[i] = []byte(m.timestamp)
		case placeID:
			parts[i] = []byte(m.id)
		case placeURL:
			parts[i] = []byte(m.url)
		}
	}
	return parts, nil
}

// checkID returns the error of fill for an id. The id "" is valid.
func (t *template) checkID(id string) error {
	if !plainID(id) || strings.ContainsAny(id, t.stops) {
		return signature.ErrMalformed
	}
	return nil
}

// maxID is the largest length of an id in a header, in bytes.
const maxID = 256

func plainID(id string) bool {
	for i := range len(id) {
		if id[i] < 0x20 || id[i] == 0x7f {
			return false
		}
	}
	return len(id) <= maxID
}

// bodyHash is the URL parameter that authenticates a body that is not a form: its SHA-256 in hex.
const bodyHash = "bodySHA256"

// maxParams is the largest number of parameters in a signed form.
const maxParams = 1000

// formParams returns the text for {params}: the decoded names and values of the form in body, sorted by name and
// then by value, without separators, equal pairs once. For a body that is not a form it returns nothing; target
// must then have the hash of the body, or of sent, the body in its content encoding, which the signed URL protects.
//
// Without separators, an attacker can move bytes of a captured request between names and values under the same
// signature. That is a property of the system's own scheme.
// Source: https://www.twilio.com/docs/usage/security#validating-requests
func formParams(h http.Header, target string, body, sent []byte) ([]byte, error) {
	hashed, err := checkBodyHash(target, body, sent)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bodyHash, err)
	}
	if !isForm(h) {
		if !hashed && len(body) > 0 {
			return nil, fmt.Errorf("%s, for a body that is not a form: %w", bodyHash, signature.ErrMissing)
		}
		return nil, nil
	}
	pairs, err := parseForm(string(body))
	if err != nil {
		return nil, err
	}
	var text []byte
	for _, p := range pairs {
		text = append(append(text, p.name...), p.value...)
	}
	return text, nil
}

// checkBodyHash reports whether target has the hash of one of the bodies. For the hash of another body the error is
// signature.ErrMismatch.
func checkBodyHash(target string, bodies ...[]byte) (bool, error) {
	sums := provider.Query(target, bodyHash)
	if len(sums) == 0 {
		return false, nil
	}
	if len(sums) > 1 {
		return false, signature.ErrMalformed
	}
	for _, body := range bodies {
		if sum := sha256.Sum256(body); sums[0] == hex.EncodeToString(sum[:]) {
			return true, nil
		}
	}
	return false, signature.ErrMismatch
}

type param struct{ name, value string }

// parseForm returns the parameters of an encoded form in the order in which they are signed. The error is
// signature.ErrMalformed for a wrong encoding or too many parameters.
func parseForm(text string) ([]param, error) {
	var pairs []param
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(name)
		value, valueErr := url.QueryUnescape(value)
		if nameErr != nil || valueErr != nil || len(pairs) == maxParams {
			return nil, fmt.Errorf("the form in the body: %w", signature.ErrMalformed)
		}
		pairs = append(pairs, param{name, value})
	}
	slices.SortFunc(pairs, func(a, b param) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	return slices.Compact(pairs), nil
}
