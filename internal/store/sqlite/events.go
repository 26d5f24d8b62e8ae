package sqlite

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
	selectBareEvent   = strings.NewReplacer("%header%", "NULL", "%body%", "NULL").Replace(selectEvent)
)

// Events lists events, newest first, without headers; their bodies are as long as they are, and empty.
func (s *Store) Events(ctx context.Context, f bellhop.EventFilter, page bellhop.Page) ([]bellhop.Event, string, error) {
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
	if f.Tenant != "" { // the tenant of the source comes first: no sender chooses whose list its event is in
		l.and("(src.tenant = ? OR src.tenant = '' AND e.tenant = ?)", f.Tenant, f.Tenant)
	}
	l.ofType(f.Type)
	l.period("e.n", f.Since, f.Until, 0)
	return list(ctx, s, l, selectListedEvent, "e.n", s.scanEvent)
}

// ofType narrows the list to events of a type, whole or a prefix and "*"; "" does not narrow.
func (l *listing) ofType(text string) {
	if prefix, wild := strings.CutSuffix(text, "*"); wild {
		l.and("substr(e.type, 1, ?) = ?", utf8.RuneCountInString(prefix), prefix)
	} else if text != "" {
		l.and("e.type = ?", text)
	}
}

// Event returns one event, whole.
func (s *Store) Event(ctx context.Context, id string) (bellhop.Event, error) {
	n, ok := s.ids.ParseEvent(id)
	if !ok {
		return bellhop.Event{}, bellhop.NotFound("event", id)
	}
	ev, err := one(ctx, s, "event", id, selectWholeEvent+" WHERE e.n = ?", n, s.scanEvent)
	if err == nil && sha256.Sum256(ev.Body) != ev.SHA256 {
		err = &bellhop.Error{Code: bellhop.CodeInternal, Message: "the stored body of event " + id + " is damaged: it does not match its checksum"}
	}
	return ev, err
}

func (s *Store) scanEvent(row *sqlite3.Stmt) (bellhop.Event, error) {
	return scanEvent(row, 0, &s.ids), nil
}
