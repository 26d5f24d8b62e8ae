package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

const selectSubscription = `SELECT n, id, name, provider, tenant, source, connection, resource, change_types, settings,
	secrets, expect_every, state, reason, remote_id, remote_resource, url, expires_at, renew_at, lifetime, failures,
	lost_at, last_event_at, silent_since, deleting, created_at, updated_at FROM subscriptions`

// secretsRow is the name under which the secrets of a subscription are sealed. Its settings are sealed under its id.
func secretsRow(id string) string { return id + " secrets" }

func (s *Store) scanSubscription(row *sqlite3.Stmt) (sub bellhop.Subscription, err error) {
	sub = bellhop.Subscription{
		ID: row.ColumnText(1), Name: row.ColumnText(2), Provider: row.ColumnText(3), Tenant: row.ColumnText(4),
		SourceID: row.ColumnText(5), ConnectionID: row.ColumnText(6), Resource: row.ColumnText(7),
		ExpectEvery: time.Duration(row.ColumnInt64(11)), State: bellhop.SubscriptionState(row.ColumnText(12)),
		Reason: row.ColumnText(13), RemoteID: row.ColumnText(14), RemoteResource: row.ColumnText(15),
		URL: row.ColumnText(16), ExpiresAt: timeAt(row, 17), RenewAt: timeAt(row, 18),
		Lifetime: time.Duration(row.ColumnInt64(19)), Failures: row.ColumnInt(20), LostAt: timeAt(row, 21),
		LastEventAt: timeAt(row, 22), SilentSince: timeAt(row, 23), Deleting: row.ColumnBool(24),
		CreatedAt: timeAt(row, 25), UpdatedAt: timeAt(row, 26),
	}
	if err := json.Unmarshal(row.ColumnRawText(8), &sub.ChangeTypes); err != nil {
		return sub, err
	}
	if sub.Settings, err = s.opts.Keys.Open(row.ColumnRawBlob(9), sub.ID); err != nil {
		return sub, err
	}
	secrets, err := s.opts.Keys.Open(row.ColumnRawBlob(10), secretsRow(sub.ID))
	if err != nil {
		return sub, err
	}
	return sub, json.Unmarshal(secrets, &sub.Secrets)
}

// Subscriptions lists the subscriptions, newest first.
func (s *Store) Subscriptions(ctx context.Context, f bellhop.SubscriptionFilter,
	page bellhop.Page) ([]bellhop.Subscription, string, error) {
	l, err := s.newListing("subscriptions", "n", page)
	if err != nil {
		return nil, "", err
	}
	l.equal("source", f.SourceID)
	l.equal("connection", f.ConnectionID)
	l.equal("provider", f.Provider)
	l.equal("state", string(f.State))
	l.tenant(ctx, "tenant", f.Tenant, l.and)
	return list(ctx, s, l, selectSubscription, s.scanSubscription)
}

// Subscription returns the subscription with that id or name.
func (s *Store) Subscription(ctx context.Context, idOrName string) (bellhop.Subscription, error) {
	query := selectSubscription + " WHERE " + byIDOrName(idOrName, bellhop.PrefixSubscription)
	return owned(ctx, s, "subscription", idOrName, query, "tenant", idOrName, s.scanSubscription)
}

// A sealedSubscription is a subscription with its encrypted parts.
type sealedSubscription struct {
	bellhop.Subscription
	changes           string
	settings, secrets []byte
}

func (s *Store) sealSubscription(sub bellhop.Subscription) (sealed sealedSubscription, err error) {
	changes, err := json.Marshal(sub.ChangeTypes)
	if err != nil {
		return sealed, err
	}
	secrets, err := json.Marshal(sub.Secrets)
	if err != nil {
		return sealed, err
	}
	sealed = sealedSubscription{Subscription: sub, changes: string(changes)}
	if sealed.settings, err = s.opts.Keys.Seal(sub.Settings, sub.ID, s.opts.Rand); err != nil {
		return sealed, err
	}
	sealed.secrets, err = s.opts.Keys.Seal(secrets, secretsRow(sub.ID), s.opts.Rand)
	return sealed, err
}

// CreateSubscription stores a new subscription. It is a conflict if another has its name.
func (s *Store) CreateSubscription(ctx context.Context, sub bellhop.Subscription) error {
	return s.write(s.noted(ctx, "subscription", sub.ID, "created")(s.createSubscription(sub)))
}

func (s *Store) createSubscription(sub bellhop.Subscription) (w write, err error) {
	x, err := s.sealSubscription(sub)
	if err != nil {
		return w, err
	}
	w.apply = func(c *conn) error {
		err := c.exec(
			`INSERT INTO subscriptions (id, name, provider, tenant, source, connection, resource, change_types,
			settings, secrets, expect_every, state, reason, remote_id, remote_resource, url, expires_at, renew_at, lifetime,
			failures, lost_at, last_event_at, silent_since, deleting, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			x.ID, x.Name, x.Provider, x.Tenant, x.SourceID, x.ConnectionID, x.Resource, x.changes, x.settings,
			x.secrets, x.ExpectEvery, string(x.State), x.Reason, x.RemoteID, x.RemoteResource, x.URL, x.ExpiresAt,
			x.RenewAt, x.Lifetime, x.Failures, x.LostAt, x.LastEventAt, x.SilentSince, x.Deleting, x.CreatedAt,
			x.UpdatedAt)
		return conflictIfTaken(err, "subscription", x.Name)
	}
	return w, nil
}

// SaveSubscription replaces a subscription, except its LastEventAt, and stores what note has. One that is going to be
// deleted counts as deleted by whoever asked for that: the gateway deletes it once the provider has been told.
func (s *Store) SaveSubscription(ctx context.Context, sub bellhop.Subscription, note bellhop.SubscriptionNote) error {
	action := "updated"
	if sub.Deleting {
		action = "deleted"
	}
	return s.write(s.noted(ctx, "subscription", sub.ID, action)(s.saveSubscription(sub, note)))
}

func (s *Store) saveSubscription(sub bellhop.Subscription, note bellhop.SubscriptionNote) (w write, err error) {
	x, err := s.sealSubscription(sub)
	if err != nil {
		return w, err
	}
	w.apply = func(c *conn) error {
		n, err := oneIn(c, "subscription", x.ID, "SELECT n FROM subscriptions WHERE id = ?", x.ID,
			func(row *sqlite3.Stmt) (int64, error) { return row.ColumnInt64(0), nil })
		if err != nil {
			return err
		}
		err = c.exec(
			`UPDATE subscriptions SET name = ?, provider = ?, tenant = ?, source = ?, connection = ?, resource = ?,
			change_types = ?, settings = ?, secrets = ?, expect_every = ?, state = ?, reason = ?, remote_id = ?,
			remote_resource = ?, url = ?, expires_at = ?, renew_at = ?, lifetime = ?, failures = ?, lost_at = ?,
			silent_since = ?, deleting = ?, updated_at = ? WHERE n = ?`,
			x.Name, x.Provider, x.Tenant, x.SourceID, x.ConnectionID, x.Resource, x.changes, x.settings, x.secrets,
			x.ExpectEvery, string(x.State), x.Reason, x.RemoteID, x.RemoteResource, x.URL, x.ExpiresAt, x.RenewAt,
			x.Lifetime, x.Failures, x.LostAt, x.SilentSince, x.Deleting, x.UpdatedAt, n)
		if err != nil {
			return conflictIfTaken(err, "subscription", x.Name)
		}
		if note.Call != nil {
			if err := saveCall(c, n, note.Call); err != nil {
				return err
			}
		}
		if note.Gap != nil {
			return saveGap(c, n, note.Gap)
		}
		return nil
	}
	return w, nil
}

// saveCall stores a call of the subscription in row n, and deletes the oldest ones. It sets the id of a new call.
func saveCall(c *conn, n int64, call *bellhop.SubscriptionCall) error {
	if call.ID != 0 {
		return c.exec(`UPDATE subscription_calls SET status = ?, done = ?, outcome = ?, handshake = ?, took = ?
			WHERE n = ? AND subscription = ?`, call.Status, call.Done, call.Outcome, call.Handshake, call.Took, call.ID, n)
	}
	err := c.exec(`INSERT INTO subscription_calls (subscription, at, what, status, done, outcome, handshake, took)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, n, call.At, call.What, call.Status, call.Done, call.Outcome, call.Handshake,
		call.Took)
	if err != nil {
		return err
	}
	call.ID = c.db.LastInsertRowID()
	return c.exec(`DELETE FROM subscription_calls WHERE subscription = ?1 AND n <= (SELECT n FROM subscription_calls
		WHERE subscription = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)`, n, bellhop.MaxSubscriptionCalls)
}

// saveGap stores a gap of the subscription in row n, or widens it if it is there, and deletes the oldest ones.
func saveGap(c *conn, n int64, gap *bellhop.Gap) error {
	err := c.exec(
		`INSERT INTO gaps (id, subscription, from_at, to_at, reason, state, outcome, since, until, found, folded,
		announced) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
		from_at = excluded.from_at, to_at = excluded.to_at, reason = excluded.reason,
		announced = excluded.announced`, gap.ID, n, gap.From, gap.To, gap.Reason,
		string(gap.State), gap.Outcome, gap.Since, gap.Until, gap.Found, gap.Folded, gap.Announced)
	if err != nil {
		return err
	}
	err = c.exec(`DELETE FROM gaps WHERE subscription = ?1 AND n <= (SELECT n FROM gaps
		WHERE subscription = ?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)`, n, bellhop.MaxGaps)
	if err != nil || c.db.Changes() == 0 {
		return err
	}
	return c.exec(`DELETE FROM cursors WHERE owner = (SELECT id FROM subscriptions WHERE n = ?) AND key GLOB 'gap_*'
		AND key NOT IN (SELECT id FROM gaps)`, n)
}

// SaveGap replaces what changes of a gap while it is filled, and its cursor; a cursor without a value is deleted.
func (s *Store) SaveGap(_ context.Context, gap bellhop.Gap, cursor bellhop.Cursor) error {
	sealed, err := s.sealCursor(gap.SubscriptionID, gap.ID, cursor)
	if err != nil {
		return err
	}
	return s.do(func(c *conn) error {
		err := c.exec(`UPDATE gaps SET state = ?, outcome = ?, since = ?, until = ?, found = ?, folded = ?,
			announced = announced AND ?, from_at = min(from_at, ?), to_at = max(to_at, ?) WHERE id = ?`,
			string(gap.State), gap.Outcome, gap.Since, gap.Until, gap.Found, gap.Folded, gap.Announced, gap.From,
			gap.To, gap.ID)
		if err := notFoundIfUnchanged(c, err, "gap", gap.ID); err != nil {
			return err
		}
		return saveCursor(c, gap.SubscriptionID, gap.ID, sealed, cursor.SavedAt)
	})
}

// DeleteSubscription deletes a subscription with its calls, gaps and cursors.
func (s *Store) DeleteSubscription(ctx context.Context, id string) error {
	return s.write(s.noted(ctx, "subscription", id, "deleted")(s.deleteSubscription(id)))
}

func (s *Store) deleteSubscription(id string) (write, error) {
	return write{apply: func(c *conn) error {
		if err := deleteCursors(c, id); err != nil {
			return err
		}
		for _, table := range []string{"subscription_calls", "gaps"} {
			err := c.exec("DELETE FROM "+table+" WHERE subscription = (SELECT n FROM subscriptions WHERE id = ?)", id)
			if err != nil {
				return err
			}
		}
		return notFoundIfUnchanged(c, c.exec("DELETE FROM subscriptions WHERE id = ?", id), "subscription", id)
	}}, nil
}

// SettleCalls gives all calls without an outcome this one.
func (s *Store) SettleCalls(_ context.Context, outcome string) error {
	return s.do(func(c *conn) error {
		return c.exec("UPDATE subscription_calls SET outcome = ? WHERE outcome = ''", outcome)
	})
}

// SubscriptionCalls returns the calls of a subscription, newest first.
func (s *Store) SubscriptionCalls(ctx context.Context, id string) (calls []bellhop.SubscriptionCall, err error) {
	err = s.read(ctx, func(c *conn) error {
		calls = nil
		return c.query(`SELECT n, at, what, status, done, outcome, handshake, took FROM subscription_calls
			WHERE subscription = (SELECT n FROM subscriptions WHERE id = ?) ORDER BY n DESC`, []any{id},
			func(row *sqlite3.Stmt) error {
				calls = append(calls, bellhop.SubscriptionCall{ID: row.ColumnInt64(0), SubscriptionID: id,
					At:   timeAt(row, 1),
					What: row.ColumnText(2), Status: row.ColumnInt(3), Done: row.ColumnBool(4),
					Outcome:   row.ColumnText(5),
					Handshake: row.ColumnText(6), Took: time.Duration(row.ColumnInt64(7))})
				return nil
			})
	})
	return calls, err
}

const selectGap = `SELECT gaps.id, subscriptions.id, from_at, to_at, gaps.reason, announced, gaps.state, outcome, since,
	until, found, folded FROM gaps JOIN subscriptions ON subscriptions.n = gaps.subscription `

// gaps reads the gaps that a query selects.
func (s *Store) gaps(ctx context.Context, query string, args ...any) (gaps []bellhop.Gap, err error) {
	err = s.read(ctx, func(c *conn) error {
		gaps = nil
		return c.query(selectGap+query, args, func(row *sqlite3.Stmt) error {
			gaps = append(gaps, bellhop.Gap{ID: row.ColumnText(0), SubscriptionID: row.ColumnText(1),
				From: timeAt(row, 2),
				To:   timeAt(row, 3), Reason: row.ColumnText(4), Announced: row.ColumnBool(5),
				State: bellhop.GapState(row.ColumnText(6)), Outcome: row.ColumnText(7), Since: timeAt(row, 8),
				Until: timeAt(row, 9), Found: row.ColumnInt(10), Folded: row.ColumnInt(11)})
			return nil
		})
	})
	return gaps, err
}

// SubscriptionGaps returns the gaps of a subscription, newest first.
func (s *Store) SubscriptionGaps(ctx context.Context, id string) ([]bellhop.Gap, error) {
	return s.gaps(ctx, "WHERE subscriptions.id = ? ORDER BY gaps.n DESC", id)
}

// GapsToAnnounce returns gaps that are not announced yet, oldest first.
func (s *Store) GapsToAnnounce(ctx context.Context) ([]bellhop.Gap, error) {
	return s.gaps(ctx, "WHERE announced = 0 ORDER BY gaps.n LIMIT 1000")
}

// GapsToFill returns gaps that are open or being filled, oldest first.
func (s *Store) GapsToFill(ctx context.Context) ([]bellhop.Gap, error) {
	return s.gaps(ctx, "WHERE gaps.state = 'open' OR gaps.state = 'filling' ORDER BY gaps.n")
}

// GapAnnounced stores that a gap is announced, unless it was widened or got another state since.
func (s *Store) GapAnnounced(_ context.Context, gap bellhop.Gap) error {
	return s.do(func(c *conn) error {
		return c.exec("UPDATE gaps SET announced = 1 WHERE id = ? AND from_at = ? AND to_at = ? AND state = ?", gap.ID,
			gap.From, gap.To, string(gap.State))
	})
}

// Spoken stores when the latest event came, by the ids of subscriptions and sources.
func (s *Store) Spoken(_ context.Context, at map[string]time.Time) error {
	return s.do(func(c *conn) error {
		for id, t := range at {
			for _, table := range []string{"subscriptions", "sources"} {
				err := c.exec("UPDATE "+table+" SET last_event_at = ?1 WHERE id = ?2 AND (last_event_at IS NULL OR "+
					"last_event_at < ?1)",
					t, id)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// SourceNotes returns the notes of the sources that have ExpectEvery.
func (s *Store) SourceNotes(ctx context.Context) (notes map[string]bellhop.SourceNotes, err error) {
	err = s.read(ctx, func(c *conn) error {
		notes = map[string]bellhop.SourceNotes{}
		return c.query("SELECT id, last_event_at, silent_since FROM sources WHERE expect_every > 0 "+
			"AND deleted_at IS NULL",
			nil, func(row *sqlite3.Stmt) error {
				notes[row.ColumnText(0)] = bellhop.SourceNotes{LastEventAt: timeAt(row, 1),
					SilentSince: timeAt(row, 2)}
				return nil
			})
	})
	return notes, err
}

// SourceSilent stores since when a source is silent; the zero time means that it has spoken.
func (s *Store) SourceSilent(_ context.Context, id string, since time.Time) error {
	return s.do(func(c *conn) error { return c.exec("UPDATE sources SET silent_since = ? WHERE id = ?", since, id) })
}

// aliveName is the name in meta of the time at which the gateway was running last.
const aliveName = "alive_at"

// Alive stores that the gateway is running at a time, and returns the time before.
func (s *Store) Alive(_ context.Context, at time.Time) (before time.Time, err error) {
	err = s.do(func(c *conn) error {
		before = time.Time{}
		err := c.query("SELECT value FROM meta WHERE name = ?", []any{aliveName}, func(row *sqlite3.Stmt) error {
			var err error
			before, err = time.Parse(time.RFC3339Nano, row.ColumnText(0))
			return err
		})
		if err != nil {
			return err
		}
		return c.exec("INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
			aliveName, at.UTC().Format(time.RFC3339Nano))
	})
	return before, err
}
