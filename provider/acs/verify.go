package acs

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
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

// A Request is what is signed of an HTTP request.
type Request struct {
	Method string // in upper case
	Target string // path and query, exactly as in the request line
	Host   string // of the resource, with its port unless that is the scheme's own
	Header http.Header
	Body   []byte
}

// The headers of a signed request, in canonical form.
const (
	DateHeader        = "X-Ms-Date"
	ContentHashHeader = "X-Ms-Content-Sha256"
	HostHeader        = "X-Ms-Host" // of a request to storage: the host that is signed, which is not that of the request
)

const (
	plainDateHeader     = "Date"
	authorizationHeader = "Authorization"
)

// scheme is the signature; its key is an access key after Base64 decoding.
var scheme = signature.HMAC{Hash: signature.SHA256, Encoding: signature.Base64}

// Sign adds to r.Header what proves that r was made by who knows key, at that time: x-ms-date, x-ms-content-sha256 and
// Authorization. key is an access key of the resource after Base64 decoding; an empty one is signature.ErrKey. It is an
// error too if the method or host is empty, or one that cannot stand in a request.
//
// A download from storage is signed as if it went to the resource: Host is the resource's, said again in [HostHeader],
// and Target is the path of the file's location without its query.
// Source: https://learn.microsoft.com/en-us/rest/api/communication/authentication#access-key-authentication
func Sign(r Request, key []byte, at time.Time) error { return sign(r, key, at, DateHeader) }

// SignWithDate is [Sign] with the time in Date instead of x-ms-date, as older clients have it.
func SignWithDate(r Request, key []byte, at time.Time) error {
	return sign(r, key, at, plainDateHeader)
}

func sign(r Request, key []byte, at time.Time, dateHeader string) error {
	if !r.plain() {
		return errors.New("acs: sign a request: its method, target or host is none")
	}
	date, hash := at.UTC().Format(http.TimeFormat), contentHash(r.Body)
	sum, err := scheme.Sign(key, r.message(r.Target, date, hash))
	if err != nil {
		return fmt.Errorf("acs: sign a request: %w", err)
	}
	r.Header.Set(dateHeader, date)
	r.Header.Set(ContentHashHeader, hash)
	r.Header.Set(authorizationHeader, prefixOf(dateHeader)+sum)
	return nil
}

// prefixOf is what stands in Authorization in front of the signature. The signed text has one order, so this has one.
func prefixOf(dateHeader string) string {
	return "HMAC-SHA256 SignedHeaders=" + strings.ToLower(dateHeader) + ";host;x-ms-content-sha256&Signature="
}

// message is the text that is signed.
func (r *Request) message(target, date, hash string) []byte {
	return []byte(r.Method + "\n" + target + "\n" + date + ";" + r.Host + ";" + hash)
}

// plain reports whether no part of r could end within the signed text and pass for the next.
func (r *Request) plain() bool {
	return r.Method != "" && !strings.ContainsAny(r.Method+r.Target+r.Host, "\r\n") && r.Host != "" && !strings.Contains(r.Host, ";")
}

func contentHash(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}
