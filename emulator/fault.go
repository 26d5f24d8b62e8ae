package emulator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The kinds of faults.
const (
	// Faults of calls to a system.
	FaultSlow = "slow" // the answer comes late; Value is by how much, "10s" if it is ""
	// the answer is wrong; Value is a status, an error code, or one of ErrorShapes; "500" if it is ""
	FaultError    = "error"
	FaultThrottle = "throttle" // the answer is 429; Value is the seconds of Retry-After, "1" if it is ""
	FaultDrop     = "drop"     // the call has its effect, and the connection is closed without an answer

	// Faults of notifications.
	FaultDuplicate = "duplicate" // a notification is sent twice
	FaultReorder   = "reorder"   // a notification is sent after the next one
	FaultSilent    = "silent"    // a notification is not sent
	// the first attempt of a notification waits only so long for its answer; Value is how long, "100ms" if it is ""
	FaultImpatient = "impatient"

	// Faults of a system's own, which happen at once. Value is the id of what they concern; "" is everything.
	FaultMissed = "missed" // notifications were lost, and the system says so
	FaultExpire = "expire" // subscriptions, or tokens, end now
	FaultRevoke = "revoke" // subscriptions, or the consent behind tokens, are taken back

	// Faults of files that are downloaded, which the system makes itself: see Faulter.
	// the connection is closed after so many bytes of a body; Value is their number
	FaultCut = "cut"
	// the file changes before the next call for a range of it; Value is its new size
	FaultChange       = "change"
	FaultIgnoreRange  = "ignore-range"  // a call for a range is answered by the whole file
	FaultLength       = "length"        // Content-Length is too large by Value, "1000" if it is ""; it may be negative
	FaultContentRange = "content-range" // Content-Range of a range is wrong: it begins one byte later
	FaultNoETag       = "no-etag"       // there is no ETag; with the Value "all" no Last-Modified either
	FaultWeakETag     = "weak-etag"     // the ETag is a weak one

	// Faults of jobs, and of what is made for them, which the system makes itself too.
	FaultPolicies = "policies" // the account has no room for another access policy
	FaultManifest = "manifest" // the output assets of a job get no manifest
	FaultOutputs  = "outputs"  // a job gets no output assets
	// a job shows its changes, and its output assets, later than it tells them; Value is by how much, "10s" if it is
	// ""
	FaultLag = "lag"

	// FaultClock moves the clock of the fault's System, or of the whole host if it names none; Value is by how much:
	// "1h", "-10m". It lasts until the next reset.
	FaultClock = "clock"
)

// The kinds by what they happen to.
var (
	callFaults         = []string{FaultSlow, FaultError, FaultThrottle, FaultDrop}
	notificationFaults = []string{FaultDuplicate, FaultReorder, FaultSilent, FaultImpatient}
	fileFaults         = []string{FaultCut, FaultChange, FaultIgnoreRange, FaultLength, FaultContentRange,
		FaultNoETag, FaultWeakETag}
	systemFaults = []string{FaultMissed, FaultExpire, FaultRevoke}
	jobFaults    = []string{FaultPolicies, FaultManifest, FaultOutputs, FaultLag}
)

// FaultKinds returns the kinds of faults.
func FaultKinds() []string {
	return slices.Concat(callFaults, notificationFaults, fileFaults, systemFaults, jobFaults, []string{FaultClock})
}

// A Fault is something that a system is asked to do wrong.
type Fault struct {
	Kind string `json:"fault"`
	// how many calls or notifications meet it; 0 is one, -1 is all until a reset
	Times  int    `json:"times,omitempty"`
	Value  string `json:"value,omitempty"`  // see the kinds
	System string `json:"system,omitempty"` // of several systems on one host; "" is any
	Path   string `json:"path,omitempty"`   // only calls whose path and query contain this text meet it; "" is any
}

// ParseFault reads a fault as it is written on a command line: KIND, KIND=TIMES or KIND=TIMES:VALUE.
func ParseFault(text string) (Fault, error) {
	kind, rest, _ := strings.Cut(text, "=")
	f := Fault{Kind: kind}
	times, value, _ := strings.Cut(rest, ":")
	f.Value = value
	if times != "" {
		n, err := strconv.Atoi(times)
		if err != nil {
			return f, fmt.Errorf("fault %q: %q is no number of times; write KIND=TIMES:VALUE", text, times)
		}
		f.Times = n
	}
	return f, f.check()
}

// check returns why the fault cannot be made.
func (f Fault) check() error {
	if !slices.Contains(FaultKinds(), f.Kind) {
		return fmt.Errorf("there is no fault %q; there are %s", f.Kind, strings.Join(FaultKinds(), ", "))
	}
	if f.Times < -1 {
		return fmt.Errorf("times is %d; use a number of times, or -1 for all", f.Times)
	}
	switch f.Kind {
	case FaultSlow, FaultClock, FaultImpatient, FaultLag:
		d, err := time.ParseDuration(f.Value)
		switch {
		case f.Value == "" && f.Kind != FaultClock:
			return nil
		case err != nil || f.Kind == FaultImpatient && d <= 0:
			return fmt.Errorf("value of %s is %q; use a length of time such as 10s or -5m", f.Kind, f.Value)
		}
	case FaultError:
		return f.checkError()
	case FaultThrottle:
		if f.number(1) < 0 {
			return fmt.Errorf("value of throttle is %q; use a number of seconds", f.Value)
		}
	}
	return f.checkOfFile()
}

// checkOfFile returns why a fault of a file cannot be made.
func (f Fault) checkOfFile() error {
	n, err := strconv.ParseInt(f.Value, 10, 64)
	switch {
	case f.Kind == FaultCut && (err != nil || n < 0):
		return fmt.Errorf("value of cut is %q; use the number of bytes after which the connection is closed", f.Value)
	case f.Kind == FaultChange && f.Value != "" && (err != nil || n < 0):
		return fmt.Errorf("value of change is %q; use the new size in bytes", f.Value)
	case f.Kind == FaultLength && f.Value != "" && err != nil:
		return fmt.Errorf("value of length is %q; use a number of bytes, such as 1000 or -1000", f.Value)
	case f.Kind == FaultNoETag && f.Value != "" && f.Value != "all":
		return fmt.Errorf("value of no-etag is %q; use all, or leave it out", f.Value)
	}
	return nil
}

// Bytes returns the value as a number of bytes, or otherwise if it is none.
func (f Fault) Bytes(otherwise int64) int64 {
	n, err := strconv.ParseInt(f.Value, 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

// Duration returns the value as a length of time, or otherwise if it is none.
func (f Fault) Duration(otherwise time.Duration) time.Duration {
	d, err := time.ParseDuration(f.Value)
	if err != nil {
		return otherwise
	}
	return d
}

// number returns the value as a number: otherwise if it is empty, -1 if it is no number.
func (f Fault) number(otherwise int) int {
	if f.Value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(f.Value)
	if err != nil {
		return -1
	}
	return n
}

// faults are the faults that calls and notifications are going to meet.
type faults struct {
	mu   sync.Mutex
	list []Fault // mu guards it
}

func (fs *faults) add(f Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	fs.list = append(fs.list, f)
}

// giveBack takes back that a call met the fault.
func (fs *faults) giveBack(f Fault) {
	if f.Times > 0 {
		f.Times = 1
		fs.add(f)
	}
}

func (fs *faults) reset() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = nil
}

// ofCall returns the fault that a call of a system meets, and counts it; the zero Fault if it meets none.
func (fs *faults) ofCall(system, target string) Fault { return fs.take(callFaults, system, target) }

// ofNotification is ofCall for a notification to a URL.
func (fs *faults) ofNotification(system, url string) Fault {
	return fs.take(notificationFaults, system, url)
}

func (fs *faults) take(kinds []string, system, target string) Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i := range fs.list {
		f := &fs.list[i]
		if !slices.Contains(kinds, f.Kind) || f.System != "" && f.System != system ||
			!strings.Contains(target, f.Path) {
			continue
		}
		taken := *f
		if f.Times > 0 {
			f.Times--
		}
		if f.Times == 0 {
			fs.list = slices.Delete(fs.list, i, i+1)
		}
		return taken
	}
	return Fault{}
}

// Fault makes a fault, or arranges for it to be met. The error wraps ErrUnknown if no system has what the fault names.
func (h *Host) Fault(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	switch {
	case f.System != "" && h.system(f.System) == nil:
		return fmt.Errorf("the system %q %w", f.System, ErrUnknown)
	case f.Kind == FaultClock:
		h.mu.Lock()
		defer h.mu.Unlock()
		h.offsets[f.System] += f.Duration(0)
		return nil
	case f.Kind == FaultError && f.code() != "":
		return h.each(f.System, func(s System) error {
			if c, ok := s.(Coder); !ok || !slices.Contains(c.ErrorCodes(), f.code()) {
				return fmt.Errorf("error code %q %w", f.code(), ErrUnknown)
			}
			named := f
			named.System = s.Name()
			h.faults.add(named)
			return nil
		})
	case slices.Contains(fileFaults, f.Kind) || slices.Contains(jobFaults, f.Kind):
		return h.each(f.System, func(s System) error {
			if own, ok := s.(Faulter); !ok || !slices.Contains(own.OwnFaults(), f.Kind) {
				return fmt.Errorf("fault %q %w", f.Kind, ErrUnknown)
			}
			named := f
			named.System = s.Name()
			h.faults.add(named)
			return nil
		})
	case !slices.Contains(systemFaults, f.Kind):
		h.faults.add(f)
		return nil
	}
	return h.each(f.System, func(s System) error { return s.Fault(f) })
}
