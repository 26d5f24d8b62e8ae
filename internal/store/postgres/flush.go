package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// A flush is what one transaction of the writer writes, as columns: each table gets one statement, whatever the number
// of its rows. All statements go in one pipeline, so that a flush takes one round trip; with providers' ids it takes
// two, because what is a repeat depends on the answer of the first.
type flush struct {
	store *Store
	now   time.Time

	accepts   []*accept
	records   []*record
	abandoned []int64
	attempted map[lease]bool // the deliveries of records
}

// A lease is a delivery by its event and place.
type lease struct {
	event int64
	place int32
}

// Window of the folding: a repeat that comes later is a new event.
const (
	foldDays       = 3
	midnightMinute = time.Minute // around midnight, in which nodes may have different days
)

const (
	// insertSeen claims providers' ids for events. In the order of the key, so that two nodes do not lock each other.
	insertSeen = `INSERT INTO seen (day, source, key, n, print)
		SELECT d.day, u.source, u.key, u.n, u.print
		FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[]) u (source, key, n, print)
			CROSS JOIN unnest($5::int[]) d (day)
		WHERE NOT EXISTS (SELECT FROM seen s WHERE s.day = ANY($6::int[]) AND s.source = u.source AND s.key = u.key)
		ORDER BY d.day, u.source, u.key, u.n ON CONFLICT DO NOTHING`
	// selectSeen returns which event has each id.
	selectSeen = `SELECT DISTINCT ON (u.i) s.n, s.print
		FROM unnest($1::bigint[], $2::bytea[]) WITH ORDINALITY u (source, key, i)
			JOIN seen s ON s.source = u.source AND s.key = u.key AND s.day = ANY($3::int[]) ORDER BY u.i, s.day`
	insertEvents = `INSERT INTO events (n, source, received_at, time, variant, conflicts, cause, type, subject,
			provider_id, tenant, content_type, header, sha256, fingerprint, body)
		SELECT n, source, received_at, nullif(time, 0), variant, nullif(conflicts, 0), nullif(cause, 0), type,
			nullif(subject, ''), nullif(provider_id, ''), nullif(tenant, ''), nullif(content_type, ''), header, sha256,
			fingerprint, body
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
			$8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[], $14::bytea[], $15::bytea[],
			$16::bytea[])
			u (n, source, received_at, time, variant, conflicts, cause, type, subject, provider_id, tenant,
			content_type, header, sha256, fingerprint, body)`
	insertDeliveries = `INSERT INTO deliveries (event, place, destination, attempts, state, holder, due_at, key, line,
			seat)
		SELECT event, place, destination, 0, CASE due WHEN 0 THEN 'leased' ELSE 'pending' END,
			CASE due WHEN 0 THEN $1::bigint END, nullif(due, 0), nullif(key, 0), nullif(key, 0),
			CASE WHEN key <> 0 THEN nextval('seats') END
		FROM unnest($2::bigint[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])
			u (event, place, destination, due, key)`
	insertRequests = `INSERT INTO requests (n, source, request_name, outcome, status, reason, detail, method, target,
			remote_addr, header, body, body_bytes, events, received_at)
		VALUES ($1, nullif($2::bigint, 0), CASE $2 WHEN 0 THEN $3 END, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
			$15)`
	// The bounds of the numbers leave out the other partitions before the statement begins.
	copyLastAttempts = `INSERT INTO attempts (event, place, number, started_at, duration, status, error, detail, reply)
		SELECT d.event, d.place, d.attempts, d.started_at, d.duration, d.status, coalesce(d.error, ''),
			coalesce(d.detail, ''), d.reply
		FROM unnest($2::bigint[], $3::int[], $4::int[]) r (event, place, number)
			JOIN deliveries d ON d.event = r.event AND d.place = r.place
		WHERE d.event BETWEEN $5 AND $6 AND d.holder = $1 AND d.attempts = r.number - 1 AND d.started_at IS NOT NULL`
	updateDeliveries = `UPDATE deliveries d SET state = r.state, attempts = r.number, holder = NULL, claimed_by = NULL,
			due_at = nullif(r.due, 0), died_at = CASE r.state WHEN 'dead' THEN r.ended END,
			line = CASE r.state WHEN 'pending' THEN d.line END,
			updated_at = r.ended, started_at = r.started, duration = r.duration, status = r.status,
			error = nullif(r.error, ''), detail = nullif(r.detail, ''), reply = r.reply,
			spared = CASE WHEN r.spared > 0 THEN coalesce(d.spared, 0) + 1 ELSE d.spared END,
			progress = CASE WHEN r.progress IS NULL THEN d.progress ELSE nullif(r.progress, '') END
		FROM unnest($2::bigint[], $3::int[], $4::int[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
			$9::bigint[], $10::int[], $11::text[], $12::text[], $13::bytea[], $14::int[], $15::bytea[])
			r (event, place, number, state, due, ended, started, duration, status, error, detail, reply, spared,
			progress)
		WHERE d.event = r.event AND d.place = r.place AND d.event BETWEEN $16 AND $17 AND d.holder = $1
			AND d.attempts = r.number - 1
		RETURNING d.event, d.place`
	releaseEvents = `UPDATE deliveries SET state = 'pending', due_at = $2, holder = NULL, claimed_by = NULL
		WHERE event = ANY($3::bigint[]) AND holder = $1`
)

// run writes the flush, from BEGIN to COMMIT.
func (f *flush) run(ctx context.Context, c *pgx.Conn) error {
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	b.Queue(careful)
	b.Queue(fence, f.store.session.number)
	fold := f.foldable()
	if len(fold) > 0 {
		f.queueFold(b, fold, false)
		if err := c.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		b = &pgx.Batch{}
		conflicting := fold[:0]
		for _, e := range fold {
			if e.found != e.n() && e.foundPrint != e.print {
				e.first = e.found
				conflicting = append(conflicting, e)
			}
		}
		if len(conflicting) > 0 {
			f.queueFold(b, conflicting, true)
			if err := c.SendBatch(ctx, b).Close(); err != nil {
				return err
			}
			b = &pgx.Batch{}
		}
		for _, a := range f.accepts {
			a.decide()
		}
	}
	f.queueEvents(b)
	f.queueDeliveries(b)
	f.queueRequests(b)
	f.queueRecords(b)
	if len(f.abandoned) > 0 {
		b.Queue(releaseEvents, f.store.session.number, f.now.UnixMicro(), f.abandoned)
	}
	b.Queue("COMMIT")
	return c.SendBatch(ctx, b).Close()
}

// A folding is what is known of the provider's id of an event.
type folding struct {
	accept     *accept
	i          int   // of the event
	print      int64 // of the event
	found      int64 // the event that has the id: this one, or the one that it repeats
	foundPrint int64
	first      int64 // the first event with the id, of a conflict
}

func (e *folding) n() int64 { return e.accept.numbers[e.i] }

// foldable returns the events that have a provider's id.
func (f *flush) foldable() (list []*folding) {
	for _, a := range f.accepts {
		a.folds = a.folds[:0]
		for i := range a.events {
			if a.events[i].ProviderID != "" {
				a.folds = append(a.folds, folding{accept: a, i: i, print: store.Variant(a.events[i].Identity())})
			}
		}
		for i := range a.folds {
			list = append(list, &a.folds[i])
		}
	}
	return list
}

// key returns what stands in seen for the event. Each conflict has a key of its own besides the one of the id.
func (e *folding) key(conflict bool) []byte {
	ev := &e.accept.events[e.i]
	h := sha256.New()
	h.Write([]byte(ev.ProviderID))
	if conflict {
		identity := ev.Identity()
		h.Write([]byte{0})
		h.Write(identity[:])
	}
	return h.Sum(nil)[:16]
}

// queueFold claims the ids of events, or asks which event has them.
func (f *flush) queueFold(b *pgx.Batch, list []*folding, conflict bool) {
	var sources, numbers, prints []int64
	var keys [][]byte
	for _, e := range list {
		sources, numbers = append(sources, e.accept.source), append(numbers, e.n())
		keys, prints = append(keys, e.key(conflict)), append(prints, e.print)
	}
	written, earlier := foldingDays(f.now)
	b.Queue(insertSeen, sources, keys, numbers, prints, written, earlier)
	b.Queue(selectSeen, sources, keys, slices.Concat(earlier, written)).Query(func(rows pgx.Rows) error {
		i := 0
		var n, print int64
		_, err := pgx.ForEachRow(rows, []any{&n, &print}, func() error {
			if i < len(list) {
				list[i].found, list[i].foundPrint = n, print
			}
			i++
			return nil
		})
		if err == nil && i != len(list) {
			err = fmt.Errorf("fold: %d of %d ids were found", i, len(list))
		}
		return err
	})
}

// foldingDays returns the days under which ids are written at the time now, and the earlier ones of the window. In the
// minute around midnight both days are written, because the clocks of nodes differ.
func foldingDays(now time.Time) (written, earlier []int32) {
	first, last := dayOf(now.Add(-midnightMinute)), dayOf(now.Add(midnightMinute))
	for day := first - foldDays; day < first; day++ {
		earlier = append(earlier, int32(day))
	}
	for day := first; day <= last; day++ {
		written = append(written, int32(day))
	}
	return written, earlier
}

func (f *flush) queueEvents(b *pgx.Batch) {
	var n, source, received, happened, variant, conflicts, cause []int64
	var typ, subject, providerID, tenant, contentType []string
	var header, sum, fingerprint, body [][]byte
	for _, a := range f.accepts {
		for i := range a.events {
			if a.repeats[i] != 0 {
				continue
			}
			ev := &a.events[i]
			n, source = append(n, a.numbers[i]), append(source, a.source)
			received, happened = append(received, ev.ReceivedAt.UnixMicro()), append(happened, micros(ev.Time))
			kind := int64(0)
			if a.conflicts[i] != 0 {
				kind = store.Variant(ev.Identity())
			}
			variant, conflicts = append(variant, kind), append(conflicts, a.conflicts[i])
			cause = append(cause, f.store.causeOf(ev.Header))
			typ, subject = append(typ, clean(ev.Type)), append(subject, clean(ev.Subject))
			providerID, tenant = append(providerID, clean(ev.ProviderID)), append(tenant, clean(ev.Tenant))
			contentType, header = append(contentType, clean(ev.ContentType)), append(header, []byte(ev.Header))
			sum, body = append(sum, ev.SHA256[:]), append(body, notNil(ev.Body))
			var print []byte
			if ev.Fingerprint != ([32]byte{}) {
				print = ev.Fingerprint[:]
			}
			fingerprint = append(fingerprint, print)
		}
	}
	if len(n) > 0 {
		b.Queue(insertEvents, n, source, received, happened, variant, conflicts, cause, typ, subject, providerID,
			tenant, contentType, header, sum, fingerprint, body)
	}
}

func (f *flush) queueDeliveries(b *pgx.Batch) {
	var event, destination, due, key []int64
	var place []int32
	for _, a := range f.accepts {
		for i := range a.owed {
			owed := &a.owed[i]
			if a.destinations[i] == 0 || a.repeats[owed.Event] != 0 {
				continue
			}
			event, place = append(event, a.numbers[owed.Event]), append(place, a.places[i])
			at := int64(0)
			if !owed.Leased {
				at = f.now.UnixMicro()
			}
			destination, due, key = append(destination, a.destinations[i]), append(due, at), append(key, owed.Key)
		}
	}
	if len(event) > 0 {
		b.Queue(insertDeliveries, f.store.session.number, event, place, destination, due, key)
	}
}

func (f *flush) queueRequests(b *pgx.Batch) {
	for _, a := range f.accepts {
		if r := a.req; r != nil {
			b.Queue(insertRequests, a.requestN, a.source, clean(r.RequestName), string(r.Outcome), r.Status,
				clean(r.Reason), clean(r.Detail), clean(r.Method), clean(r.Target), clean(r.RemoteAddr),
				[]byte(r.Header), r.Body, r.BodyBytes, r.Events, r.ReceivedAt.UnixMicro())
		}
	}
}

func (f *flush) queueRecords(b *pgx.Batch) {
	if len(f.records) == 0 {
		return
	}
	var event, due, ended, started, duration, laterEvent []int64
	var place, number, status, spared, laterPlace, laterNumber []int32
	var state, failure, detail []string
	var reply, progress [][]byte
	for _, r := range f.records {
		r.stored = false
		a := &r.Attempt
		event, place, number = append(event, r.event), append(place, r.place), append(number, int32(a.Number))
		state, due = append(state, string(r.State)), append(due, micros(r.NextAt))
		ended = append(ended, a.StartedAt.Add(a.Duration).UnixMicro())
		started, duration = append(started, a.StartedAt.UnixMicro()), append(duration, int64(a.Duration))
		status, failure = append(status, int32(a.Status)), append(failure, clean(a.Error))
		detail, reply, progress = append(detail, clean(a.Detail)), append(reply, a.Reply), append(progress, r.Progress)
		one := int32(0)
		if r.Spared {
			one = 1
		}
		spared = append(spared, one)
		if a.Number > 1 {
			laterEvent, laterPlace = append(laterEvent, r.event), append(laterPlace, r.place)
			laterNumber = append(laterNumber, int32(a.Number))
		}
	}
	session, from, to := f.store.session.number, slices.Min(event), slices.Max(event)
	if len(laterEvent) > 0 {
		b.Queue(copyLastAttempts, session, laterEvent, laterPlace, laterNumber, from, to)
	}
	b.Queue(updateDeliveries, session, event, place, number, state, due, ended, started, duration, status, failure,
		detail, reply, spared, progress, from, to).Query(f.readStored)
}

// readStored marks the results whose deliveries a query returns.
func (f *flush) readStored(rows pgx.Rows) error {
	stored := map[lease]bool{}
	var l lease
	_, err := pgx.ForEachRow(rows, []any{&l.event, &l.place}, func() error {
		stored[l] = true
		return nil
	})
	for _, r := range f.records {
		r.stored = stored[lease{r.event, r.place}]
	}
	return err
}

// committed reports whether the flush was committed, and marks the results that were stored. A flush without an event
// or a request was not, as far as anybody can tell: its results are written again, but for those that are marked.
func (f *flush) committed(ctx context.Context, tx pgx.Tx) (bool, error) {
	var numbers, event, started []int64
	var place, number []int32
	for _, a := range f.accepts {
		for i, n := range a.numbers {
			if a.repeats[i] == 0 {
				numbers = append(numbers, n)
			}
		}
		if a.req != nil {
			numbers = append(numbers, a.requestN)
		}
	}
	for _, r := range f.records {
		event, place, number = append(event, r.event), append(place, r.place), append(number, int32(r.Attempt.Number))
		started = append(started, r.Attempt.StartedAt.UnixMicro())
	}
	rows, err := tx.Query(ctx, `SELECT d.event, d.place
		FROM unnest($1::bigint[], $2::int[], $3::int[], $4::bigint[]) r (event, place, number, started)
			JOIN deliveries d ON d.event = r.event AND d.place = r.place
		WHERE d.attempts = r.number AND d.started_at = r.started AND d.state <> 'leased'`, event, place, number,
		started)
	if err != nil {
		return false, err
	}
	if err := f.readStored(rows); err != nil || len(numbers) == 0 {
		return false, err
	}
	var found bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM events WHERE n = ANY($1))
		OR EXISTS (SELECT FROM requests WHERE n = ANY($1))`, numbers).Scan(&found)
	return found, err
}

// causeOf returns the number of the event that h names as the cause, or 0.
func (s *Store) causeOf(h bellhop.Header) int64 {
	if !strings.HasPrefix(string(h), bellhop.CauseHeader+": ") {
		return 0
	}
	n, _ := s.ids.parseEvent(h.Get(bellhop.CauseHeader))
	return n
}

// clean returns text that PostgreSQL takes: UTF-8 without the character 0. What it does not take becomes U+FFFD.
func clean(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// micros returns a time in microseconds; 0 is the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
