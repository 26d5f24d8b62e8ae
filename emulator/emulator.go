// Package emulator holds stand-ins for outside systems. A stand-in plays a whole system on one port, with its real
// paths, headers, error bodies, batches, retry schedule and expiry, so that an integration can be tried and tested
// without an account and without a network.
//
// The packages below this one are the systems. A [Host] serves one of them, or several on one port, and gives them
// what they share: a clock, the log of calls, faults that are asked for, and the sending of notifications with
// retries. In a test:
//
//	host := emulator.New(emulator.Options{})
//	defer host.Close()
//	host.Add(entra.New(host, entra.Options{}))
//	server := httptest.NewServer(host)
//	defer server.Close()
//
// Each host answers, beside the paths of its systems, the control API under /_control/: see [Host.ServeHTTP]. The
// command 'bellhop emulate' serves a host.
package emulator

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A System is one outside system. It is safe for concurrent use.
type System interface {
	// Name is what the system is called in the log of calls and in faults: "graph".
	Name() string
	// Owns reports whether the system answers requests at that path. Of several systems on one host, the first that
	// owns a path answers.
	Owns(path string) bool
	// ServeHTTP answers a call of the system's API.
	ServeHTTP(w http.ResponseWriter, r *http.Request)
	// Fail answers a call with an error in the system's own form. The Host calls it for the faults error and throttle;
	// it has set the header Retry-After where one is wanted.
	Fail(w http.ResponseWriter, r *http.Request, status int)
	// Happen lets something happen in the system, which then notifies its subscribers. It returns how many
	// notifications follow. The error wraps ErrUnknown if the system has no such resource.
	Happen(e Event) (notified int, err error)
	// Fault makes a fault of the system's own happen at once: [FaultExpire], [FaultRevoke] or [FaultMissed]. The error
	// wraps ErrUnknown if the system knows no such fault.
	Fault(f Fault) error
	// Reset forgets everything that happened, as at the start.
	Reset()
}

// A Coder is a System that has error codes of its own, one of which can be the value of FaultError: "AADSTS50076".
type Coder interface {
	System
	// ErrorCodes returns the codes.
	ErrorCodes() []string
	// FailWith answers a call with the error of a code.
	FailWith(w http.ResponseWriter, r *http.Request, code string)
}

// A Shower is a System that can show what a call means to the people who use the real system.
type Shower interface {
	System
	// Show returns lines about a call that has ended; "" shows nothing. They may have any characters.
	Show(c Call) string
}

// ErrUnknown is wrapped by the errors of a System that has no such resource or no such fault.
var ErrUnknown = errors.New("is not known here")

// An Event is something that happens in a system because the control API asks for it.
type Event struct {
	// of several systems on one host; "" is each that has the resource
	System     string         `json:"system,omitempty"`
	Resource   string         `json:"resource"`       // in the system's own form: "/me/events", "Documents"
	ChangeType string         `json:"change_type"`    // "created", "updated" or "deleted"
	Data       map[string]any `json:"data,omitempty"` // of the changed resource; the system adds what is missing
	// To is the URL that is notified, of systems that can notify a URL which is not subscribed (acs, boro, senders of
	// webhooks); "" is the subscribers, or the URL that the system was given.
	To string `json:"to,omitempty"`
	// Base is the URL of the host as the one who asks sees it: "http://127.0.0.1:9100". The control API sets it. It is
	// the beginning of URLs in notifications; "" leaves such URLs out.
	Base string `json:"-"`
}

// Options are the parts that a Host works with.
type Options struct {
	Now    func() time.Time // nil is time.Now
	Client *http.Client     // sends handshakes and notifications; nil is a client that follows no redirect
	Speed  float64          // divides the pauses between attempts of a notification; 0 is 1
	OnCall func(Call)       // is told of each call as it ends; nil tells nobody. It must not block
}

// A Host serves systems on one port. It is safe for concurrent use.
type Host struct {
	opts   Options
	calls  callLog
	faults faults
	same   sameAnswers

	mu      sync.Mutex
	systems []System                 // mu guards it, and offsets
	offsets map[string]time.Duration // of the clock of each system, by FaultClock; "" is of all

	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	sending sync.WaitGroup
	places  chan struct{} // bounds the notifications on their way
	held    heldBack
}

// maxSending bounds the requests that a Host makes at a time.
const maxSending = 64

// New returns a host without systems.
func New(opts Options) *Host {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Client == nil {
		opts.Client = &http.Client{CheckRedirect: func(*http.Request,
			[]*http.Request) error {
			return http.ErrUseLastResponse
		}}
	}
	if opts.Speed <= 0 {
		opts.Speed = 1
	}
	h := &Host{opts: opts, places: make(chan struct{}, maxSending), offsets: map[string]time.Duration{}}
	h.calls.onCall = opts.OnCall
	h.ctx, h.stop = context.WithCancel(context.Background())
	return h
}

// Add adds systems to the host.
func (h *Host) Add(systems ...System) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.systems = append(h.systems, systems...)
}

// Close stops the notifications that are on their way, and waits for them.
func (h *Host) Close() {
	h.stop()
	h.sending.Wait()
}

// Now returns the time of the host's clock, which the fault clock moves.
func (h *Host) Now() time.Time { return h.NowOf("") }

// NowOf returns the time of a system's clock: that of the host, moved by the faults clock of that system alone.
func (h *Host) NowOf(system string) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	offset := h.offsets[""]
	if system != "" {
		offset += h.offsets[system]
	}
	return h.opts.Now().Add(offset)
}

// Systems returns the systems, in the order in which they were added.
func (h *Host) Systems() []System {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.systems[:len(h.systems):len(h.systems)]
}

// Show returns lines for people about a call that has ended, if its system can show it; "" otherwise.
func (h *Host) Show(c Call) string {
	if s, ok := h.system(c.System).(Shower); ok {
		return s.Show(c)
	}
	return ""
}

// BaseURL returns scheme and host by which r was sent, without a slash at the end: "http://127.0.0.1:9100".
func BaseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// NewID returns a random GUID.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// maxBody bounds the body of a call.
const maxBody = 4 << 20

// ServeHTTP answers a call: the control API under /_control/, and otherwise the first system that owns the path.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		h.serveControl(w, r)
		return
	}
	start := h.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	call := Call{At: start, Direction: CallIn, Method: r.Method, URL: r.URL.RequestURI(), RequestHeader: r.Header,
		RequestBody: clip(body)}
	answer := &answer{ResponseWriter: w, status: http.StatusOK}
	system := h.owner(r.URL.Path)
	fault := Fault{}
	if system == nil {
		http.NotFound(answer, r)
	} else {
		call.System = system.Name()
		fault = h.faults.ofCall(call.System, r.URL.RequestURI())
		streamer, ok := system.(Streamer)
		answer.streams = ok && fault.shape() == "" && streamer.Streams(r)
		answer.discards = answer.streams && fault.Kind == FaultDrop
		if !h.serve(system, answer, r, fault) {
			h.faults.giveBack(fault)
			fault = Fault{}
		}
		call.Fault = strings.Join(append(slices.DeleteFunc([]string{fault.name()}, isEmpty), answer.met...), ", ")
	}
	call.Status, call.AnswerHeader, call.AnswerBytes = answer.status, answer.Header(), answer.bytes()
	if !answer.begun { // else the body is the end of a file
		call.AnswerBody = clip(answer.body.Bytes())
	}
	if fault.Kind == FaultDrop {
		call.Status = 0
	}
	call.Duration = h.Now().Sub(start)
	h.calls.add(call)
	if fault.Kind == FaultDrop {
		panic(http.ErrAbortHandler) // net/http closes the connection without an answer
	}
	answer.send(fault.shape())
	if answer.aborted {
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func isEmpty(text string) bool { return text == "" }

// serve has system answer a call, or its fault. It reports whether the call has met the fault.
func (h *Host) serve(system System, w *answer, r *http.Request, fault Fault) bool {
	switch shape := fault.shape(); {
	case fault.Kind == FaultSlow:
		h.pause(r.Context(), fault.Duration(10*time.Second))
	case fault.Kind == FaultThrottle:
		w.Header().Set("Retry-After", itoa(fault.number(1)))
		system.Fail(w, r, http.StatusTooManyRequests)
		return true
	case shape == ErrorHTML:
		w.writePage()
		return true
	case shape == ErrorSame:
		h.same.serve(fault, w, func() { system.ServeHTTP(w, r) })
		return true
	case shape == ErrorRedirect:
		http.Redirect(w, r, fault.elsewhere(r), http.StatusFound)
		return true
	case shape != "":
		system.ServeHTTP(w, r)
		return w.reshape(shape, fault.argument())
	case fault.code() != "":
		system.(Coder).FailWith(w, r, fault.code()) // Host.Fault has checked that it is one
		return true
	case fault.Kind == FaultError:
		system.Fail(w, r, fault.number(http.StatusInternalServerError))
		return true
	}
	system.ServeHTTP(w, r)
	return true
}

// system returns the system of that name, or nil.
func (h *Host) system(name string) System {
	for _, s := range h.Systems() {
		if s.Name() == name {
			return s
		}
	}
	return nil
}

func (h *Host) owner(path string) System {
	for _, s := range h.Systems() {
		if s.Owns(path) {
			return s
		}
	}
	return nil
}

// pause waits for d, or until the host is closed or ctx ends. It reports whether d has passed.
func (h *Host) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-h.ctx.Done():
	}
	return false
}
