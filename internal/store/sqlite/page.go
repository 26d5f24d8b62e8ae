package sqlite

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// A listing builds the SELECT of a list: newest first, one page of it.
type listing struct {
	where []string
	args  []any
	limit int
}

// newListing begins a list ordered by column. A cursor is the number of the last row of the page before.
func newListing(column string, page bellhop.Page) (*listing, error) {
	l := &listing{limit: store.PageLimit(page)}
	if page.Cursor != "" {
		n, err := store.ParseCursor(page.Cursor)
		if err != nil {
			return nil, err
		}
		l.and(column+" < ?", n)
	}
	return l, nil
}

func (l *listing) and(condition string, args ...any) {
	l.where = append(l.where, condition)
	l.args = append(l.args, args...)
}

// sql completes query with the conditions, the order and the limit: one row more than the page, to see whether there is one.
func (l *listing) sql(query, column string) string {
	if len(l.where) > 0 {
		query += " WHERE " + strings.Join(l.where, " AND ")
	}
	return query + " ORDER BY " + column + " DESC LIMIT " + strconv.Itoa(l.limit+1)
}

// period narrows the list to rows whose numbers are of that time; a zero time does not narrow. shift is how many
// bits the numbers of column have below those of events.
func (l *listing) period(column string, since, until time.Time, shift int) {
	if !since.IsZero() {
		l.and(column+" >= ?", firstOf(since)<<shift)
	}
	if !until.IsZero() {
		l.and(column+" < ?", firstOf(until)<<shift)
	}
}

// list reads a page of query, whose first column is its number, and returns it with the next page's cursor.
func list[T any](ctx context.Context, s *Store, l *listing, query, column string, scan func(*sqlite3.Stmt) (T, error)) (rows []T, next string, err error) {
	var numbers []int64
	err = s.read(ctx, func(c *conn) error {
		return c.query(l.sql(query, column), l.args, func(row *sqlite3.Stmt) error {
			item, err := scan(row)
			rows, numbers = append(rows, item), append(numbers, row.ColumnInt64(0))
			return err
		})
	})
	if len(rows) > l.limit {
		rows, next = rows[:l.limit], store.FormatCursor(numbers[l.limit-1])
	}
	return rows, next, err
}

// one reads the one row of query, in which arg names it; without a row there is no such noun.
func one[T any](ctx context.Context, s *Store, noun, id, query string, arg any, scan func(*sqlite3.Stmt) (T, error)) (item T, err error) {
	found := false
	err = s.read(ctx, func(c *conn) error {
		return c.query(query, []any{arg}, func(row *sqlite3.Stmt) (err error) {
			item, err = scan(row)
			found = true
			return err
		})
	})
	if err == nil && !found {
		err = bellhop.NotFound(noun, id)
	}
	return item, err
}
