package ingest

import (
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// Bounds of the log lines about conflicts: a sender that gives every event the same id makes each of them one.
const (
	conflictLogEvery = time.Minute // of one source
	maxConflictLogs  = 1000        // sources that are remembered; beyond them all are forgotten, and logged anew
)

// conflicts says of which sources a conflict was logged lately. The zero value is ready to use.
type conflicts struct {
	mu     sync.Mutex           // guards logged
	logged map[string]time.Time // by id of the source
}

// due reports whether a conflict at a source is to be logged now.
func (c *conflicts) due(sourceID string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, logged := c.logged[sourceID]
	if passed := now.Sub(last); logged && passed >= 0 && passed < conflictLogEvery {
		return false
	}
	if c.logged == nil || len(c.logged) >= maxConflictLogs {
		c.logged = map[string]time.Time{}
	}
	c.logged[sourceID] = now
	return true
}

// noteConflicts counts events that were stored although their source has others with the same ProviderID, and logs
// one of them, once a minute for each source. events are of one source.
func (d *Door) noteConflicts(events []bellhop.Event, n int) {
	d.metrics.conflicts.WithLabelValues(d.metrics.label(events[0].Source, false)).Add(float64(n))
	for i := range events {
		ev := &events[i]
		if ev.ConflictsWith == "" {
			continue
		}
		if d.conflicts.due(ev.SourceID, d.opts.Env.Now()) {
			d.opts.Logger.Warn("event.conflict", "component", "ingest", "event_id", ev.ID, "source_id", ev.SourceID,
				"source", ev.Source, "conflicts_with", ev.ConflictsWith,
				"meaning", "the sender gave two different events the same id; both are stored and delivered")
		}
		return
	}
}
