package sqlite

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// This file reads the pages of lists whose filters no index serves. An index for each filter would cost each accepted
// event more than it brings: most events are never looked for. So the rows are looked through, from new to old, and
// the search ends after [bellhop.ScanTime] if the page is not full by then. Its last row becomes the cursor.
//
// A search gives its connection back each scanSlice, and of several searches one has a connection: they take turns,
// and the reads of the engine never wait for longer than that.

// scanSlice is how long a search holds a connection.
const scanSlice = 20 * time.Millisecond

// scanRows is how many rows a search looks at, whatever the time. So where the processor is short for some seconds,
// the list of a small store is still whole.
const scanRows = 256

// scanList is list for a listing with conditions that no index serves.
func scanList[T any](ctx context.Context, s *Store, l *listing, query string,
	scan func(*sqlite3.Stmt) (T, error)) (rows []T, next string, err error) {
	end := s.opts.Elapsed() + s.scanTime(ctx)
	sql, args := l.scanning(query)
	at, last := l.below, int64(0) // the row looked at last, and the last of the page
	looked := 0                   // rows that the statement has returned
	for {
		select {
		case s.scans <- struct{}{}:
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
		full, pause := false, s.opts.Elapsed()+scanSlice
		args[len(l.slowArgs)] = at
		err = s.read(ctx, func(c *conn) error {
			return c.query(sql, args, func(row *sqlite3.Stmt) error {
				n := row.ColumnInt64(0)
				looked++
				if row.ColumnBool(row.ColumnCount()-1) && (l.test == nil || l.test(row)) {
					if full = len(rows) == l.limit; full {
						return errEnough
					}
					item, err := scan(row)
					if err != nil {
						return err
					}
					rows, last = append(rows, item), n
				}
				at = n
				if s.opts.Elapsed() >= pause {
					return errEnough
				}
				return nil
			})
		})
		<-s.scans
		switch {
		case full:
			return rows, s.ids.Cursor(l.name, last), nil
		case err == nil:
			return rows, "", nil
		case !errors.Is(err, errEnough):
			return nil, "", err
		case s.opts.Elapsed() >= end && looked >= s.opts.scanRows:
			return rows, s.ids.Cursor(l.name, at), nil
		}
	}
}

// scanTime returns how long a search may take: [bellhop.ScanTime], or half of the time that is left to a caller with a
// deadline, so that the caller gets what was found before it.
func (s *Store) scanTime(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return bellhop.ScanTime
	}
	return min(bellhop.ScanTime, deadline.Sub(s.opts.Now())/2)
}

// scanning returns the statement of a search, and its arguments; that of the first bound follows the slowArgs. Its
// last column says whether the slow conditions select the row. Without them it returns all rows, and otherwise,
// besides the selected ones, those of each 61st millisecond, by which the search sees how far it is: 61 is a prime
// number, so that it divides no usual interval between events.
func (l *listing) scanning(query string) (string, []any) {
	selected, marked := "1", ""
	if len(l.slow) > 0 {
		selected = strings.Join(l.slow, " AND ")
		marked = " AND ((" + selected + ") OR (" + l.column + " >> " + strconv.Itoa(6+l.shift) + ") % 61 = 0)"
	}
	where := append([]string{l.column + " < ?", l.column + " >= ?"}, l.where...)
	args := slices.Concat(l.slowArgs, []any{l.below, l.from}, l.args)
	if marked != "" {
		args = append(args, l.slowArgs...)
	}
	columns, tables, _ := strings.Cut(query, "FROM ")
	return columns + ", (" + selected + ") FROM " + tables + " WHERE " + strings.Join(where, " AND ") + marked +
		" ORDER BY " + l.column + " DESC", args
}

// containing narrows the list to rows whose column, a blob, contains text; "" does not narrow.
func (l *listing) containing(column int, text string) {
	if text != "" {
		l.test = func(row *sqlite3.Stmt) bool { return bytes.Contains(row.ColumnRawBlob(column), []byte(text)) }
	}
}

// fewRows is how many rows of an index are sorted for one page.
const fewRows = 4096

// ofState narrows a list of deliveries to those of a state. The indexes of pending and dead ones are not in the order
// of the list: they serve as long as they have few rows. Where they have many, some are soon found.
func (s *Store) ofState(ctx context.Context, l *listing, f bellhop.DeliveryFilter) error {
	state := "d." + stateIs(f.State)
	switch {
	case f.State == "":
		return nil
	case l.served, f.State == bellhop.DeliveryLeased, f.State == bellhop.DeliveryDead && len(f.DestinationIDs) == 1:
		l.and(state)
		return nil
	}
	few, isFew := "", false
	err := s.read(ctx, func(c *conn) (err error) {
		few, isFew, err = fewOf(c, f.State)
		return err
	})
	if !isFew {
		l.slowly(state)
		return err
	}
	l.and("d.n IN (" + few + ")")
	l.served = true
	return err
}

// stateIs returns a condition, which has the state as a literal, so that the partial indexes of a state serve.
func stateIs(state bellhop.DeliveryState) string { return "state = '" + store.StateWord(state) + "'" }

// fewOf returns a query of the numbers of all deliveries in a state, if an index has them and they are few.
func fewOf(c *conn, state bellhop.DeliveryState) (query string, isFew bool, err error) {
	index := map[bellhop.DeliveryState]string{bellhop.DeliveryPending: "deliveries_due",
		bellhop.DeliveryDead: "deliveries_dead"}[state]
	if index == "" {
		return "", false, nil
	}
	of := "FROM deliveries INDEXED BY " + index + " WHERE " + stateIs(state)
	n, err := c.number("SELECT count(*) FROM (SELECT 1 " + of + " LIMIT " + strconv.Itoa(fewRows+1) + ")")
	return "SELECT n " + of, err == nil && n <= fewRows, err
}

// CursorAt returns the time of the entry that a cursor of a list of events, deliveries or requests stands at.
func (s *Store) CursorAt(list, cursor string) time.Time {
	n, err := s.ids.ParseCursor(list, cursor)
	if err != nil {
		return time.Time{}
	}
	if list == "deliveries" {
		n >>= placeBits
	}
	return timeOf(n)
}
