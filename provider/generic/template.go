package generic

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// A template says what is signed: text, and places where parts of the request are put.
type template struct {
	pieces []piece
	stops  string // bytes that an id must not have, or one could not tell where it ends
}

// A piece is a text or a place.
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

var placeNames = map[string]place{"{body}": placeBody, "{timestamp}": placeTimestamp, "{id}": placeID, "{url}": placeURL, "{params}": placeParams}

const placesRule = "use text with {body} or {params} and, if their settings are there, {timestamp}, {id} and {url} in it, each once"

// newTemplate checks the template of s against the other settings.
func newTemplate(s settings) (template, error) {
	refuse := func(why string) (template, error) { return template{}, bellhop.Invalid("template", why) }
	text := s.Template
	switch {
	case text == "" && s.TimestampHeader == "":
		text = "{body}"
	case text == "":
		text = "{timestamp}.{body}"
	}
	t, ok := parseTemplate(text)
	switch {
	case !ok || t.has(placeBody) == t.has(placeParams):
		return refuse(placesRule)
	case s.TimestampField != "" && !t.has(placeBody):
		return refuse("timestamp_field needs {body}, or the timestamp is not signed")
	case t.has(placeTimestamp) && s.TimestampHeader == "":
		return refuse("{timestamp} needs timestamp_header")
	case !t.has(placeTimestamp) && s.TimestampHeader != "":
		return refuse("timestamp_header is of no use unless {timestamp} is signed; put it in")
	case t.has(placeID) && s.IDHeader == "":
		return refuse("{id} needs id_header")
	case t.has(placeURL) != (s.URL != "") && !s.sends:
		return refuse("{url} needs url, and url is of no use without it")
	case !t.separateID(s.TimestampFormat == formatRFC3339):
		return refuse("put text, such as a dot, between {id} and what stands beside it")
	}
	return t, nil
}

// parseTemplate splits text at its places. ok is false if one is there twice, or if a brace opens no place.
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

// separateID finds the bytes at which an id ends or begins, and reports false if another place is next to it: then
// bytes could move from one to the other under the same signature. Nothing needs to part the timestamp from the
// body: a digit more or less puts it out of any tolerance, and the "Z" of RFC 3339 is its last byte. The latter may even
// stand behind an id, as it has its colons in two places and the id has none: moved anywhere, it is no time any more.
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

// A material is what is put in the places of a template.
type material struct {
	timestamp, id, url string
	body, params       []byte
}

// fill returns the parts of the signed text, one after the other. An id that could end elsewhere, or that is long or
// has control characters, is signature.ErrMalformed.
func (t *template) fill(m material) ([][]byte, error) {
	if !plainID(m.id) || strings.ContainsAny(m.id, t.stops) {
		return nil, signature.ErrMalformed
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

// maxID is how long an id in a header may be, in bytes.
const maxID = 256

func plainID(id string) bool {
	for i := range len(id) {
		if id[i] < 0x20 || id[i] == 0x7f {
			return false
		}
	}
	return len(id) <= maxID
}

// bodyHash is the parameter of the URL that proves a body which is no form: its SHA-256 in hex.
const bodyHash = "bodySHA256"

// maxParams bounds the parameters of a form that is signed.
const maxParams = 1000

// formParams returns what {params} stands for: the name and value of each parameter of the form in body, decoded, one
// behind the other without anything between, sorted by name and then by value, equal pairs once. A body that is no form
// stands for nothing; the URL, which is signed, has to have its hash then.
//
// Names and values run into one another, so that who caught a request can move bytes from one to the next under the
// same signature. That is the system's own scheme.
// Source: https://www.twilio.com/docs/usage/security#validating-requests
func formParams(h http.Header, target string, body []byte) ([]byte, error) {
	hashed, err := checkBodyHash(target, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bodyHash, err)
	}
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		if !hashed && len(body) > 0 {
			return nil, fmt.Errorf("%s, for a body that is no form: %w", bodyHash, signature.ErrMissing)
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

// checkBodyHash reports whether target has the hash of body. One that is another's is signature.ErrMismatch.
func checkBodyHash(target string, body []byte) (bool, error) {
	sums := provider.Query(target, bodyHash)
	if len(sums) == 0 {
		return false, nil
	}
	sum := sha256.Sum256(body)
	switch {
	case len(sums) > 1:
		return false, signature.ErrMalformed
	case sums[0] != hex.EncodeToString(sum[:]):
		return false, signature.ErrMismatch
	}
	return true, nil
}

type param struct{ name, value string }

// parseForm returns the parameters of an encoded form in the order in which they are signed. What is not encoded as it
// should be, and what is too much, is signature.ErrMalformed.
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

// publicURLs returns the forms of the URL at which the outside calls a source, from its setting: as it is, and the other
// way with its port, since Twilio is known to sign a URL with the port of its scheme, and one without the port it has.
func publicURLs(text string) ([]string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.ContainsAny(text, "?#%") {
		return nil, bellhop.Invalid("url", "use the whole URL that the system calls, such as https://hooks.example.com/in/calls; its query is taken from each request")
	}
	other := u.Host + map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	if port := u.Port(); port != "" {
		other = strings.TrimSuffix(u.Host, ":"+port)
	}
	start := len(u.Scheme) + len("://")
	return []string{text, text[:start] + other + text[start+len(u.Host):]}, nil
}

// signedURL returns base with the query of target, as they were called together.
func signedURL(base, target string) string {
	if _, query, ok := strings.Cut(target, "?"); ok {
		return base + "?" + query
	}
	return base
}
