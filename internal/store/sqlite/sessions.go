package sqlite

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// CreateSession stores a new session, in place of the one that was used least recently if there are too many.
func (s *Store) CreateSession(_ context.Context, session bellhop.Session) error {
	return s.do(func(c *conn) error {
		if session.Portal == "" { // those of portals are as many as their links at most
			err := c.exec(`DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE portal = ''
				ORDER BY used_at DESC LIMIT -1 OFFSET ?)`, bellhop.MaxSessions-1)
			if err != nil {
				return err
			}
		}
		return c.exec(`INSERT INTO sessions (hash, key_id, key_hash, person, rule, portal, created_at, used_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, session.Hash[:], session.KeyID, session.KeyHash[:], session.Person,
			session.Rule, session.Portal, session.CreatedAt, session.UsedAt)
	})
}

// Session returns the session with that hash.
func (s *Store) Session(ctx context.Context, hash [32]byte) (session bellhop.Session, err error) {
	found := false
	err = s.read(ctx, func(c *conn) error {
		found = false
		return c.query(`SELECT key_id, key_hash, created_at, used_at, person, rule, portal FROM sessions
			WHERE hash = ?`, []any{hash[:]}, func(row *sqlite3.Stmt) error {
			session = bellhop.Session{Hash: hash, KeyID: row.ColumnText(0), CreatedAt: timeAt(row, 2),
				UsedAt: timeAt(row, 3), Person: row.ColumnText(4), Rule: row.ColumnText(5),
				Portal: row.ColumnText(6)}
			copy(session.KeyHash[:], row.ColumnRawBlob(1))
			found = true
			return nil
		})
	})
	if err == nil && !found {
		err = bellhop.NotFound("session", hex.EncodeToString(hash[:4]))
	}
	return session, err
}

// UseSession stores when a session was used.
func (s *Store) UseSession(_ context.Context, hash [32]byte, at time.Time) error {
	return s.do(func(c *conn) error {
		return c.exec("UPDATE sessions SET used_at = ? WHERE hash = ?", at, hash[:])
	})
}

// DeleteSession deletes a session.
func (s *Store) DeleteSession(_ context.Context, hash [32]byte) error {
	return s.do(func(c *conn) error { return c.exec("DELETE FROM sessions WHERE hash = ?", hash[:]) })
}

// CreateSignInLink stores a new link, in place of the one that expires first if there are too many.
func (s *Store) CreateSignInLink(_ context.Context, l bellhop.SignInLink) error {
	return s.do(func(c *conn) error {
		err := c.exec(`DELETE FROM sign_in_links WHERE hash IN (SELECT hash FROM sign_in_links
			ORDER BY expires_at DESC LIMIT -1 OFFSET ?)`, bellhop.MaxSessions-1)
		if err != nil {
			return err
		}
		return c.exec("INSERT INTO sign_in_links (hash, key_id, key_hash, expires_at) VALUES (?, ?, ?, ?)", l.Hash[:],
			l.KeyID, l.KeyHash[:], l.ExpiresAt)
	})
}

// SpendSignInLink deletes a link and returns it.
func (s *Store) SpendSignInLink(_ context.Context, hash [32]byte) (l bellhop.SignInLink, err error) {
	err = s.do(func(c *conn) error {
		l = bellhop.SignInLink{Hash: hash}
		err := c.query("SELECT key_id, key_hash, expires_at FROM sign_in_links WHERE hash = ?", []any{hash[:]},
			func(row *sqlite3.Stmt) error {
				l.KeyID, l.ExpiresAt = row.ColumnText(0), timeAt(row, 2)
				copy(l.KeyHash[:], row.ColumnRawBlob(1))
				return nil
			})
		if err == nil {
			err = c.exec("DELETE FROM sign_in_links WHERE hash = ?", hash[:])
		}
		return notFoundIfUnchanged(c, err, "link", hex.EncodeToString(hash[:4]))
	})
	return l, err
}

// deleteOldSessions deletes some sessions that have ended, and some links that have expired or can no longer be
// opened.
func (s *Store) deleteOldSessions() (more bool, err error) {
	now, trusted := s.now()
	if !trusted {
		return false, nil
	}
	err = s.do(func(c *conn) error {
		err := c.exec(`DELETE FROM sessions WHERE hash IN
			(SELECT hash FROM sessions WHERE created_at <= ? OR used_at <= ? LIMIT ?)`,
			now.Add(-bellhop.SessionLength), now.Add(-bellhop.SessionIdle), sweepStep)
		if err != nil {
			return err
		}
		more = c.db.Changes() == sweepStep
		err = c.exec(`DELETE FROM sign_in_links WHERE hash IN
			(SELECT hash FROM sign_in_links WHERE expires_at <= ? LIMIT ?)`, now, sweepStep)
		if err != nil {
			return err
		}
		more = more || c.db.Changes() == sweepStep
		ended, err := endPortalLinks(c, `SELECT id FROM portal_links
			WHERE expires_at <= ? OR opened_at IS NULL AND open_until <= ? LIMIT ?`, now, now, sweepStep)
		more = more || ended == sweepStep
		return err
	})
	return more, err
}
