package acs

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// DefaultWindow is how far a request's time may be from ours, either way. Communication Services names none; this is
// that of App Configuration, which signs in the same way.
const DefaultWindow = 15 * time.Minute

// A Verifier verifies what [Sign] and [SignWithDate] sign.
type Verifier struct {
	Keys   [][]byte      // the resource's access keys after Base64 decoding; it has two
	Window time.Duration // 0 is DefaultWindow

	// Lenient takes the query as the JavaScript client signs it too: written anew as a form is, with a blank as "+".
	Lenient bool
}

// Verify reports whether r was signed with one of the keys, within the window around now. It returns
// signature.ErrMissing, ErrMalformed (also for a header that is there twice), ErrExpired or ErrMismatch, and compares
// in constant time. It looks at the headers first, then at the time, the hash of the body, and the signature.
//
// r.Host is the resource's own. If there is a [HostHeader], as on a download from storage, it must say the same.
func (v Verifier) Verify(r Request, now time.Time) error {
	p, err := readProof(r.Header)
	if err != nil {
		return err
	}
	if !r.plain() {
		return fmt.Errorf("%w: method, target or host", signature.ErrMalformed)
	}
	window := v.Window
	if window == 0 {
		window = DefaultWindow
	}
	switch {
	case now.Sub(p.at).Abs() > window:
		return signature.ErrExpired
	case p.hash != contentHash(r.Body):
		return fmt.Errorf("%w: x-ms-content-sha256 is not that of the body", signature.ErrMismatch)
	case len(r.Header.Values(HostHeader)) > 0 && strings.Join(r.Header.Values(HostHeader), ",") != r.Host:
		return fmt.Errorf("%w: x-ms-host is another's", signature.ErrMismatch)
	}
	err = scheme.Verify(p.signature, v.Keys, r.message(r.Target, p.date, p.hash))
	if err != nil && v.Lenient {
		err = scheme.Verify(p.signature, v.Keys, r.message(asForm(r.Target), p.date, p.hash))
	}
	return err
}

// A proof is what the headers of a request say for it.
type proof struct {
	date      string // as it is signed
	at        time.Time
	hash      string
	signature string
}

func readProof(h http.Header) (p proof, err error) {
	authorization, err := signature.Single(h, authorizationHeader)
	if err != nil {
		return p, err
	}
	dateHeader := DateHeader
	sum, ok := strings.CutPrefix(authorization, prefixOf(DateHeader))
	if !ok {
		dateHeader = plainDateHeader
		sum, ok = strings.CutPrefix(authorization, prefixOf(plainDateHeader))
	}
	if !ok {
		return p, fmt.Errorf("%w: Authorization", signature.ErrMalformed)
	}
	if dateHeader == plainDateHeader && len(h.Values(DateHeader)) > 0 {
		return p, fmt.Errorf("%w: x-ms-date is there, and not signed", signature.ErrMalformed)
	}
	p.signature = sum
	if p.hash, err = signature.Single(h, ContentHashHeader); err != nil {
		return p, err
	}
	if p.date, err = signature.Single(h, dateHeader); err != nil {
		return p, err
	}
	p.at, err = time.Parse(http.TimeFormat, p.date)
	if err != nil || p.at.Format(http.TimeFormat) != p.date {
		return p, fmt.Errorf("%w: date", signature.ErrMalformed)
	}
	return p, nil
}

// asForm returns target with its query written as browsers write forms.
// Source: https://url.spec.whatwg.org/#concept-urlencoded-serializer
func asForm(target string) string {
	path, query, ok := strings.Cut(target, "?")
	if !ok {
		return target
	}
	var pairs []string
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if pair != "" {
			pairs = append(pairs, formText(name)+"="+formText(value))
		}
	}
	return path + "?" + strings.Join(pairs, "&")
}

// formText decodes text and encodes it as forms do, which differs from Go's way in two characters.
func formText(text string) string {
	plain, err := url.QueryUnescape(text)
	if err != nil {
		plain = text
	}
	return strings.NewReplacer("~", "%7E", "%2A", "*").Replace(url.QueryEscape(plain))
}
