package bellhop

import (
	"hash/fnv"
	"io"
)

// Order says which events of a destination wait for one another: those of a key go one at a time, in the order in which
// they were accepted, and wait behind one that is to be tried again. Those of other keys go on.
type Order string

// The orders.
const (
	OrderNone    Order = "none"    // nothing waits
	OrderSource  Order = "source"  // events of one source
	OrderSubject Order = "subject" // events of one source with the same subject, "" being one too
)

// Check reports as a [CodeInvalid] error an order that there is not.
func (o Order) Check() error {
	switch o {
	case OrderNone, OrderSource, OrderSubject:
		return nil
	}
	return Invalid("order", "use none, source or subject")
}

// Key returns what is equal for events that wait for one another: 64 bits of a hash, and never 0, which is no order. Two keys that
// happen to share it wait for one another too.
func (o Order) Key(ev *Event) int64 {
	if o != OrderSource && o != OrderSubject {
		return 0
	}
	h := fnv.New64a()
	io.WriteString(h, ev.SourceID)
	if o == OrderSubject {
		io.WriteString(h, "\x00"+ev.Subject)
	}
	return int64(h.Sum64() | 1)
}
