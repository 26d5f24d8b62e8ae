package sqlite

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// Accept stores events of one request and one delivery per entry of owed, in one transaction, and returns once
// it is on disk. It sets each event's ID and each owed delivery's DeliveryID.
//
// An event whose ProviderID the source already has is left alone and counted in Duplicates: it gets the ID of
// the event first stored, and its deliveries get none. If req is not nil it is kept as well; its SourceID, or
// the events' where it is nil, must be that of a source that exists.
//
// On ErrFull and ErrClosed nothing is kept. On ErrUnknown it may be; the caller answers 5xx and the sender repeats.
func (s *Store) Accept(ctx context.Context, req *bellhop.Request, events []bellhop.Event, owed []bellhop.NewDelivery) (bellhop.Accepted, error) {
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
		got = o.reported
		s.metrics.accepts.Observe(time.Since(start).Seconds())
	}
	o.free()
	return got, err
}

// accept is the op of one Accept. It is reused.
type accept struct {
	store  *Store
	req    *bellhop.Request
	events []bellhop.Event
	owed   []bellhop.NewDelivery
	result chan error

	source       int64
	destinations []int64 // of owed; 0 where the destination was deleted
	numbers      []int64 // of events; negative where the event was there already
	deliveries   []int64 // of owed; 0 where there is no delivery
	requestN     int64

	reported   bellhop.Accepted
	isReported bool
}

func newAccept() any { return &accept{result: make(chan error, 1)} }

func (o *accept) free() {
	pool := &o.store.accepts
	o.store, o.req, o.events, o.owed = nil, nil, nil, nil
	o.reported, o.isReported = bellhop.Accepted{}, false
	o.destinations, o.numbers, o.deliveries = o.destinations[:0], o.numbers[:0], o.deliveries[:0]
	pool.Put(o)
}

// resolve turns ids into numbers and checks what the schema would refuse.
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
		if ev.Type == "" || utf8.RuneCountInString(ev.Type) > bellhop.MaxTypeLength || utf8.RuneCountInString(ev.ProviderID) > bellhop.MaxProviderIDLength {
			return fmt.Errorf("accept: event %d: type or provider id of a length that cannot be", i)
		}
	}
	var ok bool
	if o.source, ok = o.store.sources.get(id); !ok {
		return bellhop.NotFound("source", id)
	}
	for i := range o.owed {
		n, _ := o.store.destinations.get(o.owed[i].DestinationID) // 0: deleted since it was matched
		o.destinations = append(o.destinations, n)
	}
	return nil
}

func (o *accept) patient() bool { return false }

func (o *accept) done(err error) {
	if o.store.opts.Observer != nil && err == nil {
		o.observe()
	}
	o.result <- err
}

// observe tells the observer of each new event with its deliveries.
func (o *accept) observe() {
	o.report()
	rest := o.owed
	for i := range o.events {
		n := 0
		for n < len(rest) && rest[n].Event == i {
			n++
		}
		if o.numbers[i] >= 0 {
			o.store.opts.Observer.Accepted(&o.events[i], rest[:n:n])
		}
		rest = rest[n:]
	}
}

const (
	insertEvent = `INSERT INTO events (n, source, type, subject, provider_id, tenant, time, received_at, content_type, header, sha256, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (source, provider_id) WHERE provider_id IS NOT NULL DO NOTHING`
	insertLeased = `INSERT INTO deliveries (n, destination, state, attempts) VALUES (?, ?, 'leased', 0)`
	insertDue    = `INSERT INTO deliveries (n, destination, state, attempts, next_at, key, line) VALUES (?1, ?2, 'pending', 0, ?3, ?4, ?4)`
	findEvent    = `SELECT n FROM events WHERE source = ? AND provider_id = ?`
)

func (o *accept) apply(c *conn) error {
	now := o.store.opts.Now()
	o.numbers, o.deliveries = o.numbers[:0], o.deliveries[:0]
	for i := range o.events {
		n, err := o.applyEvent(c, &o.events[i], now)
		if err != nil {
			return err
		}
		o.numbers = append(o.numbers, n)
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

// applyEvent writes ev and returns its number, negative if it was there already.
func (o *accept) applyEvent(c *conn, ev *bellhop.Event, now time.Time) (int64, error) {
	s, err := c.prepare(insertEvent)
	if err != nil {
		return 0, err
	}
	n := o.store.sequence.next(now)
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
	if err := s.Exec(); err != nil {
		return 0, err
	}
	if ev.ProviderID == "" || c.db.Changes() > 0 {
		return n, nil
	}
	err = c.query(findEvent, []any{o.source, ev.ProviderID}, func(row *sqlite3.Stmt) error {
		n = -row.ColumnInt64(0)
		return nil
	})
	return n, err
}

// applyOwed writes one delivery. What has a key is never leased: only a claim knows what it waits for.
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
		o.store.keyed = true
		o.store.turns.pending(destination, owed.Key, now.UnixMicro(), n, true)
	}
	return err
}

// report sets the ids of events and deliveries, and reported. It runs in the caller's goroutine, which leaves the writer to
// others; in the writer's only if there is an observer to tell.
func (o *accept) report() {
	if o.isReported {
		return
	}
	o.isReported = true
	ids := &o.store.ids
	for i, n := range o.numbers {
		if n < 0 {
			o.reported.Duplicates++
			n = -n
		}
		o.events[i].ID = ids.Event(n)
	}
	for i, n := range o.deliveries {
		if n != 0 {
			o.owed[i].DeliveryID = ids.Delivery(n)
		}
	}
	if o.req != nil {
		o.reported.RequestID = ids.Request(o.requestN)
	}
}

// bindText binds text, or NULL if it is empty.
func bindText(s *sqlite3.Stmt, i int, text string) {
	if text == "" {
		s.BindNull(i)
	} else {
		s.BindText(i, text)
	}
}

// bindNumber binds n, or NULL if it is zero.
func bindNumber(s *sqlite3.Stmt, i int, n int64) {
	if n == 0 {
		s.BindNull(i)
	} else {
		s.BindInt64(i, n)
	}
}

// bindTime binds t in microseconds, or NULL if it is zero.
func bindTime(s *sqlite3.Stmt, i int, t time.Time) {
	if t.IsZero() {
		s.BindNull(i)
	} else {
		s.BindInt64(i, t.UnixMicro())
	}
}
