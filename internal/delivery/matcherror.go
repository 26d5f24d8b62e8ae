package delivery

import (
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A matchError keeps of a where that fails what a person needs to mend it.
type matchError struct {
	mu   sync.Mutex
	last bellhop.MatchError
}

func (m *matchError) note(err error, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = bellhop.MatchError{At: at, Message: err.Error(), Count: m.last.Count + 1}
}

// forget begins anew: another where may not fail.
func (m *matchError) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = bellhop.MatchError{}
}

// MatchError returns how a destination's where failed last, and how often it did since the start, or since it was
// changed. Zero is that it did not.
func (e *Engine) MatchError(destinationID string) bellhop.MatchError {
	l := e.lanes.Load().byID[destinationID]
	if l == nil {
		return bellhop.MatchError{}
	}
	l.matchError.mu.Lock()
	defer l.matchError.mu.Unlock()
	return l.matchError.last
}
