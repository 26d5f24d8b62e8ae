package sqlite

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// A listing builds the SELECT of one page of a list, newest first. A zero listing builds SELECTs of rows in ascending
// order.
type listing struct {
	name   string // of the list, for its cursors
	column string // the number of a row
	shift  int    // how many bits the numbers have below those of events
	limit  int

	from, below int64 // the numbers of the rows are not less than from, and less than below
	where       []string
	args        []any

	// served is set once conditions that an index serves leave only a few rows.
	served   bool
	slow     []string // conditions that no index serves: see scan.go
	slowArgs []any
	test     func(row *sqlite3.Stmt) bool // the last of these conditions, which is not SQL; nil is none
}

// newListing begins the list of that name in the order of column. A cursor holds the number of the last row of the
// previous page.
func (s *Store) newListing(name, column string, page bellhop.Page) (*listing, error) {
	l := &listing{name: name, column: column, limit: store.PageLimit(page), below: math.MaxInt64}
	if page.Cursor != "" {
		n, err := s.ids.ParseCursor(name, page.Cursor)
		if err != nil {
			return nil, err
		}
		l.below = n
	}
	return l, nil
}

// and narrows the list by a condition that an index serves, or that is cheap for all rows.
func (l *listing) and(condition string, args ...any) {
	l.where = append(l.where, condition)
	l.args = append(l.args, args...)
}

// slowly narrows the list by a condition that no index serves.
func (l *listing) slowly(condition string, args ...any) {
	if l.served {
		l.and(condition, args...)
		return
	}
	l.slow = append(l.slow, condition)
	l.slowArgs = append(l.slowArgs, args...)
}

// equal narrows the list to rows with a value, unless that is "".
func (l *listing) equal(column, value string) {
	if value != "" {
		l.and(column+" = ?", value)
	}
}

// tenant narrows the list to rows of the tenant asked for, unless that is "", and to those that the caller with ctx
// may see. add is and or slowly.
func (l *listing) tenant(ctx context.Context, column, asked string, add func(string, ...any)) {
	for _, name := range [...]string{asked, bellhop.TenantOf(ctx)} {
		if name != "" {
			add(column+" = ?", name)
		}
	}
}

// between narrows the list to rows whose numbers are not less than from, and less than below. One bound of each kind
// is in the statement, because SQLite begins its search at one of them.
func (l *listing) between(from, below int64) {
	l.from, l.below = max(l.from, from), min(l.below, below)
}

// period narrows the list to rows whose numbers are of that time; a zero time does not narrow.
func (l *listing) period(since, until time.Time) {
	if !since.IsZero() {
		l.between(firstOf(since)<<l.shift, math.MaxInt64)
	}
	if !until.IsZero() {
		l.between(0, firstOf(until)<<l.shift)
	}
}

// created narrows the list to rows whose column has that time; a zero time does not narrow.
func (l *listing) created(column string, since, until time.Time) {
	if !since.IsZero() {
		l.and(column+" >= ?", since)
	}
	if !until.IsZero() {
		l.and(column+" < ?", until)
	}
}

// pattern returns the condition that a column is like text: equal, or with a "*" at its end, beginning like it.
func pattern(column, text string) (condition string, args []any) {
	prefix, wild := strings.CutSuffix(text, "*")
	if wild {
		return "substr(" + column + ", 1, ?) = ?", []any{utf8.RuneCountInString(prefix), prefix}
	}
	return column + " = ?", []any{text}
}

// like narrows the list to rows whose column is like text; "" does not narrow. No index serves it.
func (l *listing) like(column, text string) {
	if text != "" {
		condition, args := pattern(column, text)
		l.slowly(condition, args...)
	}
}

// sources narrows the list to rows whose column refers to a source with one of ids; no ids do not narrow. add is and
// or slowly.
func (l *listing) sources(s *Store, column string, ids []string, add func(string, ...any)) error {
	return anyOf("source", column, ids, s.sources.get, add)
}

// anyOf calls add with the condition that a column refers to one of the nouns with these ids, unless there are none.
// number returns the number of an id.
func anyOf(noun, column string, ids []string, number func(id string) (int64, bool), add func(string, ...any)) error {
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
	add(column+" IN (?"+strings.Repeat(", ?", len(ids)-1)+")", numbers...)
	return nil
}

// descending completes query with the conditions, the order and the limit: one row more than the page, which
// shows whether there is another page.
func (l *listing) descending(query string) (string, []any) {
	where, args := slices.Clone(l.where), slices.Clone(l.args)
	if l.below != math.MaxInt64 {
		where, args = append(where, l.column+" < ?"), append(args, l.below)
	}
	if l.from > 0 {
		where, args = append(where, l.column+" >= ?"), append(args, l.from)
	}
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	return query + " ORDER BY " + l.column + " DESC LIMIT " + strconv.Itoa(l.limit+1), args
}

// ascending completes query with the conditions, the order of column and the limit, and returns it with its
// arguments.
func (l *listing) ascending(query, column string, limit int) (string, []any) {
	return query + " WHERE " + strings.Join(l.where, " AND ") + " ORDER BY " + column + " LIMIT ?",
		append(l.args, limit)
}

// list reads a page of query, whose first column is the number of the row, and returns it with the cursor of
// the next page.
func list[T any](ctx context.Context, s *Store, l *listing, query string,
	scan func(*sqlite3.Stmt) (T, error)) (rows []T, next string, err error) {
	if len(l.slow) > 0 || l.test != nil {
		return scanList(ctx, s, l, query, scan)
	}
	var numbers []int64
	sql, args := l.descending(query)
	err = s.read(ctx, func(c *conn) error {
		rows, numbers = nil, nil
		return c.query(sql, args, func(row *sqlite3.Stmt) error {
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

// owned is one for a noun of a tenant, whose name is in a column: a caller who sees the nouns of one tenant alone
// finds no other. query ends in conditions.
func owned[T any](ctx context.Context, s *Store, noun, id, query, column string, arg any,
	scan func(*sqlite3.Stmt) (T, error)) (item T, err error) {
	tenant := bellhop.TenantOf(ctx)
	if tenant == "" {
		return one(ctx, s, noun, id, query, arg, scan)
	}
	found := false
	err = s.read(ctx, func(c *conn) error {
		found = false
		return c.query(query+" AND "+column+" = ?", []any{arg, tenant}, func(row *sqlite3.Stmt) (err error) {
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

// sees reports whether the caller with ctx sees the nouns of a tenant; "" is those of none.
func sees(ctx context.Context, tenant string) bool {
	own := bellhop.TenantOf(ctx)
	return own == "" || own == tenant
}

// checkOwner returns an error unless the caller with ctx may make a noun of a tenant. The catalog sets the tenant;
// this keeps a mistake there from mixing tenants.
func checkOwner(ctx context.Context, noun, tenant string) error {
	if sees(ctx, tenant) {
		return nil
	}
	return &bellhop.Error{Code: bellhop.CodeForbidden,
		Message: "the " + noun + " would not belong to tenant " + bellhop.TenantOf(ctx)}
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
