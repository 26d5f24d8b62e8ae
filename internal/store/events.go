package store

import (
	"context"
	"crypto/sha256"
	"strings"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

const selectEvent = `SELECT e.n, src.id, src.name, e.type, e.subject, e.provider_id, e.tenant, e.time, e.received_at, e.content_type,
	%header%, e.sha256, %body% FROM events e JOIN sources src ON src.n = e.source`

var (
	selectWholeEvent  = strings.NewReplacer("%header%", "e.header", "%body%", "e.body").Replace(selectEvent)
	selectListedEvent = strings.NewReplacer("%header%", "NULL", "%body%", "zeroblob(length(e.body))").Replace(selectEvent)
)

// Events lists events, newest first, without headers; their bodies are as long as they are, and empty.
func (s *Store) Events(ctx context.Context, f bellhop.EventFilter, page bellhop.Page) (list []bellhop.Event, next string, err error) {
	l, err := newListing("e.n", page)
	if err != nil {
		return nil, "", err
	}
	if f.SourceID != "" {
		n, ok := s.sources.get(f.SourceID)
		if !ok {
			return nil, "", bellhop.NotFound("source", f.SourceID)
		}
		l.and("e.source = ?", n)
	}
	if prefix, wild := strings.CutSuffix(f.Type, "*"); wild {
		l.and("substr(e.type, 1, ?) = ?", utf8.RuneCountInString(prefix), prefix)
	} else if f.Type != "" {
		l.and("e.type = ?", f.Type)
	}
	if !f.Since.IsZero() {
		l.and("e.n >= ?", firstOf(f.Since))
	}
	if !f.Until.IsZero() {
		l.and("e.n < ?", firstOf(f.Until))
	}
	var numbers []int64
	err = s.read(ctx, func(c *conn) error {
		return c.query(l.sql(selectListedEvent, "e.n"), l.args, func(row *sqlite3.Stmt) error {
			list, numbers = append(list, scanEvent(row, 0, &s.ids)), append(numbers, row.ColumnInt64(0))
			return nil
		})
	})
	list, next = cut(l, list, numbers)
	return list, next, err
}

// Event returns one event, whole.
func (s *Store) Event(ctx context.Context, id string) (ev bellhop.Event, err error) {
	n, found := s.ids.parseEvent(id)
	if !found {
		return ev, bellhop.NotFound("event", id)
	}
	found = false
	err = s.read(ctx, func(c *conn) error {
		return c.query(selectWholeEvent+" WHERE e.n = ?", []any{n}, func(row *sqlite3.Stmt) error {
			ev, found = scanEvent(row, 0, &s.ids), true
			return nil
		})
	})
	if err == nil && !found {
		err = bellhop.NotFound("event", id)
	}
	if err == nil && sha256.Sum256(ev.Body) != ev.SHA256 {
		err = &bellhop.Error{Code: bellhop.CodeInternal, Message: "the stored body of event " + id + " is damaged: it does not match its checksum"}
	}
	return ev, err
}
