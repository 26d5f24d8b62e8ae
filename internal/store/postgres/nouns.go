package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// numbers maps the ids of a table of nouns to the numbers of their rows. It asks the database for those that it does
// not know: another node may have made them.
type numbers struct {
	table string
	m     sync.Map
}

// get returns the number of the row with that id; 0 if there is none, or if it was deleted.
func (m *numbers) get(ctx context.Context, q querier, id string) (n int64, err error) {
	if known, ok := m.m.Load(id); ok {
		return known.(int64), nil
	}
	err = q.QueryRow(ctx, "SELECT n FROM "+m.table+" WHERE id = $1 AND deleted_at IS NULL", id).Scan(&n)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find %s in %s: %w", id, m.table, err)
	}
	m.m.Store(id, n)
	return n, nil
}
