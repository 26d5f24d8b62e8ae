package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

const selectDestination = `SELECT n, id, name, type, url, settings, match, timeout, concurrency, rate, retry, handshake, granted,
	state, state_reason, created_at, updated_at, secrets_at, batch FROM destinations`

func (s *Store) scanDestination(row *sqlite3.Stmt) (d bellhop.Destination, err error) {
	d = bellhop.Destination{ID: row.ColumnText(1), Name: row.ColumnText(2), Type: row.ColumnText(3),
		Timeout: time.Duration(row.ColumnInt64(7)), Concurrency: row.ColumnInt(8), Handshake: row.ColumnText(11),
		State: bellhop.DestinationState(row.ColumnText(13)), StateReason: row.ColumnText(14),
		CreatedAt: timeAt(row, 15), UpdatedAt: timeAt(row, 16), SecretsAt: timeAt(row, 17)}
	url, urlErr := s.opts.Keys.open(row.ColumnRawBlob(4), urlRow(d.ID))
	d.URL = string(url)
	var openErr error
	d.Settings, openErr = s.opts.Keys.open(row.ColumnRawBlob(5), d.ID)
	return d, errors.Join(urlErr, openErr, json.Unmarshal(row.ColumnRawText(6), &d.Match), json.Unmarshal(row.ColumnRawText(10), &d.Retry),
		scanJSON(row, 9, &d.Rate), scanJSON(row, 12, &d.Granted), scanJSON(row, 18, &d.Batch))
}

// scanJSON reads a rate or a batch; NULL is none.
func scanJSON(row *sqlite3.Stmt, column int, v any) error {
	if row.ColumnType(column) == sqlite3.NULL {
		return nil
	}
	return json.Unmarshal(row.ColumnRawText(column), v)
}

// orNull is how a rate or a batch is stored.
func orNull(v interface{ IsZero() bool }) any {
	if v.IsZero() {
		return nil
	}
	text, _ := json.Marshal(v) // two numbers
	return string(text)
}

// Destinations lists the destinations, newest first.
func (s *Store) Destinations(ctx context.Context, page bellhop.Page) ([]bellhop.Destination, string, error) {
	l, err := newListing("n", page)
	if err != nil {
		return nil, "", err
	}
	l.and("deleted_at IS NULL")
	return list(ctx, s, l, selectDestination, "n", s.scanDestination)
}

// Destination returns the destination of that id or name.
func (s *Store) Destination(ctx context.Context, idOrName string) (bellhop.Destination, error) {
	return one(ctx, s, "destination", idOrName, selectDestination+" WHERE "+named(idOrName, bellhop.PrefixDestination)+" AND deleted_at IS NULL",
		idOrName, s.scanDestination)
}

// urlRow is what the URL of the destination of that id is sealed for, so that it cannot take the settings' place.
func urlRow(id string) string { return id + " url" }

// sealed returns what of d is not stored as it is.
func (s *Store) sealed(d bellhop.Destination) (url, settings []byte, match, retry string, err error) {
	url, urlErr := s.opts.Keys.seal([]byte(d.URL), urlRow(d.ID), s.opts.Rand)
	settings, sealErr := s.opts.Keys.seal(d.Settings, d.ID, s.opts.Rand)
	m, matchErr := json.Marshal(d.Match)
	r, retryErr := json.Marshal(d.Retry)
	return url, settings, string(m), string(r), errors.Join(urlErr, sealErr, matchErr, retryErr)
}

// CreateDestination stores a new destination. It is a conflict if another has its name.
func (s *Store) CreateDestination(ctx context.Context, d bellhop.Destination) error {
	url, settings, match, retry, err := s.sealed(d)
	if err != nil {
		return err
	}
	var n int64
	err = s.do(func(c *conn) error {
		err := c.exec(`INSERT INTO destinations (id, name, type, url, settings, match, timeout, concurrency, rate, batch, retry, handshake, granted,
			state, state_reason, created_at, updated_at, secrets_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, d.ID, d.Name, d.Type, url, settings,
			match, d.Timeout, d.Concurrency, orNull(d.Rate), orNull(d.Batch), retry, d.Handshake, orNull(d.Granted),
			string(d.State), d.StateReason, d.CreatedAt, d.UpdatedAt, orCreated(d.SecretsAt, d.CreatedAt))
		n = c.db.LastInsertRowID()
		return taken(err, "destination", d.Name)
	})
	if err == nil {
		s.destinations.m.Store(d.ID, n)
	}
	return err
}

// UpdateDestination replaces what a person sets of the destination with d's id. Its state, and what its receiver
// granted, stay as they are: others change those, a receiver that agrees among them.
func (s *Store) UpdateDestination(ctx context.Context, d bellhop.Destination) error {
	return s.updateDestination(d, nil)
}

// RestartDestination is UpdateDestination for one that begins anew: in d's state, with nothing granted and nothing asked.
func (s *Store) RestartDestination(ctx context.Context, d bellhop.Destination) error {
	return s.updateDestination(d, func(c *conn) error {
		return setState(c, d.ID, d.State, d.StateReason, d.UpdatedAt, true)
	})
}

// updateDestination writes d and then, in the same transaction, does more.
func (s *Store) updateDestination(d bellhop.Destination, more func(c *conn) error) error {
	url, settings, match, retry, err := s.sealed(d)
	if err != nil {
		return err
	}
	return s.do(func(c *conn) error {
		err := c.exec(`UPDATE destinations SET name = ?, type = ?, url = ?, settings = ?, match = ?, timeout = ?, concurrency = ?, rate = ?, batch = ?, retry = ?,
			handshake = ?, updated_at = ?, secrets_at = ? WHERE id = ? AND deleted_at IS NULL`,
			d.Name, d.Type, url, settings, match, d.Timeout, d.Concurrency, orNull(d.Rate), orNull(d.Batch), retry,
			d.Handshake, d.UpdatedAt, orCreated(d.SecretsAt, d.CreatedAt), d.ID)
		err = changed(c, taken(err, "destination", d.Name), "destination", d.ID)
		if err == nil && more != nil {
			err = more(c)
		}
		return err
	})
}

// SetDestinationState changes whether a destination gets its deliveries, and why. One that begins again, unverified or
// active, has nothing granted, and nothing that its receiver was asked before counts any more.
func (s *Store) SetDestinationState(ctx context.Context, id string, state bellhop.DestinationState, reason string) error {
	return s.do(func(c *conn) error {
		return setState(c, id, state, reason, s.opts.Now(), state == bellhop.DestinationUnverified || state == bellhop.DestinationActive)
	})
}

// setState writes a state; anew is that what was asked and granted before counts no more.
func setState(c *conn, id string, state bellhop.DestinationState, reason string, now time.Time, anew bool) error {
	if anew {
		if err := c.exec(`DELETE FROM handshakes WHERE destination = (SELECT n FROM destinations WHERE id = ?)`, id); err != nil {
			return err
		}
	}
	err := c.exec(`UPDATE destinations SET state = ?, state_reason = ?, updated_at = ?, granted = CASE WHEN ? THEN NULL ELSE granted END
		WHERE id = ? AND deleted_at IS NULL`, string(state), reason, now, anew, id)
	return changed(c, err, "destination", id)
}

// DeleteDestination takes the destination away. What is still owed to it is cancelled, in the background where
// it is much; its finished deliveries stay.
func (s *Store) DeleteDestination(ctx context.Context, id string) error {
	err := s.do(func(c *conn) error {
		if err := c.exec(`DELETE FROM handshakes WHERE destination = (SELECT n FROM destinations WHERE id = ?)`, id); err != nil {
			return err
		}
		err := c.exec(`UPDATE destinations SET deleted_at = ?, url = x'', settings = x'' WHERE id = ? AND deleted_at IS NULL`, s.opts.Now(), id)
		return changed(c, err, "destination", id)
	})
	if n, ok := s.destinations.get(id); ok && err == nil {
		s.gone.m.Store(id, n)
		s.destinations.m.Delete(id)
	}
	return err
}
