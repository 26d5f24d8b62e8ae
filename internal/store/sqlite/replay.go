package sqlite

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// ReplayEvent stores new deliveries of an event, due now, and sets their ids. A destination that was deleted meanwhile gets none.
func (s *Store) ReplayEvent(ctx context.Context, eventID string, owed []bellhop.NewDelivery) error {
	event, ok := s.ids.ParseEvent(eventID)
	if !ok {
		return bellhop.NotFound("event", eventID)
	}
	return s.do(func(c *conn) error {
		there := false
		err := c.query(`SELECT 1 FROM events WHERE n = ?`, []any{event}, func(*sqlite3.Stmt) error {
			there = true
			return nil
		})
		if err == nil && !there {
			err = bellhop.NotFound("event", eventID)
		}
		for i := 0; err == nil && i < len(owed); i++ {
			owed[i].DeliveryID, err = s.replay(c, event, owed[i], s.opts.Now())
		}
		return err
	})
}

// insertReplay takes the next free place of an event, if it is there and has one.
const insertReplay = `INSERT INTO deliveries (n, destination, state, attempts, next_at, key, line, created_at)
	SELECT free.n, ?, 'pending', 0, ?, nullif(?, 0), nullif(?, 0), ? FROM
		(SELECT coalesce((SELECT n + 1 FROM deliveries WHERE n >= ? AND n < ? ORDER BY n DESC LIMIT 1), ?) AS n) free
	WHERE free.n < ? AND EXISTS (SELECT 1 FROM events WHERE n = ?)
	RETURNING n`

// replay writes one more delivery of an event; "" if the event, its destination or a place for it is gone.
func (s *Store) replay(c *conn, event int64, owed bellhop.NewDelivery, now time.Time) (deliveryID string, err error) {
	destination, ok := s.destinations.get(owed.DestinationID)
	if !ok {
		return "", nil
	}
	first, end, n := event<<placeBits, (event+1)<<placeBits, int64(0)
	err = c.query(insertReplay, []any{destination, now, owed.Key, owed.Key, now, first, end, first, end, event}, func(row *sqlite3.Stmt) error {
		n = row.ColumnInt64(0)
		deliveryID = s.ids.Delivery(n)
		return nil
	})
	if err == nil && deliveryID != "" && owed.Key != 0 {
		s.keyed = true
		s.turns.pending(destination, owed.Key, now.UnixMicro(), n, true)
	}
	return deliveryID, err
}

// StepRepair does one step of r and moves its cursor, in one transaction, and returns what has become of r. Where r has ended
// meanwhile, or its cursor is not where it was, nothing is done. A repair whose destination was deleted fails.
func (s *Store) StepRepair(ctx context.Context, r bellhop.Repair, step bellhop.RepairStep) (after bellhop.Repair, err error) {
	var changed int64
	err = s.do(func(c *conn) error {
		changed = 0
		if after, err = repairIn(c, r.ID); err != nil || after.State != bellhop.RepairRunning || after.Cursor != r.Cursor {
			return err
		}
		if _, err := s.repaired(r.Kind, r.Filter.DestinationID); err != nil {
			err = c.exec(`UPDATE repairs SET state = 'failed', reason = 'its destination was deleted', updated_at = ? WHERE id = ?`, s.opts.Now(), r.ID)
			if err == nil {
				after, err = repairIn(c, r.ID)
			}
			return err
		}
		var tried int64
		if changed, tried, err = s.applyStep(c, r, step, s.opts.Now()); err != nil {
			return err
		}
		err := c.exec(`UPDATE repairs SET cursor = ?1, looked_at = looked_at + ?2, changed = changed + ?3, skipped = skipped + ?4, updated_at = ?5,
			state = CASE WHEN ?1 >= bound THEN 'done' ELSE state END WHERE id = ?6`,
			step.To, len(step.Chosen), changed, tried-changed, s.opts.Now(), r.ID)
		if err == nil {
			after, err = repairIn(c, r.ID)
		}
		return err
	})
	if err == nil && r.Kind == bellhop.RepairCancel {
		s.final.cancelled.Add(changed)
	}
	return after, err
}

// applyStep changes deliveries and returns how many, of how many that were to be.
func (s *Store) applyStep(c *conn, r bellhop.Repair, step bellhop.RepairStep, now time.Time) (changed, tried int64, err error) {
	if r.Kind == bellhop.RepairReplay {
		for _, owed := range step.Deliveries {
			id, err := s.replay(c, step.Chosen[owed.Event].Cursor, owed, now)
			if err != nil {
				return 0, 0, err
			}
			if id != "" {
				changed++
			}
		}
		return changed, int64(len(step.Deliveries)), nil
	}
	update, nextAt := revive, now
	if r.Kind == bellhop.RepairCancel {
		update, nextAt = giveUp, time.Time{}
	}
	update += ` AND state = ?`
	for _, chosen := range step.Chosen {
		if err := c.exec(update, nextAt, now, chosen.Cursor, string(r.Filter.State)); err != nil {
			return 0, 0, err
		}
		if c.db.Changes() > 0 {
			changed++
			if err := s.moved(c, chosen.Cursor); err != nil {
				return 0, 0, err
			}
		}
	}
	return changed, int64(len(step.Chosen)), nil
}
