package bellhop

import "time"

// A Batch says how many events a destination takes in one request. The zero Batch is one event at a time.
type Batch struct {
	MaxEvents int           `json:"max_events"` // in a request, 2 to MaxBatchEvents
	MaxWait   time.Duration `json:"max_wait"`   // of the first of them for others to come, at most MaxBatchWait
}

// Bounds of a batch.
const (
	MaxBatchEvents   = 1000
	MaxBatchWait     = time.Minute
	MaxBatchBytes    = 1 << 20 // of the bodies in a request; a single one may be larger
	DefaultBatchWait = time.Second
)

// IsZero reports whether b is one event at a time.
func (b Batch) IsZero() bool { return b.MaxEvents == 0 }

// Check reports as a [CodeInvalid] error what of b cannot be.
func (b Batch) Check() error {
	var errs [2]error
	if b.MaxEvents < 2 || b.MaxEvents > MaxBatchEvents {
		errs[0] = Invalid("max_events", "use a whole number from 2 to 1000; leave batch out to send one event at a time")
	}
	if b.MaxWait < 0 || b.MaxWait > MaxBatchWait {
		errs[1] = Invalid("max_wait", `use a length of time up to "1m", such as "1s"`)
	}
	return Join("", errs[:]...)
}
