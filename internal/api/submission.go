package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/auth"
	"github.com/danielgtaylor/huma/v2"
)

// This file answers a repeated request with the answer to the first one: requests with an Idempotency-Key.
//
// The intent is stored before the handler runs, and its answer afterwards. If the program ends in between, or the
// answer is an internal error, nobody knows whether the request was done: the key is answered with a conflict from
// then on. A request that was refused is forgotten, so that it can be corrected and repeated with its key. The handler
// runs to its end even if the client gives up, because that client is the one who repeats.
//
// An event that is published is its own record: the catalog finds it by the key, for as long as it is stored, and the
// corridor has no further statement. So POST /events is not one of these operations, and answers with the same headers
// and codes.

// Submissions keeps the requests with an Idempotency-Key, each for [bellhop.KeepSubmissions].
type Submissions interface {
	// BeginSubmission stores sub as one that begins now, unless there is one with its key: then it returns that one,
	// and begun is false.
	BeginSubmission(ctx context.Context, sub bellhop.Submission) (first bellhop.Submission, begun bool, err error)
	// EndSubmission stores the answer to a submission. The error is CodeNotFound if there is none with that key.
	EndSubmission(ctx context.Context, key [32]byte, status int, answer []byte) error
	// DropSubmission forgets a submission. An unknown key is no error.
	DropSubmission(ctx context.Context, key [32]byte) error
}

// repeatable are the operations that create something and take an Idempotency-Key, besides publish-event. The answers
// of others that create something hold a secret, which is not stored.
var repeatable = map[string]bool{
	"create-source": true, "create-destination": true, "create-connection": true, "create-subscription": true,
	"create-tenant": true,
	"replay-event":  true, "replay-events": true, "retry-deliveries": true, "cancel-deliveries": true,
	"test-destination": true,
}

const (
	keyHeader      = "Idempotency-Key"
	replayedHeader = "Idempotent-Replayed"
	maxKeyLength   = 255
	bodyTime       = 15 * time.Second // for a body to arrive
	runTime        = 2 * time.Minute  // for the route, whether the client waits for it or not
)

// A submitter answers the requests with an Idempotency-Key.
type submitter struct {
	patterns map[string]bool // of the routes of repeatable operations; set before the first request
	running  sync.Map        // the keys of the requests that are being answered
}

// describeKey adds the header to an operation that takes it.
func describeKey(o *huma.Operation) {
	if repeatable[o.OperationID] {
		most := maxKeyLength
		o.Parameters = append(o.Parameters, &huma.Param{Name: keyHeader, In: "header",
			Description: "A repeat with the same key within 24 hours gets the first answer, and does nothing; 409 " +
				"if it asks for something else, or while the first request is being answered",
			Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &most}})
		o.Responses["409"] = conflictWith(o.Responses["409"])
	}
}

// conflictWith returns the answer to a conflict, with the further causes that an Idempotency-Key has.
func conflictWith(r *huma.Response) *huma.Response {
	answer := *r
	answer.Description += ", or the Idempotency-Key is that of another request"
	return &answer
}

// submit answers a request with an Idempotency-Key.
func (s *server) submit(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Values(keyHeader)
	if len(key) != 1 || key[0] == "" || utf8.RuneCountInString(key[0]) > maxKeyLength {
		err := bellhop.Invalid(keyHeader, "use one text of 1 to 255 characters, such as a random one")
		writeProblem(w, s.problem(r.Context(), "submit", err))
		return
	}
	control := http.NewResponseController(w) // in a test, w may be of no connection
	control.SetReadDeadline(time.Now().Add(bodyTime))
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBodyBytes+1))
	if err != nil {
		writeProblem(w, newProblem(http.StatusBadRequest, "the body did not arrive whole"))
		return
	}
	control.SetReadDeadline(time.Time{})
	r.Body = arriving(w, io.NopCloser(bytes.NewReader(body))) // where the library limits the time again
	if len(body) > MaxBodyBytes {
		s.mux.ServeHTTP(w, r) // which refuses it
		return
	}
	principal, _ := auth.FromContext(r.Context())
	// By the id and not by the name: a key that was revoked leaves its name to another one.
	sub := bellhop.Submission{Key: hashOf(principal.KeyID, key[0]),
		Request: hashOf(r.Method, r.URL.Path, r.URL.RawQuery, string(body))}
	_, running := s.submitter.running.LoadOrStore(sub.Key, true)
	if running {
		err := bellhop.Conflict("a request with this " + keyHeader + " is being answered: repeat it in a second")
		writeProblem(w, s.problem(r.Context(), "submit", err))
		return
	}
	defer s.submitter.running.Delete(sub.Key)
	s.submitOnce(w, r, sub)
}

// submitOnce runs the route of a request, unless its key was used before.
func (s *server) submitOnce(w http.ResponseWriter, r *http.Request, sub bellhop.Submission) {
	first, begun, err := s.Store.BeginSubmission(r.Context(), sub)
	switch {
	case err != nil:
	case begun:
		s.runOnce(w, r, sub.Key)
		return
	case first.Request != sub.Request:
		err = bellhop.Conflict("this " + keyHeader + " was used for another request: a new request needs a new key")
	case first.Status == 0:
		err = bellhop.Conflict("the first request with this " + keyHeader + " was cut off or failed inside, and " +
			"whether it was done is not known: look, and then send it with a new key if it was not")
	default:
		var a storedAnswer
		err = json.Unmarshal(first.Answer, &a)
		if err == nil {
			maps.Copy(w.Header(), a.Header)
			w.Header().Set(replayedHeader, "true")
			w.WriteHeader(first.Status)
			w.Write(a.Body)
			return
		}
	}
	writeProblem(w, s.problem(r.Context(), "submit", err))
}

// A storedAnswer is the answer to a submission as it is stored.
type storedAnswer struct {
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

// runOnce runs the route of a request whose key is new, and stores its answer. If the route panics or answers 500, the
// submission stays without an answer: whether it was done is not known.
func (s *server) runOnce(w http.ResponseWriter, r *http.Request, key [32]byte) {
	out := &recorded{ResponseWriter: w, header: http.Header{}, status: http.StatusOK}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), runTime)
	defer cancel()
	r = r.WithContext(ctx)
	s.mux.ServeHTTP(out, r)
	ctx = context.WithoutCancel(ctx)
	var err error
	switch {
	case out.status >= 200 && out.status <= 299:
		var answer []byte
		answer, err = json.Marshal(storedAnswer{out.header, out.body.Bytes()})
		if err == nil {
			err = s.Store.EndSubmission(ctx, key, out.status, answer)
		}
	case out.status != http.StatusInternalServerError:
		err = s.Store.DropSubmission(ctx, key)
	}
	if err != nil {
		s.log.Error("submission.unstored", "route", r.Pattern, "status", out.status, "error", err,
			"meaning", "a repeat with the same Idempotency-Key is answered 409")
	}
	maps.Copy(w.Header(), out.header)
	w.WriteHeader(out.status)
	w.Write(out.body.Bytes())
}

// A recorded is a ResponseWriter that keeps the answer.
type recorded struct {
	http.ResponseWriter // for its connection
	header              http.Header
	status              int
	body                bytes.Buffer
}

func (w *recorded) Unwrap() http.ResponseWriter       { return w.ResponseWriter }
func (w *recorded) Header() http.Header               { return w.header }
func (w *recorded) WriteHeader(status int)            { w.status = status }
func (w *recorded) Write(b []byte) (int, error)       { return w.body.Write(b) }
func (w *recorded) WriteString(t string) (int, error) { return w.body.WriteString(t) }

// hashOf returns a hash of parts, which differs for any two lists of parts.
func hashOf(parts ...string) [32]byte {
	var b strings.Builder
	for _, part := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		b.Write(length[:])
		b.WriteString(part)
	}
	return sha256.Sum256([]byte(b.String()))
}
