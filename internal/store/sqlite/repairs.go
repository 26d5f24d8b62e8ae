package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// maxRepairs is how many repairs are kept; the oldest ended ones are deleted.
const maxRepairs = 1000

const selectRepair = `SELECT n, id, kind, filter, rate, cursor, bound, looked_at, changed, skipped, state, reason,
	created_at, updated_at, starts_at FROM repairs`

// repairTenant is the tenant of a repair, which its filter names.
const repairTenant = "coalesce(filter ->> '$.tenant', '')"

func scanRepair(row *sqlite3.Stmt) (bellhop.Repair, error) {
	r := bellhop.Repair{ID: row.ColumnText(1), Kind: bellhop.RepairKind(row.ColumnText(2)), Rate: row.ColumnFloat(4),
		Cursor: row.ColumnInt64(5), Bound: row.ColumnInt64(6), LookedAt: row.ColumnInt64(7),
		Changed: row.ColumnInt64(8),
		Skipped: row.ColumnInt64(9), State: bellhop.RepairState(row.ColumnText(10)), Reason: row.ColumnText(11),
		CreatedAt: timeAt(row, 12), UpdatedAt: timeAt(row, 13), StartsAt: timeAt(row, 14)}
	r.PositionAt = positionOf(r)
	return r, json.Unmarshal(row.ColumnRawText(3), &r.Filter)
}

// positionOf returns the time of the events that the cursor of a repair has reached.
func positionOf(r bellhop.Repair) time.Time {
	event := r.Cursor
	if r.Kind != bellhop.RepairReplay {
		event >>= placeBits
	}
	return timeOf(event)
}

// RepairPosition returns the time of the events that the Cursor of r has reached, from old to new.
func (s *Store) RepairPosition(r bellhop.Repair) time.Time { return positionOf(r) }

// Repairs lists the repairs, newest first.
func (s *Store) Repairs(ctx context.Context, q bellhop.RepairQuery,
	page bellhop.Page) ([]bellhop.Repair, string, error) {
	l, err := s.newListing("repairs", "n", page)
	if err != nil {
		return nil, "", err
	}
	l.equal("kind", string(q.Kind))
	l.equal("state", string(q.State))
	l.tenant(ctx, repairTenant, q.Tenant, l.and)
	l.created("created_at", q.Since, q.Until)
	return list(ctx, s, l, selectRepair, scanRepair)
}

// RunningRepairs returns the repairs that have not ended, oldest first; those that wait are among them.
func (s *Store) RunningRepairs(ctx context.Context) (running []bellhop.Repair, err error) {
	err = s.read(ctx, func(c *conn) error {
		running, err = runningRepairs(c)
		return err
	})
	return running, err
}

func runningRepairs(c *conn) (running []bellhop.Repair, err error) {
	query := selectRepair + " WHERE state IN ('waiting', 'running') ORDER BY n"
	err = c.query(query, nil, func(row *sqlite3.Stmt) error {
		r, err := scanRepair(row)
		running = append(running, r)
		return err
	})
	return running, err
}

// Repair returns one repair.
func (s *Store) Repair(ctx context.Context, id string) (bellhop.Repair, error) {
	return owned(ctx, s, "repair", id, selectRepair+" WHERE id = ?", repairTenant, id, scanRepair)
}

func repairIn(c *conn, id string) (bellhop.Repair, error) {
	return oneIn(c, "repair", id, selectRepair+" WHERE id = ?", id, scanRepair)
}

// CreateRepair stores a repair of everything that exists now, and returns it with its bounds. It waits if its StartsAt
// is after its CreatedAt, and runs otherwise.
func (s *Store) CreateRepair(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error) {
	filter, err := json.Marshal(r.Filter)
	if err != nil {
		return r, err
	}
	r.State = bellhop.RepairRunning
	if r.StartsAt.After(r.CreatedAt) {
		r.State = bellhop.RepairWaiting
	} else {
		r.StartsAt = r.CreatedAt
	}
	var created bellhop.Repair
	err = s.do(func(c *conn) error {
		if err := roomForRepair(c, r.Filter.Tenant); err != nil {
			return err
		}
		r, err := s.bounded(r)
		if err != nil {
			return err
		}
		err = c.exec(`INSERT INTO repairs (id, kind, filter, rate, cursor, bound, looked_at, changed, skipped, state,
			reason, created_at, updated_at, starts_at)
			VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, ?, '', ?, ?, ?)`, r.ID, string(r.Kind), string(filter), r.Rate,
			r.Cursor, r.Bound, string(r.State), r.CreatedAt, r.CreatedAt, r.StartsAt)
		if err != nil {
			return err
		}
		if created, err = repairIn(c, r.ID); err != nil {
			return err
		}
		err = s.noteChange(ctx, c, "repair", r.ID, "began a "+string(r.Kind), unchanged)
		if err != nil {
			return err
		}
		return c.exec(`DELETE FROM repairs WHERE state NOT IN ('waiting', 'running') AND n < (SELECT n FROM repairs
			ORDER BY n DESC LIMIT 1 OFFSET ?)`, maxRepairs-1)
	})
	return created, err
}

// roomForRepair returns an error if as many repairs run as may. It names those of one tenant, or all if tenant is "".
func roomForRepair(c *conn, tenant string) error {
	running, err := runningRepairs(c)
	if err != nil || len(running) < bellhop.MaxRunningRepairs {
		return err
	}
	var ids []string
	for _, r := range running {
		if tenant == "" || r.Filter.Tenant == tenant {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return bellhop.Conflict("as many repairs run as may at a time: wait for one to end")
	}
	return bellhop.Conflict("as many repairs run as may at a time (" + strings.Join(ids, ", ") +
		"): wait for one to end, or cancel one")
}

// ScopeRepair returns r with the bounds that CreateRepair would give it now.
func (s *Store) ScopeRepair(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error) {
	var bounded bellhop.Repair
	err := s.do(func(*conn) (err error) {
		bounded, err = s.bounded(r)
		return err
	})
	return bounded, err
}

// bounded returns r with its cursor and bound: everything there is now, narrowed by the period and the event of
// its filter. It runs in the writer's goroutine, which knows the latest number.
func (s *Store) bounded(r bellhop.Repair) (bellhop.Repair, error) {
	f := r.Filter
	if _, err := s.repairDestination(r.Kind, f.DestinationID); err != nil {
		return r, err
	}
	r.Cursor, r.Bound = -1, s.sequence.last
	if !f.Since.IsZero() {
		r.Cursor = firstOf(f.Since) - 1
	}
	if !f.Until.IsZero() {
		r.Bound = min(r.Bound, firstOf(f.Until)-1)
	}
	if f.EventID != "" {
		n, ok := s.ids.ParseEvent(f.EventID)
		if !ok {
			return r, bellhop.NotFound("event", f.EventID)
		}
		r.Cursor, r.Bound = max(r.Cursor, n-1), min(r.Bound, n)
	}
	if r.Kind != bellhop.RepairReplay {
		// numbers of deliveries: from after the last of one event to the last of another
		r.Cursor, r.Bound = (r.Cursor+1)<<placeBits-1, (r.Bound+1)<<placeBits-1
	}
	return r, nil
}

// repairDestination returns the number of the destination that a repair names; 0 if it names none. Only a
// cancel may name a deleted one.
func (s *Store) repairDestination(kind bellhop.RepairKind, id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	if n, ok := s.destinations.get(id); ok {
		return n, nil
	}
	switch n, ok := s.deletedDestinations.get(id); {
	case !ok:
		return 0, bellhop.Invalid("destination", "there is no such destination")
	case kind == bellhop.RepairCancel:
		return n, nil
	}
	return 0, bellhop.Conflict("destination " + id + " is deleted: create it again, or name another")
}

// StartRepair makes a waiting repair run, and returns it as it is then. It leaves one in another state as it is.
func (s *Store) StartRepair(_ context.Context, id string) (bellhop.Repair, error) {
	var r bellhop.Repair
	err := s.do(func(c *conn) error {
		err := c.exec(`UPDATE repairs SET state = 'running', updated_at = ? WHERE id = ? AND state = 'waiting'`,
			s.opts.Now(), id)
		if err == nil {
			r, err = repairIn(c, id)
		}
		return err
	})
	return r, err
}

// EndRepair ends a running or waiting repair. It is a conflict if it has ended.
func (s *Store) EndRepair(ctx context.Context, id string, state bellhop.RepairState,
	reason string) (bellhop.Repair, error) {
	var r bellhop.Repair
	if _, err := s.Repair(ctx, id); err != nil { // it may be of another tenant
		return r, err
	}
	err := s.do(func(c *conn) (err error) {
		if r, err = repairIn(c, id); err != nil {
			return err
		}
		if r.State.Ended() {
			return bellhop.Conflict("the repair has ended: it is " + string(r.State))
		}
		err = c.exec(`UPDATE repairs SET state = ?, reason = ?, updated_at = ? WHERE id = ?`,
			string(state), reason, s.opts.Now(), id)
		if err == nil {
			err = s.noteChange(ctx, c, "repair", id, string(state), unchanged)
		}
		if err == nil {
			r, err = repairIn(c, id)
		}
		return err
	})
	return r, err
}

// Bounds of one call of Choose, which holds a reader for some milliseconds.
const (
	chooseRows  = 4000    // looked through
	chooseBytes = 4 << 20 // of bodies
)

// Choose returns events or deliveries that the filter of r selects after its cursor. Its contract is store.Repairs.
func (s *Store) Choose(ctx context.Context, r bellhop.Repair, limit int,
	whole bool) (chosen []bellhop.Chosen, at int64, err error) {
	if r.Cursor >= r.Bound {
		return nil, r.Bound, nil
	}
	err = s.read(ctx, func(c *conn) error {
		if r.Kind == bellhop.RepairReplay {
			chosen, at, err = s.chooseEvents(c, r, limit, whole)
		} else {
			chosen, at, err = s.chooseDeliveries(c, r, limit)
		}
		return err
	})
	return chosen, at, err
}

// scanEnd returns the number of the last row of table that one call looks through.
func scanEnd(c *conn, table string, r bellhop.Repair) (at int64, err error) {
	at = r.Bound
	err = c.query(`SELECT n FROM `+table+` WHERE n > ? AND n <= ? ORDER BY n LIMIT 1 OFFSET ?`,
		[]any{r.Cursor, r.Bound, chooseRows - 1}, func(row *sqlite3.Stmt) error {
			at = row.ColumnInt64(0)
			return nil
		})
	return at, err
}

// errEnough ends a query early.
var errEnough = errors.New("enough")

// noDeliveryTo holds for an event that has no delivery to a destination, in whatever state.
var noDeliveryTo = fmt.Sprintf("NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.n >= e.n << %[1]d "+
	"AND d.n < (e.n + 1) << %[1]d AND d.destination = ?)", placeBits)

func (s *Store) chooseEvents(c *conn, r bellhop.Repair, limit int,
	whole bool) (chosen []bellhop.Chosen, at int64, err error) {
	if at, err = scanEnd(c, "events", r); err != nil {
		return nil, 0, err
	}
	f, l, query := r.Filter, new(listing), selectBareEvent
	if whole {
		query = selectWholeEvent
	}
	l.and("e.n > ? AND e.n <= ?", r.Cursor, at)
	if err := l.sources(s, "e.source", f.SourceIDs, l.and); err != nil {
		return nil, 0, err
	}
	if f.Type != "" {
		condition, args := pattern("e.type", f.Type)
		l.and(condition, args...)
	}
	if f.Tenant != "" {
		l.and(eventTenant+" = ?", f.Tenant)
	}
	if f.Missed {
		destination, err := s.repairDestination(r.Kind, f.DestinationID)
		if err != nil {
			return nil, 0, err
		}
		l.and(noDeliveryTo, destination)
	}
	if !f.Self() {
		self, _ := s.sources.get(bellhop.SourceSelfID)
		l.and("e.source <> ?", self)
	}
	size := 0
	query, args := l.ascending(query, "e.n", limit)
	err = c.query(query, args, func(row *sqlite3.Stmt) error {
		ev := scanEvent(row, 0, s.ids)
		size += len(ev.Body)
		if size > chooseBytes && len(chosen) > 0 {
			return errEnough
		}
		chosen = append(chosen, bellhop.Chosen{Cursor: row.ColumnInt64(0), Event: ev})
		return nil
	})
	if err == nil && len(chosen) < limit {
		return chosen, at, nil
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	if len(chosen) > 0 {
		at = chosen[len(chosen)-1].Cursor
	}
	return chosen, at, err
}

func (s *Store) chooseDeliveries(c *conn, r bellhop.Repair,
	limit int) (chosen []bellhop.Chosen, at int64, err error) {
	f, l := r.Filter, new(listing)
	destination, err := s.repairDestination(bellhop.RepairCancel, f.DestinationID)
	if err != nil {
		return nil, 0, err
	}
	// The dead deliveries of one destination have an index, in the order of a repair. Those of all, and the pending
	// ones, have one in another order, which serves as long as it has few. For any other choice the rows are looked
	// through, a part at a time.
	at, index := r.Bound, "INDEXED BY deliveries_dead"
	if f.State != bellhop.DeliveryDead || destination == 0 {
		index = "NOT INDEXED"
		few, isFew, err := fewOf(c, f.State)
		switch {
		case err != nil:
			return nil, 0, err
		case isFew:
			l.and("d.n IN (" + few + ")")
		default:
			if at, err = scanEnd(c, "deliveries", r); err != nil {
				return nil, 0, err
			}
		}
	}
	l.and("d.n > ? AND d.n <= ? AND (d.created_at IS NULL OR d.created_at <= ?)", r.Cursor, at, r.CreatedAt)
	l.and("d.state = '" + store.StateWord(f.State) + "'")
	if destination != 0 {
		l.and("d.destination = ?", destination)
	}
	l.failed(f.Error, l.and)
	if f.Tenant != "" {
		l.and("dst.tenant = ?", f.Tenant)
	}
	query, args := l.ascending(`SELECT d.n, dst.id FROM deliveries d `+index+`
		CROSS JOIN destinations dst ON dst.n = d.destination`, "d.n", limit)
	err = c.query(query, args, func(row *sqlite3.Stmt) error {
		n := row.ColumnInt64(0)
		chosen = append(chosen, bellhop.Chosen{Cursor: n, DeliveryID: s.ids.Delivery(n),
			DestinationID: row.ColumnText(1)})
		return nil
	})
	if len(chosen) == limit && limit > 0 {
		at = chosen[limit-1].Cursor
	}
	return chosen, at, err
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
		s.finals.cancelled.Add(changed)
	}
	return after, err
}

// stepRepair is StepRepair within a transaction. It also returns how many deliveries it changed.
func (s *Store) stepRepair(c *conn, r bellhop.Repair,
	step bellhop.RepairStep) (after bellhop.Repair, changed int64, err error) {
	after, err = repairIn(c, r.ID)
	if err != nil || after.State != bellhop.RepairRunning || after.Cursor != r.Cursor {
		return after, 0, err
	}
	now := s.opts.Now()
	if _, deleted := s.repairDestination(r.Kind, r.Filter.DestinationID); deleted != nil {
		err = c.exec(`UPDATE repairs SET state = 'failed', reason = 'its destination was deleted', updated_at = ?
			WHERE id = ?`, now, r.ID)
	} else {
		var tried int64
		if changed, tried, err = s.applyStep(c, r, step, now); err != nil {
			return after, 0, err
		}
		err = c.exec(`UPDATE repairs SET cursor = ?1, looked_at = looked_at + ?2, changed = changed + ?3,
			skipped = skipped + ?4, updated_at = ?5, state = CASE WHEN ?1 >= bound THEN 'done' ELSE state END WHERE id = ?6`,
			step.To, len(step.Chosen), changed, tried-changed, now, r.ID)
	}
	if err != nil {
		return after, 0, err
	}
	after, err = repairIn(c, r.ID)
	return after, changed, err
}

// applyStep changes the deliveries of a step. It returns how many it changed, and how many it was to change.
func (s *Store) applyStep(c *conn, r bellhop.Repair, step bellhop.RepairStep,
	now time.Time) (changed, tried int64, err error) {
	if r.Kind == bellhop.RepairReplay {
		changed, err = s.applyReplay(c, step, now)
		return changed, int64(len(step.Deliveries)), err
	}
	update, nextAt := makeDue, now
	if r.Kind == bellhop.RepairCancel {
		update, nextAt = makeCancelled, time.Time{}
	}
	update += ` AND state = ?`
	for _, chosen := range step.Chosen {
		err = c.exec(update, nextAt, now, chosen.Cursor, string(r.Filter.State))
		if err == nil && c.db.Changes() > 0 {
			changed++
			err = s.noteState(c, chosen.Cursor)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return changed, int64(len(step.Chosen)), nil
}

// applyReplay writes the new deliveries of a step and returns how many it wrote.
func (s *Store) applyReplay(c *conn, step bellhop.RepairStep, now time.Time) (written int64, err error) {
	for _, owed := range step.Deliveries {
		id, err := s.insertReplay(c, step.Chosen[owed.Event].Cursor, owed, now)
		if err != nil {
			return 0, err
		}
		if id != "" {
			written++
		}
	}
	return written, nil
}

// ReplayEvent stores new deliveries of an event, due now, and sets their ids.
func (s *Store) ReplayEvent(ctx context.Context, eventID string, owed []bellhop.NewDelivery) error {
	event, ok := s.ids.ParseEvent(eventID)
	if !ok {
		return bellhop.NotFound("event", eventID)
	}
	return s.do(func(c *conn) error {
		found, err := c.exists(`SELECT 1 FROM events WHERE n = ?`, event)
		if err == nil && !found {
			err = bellhop.NotFound("event", eventID)
		}
		for i := 0; err == nil && i < len(owed); i++ {
			owed[i].DeliveryID, err = s.insertReplay(c, event, owed[i], s.opts.Now())
		}
		if err == nil {
			err = s.noteChange(ctx, c, "event", eventID, "replayed", unchanged)
		}
		return err
	})
}

// insertNextPlace writes a delivery at the next free place of an event, if the event exists and has a free place.
const insertNextPlace = `INSERT INTO deliveries (n, destination, state, attempts, next_at, key, line, created_at)
	SELECT free.n, ?, 'pending', 0, ?, nullif(?, 0), nullif(?, 0), ? FROM
		(SELECT coalesce((SELECT n + 1 FROM deliveries WHERE n >= ? AND n < ? ORDER BY n DESC LIMIT 1), ?) AS n) free
	WHERE free.n < ? AND EXISTS (SELECT 1 FROM events WHERE n = ?)
	RETURNING n`

// insertReplay writes one more delivery of an event and returns its id; "" if the event or the destination was
// deleted, or the event has no free place.
func (s *Store) insertReplay(c *conn, event int64, owed bellhop.NewDelivery,
	now time.Time) (deliveryID string, err error) {
	destination, ok := s.destinations.get(owed.DestinationID)
	if !ok {
		return "", nil
	}
	first, end, n := event<<placeBits, (event+1)<<placeBits, int64(0)
	err = c.query(insertNextPlace, []any{destination, now, owed.Key, owed.Key, now, first, end, first, end, event},
		func(row *sqlite3.Stmt) error {
			n = row.ColumnInt64(0)
			deliveryID = s.ids.Delivery(n)
			return nil
		})
	if err == nil && deliveryID != "" && owed.Key != 0 {
		s.noteNewKeyed(destination, owed.Key, now, n)
	}
	return deliveryID, err
}
