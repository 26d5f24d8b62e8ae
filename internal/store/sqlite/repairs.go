package sqlite

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// maxRepairs is how many repairs are kept; of those that have ended, the oldest go first.
const maxRepairs = 1000

const selectRepair = `SELECT n, id, kind, filter, rate, cursor, bound, looked_at, changed, skipped, state, reason, created_at, updated_at FROM repairs`

func scanRepair(row *sqlite3.Stmt) (bellhop.Repair, error) {
	r := bellhop.Repair{ID: row.ColumnText(1), Kind: bellhop.RepairKind(row.ColumnText(2)), Rate: row.ColumnFloat(4),
		Cursor: row.ColumnInt64(5), Bound: row.ColumnInt64(6), LookedAt: row.ColumnInt64(7), Changed: row.ColumnInt64(8), Skipped: row.ColumnInt64(9),
		State: bellhop.RepairState(row.ColumnText(10)), Reason: row.ColumnText(11), CreatedAt: timeAt(row, 12), UpdatedAt: timeAt(row, 13)}
	event := r.Cursor
	if r.Kind != bellhop.RepairReplay {
		event >>= placeBits
	}
	r.PositionAt = timeOf(event)
	return r, json.Unmarshal(row.ColumnRawText(3), &r.Filter)
}

// Repairs lists the repairs, newest first.
func (s *Store) Repairs(ctx context.Context, page bellhop.Page) ([]bellhop.Repair, string, error) {
	l, err := newListing("n", page)
	if err != nil {
		return nil, "", err
	}
	return list(ctx, s, l, selectRepair, "n", scanRepair)
}

// RunningRepairs returns those that have not ended, oldest first.
func (s *Store) RunningRepairs(ctx context.Context) (running []bellhop.Repair, err error) {
	err = s.read(ctx, func(c *conn) error {
		running, err = runningRepairs(c)
		return err
	})
	return running, err
}

func runningRepairs(c *conn) (running []bellhop.Repair, err error) {
	err = c.query(selectRepair+" WHERE state = 'running' ORDER BY n", nil, func(row *sqlite3.Stmt) error {
		r, err := scanRepair(row)
		running = append(running, r)
		return err
	})
	return running, err
}

// Repair returns one repair.
func (s *Store) Repair(ctx context.Context, id string) (bellhop.Repair, error) {
	return one(ctx, s, "repair", id, selectRepair+" WHERE id = ?", id, scanRepair)
}

// CreateRepair stores a repair that begins, of what there is by then. It is a conflict if too many run, or if its destination is deleted.
func (s *Store) CreateRepair(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error) {
	filter, err := json.Marshal(r.Filter)
	if err != nil {
		return r, err
	}
	var created bellhop.Repair
	err = s.do(func(c *conn) error {
		if err := roomForRepair(c); err != nil {
			return err
		}
		r, err := s.scope(r)
		if err != nil {
			return err
		}
		err = c.exec(`INSERT INTO repairs (id, kind, filter, rate, cursor, bound, looked_at, changed, skipped, state, reason, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 'running', '', ?, ?)`, r.ID, string(r.Kind), string(filter), r.Rate, r.Cursor, r.Bound, r.CreatedAt, r.CreatedAt)
		if err != nil {
			return err
		}
		if created, err = repairIn(c, r.ID); err != nil {
			return err
		}
		return c.exec(`DELETE FROM repairs WHERE state <> 'running' AND n < (SELECT n FROM repairs ORDER BY n DESC LIMIT 1 OFFSET ?)`, maxRepairs-1)
	})
	return created, err
}

func roomForRepair(c *conn) error {
	running, err := runningRepairs(c)
	if err != nil || len(running) < bellhop.MaxRunningRepairs {
		return err
	}
	var ids []string
	for _, r := range running {
		ids = append(ids, r.ID)
	}
	return bellhop.Conflict("as many repairs run as may at a time (" + strings.Join(ids, ", ") + "): wait for one to end, or cancel one")
}

// repairIn reads a repair within a transaction.
func repairIn(c *conn, id string) (r bellhop.Repair, err error) {
	err = c.query(selectRepair+" WHERE id = ?", []any{id}, func(row *sqlite3.Stmt) (err error) {
		r, err = scanRepair(row)
		return err
	})
	if err == nil && r.ID == "" {
		err = bellhop.NotFound("repair", id)
	}
	return r, err
}

// EndRepair ends a running repair as state, with the reason; what it did stays done. It is a conflict if it has ended.
func (s *Store) EndRepair(ctx context.Context, id string, state bellhop.RepairState, reason string) (bellhop.Repair, error) {
	var r bellhop.Repair
	err := s.do(func(c *conn) (err error) {
		if r, err = repairIn(c, id); err != nil {
			return err
		}
		if r.State != bellhop.RepairRunning {
			return bellhop.Conflict("the repair has ended: it is " + string(r.State))
		}
		err = c.exec(`UPDATE repairs SET state = ?, reason = ?, updated_at = ? WHERE id = ?`, string(state), reason, s.opts.Now(), id)
		if err == nil {
			r, err = repairIn(c, id)
		}
		return err
	})
	return r, err
}
