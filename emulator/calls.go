package emulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Directions of a call.
const (
	CallIn  = "in"  // somebody called the system
	CallOut = "out" // the system called somebody: a handshake or a notification
)

// A Call is one HTTP request to or from a system, with its answer.
type Call struct {
	Number        int // from 1, in the order in which the calls ended
	At            time.Time
	Duration      time.Duration
	System        string
	Direction     string // CallIn or CallOut
	Method        string
	URL           string // path and query of an incoming call, the whole URL of an outgoing one
	RequestHeader http.Header
	RequestBody   []byte // at most MaxLoggedBody of it
	Status        int    // of the answer; 0 if there was none
	AnswerHeader  http.Header
	AnswerBody    []byte // at most MaxLoggedBody of it; nil if it was sent as it was made, as files are
	AnswerBytes   int64  // of the whole body, as far as it was sent
	Attempt       int    // of a notification, from 1; else 0
	Fault         string // the fault that the call met, with its value if that is no status; "" is none
	Error         string // why there was no answer
}

// Bounds of the log of calls.
const (
	MaxLoggedBody  = 16 << 10 // bytes kept of a body
	MaxLoggedCalls = 5000     // calls kept; older ones are dropped
)

// MarshalJSON writes the call as the control API shows it. A body is shown as JSON where it is JSON, and otherwise as
// a text. Of the header Authorization only the scheme is shown; keys in headers, and secrets and tokens in forms and
// JSON, are masked.
func (c Call) MarshalJSON() ([]byte, error) {
	request, answer := c.Bodies()
	return json.Marshal(map[string]any{
		"number": c.Number, "at": c.At.UTC(), "duration_ms": c.Duration.Milliseconds(), "system": c.System,
		"direction": c.Direction, "method": c.Method, "url": c.URL, "status": c.Status, "attempt": c.Attempt,
		"fault": c.Fault, "error": c.Error,
		"request": map[string]any{"headers": shownHeader(c.RequestHeader), "body": shownBody(request)},
		"answer": map[string]any{"headers": shownHeader(c.AnswerHeader), "body": shownBody(answer),
			"bytes": c.AnswerBytes},
	})
}

func shownHeader(h http.Header) map[string]string {
	shown := make(map[string]string, len(h))
	for name, values := range h {
		shown[name] = strings.Join(values, ", ")
	}
	if scheme, _, ok := strings.Cut(h.Get("Authorization"), " "); ok {
		shown["Authorization"] = scheme + " " + mask
	}
	for _, name := range secretHeaders {
		if h.Get(name) != "" {
			shown[name] = mask
		}
	}
	return shown
}

func shownBody(body []byte) any {
	if json.Valid(body) {
		return json.RawMessage(body)
	}
	return string(body)
}

// Bodies returns the bodies of request and answer as they may be shown: secrets and tokens are masked.
func (c Call) Bodies() (request, answer []byte) {
	return masked(c.RequestHeader, c.RequestBody), masked(c.AnswerHeader, c.AnswerBody)
}

// mask stands for a secret.
const mask = "…"

// secretHeaders are the headers that carry a secret, in canonical form.
var secretHeaders = []string{"Aeg-Sas-Key", "Aeg-Sas-Token"}

// secretMembers are the members of forms and of JSON objects that are secrets: a client may be set up with those of
// the real system.
var secretMembers = []string{"client_secret", "client_assertion", "password", "refresh_token", "access_token",
	"id_token", "device_code", "code_verifier", "key1", "key2"}

// masked returns a body with its secrets masked.
func masked(header http.Header, body []byte) []byte {
	if strings.HasPrefix(header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		pairs := strings.Split(string(body), "&")
		for i, pair := range pairs {
			if name, _, ok := strings.Cut(pair, "="); ok && slices.Contains(secretMembers, name) {
				pairs[i] = name + "=" + mask
			}
		}
		return []byte(strings.Join(pairs, "&"))
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return body
	}
	found := false
	for _, name := range secretMembers {
		if object[name] != nil {
			object[name], found = json.RawMessage(`"`+mask+`"`), true
		}
	}
	if !found {
		return body
	}
	return mustMarshal(object)
}

// A callLog keeps the latest calls.
type callLog struct {
	onCall func(Call)

	mu     sync.Mutex
	calls  []Call // mu guards it, and number
	number int
}

func (l *callLog) add(c Call) {
	l.mu.Lock()
	l.number++
	c.Number = l.number
	c.RequestHeader, c.AnswerHeader = c.RequestHeader.Clone(), c.AnswerHeader.Clone()
	if len(l.calls) >= MaxLoggedCalls {
		l.calls = append(l.calls[:0], l.calls[MaxLoggedCalls/10:]...)
	}
	l.calls = append(l.calls, c)
	l.mu.Unlock()
	if l.onCall != nil {
		l.onCall(c)
	}
}

// after returns the calls whose number is larger than n.
func (l *callLog) after(n int) []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := []Call{}
	for _, c := range l.calls {
		if c.Number > n {
			calls = append(calls, c)
		}
	}
	return calls
}

func (l *callLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = nil
}

// Calls returns the latest calls, oldest first: at most MaxLoggedCalls.
func (h *Host) Calls() []Call { return h.calls.after(0) }

// clip returns what the log keeps of a body. It cuts no UTF-8 sequence in two.
func clip(body []byte) []byte {
	if len(body) <= MaxLoggedBody {
		return body
	}
	n := MaxLoggedBody
	for n > MaxLoggedBody-utf8.UTFMax && !utf8.RuneStart(body[n]) {
		n--
	}
	return body[:n]
}

func itoa(n int) string { return strconv.Itoa(n) }
