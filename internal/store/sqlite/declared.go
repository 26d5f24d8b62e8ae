package sqlite

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// A write is a change of one noun, ready to be made: by itself, or in one transaction with others.
type write struct {
	// apply runs the statements. It may run more than once, so it sets every variable of its caller anew.
	apply func(c *conn) error
	done  func() // runs once that is on disk; nil is nothing
}

// write makes a change in the next transaction of the writer. It returns err if the write could not be made ready.
func (s *Store) write(w write, err error) error {
	if err == nil {
		err = s.do(w.apply)
	}
	if err == nil && w.done != nil {
		w.done()
	}
	return err
}

// writes are the changes of one transaction.
type writes struct {
	list []write
	err  error // of the first that could not be made ready
}

func (ws *writes) add(w write, err error) {
	if err != nil && ws.err == nil {
		ws.err = err
	}
	ws.list = append(ws.list, w)
}

// ChangeNouns makes all changes in one transaction, and remembers that a configuration made what is created. What is
// deleted goes first, so that its name is free.
func (s *Store) ChangeNouns(ctx context.Context, changes bellhop.NounChanges) error {
	ws := &writes{}
	var made []string
	for _, gone := range changes.Subscriptions.Deleted {
		ws.add(s.noted(ctx, "subscription", gone.ID, "deleted")(s.deleteSubscription(gone.ID)))
	}
	for _, gone := range changes.Destinations.Deleted {
		ws.add(s.noted(ctx, "destination", gone.ID, "deleted")(s.deleteDestination(gone.ID, version(gone.UpdatedAt))))
	}
	for _, gone := range changes.Sources.Deleted {
		ws.add(s.noted(ctx, "source", gone.ID, "deleted")(s.deleteSource(gone.ID, version(gone.UpdatedAt))))
	}
	for _, gone := range changes.Connections.Deleted {
		ws.add(s.noted(ctx, "connection", gone.ID, "deleted")(s.deleteConnection(gone.ID, version(gone.UpdatedAt))))
	}
	for _, gone := range changes.Keys.Deleted {
		ws.add(s.noted(ctx, "key", gone.ID, "deleted")(deleteKey(gone.ID)))
	}
	for _, gone := range changes.Tenants.Deleted { // after all that may belong to them
		ws.add(s.noted(ctx, "tenant", gone.ID, "deleted")(deleteTenant(gone.ID)))
	}
	for _, to := range changes.Tenants.Updated {
		ws.add(s.noted(ctx, "tenant", to.Noun.ID, "updated")(updateTenant(to.Noun)))
	}
	for _, n := range changes.Tenants.Created {
		ws.add(s.noted(ctx, "tenant", n.ID, "created")(createTenant(n)))
		made = append(made, n.ID)
	}
	var followed []string // none: names do not change
	for _, to := range changes.Connections.Updated {
		ws.add(s.noted(ctx, "connection", to.Noun.ID, "updated")(
			s.updateConnection(ctx, to.Noun, version(to.Version), &followed)))
	}
	for _, to := range changes.Sources.Updated {
		ws.add(s.noted(ctx, "source", to.Noun.ID, "updated")(
			s.updateSource(ctx, to.Noun, version(to.Version), &followed)))
	}
	for _, to := range changes.Destinations.Updated {
		ws.add(s.noted(ctx, "destination", to.Noun.ID, "updated")(
			s.updateDestination(to.Noun, version(to.Version), to.Restart)))
	}
	for _, to := range changes.Subscriptions.Updated {
		ws.add(s.noted(ctx, "subscription", to.Noun.ID, "updated")(
			s.saveSubscription(to.Noun, bellhop.SubscriptionNote{})))
	}
	for _, n := range changes.Connections.Created {
		ws.add(s.noted(ctx, "connection", n.ID, "created")(s.createConnection(n)))
		made = append(made, n.ID)
	}
	for _, n := range changes.Sources.Created {
		ws.add(s.noted(ctx, "source", n.ID, "created")(s.createSource(n)))
		made = append(made, n.ID)
	}
	for _, n := range changes.Destinations.Created {
		ws.add(s.noted(ctx, "destination", n.ID, "created")(s.createDestination(n)))
		made = append(made, n.ID)
	}
	for _, n := range changes.Subscriptions.Created {
		ws.add(s.noted(ctx, "subscription", n.ID, "created")(s.createSubscription(n)))
		made = append(made, n.ID)
	}
	for _, k := range changes.Keys.Created {
		ws.add(s.noted(ctx, "key", k.ID, "created")(createKey(k)))
		made = append(made, k.ID)
	}
	ws.add(write{apply: func(c *conn) error { return declare(c, made) }}, nil)
	return s.together(ws)
}

// together makes all changes in one transaction.
func (s *Store) together(ws *writes) error {
	if ws.err != nil {
		return ws.err
	}
	err := s.do(func(c *conn) error {
		for _, w := range ws.list {
			if err := w.apply(c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, w := range ws.list {
		if w.done != nil {
			w.done()
		}
	}
	return nil
}

// version returns the version that a noun has to have; none if it is zero.
func version(at time.Time) []time.Time {
	if at.IsZero() {
		return nil
	}
	return []time.Time{at}
}

// declare remembers that a configuration made the nouns with these ids, and forgets those that are gone.
func declare(c *conn, ids []string) error {
	for _, id := range ids {
		if err := c.exec("INSERT INTO declared (id) VALUES (?) ON CONFLICT (id) DO NOTHING", id); err != nil {
			return err
		}
	}
	return c.exec(`DELETE FROM declared WHERE
		id NOT IN (SELECT id FROM sources WHERE deleted_at IS NULL) AND
		id NOT IN (SELECT id FROM destinations WHERE deleted_at IS NULL) AND
		id NOT IN (SELECT id FROM connections) AND id NOT IN (SELECT id FROM subscriptions) AND
		id NOT IN (SELECT id FROM keys) AND id NOT IN (SELECT id FROM tenants)`)
}

// Declared returns the ids of the nouns that configurations made. Some may have been deleted since.
func (s *Store) Declared(ctx context.Context) (ids map[string]bool, err error) {
	err = s.read(ctx, func(c *conn) error {
		ids = map[string]bool{}
		return c.query("SELECT id FROM declared", nil, func(row *sqlite3.Stmt) error {
			ids[row.ColumnText(0)] = true
			return nil
		})
	})
	return ids, err
}
