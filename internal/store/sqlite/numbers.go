package sqlite

import (
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// Numbers. The number of an event or a request is 41 bits of milliseconds since 2024 and 6 bits that tell those
// of one millisecond apart. It always grows, even where the clock stands still or goes back. The number of a
// delivery is that of its event and 16 bits of its place among the deliveries of that event.

const (
	placeBits = 16
	// maxPlaces is how many deliveries an event can have.
	maxPlaces = 1 << placeBits
)

var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// firstOf returns the smallest number that an event of time t can have.
func firstOf(t time.Time) int64 {
	return min(max(0, t.UnixMilli()-epoch.UnixMilli()), 1<<41-1) << 6
}

// timeOf returns the time of the event with that number; the zero time for a negative number.
func timeOf(event int64) time.Time {
	if event < 0 {
		return time.Time{}
	}
	return epoch.Add(time.Duration(event>>6) * time.Millisecond)
}

// A sequence gives out the numbers of events and requests. It belongs to the writer.
type sequence struct{ last int64 }

// next returns a new number for an event or a request of the time now.
func (q *sequence) next(now time.Time) int64 {
	q.last = max(q.last+1, firstOf(now))
	return q.last
}

// loadIDs reads the tag and the latest number.
func (s *Store) loadIDs(c *conn) error {
	return c.query(`SELECT (SELECT value FROM meta WHERE name = 'tag'),
		max((SELECT coalesce(max(n), 0) FROM events), (SELECT coalesce(max(n), 0) FROM requests))`, nil,
		func(row *sqlite3.Stmt) (err error) {
			s.sequence.last = row.ColumnInt64(1)
			s.ids, err = store.NewIDs(row.ColumnText(0))
			return err
		})
}

// numbers maps the ids of a table to their row numbers. Readers never wait.
type numbers struct{ m sync.Map }

func (m *numbers) load(c *conn, table string) error {
	return c.query("SELECT id, n FROM "+table, nil, func(row *sqlite3.Stmt) error {
		m.put(row.ColumnText(0), row.ColumnInt64(1))
		return nil
	})
}

func (m *numbers) put(id string, n int64) { m.m.Store(id, n) }
func (m *numbers) delete(id string)       { m.m.Delete(id) }

func (m *numbers) get(id string) (int64, bool) {
	n, ok := m.m.Load(id)
	if !ok {
		return 0, false
	}
	return n.(int64), true
}
