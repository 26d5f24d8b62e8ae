package graph

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// The types of events that tell of an object.
const (
	typeDeltaChanged = "graph.delta.changed"
	typeDeltaRemoved = "graph.delta.removed"
)

// directoryLife is the age at which the directory forgets a position, as documented. Mailboxes and drives say no age.
const directoryLife = 7 * 24 * time.Hour

// relayMargin is how far a listing of a window that is laid anew reaches back, so that nothing falls between the two.
const relayMargin = 10 * time.Minute

// A deltaLog tells what has changed in a resource as events about its objects.
//
// A delta query that begins lists what there is. Then an object is told only if it has changed since the listing has
// to reach back to: see place. A query that goes on tells changes alone, and each of them becomes an event.
type deltaLog struct {
	delta *Delta
	path  string // of the resource: see normalPath
	made  string // hash of the settings that Graph puts into links
	begun bool   // a page was asked for
}

func newDeltaLog(d *Delta, path string) *deltaLog {
	options := fmt.Sprintf("%s %t", d.query, d.immutable)
	if d.kind == deltaCalendar {
		options += fmt.Sprintf(" %v", d.window)
	}
	return &deltaLog{delta: d, path: path, made: sumOf(options)[:16]}
}

// sumOf returns the SHA-256 of text in hex.
func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// A place is a cursor of graph.delta, in JSON.
type place struct {
	Walk string `json:"walk"` // of the Delta; "" begins it
	Made string `json:"made"` // as deltaLog has it: with other settings, the walk begins anew
	// At is when the walk came to its end; zero while it is under way.
	At time.Time `json:"at,omitzero"`
	// Since is set while the walk lists what there is: what has changed before is not told. Zero tells everything.
	Since time.Time `json:"since,omitzero"`
	// Entered is set while the window of a calendar that was laid anew is listed: events that begin then or later were
	// not in the window before, and are told.
	Entered time.Time `json:"entered,omitzero"`
}

func (p *place) text() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // it is made of texts
	}
	return string(text)
}

// Next implements [provider.ChangeLog].
func (l *deltaLog) Next(ctx context.Context, cursor string, span provider.Span) (page provider.ChangePage, err error) {
	p, lost := l.read(cursor)
	if cursor == "" || lost != "" {
		p = place{Since: span.Since}
	}
	got, err := l.ask(ctx, p)
	var refused *provider.APIError
	if err != nil && !l.begun && p.Walk != "" && errors.As(err, &refused) && refused.Kind == provider.APIInvalid &&
		refused.Status == 0 { // no call was made: the stored link is of another API
		lost, p = refused.Error(), place{Since: span.Since}
		got, err = l.ask(ctx, p)
	}
	if err != nil {
		return page, err
	}
	l.begun = true
	if got.Lost != "" {
		lost, p.Since, p.Entered = got.Lost, span.Since, time.Time{}
	}
	page = provider.ChangePage{Last: got.Last, Wait: got.Wait, Lost: lost, Changes: l.changes(cursor, p, got)}
	if got.Lost != "" || !p.Since.IsZero() && p.Entered.IsZero() {
		page.Unseen = got.Unseen
	}
	if page.Unseen != "" && !got.Watched.IsZero() {
		page.Unseen += ", and what happens to messages received before " + got.Watched.Format(time.DateOnly)
	}
	p.Walk, p.Made, p.At = got.Cursor, l.made, time.Time{}
	if got.Last {
		p.Since, p.Entered, p.At = time.Time{}, time.Time{}, l.delta.now().UTC()
		page.Last = !l.layAnew(&p)
	}
	page.Cursor = p.text()
	return page, nil
}

// read reads a cursor. lost says in words why it is of no use.
func (l *deltaLog) read(cursor string) (p place, lost string) {
	if cursor == "" {
		return p, ""
	}
	if json.Unmarshal([]byte(cursor), &p) != nil {
		return p, errPosition.Error()
	}
	age := l.delta.now().Sub(p.At)
	switch {
	case p.Made != l.made:
		return p, "the settings of the destination have changed since the position was stored"
	case l.delta.kind == deltaDirectory && !p.At.IsZero() && age > directoryLife:
		return p, fmt.Sprintf("the position is %d days old, and the directory keeps those of 7", int(age.Hours()/24))
	}
	return p, ""
}

// ask asks for the page of a place. A resource that cannot begin at a time is listed or, if a listing says nothing
// about changes, goes on at now.
func (l *deltaLog) ask(ctx context.Context, p place) (DeltaPage, error) {
	since := p.Since
	if since.IsZero() {
		since = FromStart
	}
	if p.Walk == "" && l.delta.kind == deltaDirectory && since.After(FromStart) {
		cursor, err := l.delta.latest(ctx)
		return DeltaPage{Cursor: cursor, Last: true, Unseen: unseenBefore}, err
	}
	got, err := l.delta.Next(ctx, p.Walk, since)
	if p.Walk == "" && l.delta.kind == deltaDrive && since.After(FromStart) &&
		kindOfError(err) == provider.APIInvalid {
		got, err = l.delta.Next(ctx, "", FromStart) // a personal drive
		got.Unseen = unseenDeleted
	}
	return got, err
}

// layAnew begins the window of a calendar anew if it is too old, once everything in it is told.
func (l *deltaLog) layAnew(p *place) bool {
	if l.delta.kind != deltaCalendar {
		return false
	}
	now := l.delta.now().UTC()
	walk, err := parsePosition(p.Walk)
	if err != nil || now.Sub(walk.Laid) <= l.delta.window.life() {
		return false
	}
	*p = place{Made: p.Made, Since: now.Add(-relayMargin), Entered: walk.Laid.Add(l.delta.window.to)}
	return true
}

// changes returns the changes of a page that was asked for at cursor.
func (l *deltaLog) changes(cursor string, p place, got DeltaPage) (list []provider.Change) {
	for _, it := range got.Items {
		if got.Listing && !p.tells(it) {
			continue
		}
		ev := bellhop.Event{Type: typeDeltaChanged, Subject: itemPath(l.delta.kind, l.path, it.ID),
			Time:        it.ModifiedAt,
			ContentType: "application/json", Body: it.Body}
		// An object is told once for each of its ETags. What has none, such as a removal, may be the same as before,
		// and is told for each position at which it is found.
		version := it.ETag
		if it.Removed {
			ev.Type, version = typeDeltaRemoved, ""
		}
		if version == "" {
			version = sumOf(cursor + " " + string(it.Body))
		}
		list = append(list, provider.Change{Event: ev, Key: "delta|" + ev.Subject + "|" + version})
	}
	return list
}

// tells reports whether an object that is listed is told.
func (p *place) tells(it DeltaItem) bool {
	switch {
	case p.Since.IsZero() || it.Removed:
		return true
	case !p.Entered.IsZero() && !it.StartsAt.Before(p.Entered):
		return true
	case it.Series != "" && it.ModifiedAt.IsZero(): // the event of the series has the time
		return false
	}
	return it.ModifiedAt.IsZero() || !it.ModifiedAt.Before(p.Since)
}
