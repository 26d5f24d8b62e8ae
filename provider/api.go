package provider

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An API calls the API of an outside system in the name of one connection: it adds the address and the credentials,
// asks for a new token once if the system refuses the present one, and bounds what comes back.
type API interface {
	// Do makes one call. Any answer of the system, whatever its status, is an Answer and no error. An error is an
	// *APIError: there was no answer, or no credentials to call with.
	Do(ctx context.Context, call Call) (Answer, error)
}

// A Call is one request to an outside system's API.
type Call struct {
	Method string
	// Path is escaped, begins with "/" and is joined to the base URL of the connection's API; it may have a query. Or
	// it is a whole URL, such as that of the next page, of the same origin as the base URL: with any other, Do fails.
	Path     string
	Header   http.Header // beside those of the credentials; nil is none
	Body     []byte      // nil is none
	MaxBytes int64       // of the answer's body; 0 is DefaultAnswerBytes

	// Storage says that Path is a whole URL of the system's storage, as an event named it. It may have another origin
	// than the base URL, if the connection allows its host: see Connected.Storage. With any other, the call fails.
	Storage bool
	// Idle bounds the time without a byte of a call by Connection.Open; 0 is DefaultIdle.
	Idle time.Duration
}

// DefaultIdle is how long a [Stream] may be silent unless the Call sets another time.
const DefaultIdle = 30 * time.Second

// DefaultAnswerBytes bounds the body of an Answer unless the Call sets another bound.
const DefaultAnswerBytes = 4 << 20

// An Answer is what came back from a Call. Redirects are not followed, so it may be one.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // whole: a longer body than the bound is an error
	Took   time.Duration
}

// A Stream is what came back from a call whose body is read piece by piece, such as a file. Redirects are not
// followed, so it may be one.
type Stream struct {
	Status int
	Header http.Header
	Length int64 // of the body as it was announced; -1 if it was not
	// Body is to be closed. It is not bounded. Its Read returns io.ErrUnexpectedEOF if the body ends before its
	// length, and an *APIError of APITemporary if the connection breaks, or nothing comes for the time of Call.Idle.
	Body io.ReadCloser
}

// APIErrorKind says what can be done about an [APIError].
type APIErrorKind string

// The kinds.
const (
	APITemporary APIErrorKind = "temporary" // try again later, after RetryAfter if that is set
	APISignedOut APIErrorKind = "signed_out"
	APIForbidden APIErrorKind = "forbidden" // Permission says what is missing, if that is known
	APIGone      APIErrorKind = "gone"      // the object of the call is not there
	APIExists    APIErrorKind = "exists"    // the object is there already: ExistingID
	APITooLong   APIErrorKind = "too_long"  // the lifetime that was asked for is not granted
	APIHandshake APIErrorKind = "handshake" // the system could not validate our URL
	APIInvalid   APIErrorKind = "invalid"   // the call can never succeed as it is
	APIForeign   APIErrorKind = "foreign"   // the answer is not of that API: a page, a redirect, truncated, too large
	APIEndless   APIErrorKind = "endless"   // the list does not end: see Walk
	APIMismatch  APIErrorKind = "mismatch"  // the answer contradicts what the system has said before
)

// An APIError says why a call had no effect, or none that is known. Its texts hold no secret and no body.
type APIError struct {
	Kind       APIErrorKind
	Status     int           // 0 if nothing came back
	Code       string        // of the system, at most MaxAPIText bytes: "ResourceNotFound"
	Message    string        // of the system, or ours, at most MaxAPIText bytes
	Remedy     string        // what to do, in our words; may be ""
	Permission string        // that the call needs, for APIForbidden
	ExistingID string        // for APIExists
	RetryAfter time.Duration // that the system asked for; 0 is none
	// MaybeDone reports whether the system may have done what was asked although no answer says so.
	MaybeDone bool
}

// MaxAPIText bounds the texts of an APIError that come from outside.
const MaxAPIText = 500

// Error returns the message with status and code: "403 accessDenied: the app may not read calendars". The remedy
// follows. What is not known is left out.
func (e *APIError) Error() string {
	text := e.Code
	if e.Status != 0 {
		text = strings.TrimSpace(strconv.Itoa(e.Status) + " " + e.Code)
	}
	for _, part := range []string{e.Message, e.Remedy} {
		if part != "" && text != "" {
			text = strings.TrimSuffix(text, ".") + ": "
		}
		text += part
	}
	return text
}
