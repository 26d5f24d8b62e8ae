package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

const selectConnection = `SELECT n, id, name, provider, tenant, settings, state, reason, account, expires_at, used_at,
	created_at, updated_at, secrets_at FROM connections`

func (s *Store) scanConnection(row *sqlite3.Stmt) (c bellhop.Connection, err error) {
	c = bellhop.Connection{ID: row.ColumnText(1), Name: row.ColumnText(2), Provider: row.ColumnText(3),
		Tenant: row.ColumnText(4), State: bellhop.ConnectionState(row.ColumnText(6)), Reason: row.ColumnText(7),
		Account: row.ColumnText(8), ExpiresAt: timeAt(row, 9), UsedAt: timeAt(row, 10), CreatedAt: timeAt(row, 11),
		UpdatedAt: timeAt(row, 12), SecretsAt: secretTimesAt(row, 13)}
	c.Settings, err = s.opts.Keys.Open(row.ColumnRawBlob(5), c.ID)
	return c, err
}

// tokenRow is the name under which the tokens of a connection are sealed, so that they cannot take the place of its
// settings.
func tokenRow(id string) string { return id + " tokens" }

// Connections lists the connections, newest first.
func (s *Store) Connections(ctx context.Context, f bellhop.ConnectionFilter,
	page bellhop.Page) ([]bellhop.Connection, string, error) {
	l, err := s.newListing("connections", "n", page)
	if err != nil {
		return nil, "", err
	}
	l.tenant(ctx, "tenant", f.Tenant, l.and)
	l.equal("provider", f.Provider)
	l.equal("state", string(f.State))
	return list(ctx, s, l, selectConnection, s.scanConnection)
}

// Connection returns the connection with that id or name.
func (s *Store) Connection(ctx context.Context, idOrName string) (bellhop.Connection, error) {
	query := selectConnection + " WHERE " + byIDOrName(idOrName, bellhop.PrefixConnection)
	return owned(ctx, s, "connection", idOrName, query, "tenant", idOrName, s.scanConnection)
}

// CreateConnection stores a new connection, without tokens. It is a conflict if another has its name.
func (s *Store) CreateConnection(ctx context.Context, c bellhop.Connection) error {
	if err := checkOwner(ctx, "connection", c.Tenant); err != nil {
		return err
	}
	return s.write(s.noted(ctx, "connection", c.ID, "created")(s.createConnection(c)))
}

func (s *Store) createConnection(c bellhop.Connection) (w write, err error) {
	sealed, err := s.opts.Keys.Seal(c.Settings, c.ID, s.opts.Rand)
	if err != nil {
		return w, err
	}
	w.apply = func(db *conn) error {
		err := db.exec(
			`INSERT INTO connections (id, name, provider, tenant, settings, state, reason, account, expires_at,
			used_at, created_at, updated_at, secrets_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			c.ID,
			c.Name,
			c.Provider,
			c.Tenant,
			sealed,
			string(c.State),
			c.Reason,
			c.Account,
			c.ExpiresAt,
			c.UsedAt,
			c.CreatedAt,
			c.UpdatedAt,
			formatSecretTimes(c.SecretsAt),
		)
		return conflictIfTaken(err, "connection", c.Name)
	}
	return w, nil
}

// UpdateConnection replaces name, settings and their times. It is a conflict if another has its name. Actions that
// name it by its old name follow.
func (s *Store) UpdateConnection(ctx context.Context, c bellhop.Connection,
	version ...time.Time) (followed []string, err error) {
	err = s.write(s.noted(ctx, "connection", c.ID, "updated")(s.updateConnection(ctx, c, version, &followed)))
	return followed, err
}

// updateConnection returns the write of UpdateConnection, which sets followed.
func (s *Store) updateConnection(ctx context.Context, c bellhop.Connection, version []time.Time,
	followed *[]string) (w write, err error) {
	sealed, err := s.opts.Keys.Seal(c.Settings, c.ID, s.opts.Rand)
	if err != nil {
		return w, err
	}
	w.apply = func(db *conn) error {
		old, err := oneIn(db, "connection", c.ID, "SELECT name FROM connections WHERE id = ?", c.ID,
			func(row *sqlite3.Stmt) (string, error) { return row.ColumnText(0), nil })
		if err != nil {
			return err
		}
		err = connectionTable.change(db, "UPDATE connections SET name = ?, settings = ?, "+
			"updated_at = ?, secrets_at = ?",
			c.ID, version, c.Name, sealed, c.UpdatedAt, formatSecretTimes(c.SecretsAt))
		if err != nil {
			return conflictIfTaken(err, "connection", c.Name)
		}
		*followed, err = s.followConnection(ctx, db, c, old)
		return err
	}
	return w, nil
}

// followConnection puts the new name of a connection in place of its old one in the settings of each action that finds
// the connection: one of its tenant, or of none. The type of an action has a dot in it. It returns the names of the
// destinations that it changed, as far as the caller sees them.
func (s *Store) followConnection(ctx context.Context, db *conn, c bellhop.Connection,
	from string) (followed []string, err error) {
	if from == c.Name {
		return nil, nil
	}
	type change struct {
		n      int64
		sealed []byte
	}
	var changes []change
	err = db.query(`SELECT n, id, name, settings, tenant FROM destinations WHERE deleted_at IS NULL
		AND instr(type, '.') > 0 AND tenant IN ('', ?) ORDER BY name`, []any{c.Tenant}, func(row *sqlite3.Stmt) error {
		id := row.ColumnText(1)
		raw, err := s.opts.Keys.Open(row.ColumnRawBlob(3), id)
		if err != nil {
			return err
		}
		var settings map[string]json.RawMessage
		var name string
		if json.Unmarshal(raw, &settings) != nil || json.Unmarshal(settings["connection"], &name) != nil ||
			name != from {
			return nil
		}
		settings["connection"], _ = json.Marshal(c.Name)
		if raw, err = json.Marshal(settings); err != nil {
			return err
		}
		sealed, err := s.opts.Keys.Seal(raw, id, s.opts.Rand)
		changes = append(changes, change{row.ColumnInt64(0), sealed})
		if sees(ctx, row.ColumnText(4)) {
			followed = append(followed, row.ColumnText(2))
		}
		return err
	})
	for _, change := range changes {
		if err == nil {
			err = db.exec("UPDATE destinations SET settings = ?, updated_at = ? WHERE n = ?", change.sealed,
				c.UpdatedAt, change.n)
		}
	}
	return followed, err
}

// DeleteConnection deletes a connection with its tokens.
func (s *Store) DeleteConnection(ctx context.Context, id string, version ...time.Time) error {
	return s.write(s.noted(ctx, "connection", id, "deleted")(s.deleteConnection(id, version)))
}

func (s *Store) deleteConnection(id string, version []time.Time) (write, error) {
	return write{apply: func(db *conn) error {
		return connectionTable.change(db, "DELETE FROM connections", id, version)
	}}, nil
}

// ConnectionTokens returns the tokens of a connection; nil if it has none.
func (s *Store) ConnectionTokens(ctx context.Context, id string) ([]byte, error) {
	return one(ctx, s, "connection", id, "SELECT tokens FROM connections WHERE id = ?", id,
		func(row *sqlite3.Stmt) ([]byte, error) {
			sealed := row.ColumnRawBlob(0)
			if len(sealed) == 0 {
				return nil, nil
			}
			return s.opts.Keys.Open(sealed, tokenRow(id))
		})
}

// SettleConnection stores an outcome: its tokens in any case, the rest only if the connection has not changed since
// its version.
func (s *Store) SettleConnection(_ context.Context, o bellhop.ConnectionOutcome) (current bool, err error) {
	var sealed any // NULL
	if len(o.Tokens) > 0 {
		sealed, err = s.opts.Keys.Seal(o.Tokens, tokenRow(o.ID), s.opts.Rand)
		if err != nil {
			return false, err
		}
	}
	err = s.do(func(db *conn) error {
		current = false
		if o.Tokens != nil {
			err := db.exec("UPDATE connections SET tokens = ? WHERE id = ?", sealed, o.ID)
			if err := notFoundIfUnchanged(db, err, "connection", o.ID); err != nil {
				return err
			}
		}
		_, err := oneIn(db, "connection", o.ID, "SELECT n FROM connections WHERE id = ?", o.ID,
			func(*sqlite3.Stmt) (struct{}, error) { return struct{}{}, nil })
		if err != nil {
			return err
		}
		err = db.exec(`UPDATE connections SET state = ?, reason = ?, account = ?, expires_at = ?
			WHERE id = ? AND updated_at = ?`, string(o.State), o.Reason, o.Account, o.ExpiresAt, o.ID, o.Version)
		current = err == nil && db.db.Changes() > 0
		return err
	})
	return current && err == nil, err
}

// UseConnections stores when connections were used last.
func (s *Store) UseConnections(_ context.Context, usedAt map[string]time.Time) error {
	return s.do(func(db *conn) error {
		for id, at := range usedAt {
			if err := db.exec("UPDATE connections SET used_at = ? WHERE id = ?", at, id); err != nil {
				return err
			}
		}
		return nil
	})
}
