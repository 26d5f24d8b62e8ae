package sqlite

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

const selectDestination = `SELECT n, id, name, type, url, settings, match, timeout, concurrency, rate, retry,
	handshake, granted, state, state_reason, created_at, updated_at, secrets_at, batch, order_by, breaker, expires_at,
	failing_since, access, tenant, tenants FROM destinations`

func (s *Store) scanDestination(row *sqlite3.Stmt) (d bellhop.Destination, err error) {
	d = bellhop.Destination{ID: row.ColumnText(1), Name: row.ColumnText(2), Type: row.ColumnText(3),
		Timeout: time.Duration(row.ColumnInt64(7)), Concurrency: row.ColumnInt(8), Handshake: row.ColumnText(11),
		State: bellhop.DestinationState(row.ColumnText(13)), StateReason: row.ColumnText(14),
		CreatedAt: timeAt(row, 15), UpdatedAt: timeAt(row, 16), SecretsAt: secretTimesAt(row, 17),
		Order: bellhop.Order(row.ColumnText(19)), ExpiresAt: timeAt(row, 21), FailingSince: timeAt(row, 22),
		Tenant: row.ColumnText(24)}
	url, urlErr := s.opts.Keys.Open(row.ColumnRawBlob(4), urlRow(d.ID))
	d.URL = string(url)
	var openErr error
	d.Settings, openErr = s.opts.Keys.Open(row.ColumnRawBlob(5), d.ID)
	var accessErr error
	if sealed := row.ColumnRawBlob(23); len(sealed) > 0 {
		d.Access, accessErr = s.opts.Keys.Open(sealed, accessRow(d.ID))
	}
	return d, errors.Join(urlErr, openErr, accessErr, json.Unmarshal(row.ColumnRawText(6), &d.Match),
		json.Unmarshal(row.ColumnRawText(10), &d.Retry),
		json.Unmarshal(row.ColumnRawText(20), &d.Breaker),
		scanJSON(row, 9, &d.Rate), scanJSON(row, 12, &d.Granted), scanJSON(row, 18, &d.Batch),
		scanJSON(row, 25, &d.Tenants))
}

// scanJSON reads a rate or a batch; NULL is none.
func scanJSON(row *sqlite3.Stmt, column int, v any) error {
	if row.ColumnType(column) == sqlite3.NULL {
		return nil
	}
	return json.Unmarshal(row.ColumnRawText(column), v)
}

// jsonOrNull returns a rate or a batch as scanJSON reads it.
func jsonOrNull(v interface{ IsZero() bool }) any {
	if v.IsZero() {
		return nil
	}
	text, _ := json.Marshal(v) // of two numbers: this cannot fail
	return string(text)
}

// A tenantList is the Tenants of a destination as they are stored; none is NULL.
type tenantList []string

// IsZero reports whether the list is empty.
func (l tenantList) IsZero() bool { return len(l) == 0 }

// Destinations lists the destinations, newest first.
func (s *Store) Destinations(ctx context.Context, f bellhop.DestinationFilter,
	page bellhop.Page) ([]bellhop.Destination, string, error) {
	l, err := s.newListing("destinations", "n", page)
	if err != nil {
		return nil, "", err
	}
	l.and("deleted_at IS NULL")
	l.tenant(ctx, "tenant", f.Tenant, l.and)
	l.equal("state", string(f.State))
	if f.Troubled {
		ids := make([]any, len(f.InTrouble))
		for i, id := range f.InTrouble {
			ids[i] = id
		}
		l.and("(state <> 'active' OR failing_since IS NOT NULL OR id IN ("+
			strings.TrimPrefix(strings.Repeat(", ?", len(ids)), ", ")+"))", ids...)
	}
	if f.Type != "" {
		condition, args := pattern("type", f.Type)
		l.and(condition, args...)
	}
	return list(ctx, s, l, selectDestination, s.scanDestination)
}

// DestinationVersions returns all destinations, newest first, each with only its ID, State and UpdatedAt.
func (s *Store) DestinationVersions(ctx context.Context) (list []bellhop.Destination, err error) {
	err = s.read(ctx, func(c *conn) error {
		return c.query("SELECT id, state, updated_at FROM destinations WHERE deleted_at IS NULL ORDER BY n DESC", nil,
			func(row *sqlite3.Stmt) error {
				list = append(list,
					bellhop.Destination{ID: row.ColumnText(0), State: bellhop.DestinationState(row.ColumnText(1)),
						UpdatedAt: timeAt(row, 2)})
				return nil
			})
	})
	return list, err
}

// Destination returns the destination with that id or name.
func (s *Store) Destination(ctx context.Context, idOrName string) (bellhop.Destination, error) {
	query := selectDestination + " WHERE " + byIDOrName(idOrName, bellhop.PrefixDestination) + " AND deleted_at " +
		"IS NULL"
	return owned(ctx, s, "destination", idOrName, query, "tenant", idOrName, s.scanDestination)
}

// accessRow is the row name for which the access of the destination with that id is sealed.
func accessRow(id string) string { return id + " access" }

// urlRow is the row name for which the URL of the destination with that id is sealed, so that it cannot take
// the place of the settings.
func urlRow(id string) string { return id + " url" }

// A destinationRow holds the columns of a destination that are encoded.
type destinationRow struct {
	url, settings, access []byte // sealed
	match, retry, breaker string // JSON
}

func (s *Store) destinationRow(d bellhop.Destination) (row destinationRow, err error) {
	var errs [6]error
	row.url, errs[0] = s.opts.Keys.Seal([]byte(d.URL), urlRow(d.ID), s.opts.Rand)
	row.settings, errs[1] = s.opts.Keys.Seal(d.Settings, d.ID, s.opts.Rand)
	row.access = []byte{}
	if len(d.Access) > 0 {
		row.access, errs[2] = s.opts.Keys.Seal(d.Access, accessRow(d.ID), s.opts.Rand)
	}
	for i, part := range []struct {
		value  any
		column *string
	}{{d.Match, &row.match}, {d.Retry, &row.retry}, {d.Breaker, &row.breaker}} {
		var text []byte
		text, errs[3+i] = json.Marshal(part.value)
		*part.column = string(text)
	}
	return row, errors.Join(errs[:]...)
}

// orderWord returns an order as it is stored.
func orderWord(o bellhop.Order) string { return string(cmp.Or(o, bellhop.OrderNone)) }

// CreateDestination stores a new destination. It is a conflict if another has its name.
func (s *Store) CreateDestination(ctx context.Context, d bellhop.Destination) error {
	if err := checkOwner(ctx, "destination", d.Tenant); err != nil {
		return err
	}
	return s.write(s.noted(ctx, "destination", d.ID, "created")(s.createDestination(d)))
}

func (s *Store) createDestination(d bellhop.Destination) (w write, err error) {
	row, err := s.destinationRow(d)
	if err != nil {
		return w, err
	}
	var n int64
	w.apply = func(c *conn) error {
		err := c.exec(
			`INSERT INTO destinations (id, name, type, url, settings, access, match, timeout, concurrency, rate,
			batch, order_by, retry, breaker, expires_at, handshake, granted, state, state_reason, failing_since, created_at,
			updated_at, secrets_at, tenant, tenants)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			d.ID, d.Name, d.Type, row.url, row.settings, row.access, row.match, d.Timeout, d.Concurrency,
			jsonOrNull(d.Rate), jsonOrNull(d.Batch), orderWord(d.Order), row.retry, row.breaker, d.ExpiresAt,
			d.Handshake, jsonOrNull(d.Granted), string(d.State), d.StateReason, d.FailingSince, d.CreatedAt,
			d.UpdatedAt, formatSecretTimes(d.SecretsAt), d.Tenant, jsonOrNull(tenantList(d.Tenants)))
		n = c.db.LastInsertRowID()
		return conflictIfTaken(err, "destination", d.Name)
	}
	w.done = func() { s.destinations.put(d.ID, n) }
	return w, nil
}

// UpdateDestination replaces the settings of the destination with the id of d. Its state and the granted rate stay.
func (s *Store) UpdateDestination(ctx context.Context, d bellhop.Destination, version ...time.Time) error {
	return s.write(s.noted(ctx, "destination", d.ID, "updated")(s.updateDestination(d, version, false)))
}

// RestartDestination is UpdateDestination for a destination that begins anew, in the state of d.
func (s *Store) RestartDestination(ctx context.Context, d bellhop.Destination, version ...time.Time) error {
	return s.write(s.noted(ctx, "destination", d.ID, "updated")(s.updateDestination(d, version, true)))
}

// updateDestination returns the write of UpdateDestination, or of RestartDestination.
func (s *Store) updateDestination(d bellhop.Destination, version []time.Time, restart bool) (w write, err error) {
	row, err := s.destinationRow(d)
	if err != nil {
		return w, err
	}
	w.apply = func(c *conn) error {
		err := destinationTable.change(c,
			`UPDATE destinations SET name = ?, type = ?, url = ?, settings = ?, access = ?,
			match = ?, timeout = ?, concurrency = ?, rate = ?, batch = ?, order_by = ?, retry = ?, breaker = ?,
			expires_at = ?, handshake = ?, updated_at = ?, secrets_at = ?, tenant = ?, tenants = ?`, d.ID, version,
			d.Name, d.Type, row.url, row.settings, row.access, row.match, d.Timeout, d.Concurrency,
			jsonOrNull(d.Rate), jsonOrNull(d.Batch), orderWord(d.Order), row.retry, row.breaker, d.ExpiresAt,
			d.Handshake,
			d.UpdatedAt, formatSecretTimes(d.SecretsAt), d.Tenant,
			jsonOrNull(tenantList(d.Tenants)))
		err = conflictIfTaken(err, "destination", d.Name)
		if err == nil && restart {
			err = setState(c, d.ID, d.State, d.StateReason, d.UpdatedAt, true)
		}
		return err
	}
	return w, nil
}

// SetDestinationState sets the state and its reason. A destination that becomes unverified or active begins anew.
func (s *Store) SetDestinationState(ctx context.Context, id string, state bellhop.DestinationState,
	reason string) error {
	action := "updated"
	switch state {
	case bellhop.DestinationPaused:
		action = "paused"
	case bellhop.DestinationActive, bellhop.DestinationUnverified:
		action = "resumed"
	}
	return s.do(func(c *conn) error {
		anew := state == bellhop.DestinationUnverified || state == bellhop.DestinationActive
		return s.noteChange(ctx, c, "destination", id, action, func(c *conn) error {
			return setState(c, id, state, reason, s.opts.Now(), anew)
		})
	})
}

// EndDestination sets the state of a destination that has not changed since updatedAt, and reports whether it did so.
func (s *Store) EndDestination(ctx context.Context, id string, updatedAt time.Time, state bellhop.DestinationState,
	reason string) (ended bool, err error) {
	err = s.do(func(c *conn) error {
		err := c.exec(
			`UPDATE destinations SET state = ?, state_reason = ?, updated_at = ? WHERE id = ? AND updated_at = ?
			AND deleted_at IS NULL`,
			string(state), reason, s.opts.Now(), id, updatedAt)
		ended = err == nil && c.db.Changes() > 0
		return err
	})
	return ended, err
}

// setState writes a state. If anew, it also deletes the question to the receiver, the granted rate and the time
// of failing.
func setState(c *conn, id string, state bellhop.DestinationState, reason string, now time.Time, anew bool) error {
	if anew {
		if err := withdrawHandshake(c, id); err != nil {
			return err
		}
	}
	err := c.exec(`UPDATE destinations SET state = ?, state_reason = ?, updated_at = ?,
		granted = CASE WHEN ? THEN NULL ELSE granted END,
		failing_since = CASE WHEN ? THEN NULL ELSE failing_since END WHERE id = ? AND deleted_at IS NULL`,
		string(state), reason, now, anew, anew, id)
	return notFoundIfUnchanged(c, err, "destination", id)
}

// SetFailing stores since when a destination has been failing; the zero time means that it is well.
func (s *Store) SetFailing(ctx context.Context, id string, since time.Time) error {
	return s.do(func(c *conn) error {
		err := c.exec(`UPDATE destinations SET failing_since = ? WHERE id = ? AND deleted_at IS NULL`, since, id)
		return notFoundIfUnchanged(c, err, "destination", id)
	})
}

// DestinationIDs returns the id of the destination with that id or name or, if there is none, those of the deleted
// ones with it.
func (s *Store) DestinationIDs(ctx context.Context, idOrName string) ([]string, error) {
	return s.idsOf(ctx, "destinations", idOrName)
}

// DestinationNames returns the names of destinations, also of deleted ones, by id: of those that the caller sees.
func (s *Store) DestinationNames(ctx context.Context, ids []string) (names map[string]string, err error) {
	err = s.read(ctx, func(c *conn) error {
		names = make(map[string]string, len(ids))
		for _, id := range ids {
			err := c.query("SELECT name, tenant FROM destinations WHERE id = ?", []any{id},
				func(row *sqlite3.Stmt) error {
					if sees(ctx, row.ColumnText(1)) {
						names[id] = row.ColumnText(0)
					}
					return nil
				})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return names, err
}

// DeleteDestination deletes a destination. Its row stays, for its deliveries, without secrets. The sweep
// cancels its pending deliveries.
func (s *Store) DeleteDestination(ctx context.Context, id string, version ...time.Time) error {
	return s.write(s.noted(ctx, "destination", id, "deleted")(s.deleteDestination(id, version)))
}

func (s *Store) deleteDestination(id string, version []time.Time) (write, error) {
	return write{apply: func(c *conn) error {
		if err := errors.Join(withdrawHandshake(c, id), deleteCursors(c, id)); err != nil {
			return err
		}
		return destinationTable.change(c, "UPDATE destinations SET deleted_at = ?, url = x'', "+
			"settings = x'', access = x''",
			id, version, s.opts.Now())
	}, done: func() {
		if n, ok := s.destinations.get(id); ok {
			s.deletedDestinations.put(id, n)
			s.destinations.delete(id)
			s.cursors.forget(n)
		}
	}}, nil
}
