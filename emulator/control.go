package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// controlPrefix is the prefix of the paths of the control API.
const controlPrefix = "/_control/"

// serveControl answers the control API, which is the same for all systems:
//
//	POST /_control/event   an [Event] happens, and notifications follow: {"notified":2}. Some systems notify the
//	                       URL "to" in place of subscribers
//	GET  /_control/calls   the latest calls, oldest first: {"data":[…]}; ?after=N leaves out those up to number N
//	POST /_control/fault   a [Fault]
//	GET  /_control/dead-letters   what the systems could not deliver, oldest first: {"data":[…]}
//	POST /_control/reset   forgets calls, faults and the state of the systems
//
// An error is {"error":"…"} with status 400, 404 or 405.
func (h *Host) serveControl(w http.ResponseWriter, r *http.Request) {
	method, out, err := http.MethodPost, any(map[string]any{}), error(nil)
	switch r.URL.Path[len(controlPrefix):] {
	case "event":
		var e Event
		if err = readControl(w, r, method, &e); err == nil {
			e.Base = BaseURL(r)
			var notified int
			notified, err = h.Happen(e)
			out = map[string]int{"notified": notified}
		}
	case "calls":
		method = http.MethodGet
		after, _ := strconv.Atoi(r.URL.Query().Get("after"))
		out = map[string]any{"data": h.calls.after(after)}
		err = readControl(w, r, method, nil)
	case "dead-letters":
		method = http.MethodGet
		out = map[string]any{"data": h.DeadLetters()}
		err = readControl(w, r, method, nil)
	case "fault":
		var f Fault
		if err = readControl(w, r, method, &f); err == nil {
			err = h.Fault(f)
		}
	case "reset":
		if err = readControl(w, r, method, nil); err == nil {
			h.Reset()
		}
	default:
		err = fmt.Errorf("the path %s %w; there are event, calls, dead-letters, fault and reset", r.URL.Path,
			ErrUnknown)
	}
	status := http.StatusOK
	switch {
	case errors.Is(err, errMethod):
		w.Header().Set("Allow", method)
		status = http.StatusMethodNotAllowed
	case errors.Is(err, ErrUnknown):
		status = http.StatusNotFound
	case err != nil:
		status = http.StatusBadRequest
	}
	if err != nil {
		out = map[string]string{"error": err.Error()}
	}
	WriteJSON(w, status, out)
}

var errMethod = errors.New("method not allowed")

// readControl checks the method of a control call and decodes its body into v, unless v is nil.
func readControl(w http.ResponseWriter, r *http.Request, method string, v any) error {
	if r.Method != method {
		return errMethod
	}
	if v == nil {
		return nil
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the body is no JSON object of this call: %w", err)
	}
	return nil
}

// WriteJSON answers with a status and v as JSON. A Content-Type that is set already stays.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(v) // an error is one of the connection, which nobody can be told of
}

// Happen lets e happen in its system, or in each system that has its resource. It returns how many notifications
// follow. The error wraps ErrUnknown if no system has the resource.
func (h *Host) Happen(e Event) (notified int, err error) {
	err = h.each(e.System, func(s System) error {
		n, err := s.Happen(e)
		notified += n
		return err
	})
	return notified, err
}

// each calls f for the system of that name, or for all if name is "". Systems whose errors wrap ErrUnknown are left
// out, unless it is all of them.
func (h *Host) each(name string, f func(s System) error) error {
	var unknown error
	done := false
	for _, s := range h.Systems() {
		if name != "" && s.Name() != name {
			continue
		}
		err := f(s)
		switch {
		case errors.Is(err, ErrUnknown):
			unknown = errors.Join(unknown, fmt.Errorf("%s: %w", s.Name(), err))
		case err != nil:
			return fmt.Errorf("%s: %w", s.Name(), err)
		default:
			done = true
		}
	}
	switch {
	case done:
		return nil
	case unknown != nil:
		return unknown
	}
	return fmt.Errorf("the system %q %w", name, ErrUnknown)
}

// A Keeper is a System that keeps what it could not deliver, as the real one does in a store of its user's.
type Keeper interface {
	System
	// DeadLetters returns it, oldest first.
	DeadLetters() []DeadLetter
}

// A DeadLetter is what a system gave up delivering.
type DeadLetter struct {
	System       string          `json:"system"`
	Subscription string          `json:"subscription"` // as the system names it
	Store        string          `json:"store"`        // where the real system would put it
	Body         json.RawMessage `json:"body"`         // in the form in which the real system would put it there
}

// DeadLetters returns what the systems could not deliver, oldest first of each.
func (h *Host) DeadLetters() []DeadLetter {
	list := []DeadLetter{}
	for _, s := range h.Systems() {
		if k, ok := s.(Keeper); ok {
			list = append(list, k.DeadLetters()...)
		}
	}
	return list
}

// Reset forgets the calls and the faults, sets the clock right, and has each system forget what happened.
func (h *Host) Reset() {
	h.faults.reset()
	h.same.reset()
	h.calls.reset()
	h.held.mu.Lock()
	h.held.list = nil
	h.held.mu.Unlock()
	h.mu.Lock()
	clear(h.offsets)
	h.mu.Unlock()
	for _, s := range h.Systems() {
		s.Reset()
	}
}
