package sqlite

import (
	"context"
	"crypto/sha256"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// eventTenant is the tenant of an event: that of its source comes first, so that no sender chooses whose event it is.
const eventTenant = "iif(src.tenant <> '', src.tenant, coalesce(e.tenant, ''))"

const selectEvent = `SELECT e.n, src.id, src.name, e.type, e.subject, e.provider_id, ` + eventTenant + `, e.time,
	e.received_at, e.content_type, %header%, e.sha256, %body%, e.conflicts FROM events e
	JOIN sources src ON src.n = e.source`

var (
	selectWholeEvent = strings.NewReplacer("%header%", "e.header", "%body%", "e.body").Replace(selectEvent)
	// of a listed event, the header that begins as those do which actions and the gateway itself write
	selectListedEvent = strings.NewReplacer("%header%",
		"CASE WHEN CAST(substr(e.header, 1, 8) AS TEXT) = 'Bellhop-' THEN e.header END", "%body%",
		"zeroblob(length(e.body))").Replace(selectEvent)
	// the same with the body as its last column, in which a search looks
	selectSearchedEvent = strings.Replace(selectListedEvent, " FROM", ", e.body FROM", 1)

	selectBareEvent = strings.NewReplacer("%header%", "NULL", "%body%", "NULL").Replace(selectEvent)
)

// searchedBody is the column of selectSearchedEvent with the body.
const searchedBody = 14

// scanEvent reads the columns of selectEvent, or those of selectClaimed, from col on.
func scanEvent(row *sqlite3.Stmt, col int, ids store.IDs) bellhop.Event {
	ev := bellhop.Event{
		ID: ids.Event(row.ColumnInt64(col)), SourceID: row.ColumnText(col + 1), Source: row.ColumnText(col + 2),
		Type: row.ColumnText(col + 3), Subject: row.ColumnText(col + 4), ProviderID: row.ColumnText(col + 5),
		Tenant: row.ColumnText(col + 6), Time: timeAt(row, col+7), ReceivedAt: timeAt(row, col+8),
		ContentType: row.ColumnText(col + 9), Header: row.ColumnBlob(col+10, nil), Body: row.ColumnBlob(col+12, nil),
	}
	copy(ev.SHA256[:], row.ColumnRawBlob(col+11))
	return ev
}

func (s *Store) scanSelectedEvent(row *sqlite3.Stmt) (bellhop.Event, error) {
	ev := scanEvent(row, 0, s.ids)
	if row.ColumnType(13) != sqlite3.NULL {
		ev.ConflictsWith = s.ids.Event(row.ColumnInt64(13))
	}
	return ev, nil
}

// Events lists events, newest first, without the headers of requests. Their bodies have the right length and hold
// zeros.
func (s *Store) Events(ctx context.Context, f bellhop.EventFilter,
	page bellhop.Page) ([]bellhop.Event, string, error) {
	l, err := s.newListing("events", "e.n", page)
	if err != nil {
		return nil, "", err
	}
	l.period(f.Since, f.Until)
	if f.CausedBy != "" {
		cause, _ := s.ids.ParseEvent(f.CausedBy) // 0, which no event has, for an id of no event here
		l.and("e.cause = ?", cause)
		l.served = true
	}
	if f.ProviderID != "" { // the index has the source first
		l.and("e.source IN (SELECT n FROM sources) AND e.provider_id = ?", f.ProviderID)
		l.served = true
	}
	if err := l.sources(s, "e.source", f.SourceIDs, l.slowly); err != nil {
		return nil, "", err
	}
	l.tenant(ctx, eventTenant, f.Tenant, l.slowly)
	l.like("e.type", f.Type)
	l.like("e.subject", f.Subject)
	query := selectListedEvent
	if f.Contains != "" {
		query = selectSearchedEvent
		l.containing(searchedBody, f.Contains)
	}
	return list(ctx, s, l, query, s.scanSelectedEvent)
}

// maxEventsBytes bounds the bodies that EventsAfter returns at once: the event that exceeds it is the last one.
const maxEventsBytes = 4 << 20

// EventsAfter returns whole events of a source, oldest first: those received since a time or, with after, those after
// the event of that id. There are at most limit, and fewer if their bodies are large; none are left if it returns
// none.
func (s *Store) EventsAfter(ctx context.Context, sourceID string, since time.Time, after string,
	limit int) (events []bellhop.Event, err error) {
	source, ok := s.sources.get(sourceID)
	if !ok {
		return nil, bellhop.NotFound("source", sourceID)
	}
	from := firstOf(since) - 1
	if after != "" {
		if from, ok = s.ids.ParseEvent(after); !ok {
			return nil, bellhop.NotFound("event", after)
		}
	}
	err = s.read(ctx, func(c *conn) error {
		events = nil
		bytes := 0
		return c.query(selectWholeEvent+" WHERE e.source = ? AND e.n > ? ORDER BY e.n LIMIT ?",
			[]any{source, from, limit},
			func(row *sqlite3.Stmt) error {
				if bytes > maxEventsBytes {
					return nil
				}
				ev, err := s.scanSelectedEvent(row)
				bytes += len(ev.Body)
				events = append(events, ev)
				return err
			})
	})
	return events, err
}

// Event returns one event, whole. It fails if the stored body does not match its checksum.
func (s *Store) Event(ctx context.Context, id string) (bellhop.Event, error) {
	n, ok := s.ids.ParseEvent(id)
	if !ok {
		return bellhop.Event{}, bellhop.NotFound("event", id)
	}
	ev, err := owned(ctx, s, "event", id, selectWholeEvent+" WHERE e.n = ?", eventTenant, n, s.scanSelectedEvent)
	if err == nil && sha256.Sum256(ev.Body) != ev.SHA256 {
		err = &bellhop.Error{Code: bellhop.CodeInternal, Message: "the stored body of event " + id +
			" is damaged: it does not match its checksum"}
	}
	return ev, err
}
