package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// Numbers. The number of an event or a request is 41 bits of milliseconds since 2024, 12 of the slot of the node that
// made it, and 10 that tell those of one millisecond and slot apart. A node makes numbers without asking anybody, so
// it can ask for them after it lost a connection. They grow within a node alone: a number never decides an order.
//
// A delivery is named by the number of its event and its place among the deliveries of the event.
//
// Slot 0 is that of no node. It has the numbers of events that were copied from SQLite, where 6 bits count.

const (
	slotBits  = 12
	countBits = 10
	placeBits = 16

	maxSlot   = 1<<slotBits - 1
	maxPlaces = 1 << placeBits // deliveries of one event
	maxMillis = 1<<41 - 1

	sqliteCountBits = 6
)

var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// millis returns the part of numbers that is the time t.
func millis(t time.Time) int64 {
	return min(max(0, t.UnixMilli()-epoch.UnixMilli()), maxMillis)
}

// firstOf returns the smallest number that an event of time t can have.
func firstOf(t time.Time) int64 { return millis(t) << (slotBits + countBits) }

// timeOf returns the time of the event with that number, to the millisecond.
func timeOf(n int64) time.Time {
	return epoch.Add(time.Duration(n>>(slotBits+countBits)) * time.Millisecond)
}

// slotOf returns the slot of the node that made a number.
func slotOf(n int64) int64 { return n >> countBits & maxSlot }

// A sequence gives out the numbers of one slot. It belongs to one goroutine.
type sequence struct {
	slot int64
	last int64 // the latest number; 0 if there is none
}

// next returns a new number for an event or a request of the time now. If the clock stands still or goes back, or if
// more numbers are needed than a millisecond has, the numbers run ahead of the clock.
func (q *sequence) next(now time.Time) int64 {
	ms, count := q.last>>(slotBits+countBits), q.last&(1<<countBits-1)+1
	if at := millis(now); at > ms || q.last == 0 {
		ms, count = at, 0
	} else if count == 1<<countBits {
		ms, count = ms+1, 0
	}
	q.last = ms<<(slotBits+countBits) | q.slot<<countBits | count
	return q.last
}

// ids formats and parses the ids of events, requests and deliveries, as store.IDs does for smaller numbers: the
// prefix of the noun, the number in base 32 and the tag of the store.
//
// An event has 14 digits, of which the first 10 are the time, so that ids of all lengths sort by time; a delivery has
// 13 digits of its event and 4 of its place. Numbers that were copied from SQLite keep the ids that they had there.
type ids struct {
	tag    string
	sqlite store.IDs
}

func newIDs(tag string) (ids, error) {
	sqlite, err := store.NewIDs(tag)
	return ids{tag, sqlite}, err
}

const (
	eventDigits    = 14
	deliveryDigits = 13
	placeDigits    = 4
)

// asSQLite returns the number that an event had in SQLite; ok is false if it does not come from there.
func asSQLite(n int64) (sqlite int64, ok bool) {
	count := n & (1<<countBits - 1)
	return n>>(slotBits+countBits)<<sqliteCountBits | count, slotOf(n) == 0 && count < 1<<sqliteCountBits
}

// fromSQLite returns the number of an event that has the number n in SQLite.
func fromSQLite(n int64) int64 {
	return n>>sqliteCountBits<<(slotBits+countBits) | n&(1<<sqliteCountBits-1)
}

// event returns the id of the event with number n.
func (d ids) event(n int64) string {
	if old, ok := asSQLite(n); ok {
		return d.sqlite.Event(old)
	}
	return d.format(bellhop.PrefixEvent, n)
}

// request returns the id of the request with number n.
func (d ids) request(n int64) string {
	if old, ok := asSQLite(n); ok {
		return d.sqlite.Request(old)
	}
	return d.format(bellhop.PrefixRequest, n)
}

func (d ids) format(prefix string, n int64) string {
	var b [32]byte
	text := append(b[:0], prefix...)
	text = appendDigits(text, n>>1, eventDigits-1)
	text = append(text, bellhop.IDAlphabet[n&1<<4])
	return string(append(text, d.tag...))
}

// delivery returns the id of the delivery at a place of the event with number n.
func (d ids) delivery(n int64, place int32) string {
	if old, ok := asSQLite(n); ok {
		return d.sqlite.Delivery(old<<placeBits | int64(place))
	}
	var b [32]byte
	text := append(b[:0], bellhop.PrefixDelivery...)
	text = appendDigits(text, n, deliveryDigits)
	text = appendDigits(text, int64(place), placeDigits)
	return string(append(text, d.tag...))
}

// appendDigits appends n in base 32 to text.
func appendDigits(text []byte, n int64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		text = append(text, bellhop.IDAlphabet[n>>(5*i)&31])
	}
	return text
}

// parseEvent returns the number of an event's id; ok is false if id is not one of this store.
func (d ids) parseEvent(id string) (n int64, ok bool) {
	if old, ok := d.sqlite.ParseEvent(id); ok {
		return fromSQLite(old), old>>sqliteCountBits <= maxMillis
	}
	return d.parse(id, bellhop.PrefixEvent)
}

// parseRequest returns the number of a request's id; ok is false if id is not one of this store.
func (d ids) parseRequest(id string) (n int64, ok bool) {
	if old, ok := d.sqlite.ParseRequest(id); ok {
		return fromSQLite(old), old>>sqliteCountBits <= maxMillis
	}
	return d.parse(id, bellhop.PrefixRequest)
}

func (d ids) parse(id, prefix string) (n int64, ok bool) {
	digits, ok := d.digits(id, prefix, eventDigits)
	if !ok {
		return 0, false
	}
	n, ok = parseDigits(digits[:eventDigits-1])
	last, lastOK := parseDigits(digits[eventDigits-1:])
	n = n<<1 | last>>4
	_, old := asSQLite(n)
	return n, ok && n >= 0 && lastOK && last&15 == 0 && !old
}

// parseDelivery returns the event and the place of a delivery's id; ok is false if id is not one of this store.
func (d ids) parseDelivery(id string) (n int64, place int32, ok bool) {
	if old, ok := d.sqlite.ParseDelivery(id); ok {
		event := old >> placeBits
		return fromSQLite(event), int32(old & (maxPlaces - 1)), event>>sqliteCountBits <= maxMillis
	}
	digits, ok := d.digits(id, bellhop.PrefixDelivery, deliveryDigits+placeDigits)
	if !ok {
		return 0, 0, false
	}
	n, ok = parseDigits(digits[:deliveryDigits])
	at, placeOK := parseDigits(digits[deliveryDigits:])
	_, old := asSQLite(n)
	return n, int32(at), ok && placeOK && at < maxPlaces && !old
}

// digits returns the digits of an id that has so many, and the tag of this store.
func (d ids) digits(id, prefix string, digits int) (string, bool) {
	text, ok := strings.CutPrefix(id, prefix)
	if !ok || len(text) != digits+len(d.tag) || text[digits:] != d.tag {
		return "", false
	}
	return text[:digits], true
}

// parseDigits returns the number that digits write in base 32; ok is false if they are none, or more than 63 bits.
func parseDigits(digits string) (n int64, ok bool) {
	for i := range len(digits) {
		v := strings.IndexByte(bellhop.IDAlphabet, digits[i])
		if v < 0 || n > (1<<63-1)>>5 {
			return 0, false
		}
		n = n<<5 | int64(v)
	}
	return n, true
}

// numbers maps the ids of a table of nouns to the numbers of their rows. It asks the database for those that it does
// not know: another node may have made them.
type numbers struct {
	table string
	m     sync.Map
}

// get returns the number of the row with that id; 0 if there is none, or if it was deleted.
func (m *numbers) get(ctx context.Context, q querier, id string) (n int64, err error) {
	if known, ok := m.m.Load(id); ok {
		return known.(int64), nil
	}
	err = q.QueryRow(ctx, "SELECT n FROM "+m.table+" WHERE id = $1 AND deleted_at IS NULL", id).Scan(&n)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find %s in %s: %w", id, m.table, err)
	}
	m.m.Store(id, n)
	return n, nil
}
