package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// Accept stores the events of one request and one delivery for each entry of owed, in one transaction, and
// returns once it is on disk. Its contract is store.Corridor.
func (s *Store) Accept(ctx context.Context, req *bellhop.Request, events []bellhop.Event,
	owed []bellhop.NewDelivery) (bellhop.Accepted, error) {
	start := time.Now()
	o := s.accepts.Get().(*accept)
	o.store, o.req, o.events, o.owed = s, req, events, owed
	err := o.resolve()
	if err == nil {
		err = s.writer.submit(o)
	}
	if err == nil {
		err = <-o.result
	}
	var got bellhop.Accepted
	if err == nil {
		o.report()
		got = o.accepted
		s.metrics.accepts.Observe(time.Since(start).Seconds())
	}
	o.free()
	return got, err
}

// accept is the op of one Accept. It is reused. Its caller's goroutine uses it until it submits it and after it
// has received from result; the writer's goroutine uses it in between.
type accept struct {
	store  *Store
	req    *bellhop.Request
	events []bellhop.Event
	owed   []bellhop.NewDelivery
	result chan error

	// Set by resolve.
	source       int64
	destinations []int64 // of owed; 0 if the destination was deleted

	// Set by apply.
	numbers    []int64 // of events; negative if the event is a repeat of that one
	conflicts  []int64 // of events: the number of the event with which it conflicts; 0 if there is none
	deliveries []int64 // of owed; 0 if there is no delivery
	requestN   int64

	// Set by report.
	reported bool
	accepted bellhop.Accepted
}

func newAccept() any { return &accept{result: make(chan error, 1)} }

func (o *accept) free() {
	pool := &o.store.accepts
	o.store, o.req, o.events, o.owed = nil, nil, nil, nil
	o.destinations, o.numbers, o.deliveries = o.destinations[:0], o.numbers[:0], o.deliveries[:0]
	o.conflicts = o.conflicts[:0]
	o.reported, o.accepted = false, bellhop.Accepted{}
	pool.Put(o)
}

// resolve turns the ids of source and destinations into the numbers of their rows (numbers.go says how rows are
// numbered), and refuses events that the schema would refuse.
func (o *accept) resolve() error {
	id := ""
	if o.req != nil {
		id = o.req.SourceID
	}
	for i := range o.events {
		ev := &o.events[i]
		if id == "" {
			id = ev.SourceID
		}
		if ev.Type == "" || utf8.RuneCountInString(ev.Type) > bellhop.MaxTypeLength ||
			utf8.RuneCountInString(ev.ProviderID) > bellhop.MaxProviderIDLength {
			return fmt.Errorf("accept: event %d: the length of its type or provider id is out of bounds", i)
		}
	}
	var ok bool
	if o.source, ok = o.store.sources.get(id); !ok {
		return bellhop.NotFound("source", id)
	}
	for i := range o.owed {
		n, _ := o.store.destinations.get(o.owed[i].DestinationID) // 0: it was deleted since the event was matched
		o.destinations = append(o.destinations, n)
	}
	return nil
}

func (o *accept) patient() bool { return false }

func (o *accept) done(err error) {
	if observer := o.store.opts.Observer; observer != nil && err == nil && observer.Observing() {
		o.observe(observer)
	}
	if err == nil {
		o.store.countAccepted(o)
	}
	o.result <- err
}

// observe tells the observer of each new event with its deliveries, and of the request if that is on record.
func (o *accept) observe(observer store.Observer) {
	o.report()
	rest := o.owed
	for i := range o.events {
		n := 0
		for n < len(rest) && rest[n].Event == i {
			n++
		}
		if o.numbers[i] >= 0 {
			observer.Accepted(&o.events[i], rest[:n:n])
		}
		rest = rest[n:]
	}
	if o.req != nil {
		noted := *o.req
		noted.ID = o.accepted.RequestID
		observer.Noted(&noted)
	}
}

const (
	insertEvent = `INSERT INTO events (n, source, type, subject, provider_id, tenant, time, received_at, content_type,
		header, sha256, body, fingerprint, variant, conflicts)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (source, provider_id, variant) WHERE provider_id IS NOT NULL DO NOTHING`
	// insertCaused is a statement of its own, so that events from outside do not pay for a column that they never
	// have.
	insertCaused = `INSERT INTO events (n, source, type, subject, provider_id, tenant, time, received_at, content_type,
		header, sha256, body, fingerprint, variant, conflicts, cause)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (source, provider_id, variant) WHERE provider_id IS NOT NULL DO NOTHING`
	insertLeased = `INSERT INTO deliveries (n, destination, state, attempts) VALUES (?, ?, 'leased', 0)`
	insertDue    = `INSERT INTO deliveries (n, destination, state, attempts, next_at, key, line)
		VALUES (?1, ?2, 'pending', 0, ?3, ?4, ?4)`
	findVariant = `SELECT n, coalesce(fingerprint, sha256), coalesce(conflicts, n) FROM events
		WHERE source = ? AND provider_id = ? AND variant = ?`
)

func (o *accept) apply(c *conn) error {
	now := o.store.opts.Now()
	o.numbers, o.conflicts, o.deliveries = o.numbers[:0], o.conflicts[:0], o.deliveries[:0]
	for i := range o.events {
		n, conflict, err := o.applyEvent(c, &o.events[i], now)
		if err != nil {
			return err
		}
		o.numbers, o.conflicts = append(o.numbers, n), append(o.conflicts, conflict)
	}
	place, last := int64(0), -1
	for i := range o.owed {
		owed := &o.owed[i]
		place++
		if owed.Event != last {
			place, last = 0, owed.Event
		}
		event := o.numbers[owed.Event]
		if event < 0 || o.destinations[i] == 0 {
			o.deliveries = append(o.deliveries, 0)
			continue
		}
		if place >= maxPlaces {
			return fmt.Errorf("accept: more than %d deliveries of one event", maxPlaces)
		}
		n := event<<placeBits | place
		if err := o.applyOwed(c, owed, n, o.destinations[i], now); err != nil {
			return err
		}
		o.deliveries = append(o.deliveries, n)
	}
	if o.req != nil {
		o.requestN = o.store.sequence.next(now)
		return insertRequest(c, o.requestN, o.source, o.req)
	}
	return nil
}

// applyEvent writes ev and returns its number, or the negative number of the event of which it is a repeat. If it
// conflicts with an event, it also returns the number of that one.
func (o *accept) applyEvent(c *conn, ev *bellhop.Event, now time.Time) (n, conflict int64, err error) {
	n = o.store.sequence.next(now)
	inserted, err := o.insertEvent(c, ev, n, 0, 0)
	if err != nil || inserted {
		return n, 0, err
	}
	// The source has an event with this ProviderID.
	identity := ev.Identity()
	first, err := o.findVariant(c, ev.ProviderID, 0)
	if err != nil || first.fingerprint == identity {
		return -first.n, 0, err
	}
	variant := store.Variant(identity)
	inserted, err = o.insertEvent(c, ev, n, variant, first.group)
	if err != nil || inserted {
		return n, first.group, err
	}
	same, err := o.findVariant(c, ev.ProviderID, variant)
	return -same.n, 0, err
}

// A sibling is one of the events that a source has with one ProviderID.
type sibling struct {
	n           int64
	fingerprint [32]byte
	group       int64 // the number of the first event with that ProviderID, which all others conflict with
}

func (o *accept) findVariant(c *conn, providerID string, variant int64) (v sibling, err error) {
	err = c.query(findVariant, []any{o.source, providerID, variant}, func(row *sqlite3.Stmt) error {
		v.n, v.group = row.ColumnInt64(0), row.ColumnInt64(2)
		copy(v.fingerprint[:], row.ColumnRawBlob(1))
		return nil
	})
	return v, err
}

// insertEvent writes ev, unless the source has an event with its ProviderID and variant, and reports whether it did.
func (o *accept) insertEvent(c *conn, ev *bellhop.Event, n, variant, conflict int64) (bool, error) {
	insert := insertEvent
	cause, caused := o.store.causeOf(ev.Header)
	if caused {
		insert = insertCaused
	}
	s, err := c.prepare(insert)
	if err != nil {
		return false, err
	}
	if caused {
		s.BindInt64(16, cause)
	}
	s.BindInt64(1, n)
	s.BindInt64(2, o.source)
	s.BindText(3, ev.Type)
	bindText(s, 4, ev.Subject)
	bindText(s, 5, ev.ProviderID)
	bindText(s, 6, ev.Tenant)
	bindTime(s, 7, ev.Time)
	bindTime(s, 8, ev.ReceivedAt)
	bindText(s, 9, ev.ContentType)
	s.BindBlob(10, ev.Header)
	s.BindBlob(11, ev.SHA256[:])
	s.BindBlob(12, ev.Body)
	if ev.Fingerprint == ([32]byte{}) {
		s.BindNull(13)
	} else {
		s.BindBlob(13, ev.Fingerprint[:])
	}
	s.BindInt64(14, variant)
	bindNumber(s, 15, conflict)
	if err := s.Exec(); err != nil {
		return false, err
	}
	return ev.ProviderID == "" || c.db.Changes() > 0, nil
}

// causePrefix begins the header of an event that an action published: names are sorted, and no sender may use those of
// the gateway.
var causePrefix = []byte(bellhop.CauseHeader + ": ")

// causeOf returns the number of the event that h names as the cause; ok is false if it names none of this store.
func (s *Store) causeOf(h bellhop.Header) (n int64, ok bool) {
	if !bytes.HasPrefix(h, causePrefix) {
		return 0, false
	}
	return s.ids.ParseEvent(h.Get(bellhop.CauseHeader))
}

// applyOwed writes one delivery. A delivery with a key is never leased: only a claim knows which deliveries it
// waits for.
func (o *accept) applyOwed(c *conn, owed *bellhop.NewDelivery, n, destination int64, now time.Time) error {
	sql := insertLeased
	if !owed.Leased {
		sql = insertDue
	}
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	s.BindInt64(1, n)
	s.BindInt64(2, destination)
	if !owed.Leased {
		bindTime(s, 3, now)
		bindNumber(s, 4, owed.Key)
	}
	err = s.Exec()
	if err == nil && !owed.Leased && owed.Key != 0 {
		o.store.noteNewKeyed(destination, owed.Key, now, n)
	}
	return err
}

// report sets the ids of events and deliveries, and accepted. The caller's goroutine runs it, which leaves the
// writer's goroutine to others, unless there is an observer to tell.
func (o *accept) report() {
	if o.reported {
		return
	}
	o.reported = true
	ids := &o.store.ids
	for i, n := range o.numbers {
		if n < 0 {
			o.accepted.Duplicates++
			n = -n
		}
		o.events[i].ID, o.events[i].ConflictsWith = ids.Event(n), ""
		if conflict := o.conflicts[i]; conflict != 0 {
			o.accepted.Conflicts++
			o.events[i].ConflictsWith = ids.Event(conflict)
		}
	}
	for i, n := range o.deliveries {
		if n != 0 {
			o.owed[i].DeliveryID = ids.Delivery(n)
		}
	}
	if o.req != nil {
		o.accepted.RequestID = ids.Request(o.requestN)
	}
}
