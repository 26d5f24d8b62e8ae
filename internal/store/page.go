package store

import (
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// A listing builds the SELECT of a list: newest first, one page of it.
type listing struct {
	where []string
	args  []any
	limit int
}

// newListing begins a list ordered by column. A cursor is the number of the last row of the page before.
func newListing(column string, page bellhop.Page) (*listing, error) {
	l := &listing{limit: page.Limit}
	if l.limit <= 0 {
		l.limit = bellhop.DefaultPage
	}
	l.limit = min(l.limit, bellhop.MaxPage)
	if page.Cursor != "" {
		n, err := strconv.ParseInt(page.Cursor, 36, 64)
		if err != nil {
			return nil, bellhop.Invalid("cursor", "is not the next of a page")
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

// cut cuts list to the page and returns the cursor of the next one. numbers are those of list's rows.
func cut[T any](l *listing, list []T, numbers []int64) ([]T, string) {
	if len(list) <= l.limit {
		return list, ""
	}
	return list[:l.limit], strconv.FormatInt(numbers[l.limit-1], 36)
}
