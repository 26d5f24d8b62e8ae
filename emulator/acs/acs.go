// Package acs is a stand-in for the call recordings of Azure Communication Services: files that are announced by Event
// Grid events, kept for a day, and downloaded by requests that an access key signs.
//
// A recording is made by [System.Happen]. Its files are at the paths of the resource, /recording/download/ID and
// /recording/download/ID/metadata, and at those of storage, /v1/objects/ID/content/video, …/content/acsmetadata and
// /v1/objects/ID, which can be deleted. The signature is checked as the resource does, in both forms of the date; a
// request to storage may name the resource that it is signed for in x-ms-host. The content of a file is made of a seed
// as it is read, so that a file of 1.5 GB takes neither memory nor disk. Events go out through the stand-in of package
// eventgrid. Sources:
// https://learn.microsoft.com/azure/communication-services/concepts/voice-video-calling/call-recording,
// https://learn.microsoft.com/rest/api/communication/authentication
package acs

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/acs"
)

// DefaultSecret is what the default access key encodes in Base64: the key is "c2VjcmV0".
const DefaultSecret = "secret"

// DefaultResource is the id of the resource whose events the stand-in publishes.
const DefaultResource = "/subscriptions/" + eventgrid.DefaultSubscription +
	"/resourceGroups/comms/providers/Microsoft.Communication/communicationServices/contoso-acs"

// Options change the stand-in.
type Options struct {
	Keys      [][]byte      // access keys, decoded: two while they are being replaced; nil is DefaultSecret alone
	AnyKey    bool          // requests need no signature
	Resource  string        // the id of the resource; "" is DefaultResource
	Retention time.Duration // of a file; 0 is 24 h
}

// A System is the stand-in. It is safe for concurrent use.
type System struct {
	host *emulator.Host
	grid *eventgrid.System
	opts Options

	mu    sync.Mutex
	files map[string]*file // by document id; mu guards it and the files
}

// New returns a stand-in on host, which publishes its events through grid.
func New(host *emulator.Host, grid *eventgrid.System, opts Options) *System {
	if opts.Keys == nil {
		opts.Keys = [][]byte{[]byte(DefaultSecret)}
	}
	if opts.Resource == "" {
		opts.Resource = DefaultResource
	}
	if opts.Retention == 0 {
		opts.Retention = 24 * time.Hour
	}
	return &System{host: host, grid: grid, opts: opts, files: map[string]*file{}}
}

var (
	_ emulator.Coder    = (*System)(nil)
	_ emulator.Streamer = (*System)(nil)
	_ emulator.Faulter  = (*System)(nil)
)

// Name returns "acs".
func (s *System) Name() string { return "acs" }

// now is the time of the clock of this system.
func (s *System) now() time.Time { return s.host.NowOf(s.Name()) }

// Reset forgets all recordings.
func (s *System) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.files)
}

// Owns reports whether path is one of the resource or of its storage.
func (s *System) Owns(path string) bool {
	return strings.HasPrefix(path, resourcePrefix) || strings.HasPrefix(path, storagePrefix)
}

// Streams reports whether r asks for the content of a file.
func (s *System) Streams(r *http.Request) bool {
	t, ok := targetOf(r.URL.EscapedPath())
	return ok && t.what == content && r.Method == http.MethodGet
}

// OwnFaults returns the faults of downloads.
func (s *System) OwnFaults() []string {
	return []string{emulator.FaultCut, emulator.FaultChange, emulator.FaultIgnoreRange, emulator.FaultLength,
		emulator.FaultContentRange, emulator.FaultNoETag, emulator.FaultWeakETag}
}

// An apiError is an error in the form of the service. It is flat: published clients find nothing in a nested one.
type apiError struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Target  string `json:"target,omitempty"`
	Details []any  `json:"details"` // always empty
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

func failed(status int, code, message, target string) *apiError {
	return &apiError{status, code, message, target, []any{}}
}

// namedErrors are the errors that FailWith can answer.
var namedErrors = []*apiError{
	failed(http.StatusUnauthorized, "MissingHeader", "A header of the signature is missing.", "Authorization"),
	failed(http.StatusUnauthorized, "MalformedHeader", "A header of the signature is malformed.", "Authorization"),
	failed(http.StatusUnauthorized, "DateOutOfRange", "The date is more than 15 minutes away from the server time.",
		"x-ms-date"),
	failed(http.StatusUnauthorized, "ContentHashMismatch", "The header x-ms-content-sha256 is not that of the body.",
		"x-ms-content-sha256"),
	failed(http.StatusUnauthorized, "SignatureMismatch", "The signature does not match the request.", "Authorization"),
	failed(http.StatusForbidden, "Forbidden", "The access key is of another resource.", "Authorization"),
	failed(http.StatusNotFound, "NotFound", "The recording was deleted or its retention has passed.", "documentId"),
	failed(http.StatusBadRequest, "BadRequest", "documentId is not valid", "documentId"),
	failed(http.StatusBadRequest, "MissingApiVersion", "The query parameter api-version is required.", "api-version"),
	failed(http.StatusMethodNotAllowed, "MethodNotAllowed", "The method is not allowed here.", "method"),
	failed(http.StatusTooManyRequests, "TooManyRequests", "Too many requests.", ""),
	failed(http.StatusInternalServerError, "InternalServerError", "An internal error occurred.", ""),
	failed(http.StatusServiceUnavailable, "ServiceUnavailable", "The service is unavailable.", ""),
}

// named returns the error of a code.
func named(code string) *apiError {
	i := slices.IndexFunc(namedErrors, func(e *apiError) bool { return e.Code == code })
	return namedErrors[max(i, 0)]
}

// ErrorCodes implements [emulator.Coder].
func (s *System) ErrorCodes() (codes []string) {
	for _, e := range namedErrors {
		codes = append(codes, e.Code)
	}
	return codes
}

// FailWith implements [emulator.Coder].
func (s *System) FailWith(w http.ResponseWriter, _ *http.Request, code string) {
	s.fail(w, named(code))
}

// Fail answers with an error of that status.
func (s *System) Fail(w http.ResponseWriter, _ *http.Request, status int) {
	i := slices.IndexFunc(namedErrors, func(e *apiError) bool { return e.Status == status })
	if i < 0 {
		s.fail(w, failed(status, strings.ReplaceAll(http.StatusText(status), " ", ""), http.StatusText(status)+
			".", ""))
		return
	}
	s.fail(w, namedErrors[i])
}

func (s *System) fail(w http.ResponseWriter, e *apiError) {
	s.setHeaders(w)
	if e.Status == http.StatusUnauthorized {
		w.Header().Set("Www-Authenticate", "HMAC-SHA256")
	}
	emulator.WriteJSON(w, e.Status, e)
}

// setHeaders sets the headers of every answer.
func (s *System) setHeaders(w http.ResponseWriter) {
	w.Header().Set("X-Ms-Request-Id", emulator.NewID())
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
}

// ServeHTTP answers a call.
func (s *System) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.setHeaders(w)
	err := s.serve(w, r)
	var known *apiError
	switch {
	case errors.As(err, &known):
		s.fail(w, known)
	case err != nil:
		s.fail(w, failed(http.StatusInternalServerError, "InternalServerError", err.Error(), ""))
	}
}

// authenticate checks the signature of a call: over path and query at the resource, and over the path alone at its
// storage.
func (s *System) authenticate(r *http.Request, t target) error {
	if s.opts.AnyKey {
		return nil
	}
	body, err := io.ReadAll(r.Body) // which the host has read already
	if err != nil {
		return err
	}
	signed := acs.Request{Method: r.Method, Target: r.URL.RequestURI(), Host: r.Host, Header: r.Header, Body: body}
	if t.storage {
		signed.Target = r.URL.EscapedPath()
	}
	if host := r.Header.Get(acs.HostHeader); host != "" {
		signed.Host = host
	}
	err = acs.Verifier{Keys: s.opts.Keys, Lenient: true}.Verify(signed, s.now())
	if err != nil {
		return named(codeOf(err))
	}
	return nil
}

// Fault takes expire: files are not there any more, as after their retention. The value is the document id of one; ""
// is all.
func (s *System) Fault(f emulator.Fault) error {
	if f.Kind != emulator.FaultExpire {
		return fmt.Errorf("fault %s %w", f.Kind, emulator.ErrUnknown)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case f.Value == "":
		clear(s.files)
	case s.files[f.Value] == nil:
		return fmt.Errorf("document %q %w", f.Value, emulator.ErrUnknown)
	default:
		delete(s.files, f.Value)
	}
	return nil
}
