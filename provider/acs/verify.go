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

// A Request holds the parts of an HTTP request that are signed.
type Request struct {
	Method string // in upper case
	Target string // path and query, exactly as in the request line
	Host   string // of the resource, with the port unless it is the scheme's default
	Header http.Header
	Body   []byte
}

// The headers of a signed request, in canonical form.
const (
	DateHeader        = "X-Ms-Date"
	ContentHashHeader = "X-Ms-Content-Sha256"
	HostHeader        = "X-Ms-Host" // in a request to storage: the signed host, which differs from the request's host
)

const (
	plainDateHeader     = "Date"
	authorizationHeader = "Authorization"
)

// scheme makes the signature. Its key is a Base64-decoded access key.
var scheme = signature.HMAC{Hash: signature.SHA256, Encoding: signature.Base64}

// Sign adds to r.Header the headers that authenticate r: x-ms-date, x-ms-content-sha256 and Authorization. key is a
// Base64-decoded access key of the resource; for an empty key the error is signature.ErrKey. It is also an error if
// the method or the host is empty or cannot be part of a request.
//
// A download from storage is signed as if it went to the resource: Host is the resource's host, which is also the
// value of [HostHeader], and Target is the path of the file's location without its query.
// Source: https://learn.microsoft.com/en-us/rest/api/communication/authentication#access-key-authentication
func Sign(r Request, key []byte, at time.Time) error { return sign(r, key, at, DateHeader) }

// SignWithDate is [Sign] with the time in Date instead of x-ms-date, as older clients send it.
func SignWithDate(r Request, key []byte, at time.Time) error {
	return sign(r, key, at, plainDateHeader)
}

func sign(r Request, key []byte, at time.Time, dateHeader string) error {
	if !r.signable() {
		return errors.New("acs: sign a request: its method, target or host is invalid")
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

// prefixOf returns the text of Authorization before the signature. The order of the signed headers is fixed.
func prefixOf(dateHeader string) string {
	return "HMAC-SHA256 SignedHeaders=" + strings.ToLower(dateHeader) + ";host;x-ms-content-sha256&Signature="
}

// message returns the signed text.
func (r *Request) message(target, date, hash string) []byte {
	return []byte(r.Method + "\n" + target + "\n" + date + ";" + r.Host + ";" + hash)
}

// signable reports whether the parts of r stay apart in the signed text: none can end early and be taken for the
// next.
func (r *Request) signable() bool {
	return r.Method != "" && r.Host != "" && !strings.ContainsAny(r.Method+r.Target+r.Host, "\r\n") &&
		!strings.Contains(r.Host, ";")
}

func contentHash(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// DefaultWindow is the largest difference between a request's time and ours, in either direction. Communication
// Services documents no value; this is the value of App Configuration, which signs in the same way.
const DefaultWindow = 15 * time.Minute

// A Verifier verifies requests signed by [Sign] or [SignWithDate].
type Verifier struct {
	Keys   [][]byte      // the resource's two access keys, Base64-decoded
	Window time.Duration // 0 is DefaultWindow

	// Lenient also accepts the query as the JavaScript client signs it: encoded again as a form, with a blank as "+".
	Lenient bool
}

// ErrContentHash says that the body is not the one that was signed. It wraps signature.ErrMismatch.
var ErrContentHash = fmt.Errorf("%w: x-ms-content-sha256 is not that of the body", signature.ErrMismatch)

// Verify checks that r was signed with one of the keys, within the window around now. It returns
// signature.ErrMissing, ErrMalformed (also for a header that occurs twice), ErrExpired, ErrContentHash or ErrMismatch,
// and compares in constant time. It checks the headers, then the time, the hash of the body, and the signature.
//
// r.Host is the host of the resource. If r has a [HostHeader], as a download from storage does, both must be equal.
// Source: https://learn.microsoft.com/en-us/rest/api/communication/authentication#access-key-authentication
func (v Verifier) Verify(r Request, now time.Time) error {
	auth, err := readAuthHeaders(r.Header)
	if err != nil {
		return err
	}
	if !r.signable() {
		return fmt.Errorf("%w: method, target or host", signature.ErrMalformed)
	}
	window := v.Window
	if window == 0 {
		window = DefaultWindow
	}
	switch {
	case now.Sub(auth.at).Abs() > window:
		return signature.ErrExpired
	case auth.hash != contentHash(r.Body):
		return ErrContentHash
	case len(r.Header.Values(HostHeader)) > 0 && strings.Join(r.Header.Values(HostHeader), ",") != r.Host:
		return fmt.Errorf("%w: x-ms-host is not the resource's host", signature.ErrMismatch)
	}
	err = scheme.Verify(auth.signature, v.Keys, r.message(r.Target, auth.date, auth.hash))
	if err != nil && v.Lenient {
		err = scheme.Verify(auth.signature, v.Keys, r.message(asForm(r.Target), auth.date, auth.hash))
	}
	return err
}

// authHeaders are the headers that authenticate a request.
type authHeaders struct {
	date      string // as written, and so signed
	at        time.Time
	hash      string
	signature string
}

func readAuthHeaders(h http.Header) (auth authHeaders, err error) {
	authorization, err := signature.Single(h, authorizationHeader)
	if err != nil {
		return auth, err
	}
	dateHeader := DateHeader
	sum, ok := strings.CutPrefix(authorization, prefixOf(DateHeader))
	if !ok {
		dateHeader = plainDateHeader
		sum, ok = strings.CutPrefix(authorization, prefixOf(plainDateHeader))
	}
	if !ok {
		return auth, fmt.Errorf("%w: Authorization", signature.ErrMalformed)
	}
	if dateHeader == plainDateHeader && len(h.Values(DateHeader)) > 0 {
		return auth, fmt.Errorf("%w: x-ms-date is present but not signed", signature.ErrMalformed)
	}
	auth.signature = sum
	if auth.hash, err = signature.Single(h, ContentHashHeader); err != nil {
		return auth, err
	}
	if auth.date, err = signature.Single(h, dateHeader); err != nil {
		return auth, err
	}
	auth.at, err = time.Parse(http.TimeFormat, auth.date)
	if err != nil || auth.at.Format(http.TimeFormat) != auth.date {
		return auth, fmt.Errorf("%w: date", signature.ErrMalformed)
	}
	return auth, nil
}

// asForm returns target with its query encoded as a browser encodes a form.
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

// formText decodes text and encodes it as a form does, which differs from url.QueryEscape in two characters.
func formText(text string) string {
	plain, err := url.QueryUnescape(text)
	if err != nil {
		plain = text
	}
	return strings.NewReplacer("~", "%7E", "%2A", "*").Replace(url.QueryEscape(plain))
}
