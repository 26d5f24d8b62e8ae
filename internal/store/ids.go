package store

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// Numbers and ids.
//
// An event's number is 41 bits of milliseconds since 2024 and 6 bits that tell those of one millisecond apart;
// it always grows, also where the clock stands still or goes back. A delivery's number is its event's and 16
// bits of its place among the event's deliveries. What people and receivers see is the noun's prefix, the
// number in base 32 and the store's tag: 30 random bits that keep two stores from giving out the same id.

const (
	tagLength     = 6
	eventDigits   = 10
	deliverDigits = 13
	placeBits     = 16
	// maxPlaces is how many deliveries an event can have.
	maxPlaces = 1 << placeBits
)

var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// ids makes and reads ids. The writer alone asks for the next number.
type ids struct {
	tag  string
	last int64 // the latest event's or request's number; the writer's
}

// firstOf is the smallest number that an event of time t can have.
func firstOf(t time.Time) int64 {
	return min(max(0, t.UnixMilli()-epoch.UnixMilli()), 1<<41-1) << 6
}

// timeOf is the time of an event by its number: zero of a number before all.
func timeOf(event int64) time.Time {
	if event < 0 {
		return time.Time{}
	}
	return epoch.Add(time.Duration(event>>6) * time.Millisecond)
}

// next returns a new number for something that happens at now.
func (d *ids) next(now time.Time) int64 {
	d.last = max(d.last+1, firstOf(now))
	return d.last
}

func (d *ids) event(n int64) string    { return d.format(bellhop.PrefixEvent, n, eventDigits) }
func (d *ids) request(n int64) string  { return d.format(bellhop.PrefixRequest, n, eventDigits) }
func (d *ids) delivery(n int64) string { return d.format(bellhop.PrefixDelivery, n, deliverDigits) }

func (d *ids) format(prefix string, n int64, digits int) string {
	var b [len(bellhop.PrefixEvent) + deliverDigits + tagLength]byte
	text := append(b[:0], prefix...)
	for i := digits - 1; i >= 0; i-- {
		text = append(text, bellhop.IDAlphabet[n>>(5*i)&31])
	}
	return string(append(text, d.tag...))
}

func (d *ids) parse(id, prefix string, digits int) (n int64, ok bool) {
	text, ok := strings.CutPrefix(id, prefix)
	if !ok || len(text) != digits+tagLength || text[digits:] != d.tag {
		return 0, false
	}
	for i := range digits {
		v := strings.IndexByte(bellhop.IDAlphabet, text[i])
		if v < 0 || n > (1<<63-1)>>5 {
			return 0, false
		}
		n = n<<5 | int64(v)
	}
	return n, true
}

func (d *ids) parseEvent(id string) (int64, bool) {
	return d.parse(id, bellhop.PrefixEvent, eventDigits)
}
func (d *ids) parseRequest(id string) (int64, bool) {
	return d.parse(id, bellhop.PrefixRequest, eventDigits)
}
func (d *ids) parseDelivery(id string) (int64, bool) {
	return d.parse(id, bellhop.PrefixDelivery, deliverDigits)
}

func (s *Store) loadIDs(c *conn) error {
	return c.query(`SELECT (SELECT value FROM meta WHERE name = 'tag'),
		max((SELECT coalesce(max(n), 0) FROM events), (SELECT coalesce(max(n), 0) FROM requests))`, nil,
		func(row *sqlite3.Stmt) error {
			s.ids = ids{tag: row.ColumnText(0), last: row.ColumnInt64(1)}
			if len(s.ids.tag) != tagLength {
				return fmt.Errorf("meta: the tag is missing")
			}
			return nil
		})
}

// numbers maps the ids of a table to their numbers. Readers never wait.
type numbers struct{ m sync.Map }

func (m *numbers) load(c *conn, table string) error {
	return c.query("SELECT id, n FROM "+table, nil, func(row *sqlite3.Stmt) error {
		m.m.Store(row.ColumnText(0), row.ColumnInt64(1))
		return nil
	})
}

func (m *numbers) get(id string) (int64, bool) {
	n, ok := m.m.Load(id)
	if !ok {
		return 0, false
	}
	return n.(int64), true
}
