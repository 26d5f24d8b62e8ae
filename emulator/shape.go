package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Values of FaultError that change the form of an answer. The first two keep the call from the system; with the others
// the call has its effect. Some have an argument behind a colon.
const (
	ErrorHTML       = "html"       // a web page with status 200, as a proxy or a sign-in page is
	ErrorRedirect   = "redirect"   // 302 to another host, or to the URL behind the colon
	ErrorTruncated  = "truncated"  // half of the body comes, and the connection is closed
	ErrorHuge       = "huge"       // HugeBytes of blanks come before the body
	ErrorEmpty      = "empty"      // the body is left out
	ErrorIncomplete = "incomplete" // the next list lacks its first entry, or the first with the text behind the colon
	ErrorSame       = "same"       // every answer is that of the first call which met the fault
)

// ErrorShapes returns these values.
func ErrorShapes() []string {
	return []string{ErrorHTML, ErrorRedirect, ErrorTruncated, ErrorHuge, ErrorEmpty, ErrorIncomplete, ErrorSame}
}

// HugeBytes is how much larger an answer is by ErrorHuge.
const HugeBytes = 64 << 20

// shape returns the value of FaultError that is one of ErrorShapes, without its argument, or "".
func (f Fault) shape() string {
	shape, _, _ := strings.Cut(f.Value, ":")
	if f.Kind == FaultError && slices.Contains(ErrorShapes(), shape) {
		return shape
	}
	return ""
}

// argument returns what is behind the colon of the value.
func (f Fault) argument() string {
	_, argument, _ := strings.Cut(f.Value, ":")
	return argument
}

// codeForm is the form of the error codes of systems: "AADSTS50076", "no_service".
var codeForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// code returns the value of FaultError that is an error code of a system, or "".
func (f Fault) code() string {
	if f.Kind == FaultError && f.shape() == "" && codeForm.MatchString(f.Value) {
		return f.Value
	}
	return ""
}

// name is how the log of calls names the fault: its kind, with the value of FaultError if that is no status.
func (f Fault) name() string {
	if f.shape() != "" || f.code() != "" {
		return f.Kind + " " + f.Value
	}
	return f.Kind
}

// checkError returns why the value of FaultError cannot be.
func (f Fault) checkError() error {
	u, err := url.Parse(f.argument())
	switch n := f.number(500); {
	case f.shape() == ErrorRedirect && f.argument() != "" && (err != nil || u.Scheme == "" || u.Host == ""):
		return fmt.Errorf("value of error is %q; behind redirect: goes a whole URL", f.Value)
	case f.shape() != "" || f.code() != "":
		return nil
	case n < 400 || n > 599:
		return fmt.Errorf("value of error is %q; use a status from 400 to 599, an error code of "+
			"the system, or one of %s",
			f.Value, strings.Join(ErrorShapes(), ", "))
	}
	return nil
}

// elsewhere returns where ErrorRedirect leads: to the stand-in itself under another host name, so that the log shows
// who follows, unless the fault names a URL.
func (f Fault) elsewhere(r *http.Request) string {
	if f.argument() != "" {
		return f.argument()
	}
	base, err := url.Parse(BaseURL(r))
	if err != nil {
		return "http://127.0.0.1/elsewhere"
	}
	other := "127.0.0.1"
	if base.Hostname() == other {
		other = "localhost"
	}
	if port := base.Port(); port != "" {
		other = net.JoinHostPort(other, port)
	}
	return base.Scheme + "://" + other + "/elsewhere"
}

// An answer holds a system's answer back until it is logged, so that a caller who has it finds the call in the log.
type answer struct {
	http.ResponseWriter
	status  int
	written bool
	body    bytes.Buffer

	streams  bool     // the body is sent as it is written, but for its end, which body holds back
	discards bool     // the body is counted and not sent
	begun    bool     // a part of the body was sent, or discarded
	sent     int64    // bytes of the body that were sent, or discarded
	aborted  bool     // by Abort
	met      []string // faults of the system's own
}

func (a *answer) WriteHeader(status int) {
	if !a.written {
		a.status, a.written = status, true
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.written = true
	if a.streams && a.body.Len() > 0 {
		err := a.flush()
		if err != nil {
			return 0, err
		}
	}
	return a.body.Write(p)
}

// writePage answers with a web page.
func (a *answer) writePage() {
	a.Header().Set("Content-Type", "text/html; charset=utf-8")
	a.body.WriteString("<!doctype html><html lang=en><title>Sign in</title><h1>Sign in to continue</h1></html>\n")
}

// sameAnswers are the answers that ErrorSame repeats, by the system and the path of the fault.
type sameAnswers struct {
	mu   sync.Mutex
	list map[[2]string]sameAnswer // mu guards it
}

type sameAnswer struct {
	status int
	header http.Header
	body   []byte
}

// serve answers as the first call of f was answered. answer answers that one.
func (s *sameAnswers) serve(f Fault, w *answer, answer func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]string{f.System, f.Path}
	first, ok := s.list[key]
	if ok {
		maps.Copy(w.Header(), first.header)
		w.WriteHeader(first.status)
		w.body.Write(first.body)
		return
	}
	answer()
	if s.list == nil {
		s.list = map[[2]string]sameAnswer{}
	}
	s.list[key] = sameAnswer{w.status, w.Header().Clone(), bytes.Clone(w.body.Bytes())}
}

func (s *sameAnswers) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = nil
}

// reshape changes the answer of a system. It reports whether it could: an answer that is no list cannot be incomplete.
func (a *answer) reshape(shape, argument string) bool {
	switch shape {
	case ErrorEmpty:
		a.body.Reset()
	case ErrorIncomplete:
		body, ok := withoutEntry(a.body.Bytes(), argument)
		if ok {
			a.body.Reset()
			a.body.Write(body)
		}
		return ok
	}
	if a.status == http.StatusNoContent && shape != ErrorEmpty { // 204 has no body
		a.status = http.StatusOK
	}
	return true
}

// withoutEntry returns a JSON list without its first entry, or without the first that has a text in it. Lists are in
// the member "value", or in "results" within "d". It reports false if body is no such list or has no such entry.
func withoutEntry(body []byte, text string) ([]byte, bool) {
	var whole, inner map[string]json.RawMessage
	if json.Unmarshal(body, &whole) != nil {
		return nil, false
	}
	holder, member := whole, "value"
	if json.Unmarshal(whole["d"], &inner) == nil && inner != nil {
		holder, member = inner, "results"
	}
	var list []json.RawMessage
	if json.Unmarshal(holder[member], &list) != nil {
		return nil, false
	}
	i := slices.IndexFunc(list, func(entry json.RawMessage) bool { return bytes.Contains(entry, []byte(text)) })
	if i < 0 {
		return nil, false
	}
	holder[member] = mustMarshal(slices.Delete(list, i, i+1))
	if inner != nil {
		whole["d"] = mustMarshal(inner)
	}
	return mustMarshal(whole), true
}

// mustMarshal encodes what was decoded before.
func mustMarshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// send sends the answer in a shape of ErrorShapes, or as it is.
func (a *answer) send(shape string) {
	switch shape {
	case ErrorTruncated:
		a.Header().Set("Content-Length", itoa(a.body.Len()+1)) // even an empty body is cut
		a.ResponseWriter.WriteHeader(a.status)
		a.ResponseWriter.Write(a.body.Bytes()[:a.body.Len()/2])
		http.NewResponseController(a.ResponseWriter).Flush()
		panic(http.ErrAbortHandler) // net/http closes the connection
	case ErrorHuge:
		a.ResponseWriter.WriteHeader(a.status)
		blanks := bytes.Repeat([]byte(" "), 1<<20)
		for range HugeBytes / len(blanks) {
			_, err := a.ResponseWriter.Write(blanks)
			if err != nil {
				return // the caller has had enough
			}
		}
	default:
		if !a.begun {
			a.ResponseWriter.WriteHeader(a.status)
		}
	}
	a.ResponseWriter.Write(a.body.Bytes())
}
