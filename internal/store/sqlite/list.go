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

// A listing builds the SELECT of one page of a list, newest first.
type listing struct {
	name  string // of the list, for its cursors
	where []string
	args  []any
	limit int
}

// newListing begins the list of that name in the order of column. A cursor holds the number of the last row of the
// previous page.
func (s *Store) newListing(name, column string, page bellhop.Page) (*listing, error) {
	l := &listing{name: name, limit: store.PageLimit(page)}
	if page.Cursor != "" {
		n, err := s.ids.ParseCursor(name, page.Cursor)
		if err != nil {
			return nil, err
		}
		l.and(column+" < ?", n)
	}
	return l, nil
}

// and narrows the list by a condition.
func (l *listing) and(condition string, args ...any) {
	l.where = append(l.where, condition)
	l.args = append(l.args, args...)
}

// period narrows the list to rows whose numbers are of that time; a zero time does not narrow. shift is how
// many bits the numbers of column have below those of events.
func (l *listing) period(column string, since, until time.Time, shift int) {
	if !since.IsZero() {
		l.and(column+" >= ?", firstOf(since)<<shift)
	}
	if !until.IsZero() {
		l.and(column+" < ?", firstOf(until)<<shift)
	}
}

// sources narrows the list to rows whose column refers to a source with one of ids; no ids do not narrow.
func (l *listing) sources(s *Store, column string, ids []string) error {
	return l.anyOf("source", column, ids, s.sources.get)
}

// anyOf narrows the list to rows that refer to one of the nouns with these ids; none does not narrow. number returns
// the number of an id.
func (l *listing) anyOf(noun, column string, ids []string, number func(id string) (int64, bool)) error {
	if len(ids) == 0 {
		return nil
	}
	numbers := make([]any, len(ids))
	for i, id := range ids {
		n, ok := number(id)
		if !ok {
			return bellhop.NotFound(noun, id)
		}
		numbers[i] = n
	}
	l.and(column+" IN (?"+strings.Repeat(", ?", len(ids)-1)+")", numbers...)
	return nil
}

// descending completes query with the conditions, the order and the limit: one row more than the page, which
// shows whether there is another page.
func (l *listing) descending(query, column string) string {
	if len(l.where) > 0 {
		query += " WHERE " + strings.Join(l.where, " AND ")
	}
	return query + " ORDER BY " + column + " DESC LIMIT " + strconv.Itoa(l.limit+1)
}

// ascending completes query with the conditions, the order of column and the limit, and returns it with its
// arguments.
func (l *listing) ascending(query, column string, limit int) (string, []any) {
	return query + " WHERE " + strings.Join(l.where, " AND ") + " ORDER BY " + column + " LIMIT ?", append(l.args, limit)
}

// list reads a page of query, whose first column is the number of the row, and returns it with the cursor of
// the next page.
func list[T any](ctx context.Context, s *Store, l *listing, query, column string,
	scan func(*sqlite3.Stmt) (T, error)) (rows []T, next string, err error) {
	var numbers []int64
	err = s.read(ctx, func(c *conn) error {
		return c.query(l.descending(query, column), l.args, func(row *sqlite3.Stmt) error {
			item, err := scan(row)
			rows, numbers = append(rows, item), append(numbers, row.ColumnInt64(0))
			return err
		})
	})
	if len(rows) > l.limit {
		rows, next = rows[:l.limit], s.ids.Cursor(l.name, numbers[l.limit-1])
	}
	return rows, next, err
}

// one reads the one row that query finds by arg. Without a row it returns that there is no such noun.
func one[T any](ctx context.Context, s *Store, noun, id, query string, arg any,
	scan func(*sqlite3.Stmt) (T, error)) (item T, err error) {
	err = s.read(ctx, func(c *conn) error {
		item, err = oneIn(c, noun, id, query, arg, scan)
		return err
	})
	return item, err
}

// oneIn is one on a connection, so also within a transaction of the writer.
func oneIn[T any](c *conn, noun, id, query string, arg any, scan func(*sqlite3.Stmt) (T, error)) (item T, err error) {
	found := false
	err = c.query(query, []any{arg}, func(row *sqlite3.Stmt) (err error) {
		item, err = scan(row)
		found = true
		return err
	})
	if err == nil && !found {
		err = bellhop.NotFound(noun, id)
	}
	return item, err
}
