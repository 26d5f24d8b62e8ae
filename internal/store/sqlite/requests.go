package sqlite

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// Bounds on the stored requests that brought no event, so that a flood of forgeries at a source fills neither
// the disk nor the time of the writer. The requests at no source count as those of one source.
const (
	notesPerSecond = 20   // of one source, after a burst of maxNotes/10
	maxNotes       = 1000 // of one source; the oldest are deleted
)

// noSource stands for the number of the source in a request at no source.
const noSource = 0

// Note stores a request that was refused or that answered a handshake. It never waits. Of one source it stores
// as many as the bounds above allow.
func (s *Store) Note(req bellhop.Request) {
	if req.Outcome == bellhop.RequestRefused {
		s.refused.Add(1)
	}
	source := int64(noSource)
	if req.SourceID != "" {
		var ok bool
		if source, ok = s.sources.get(req.SourceID); !ok {
			return
		}
	}
	if req.Outcome == bellhop.RequestRefused {
		s.tally.add(s.opts.Now(), sideSource, source, "", 0, 1)
	}
	stored, trim := s.notes.admit(source, s.opts.Now())
	if !stored {
		return
	}
	// a copy: a queued note would otherwise keep a body of up to 32 MiB in memory
	if cap(req.Body) > bellhop.MaxRefusedBodyBytes {
		req.Body = bytes.Clone(req.Body[:min(len(req.Body), bellhop.MaxRefusedBodyBytes)])
	}
	s.writer.offer(&note{store: s, source: source, req: req, trim: trim})
}

// note is the op of one Note.
type note struct {
	store  *Store
	source int64 // or noSource
	req    bellhop.Request
	trim   bool  // delete the oldest notes of the source
	n      int64 // its number; set by apply
}

func (o *note) patient() bool { return false }

func (o *note) done(err error) {
	if err != nil {
		o.store.opts.Logger.Warn("request.dropped", "component", "store", "source_id", o.req.SourceID,
			"source", o.req.Source, "error", err,
			"meaning", "it could not be kept on record")
		return
	}
	if observer := o.store.opts.Observer; observer != nil && observer.Observing() {
		o.req.ID = o.store.ids.Request(o.n)
		observer.Noted(&o.req)
	}
}

func (o *note) apply(c *conn) error {
	o.n = o.store.sequence.next(o.store.opts.Now())
	err := insertRequest(c, o.n, o.source, &o.req)
	if err != nil {
		return err
	}
	if !o.trim {
		return nil
	}
	return c.exec(`DELETE FROM requests WHERE source IS nullif(?1, 0) AND outcome IN ('refused', 'handshake')
		AND n < (SELECT n FROM requests WHERE source IS nullif(?1, 0) AND outcome IN ('refused', 'handshake')
		ORDER BY n DESC LIMIT 1 OFFSET ?2)`, o.source, maxNotes-1)
}

// noteLimits has a token bucket for the notes of each source.
type noteLimits struct {
	mu      sync.Mutex // guards buckets and every bucket
	buckets map[int64]*noteBucket
}

type noteBucket struct {
	tokens float64
	at     time.Time // when tokens was right
	stored int
}

// admit reports whether one more request of source is stored, and whether it is time to delete the oldest ones.
func (l *noteLimits) admit(source int64, now time.Time) (stored, trim bool) {
	const burst = maxNotes / 10
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buckets == nil {
		l.buckets = map[int64]*noteBucket{}
	}
	b := l.buckets[source]
	if b == nil {
		b = &noteBucket{tokens: burst, at: now}
		l.buckets[source] = b
	}
	b.tokens = min(burst, b.tokens+max(0, now.Sub(b.at).Seconds())*notesPerSecond)
	b.at = now
	if b.tokens < 1 {
		return false, false
	}
	b.tokens--
	b.stored++
	return true, b.stored%burst == 0
}

// insertRequest stores r as number n. source may be noSource, which is stored as NULL.
func insertRequest(c *conn, n, source int64, r *bellhop.Request) error {
	return c.exec(`INSERT INTO requests (n, source, request_name, outcome, status, reason, detail, method, target,
		remote_addr, header, body, body_bytes, events, received_at)
		VALUES (?1, nullif(?2, 0), iif(?2 = 0, ?3, NULL), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)`,
		n, source, r.RequestName, string(r.Outcome), r.Status, r.Reason, r.Detail, r.Method, r.Target, r.RemoteAddr,
		[]byte(r.Header), r.Body, r.BodyBytes, r.Events, r.ReceivedAt)
}

const selectRequest = `SELECT r.n, src.id, r.outcome, r.status, r.reason, r.detail, r.method, r.target, r.remote_addr,
	r.body_bytes, r.events, r.received_at, r.header, r.body, r.request_name, src.name
	FROM requests r LEFT JOIN sources src ON src.n = r.source`

// requestBody is the column of selectRequest with the body.
const requestBody = 13

// scanListedRequest reads a request without header and body.
func (s *Store) scanListedRequest(row *sqlite3.Stmt) (bellhop.Request, error) {
	return bellhop.Request{ID: s.ids.Request(row.ColumnInt64(0)), SourceID: row.ColumnText(1),
		Outcome: bellhop.RequestOutcome(row.ColumnText(2)), Status: row.ColumnInt(3), Reason: row.ColumnText(4),
		Detail: row.ColumnText(5), Method: row.ColumnText(6), Target: row.ColumnText(7), RemoteAddr: row.ColumnText(8),
		BodyBytes: row.ColumnInt64(9), Events: row.ColumnInt(10), ReceivedAt: timeAt(row, 11),
		RequestName: row.ColumnText(14), Source: row.ColumnText(15)}, nil
}

// scanRequest reads a whole request.
func (s *Store) scanRequest(row *sqlite3.Stmt) (bellhop.Request, error) {
	r, err := s.scanListedRequest(row)
	r.Header, r.Body = row.ColumnBlob(12, nil), row.ColumnBlob(13, nil)
	return r, err
}

// Requests lists requests, newest first, without headers and bodies.
func (s *Store) Requests(ctx context.Context, f bellhop.RequestFilter,
	page bellhop.Page) ([]bellhop.Request, string, error) {
	l, err := s.newListing("requests", "r.n", page)
	if err != nil {
		return nil, "", err
	}
	l.period(f.Since, f.Until)
	if err := l.sources(s, "r.source", f.SourceIDs, l.and); err != nil {
		return nil, "", err
	}
	if f.NoSource {
		l.and("r.source IS NULL")
	}
	if f.Outcome != "" {
		l.slowly("r.outcome = ?", string(f.Outcome))
	}
	if f.Reason != "" {
		l.slowly("r.reason = ?", f.Reason)
	}
	l.tenant(ctx, "src.tenant", f.Tenant, l.slowly)
	l.containing(requestBody, f.Contains)
	return list(ctx, s, l, selectRequest, s.scanListedRequest)
}

// Request returns one request, whole.
func (s *Store) Request(ctx context.Context, id string) (bellhop.Request, error) {
	n, ok := s.ids.ParseRequest(id)
	if !ok {
		return bellhop.Request{}, bellhop.NotFound("request", id)
	}
	return owned(ctx, s, "request", id, selectRequest+" WHERE r.n = ?", "src.tenant", n, s.scanRequest)
}
