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

// StepRepair does one step of r and moves its cursor, in one transaction, and returns r as it is then.
func (s *Store) StepRepair(ctx context.Context, r bellhop.Repair, step bellhop.RepairStep) (bellhop.Repair, error) {
	var after bellhop.Repair
	var changed int64
	err := s.do(func(c *conn) (err error) {
		after, changed, err = s.stepRepair(c, r, step)
		return err
	})
	if err == nil && r.Kind == bellhop.RepairCancel {
		s.final.cancelled.Add(changed)
	}
	return after, err
}

// stepRepair is StepRepair within a transaction. It also returns how many deliveries it changed.
func (s *Store) stepRepair(c *conn, r bellhop.Repair, step bellhop.RepairStep) (after bellhop.Repair, changed int64, err error) {
	after, err = repairIn(c, r.ID)
	if err != nil || after.State != bellhop.RepairRunning || after.Cursor != r.Cursor {
		return after, 0, err
	}
	now := s.opts.Now()
	if _, gone := s.repaired(r.Kind, r.Filter.DestinationID); gone != nil {
		err = c.exec(`UPDATE repairs SET state = 'failed', reason = 'its destination was deleted', updated_at = ? WHERE id = ?`, now, r.ID)
	} else {
		var tried int64
		if changed, tried, err = s.applyStep(c, r, step, now); err != nil {
			return after, 0, err
		}
		err = c.exec(`UPDATE repairs SET cursor = ?1, looked_at = looked_at + ?2, changed = changed + ?3, skipped = skipped + ?4, updated_at = ?5,
			state = CASE WHEN ?1 >= bound THEN 'done' ELSE state END WHERE id = ?6`,
			step.To, len(step.Chosen), changed, tried-changed, now, r.ID)
	}
	if err != nil {
		return after, 0, err
	}
	after, err = repairIn(c, r.ID)
	return after, changed, err
}

// applyStep changes the deliveries of a step. It returns how many it changed, and how many it was to change.
func (s *Store) applyStep(c *conn, r bellhop.Repair, step bellhop.RepairStep, now time.Time) (changed, tried int64, err error) {
	if r.Kind == bellhop.RepairReplay {
		changed, err = s.applyReplay(c, step, now)
		return changed, int64(len(step.Deliveries)), err
	}
	update, nextAt := revive, now
	if r.Kind == bellhop.RepairCancel {
		update, nextAt = giveUp, time.Time{}
	}
	update += ` AND state = ?`
	for _, chosen := range step.Chosen {
		err = c.exec(update, nextAt, now, chosen.Cursor, string(r.Filter.State))
		if err == nil && c.db.Changes() > 0 {
			changed++
			err = s.moved(c, chosen.Cursor)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return changed, int64(len(step.Chosen)), nil
}

// applyReplay makes the new deliveries of a step and returns how many it made.
func (s *Store) applyReplay(c *conn, step bellhop.RepairStep, now time.Time) (made int64, err error) {
	for _, owed := range step.Deliveries {
		id, err := s.replay(c, step.Chosen[owed.Event].Cursor, owed, now)
		if err != nil {
			return 0, err
		}
		if id != "" {
			made++
		}
	}
	return made, nil
}
