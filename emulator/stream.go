package emulator

import "net/http"

// This file lets a system send files: as they are made, so that a large one takes no memory, and with faults that only
// the system can make.

// A Streamer is a System with answers that are too large to be held back in memory.
type Streamer interface {
	System
	// Streams reports whether the answer to r is sent as the system writes it, but for its last write, which is held
	// back until the call is logged. A call that meets a fault which changes the answer's form is held back whole.
	Streams(r *http.Request) bool
}

// A Faulter is a System that makes faults itself, by Meet and MeetOwn.
type Faulter interface {
	System
	// OwnFaults returns their kinds.
	OwnFaults() []string
}

// Meet returns the fault of one of these kinds that the call r of a system meets, and counts it; the zero Fault if it
// meets none. w is the writer that the Host gave to the system: the call is logged with the fault.
func (h *Host) Meet(w http.ResponseWriter, r *http.Request, system string, kinds ...string) Fault {
	fault := h.faults.take(kinds, system, r.URL.RequestURI())
	if a, ok := w.(*answer); ok && fault.Kind != "" {
		a.met = append(a.met, fault.Kind)
	}
	return fault
}

// MeetOwn returns the fault of a kind that a system meets in what it does by itself, such as a job, and counts it; the
// zero Fault if it meets none.
func (h *Host) MeetOwn(system, kind string) Fault { return h.faults.take([]string{kind}, system, "") }

// Abort has the connection closed once the answer, as far as it was written, is sent and logged. w is the writer that
// the Host gave to the system.
func Abort(w http.ResponseWriter) {
	if a, ok := w.(*answer); ok {
		a.aborted = true
	}
}

// flush sends the part of a streamed body that is held back.
func (a *answer) flush() error {
	if !a.begun && !a.discards {
		a.ResponseWriter.WriteHeader(a.status)
	}
	a.begun = true
	a.sent += int64(a.body.Len())
	defer a.body.Reset()
	if a.discards {
		return nil
	}
	_, err := a.ResponseWriter.Write(a.body.Bytes())
	return err
}

// bytes returns the length of the body so far.
func (a *answer) bytes() int64 { return a.sent + int64(a.body.Len()) }
