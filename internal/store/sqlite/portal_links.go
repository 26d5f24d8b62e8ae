package sqlite

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

const selectPortalLink = `SELECT n, id, hash, tenant, rights, frame_ancestors, key, key_id, key_hash, created_at,
	open_until, opened_at, expires_at FROM portal_links`

// scanPortalLink reads a link. FrameAncestors is never nil.
func scanPortalLink(row *sqlite3.Stmt) (bellhop.PortalLink, error) {
	l := bellhop.PortalLink{ID: row.ColumnText(1), Tenant: row.ColumnText(3),
		Rights: bellhop.PortalRights(row.ColumnText(4)), FrameAncestors: strings.Fields(row.ColumnText(5)),
		Key: row.ColumnText(6), KeyID: row.ColumnText(7), CreatedAt: timeAt(row, 9), OpenUntil: timeAt(row, 10),
		OpenedAt: timeAt(row, 11), ExpiresAt: timeAt(row, 12)}
	copy(l.Hash[:], row.ColumnRawBlob(2))
	copy(l.KeyHash[:], row.ColumnRawBlob(8))
	return l, nil
}

// PortalLinks lists the links to portals, newest first.
func (s *Store) PortalLinks(ctx context.Context, f bellhop.PortalLinkFilter, page bellhop.Page) ([]bellhop.PortalLink,
	string, error) {
	l, err := s.newListing("portal_links", "n", page)
	if err != nil {
		return nil, "", err
	}
	l.tenant(ctx, "tenant", f.Tenant, l.and)
	return list(ctx, s, l, selectPortalLink, scanPortalLink)
}

// PortalLink returns the link with that id.
func (s *Store) PortalLink(ctx context.Context, id string) (bellhop.PortalLink, error) {
	return owned(ctx, s, "portal link", id, selectPortalLink+" WHERE id = ?", "tenant", id, scanPortalLink)
}

// PortalLinkOf returns the link whose token has that hash.
func (s *Store) PortalLinkOf(ctx context.Context, hash [32]byte) (bellhop.PortalLink, error) {
	return owned(ctx, s, "portal link", hex.EncodeToString(hash[:4]), selectPortalLink+" WHERE hash = ?", "tenant",
		hash[:], scanPortalLink)
}

// CreatePortalLink stores a new link, in place of the one that ends first if there are too many.
func (s *Store) CreatePortalLink(ctx context.Context, l bellhop.PortalLink) error {
	if err := checkOwner(ctx, "portal link", l.Tenant); err != nil {
		return err
	}
	return s.write(s.noted(ctx, "portal_link", l.ID, "created")(write{apply: func(c *conn) error {
		there, err := c.exists("SELECT 1 FROM tenants WHERE name = ?", l.Tenant)
		if err != nil {
			return err
		}
		if !there {
			return bellhop.Invalid("tenant", "there is no such tenant; 'bellhop tenants' lists them")
		}
		count, err := c.number("SELECT count(*) FROM portal_links")
		if err == nil && count >= bellhop.MaxPortalLinks { // so that others need not look for those beyond
			_, err = endPortalLinks(c, "SELECT id FROM portal_links ORDER BY expires_at DESC LIMIT -1 OFFSET ?",
				bellhop.MaxPortalLinks-1)
		}
		if err != nil {
			return err
		}
		return c.exec(`INSERT INTO portal_links (id, hash, tenant, rights, frame_ancestors, key, key_id, key_hash,
			created_at, open_until, opened_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, l.ID,
			l.Hash[:], l.Tenant, string(l.Rights), strings.Join(l.FrameAncestors, " "), l.Key, l.KeyID, l.KeyHash[:],
			l.CreatedAt, l.OpenUntil, l.OpenedAt, l.ExpiresAt)
	}}, nil))
}

// OpenPortalLink marks a link as opened, unless it was opened before.
func (s *Store) OpenPortalLink(ctx context.Context, id string, at time.Time) error {
	return s.write(s.noted(ctx, "portal_link", id, "opened")(write{apply: func(c *conn) error {
		err := c.exec("UPDATE portal_links SET opened_at = ? WHERE id = ? AND opened_at IS NULL", at, id)
		return notFoundIfUnchanged(c, err, "portal link", id)
	}}, nil))
}

// DeletePortalLink deletes a link with its session.
func (s *Store) DeletePortalLink(ctx context.Context, id string) error {
	return s.write(s.noted(ctx, "portal_link", id, "deleted")(write{apply: func(c *conn) error {
		ended, err := endPortalLinks(c, "SELECT id FROM portal_links WHERE id = ?", id)
		if err == nil && ended == 0 {
			err = bellhop.NotFound("portal link", id)
		}
		return err
	}}, nil))
}

// endPortalLinks deletes the links whose ids a query returns, with their sessions, and returns how many there were.
func endPortalLinks(c *conn, query string, args ...any) (ended int64, err error) {
	err = c.exec("DELETE FROM sessions WHERE portal <> '' AND portal IN ("+query+")", args...)
	if err == nil {
		err = c.exec("DELETE FROM portal_links WHERE id IN ("+query+")", args...)
	}
	if err != nil {
		return 0, err
	}
	return c.db.Changes(), nil
}
