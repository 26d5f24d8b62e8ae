package acs

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

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
