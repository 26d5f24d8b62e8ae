package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

const selectFile = `SELECT f.n, f.id, f.name, f.state, f.size, f.total, f.sha256, f.content_type, src.name, f.event,
	dst.id, dst.name, f.created_at, f.updated_at, f.expires_at, f.due_at, f.hash, f.upload, f.doom FROM files f
	JOIN sources src ON src.n = f.source JOIN destinations dst ON dst.n = f.destination`

func (s *Store) scanFile(row *sqlite3.Stmt) (bellhop.File, error) {
	return bellhop.File{ID: row.ColumnText(1), Name: row.ColumnText(2), State: bellhop.FileState(row.ColumnText(3)),
		Size: row.ColumnInt64(4), Total: row.ColumnInt64(5), SHA256: row.ColumnText(6), ContentType: row.ColumnText(7),
		Source: row.ColumnText(8), EventID: s.ids.Event(row.ColumnInt64(9)), DestinationID: row.ColumnText(10),
		Destination: row.ColumnText(11), CreatedAt: timeAt(row, 12), UpdatedAt: timeAt(row, 13),
		ExpiresAt: timeAt(row, 14), DueAt: timeAt(row, 15)}, nil
}

func (s *Store) scanFileRecord(row *sqlite3.Stmt) (rec bellhop.FileRecord, err error) {
	rec.File, err = s.scanFile(row)
	rec.Hash = row.ColumnBlob(16, nil)
	rec.Upload, rec.Doom = row.ColumnText(17), bellhop.FileDoom(row.ColumnText(18))
	return rec, err
}

// Files lists the files, newest first.
func (s *Store) Files(ctx context.Context, f bellhop.FileFilter, page bellhop.Page) ([]bellhop.File, string, error) {
	l, err := s.newListing("files", "f.n", page)
	if err != nil {
		return nil, "", err
	}
	l.and("f.doom IS NULL")
	l.equal("f.state", string(f.State))
	if f.EventID != "" {
		event, ok := s.ids.ParseEvent(f.EventID)
		if !ok {
			return nil, "", bellhop.NotFound("event", f.EventID)
		}
		l.and("f.event = ?", event)
	}
	if err := l.sources(s, "f.source", f.SourceIDs, l.and); err != nil {
		return nil, "", err
	}
	if err := anyOf("destination", "f.destination", f.DestinationIDs, s.anyDestination, l.and); err != nil {
		return nil, "", err
	}
	l.tenant(ctx, "dst.tenant", f.Tenant, l.and)
	l.created("f.created_at", f.Since, f.Until)
	return list(ctx, s, l, selectFile, s.scanFile)
}

// File returns the file with that id or name.
func (s *Store) File(ctx context.Context, idOrName string) (bellhop.File, error) {
	query := selectFile + " WHERE f." + byIDOrName(idOrName, bellhop.PrefixFile) + " AND f.doom IS NULL"
	return owned(ctx, s, "file", idOrName, query, "dst.tenant", idOrName, s.scanFile)
}

const selectFileByID = selectFile + " WHERE f.id = ? AND f.doom IS NULL"

// FileRecord returns the file with that id, with its progress.
func (s *Store) FileRecord(ctx context.Context, id string) (bellhop.FileRecord, error) {
	return one(ctx, s, "file", id, selectFileByID, id, s.scanFileRecord)
}

// BeginFile returns the file with the name of f, and stores f as a partial and empty one if there is none.
func (s *Store) BeginFile(_ context.Context, f bellhop.File) (rec bellhop.FileRecord, err error) {
	event, ok := s.ids.ParseEvent(f.EventID)
	if !ok {
		return rec, bellhop.NotFound("event", f.EventID)
	}
	destination, ok := s.anyDestination(f.DestinationID)
	if !ok {
		return rec, bellhop.NotFound("destination", f.DestinationID)
	}
	err = s.do(func(c *conn) error {
		err := c.exec(`INSERT INTO files (id, name, state, size, total, sha256, upload, content_type, source, event,
			destination, created_at, updated_at, expires_at, due_at)
			SELECT ?, ?, 'partial', 0, ?, '', '', ?, e.source, e.n, ?, ?, ?, ?, ? FROM events e WHERE e.n = ?
			ON CONFLICT (name) DO NOTHING`, f.ID, f.Name, max(-1, f.Total), f.ContentType, destination, f.CreatedAt,
			f.CreatedAt, f.ExpiresAt, f.DueAt, event)
		if err == nil {
			err = c.exec(`UPDATE files SET total = CASE WHEN ?1 >= 0 THEN ?1 ELSE total END,
				content_type = coalesce(nullif(?2, ''), content_type), due_at = coalesce(?3, due_at)
				WHERE name = ?4 AND event = ?5 AND destination = ?6 AND state = 'partial' AND doom IS NULL`, f.Total,
				f.ContentType, f.DueAt, f.Name, event, destination)
		}
		if err == nil {
			rec, err = oneIn(c, "event", f.EventID, selectFile+" WHERE f.name = ?", f.Name, s.scanFileRecord)
		}
		return err
	})
	return rec, err
}

// SaveFile stores how far a partial file is.
func (s *Store) SaveFile(_ context.Context, id string, p bellhop.FileProgress) error {
	return s.do(func(c *conn) error {
		err := c.exec(`UPDATE files SET size = ?, hash = ?, upload = ?, updated_at = ?
			WHERE id = ? AND state = 'partial' AND doom IS NULL`, p.Size, p.Hash, p.Upload, s.opts.Now(), id)
		return notFoundIfUnchanged(c, err, "partial file", id)
	})
}

// FinishFile makes a partial file whole. For a whole file it changes nothing.
func (s *Store) FinishFile(_ context.Context, id, sha256 string, expiresAt time.Time) (f bellhop.File, err error) {
	err = s.do(func(c *conn) error {
		err := c.exec(`UPDATE files SET state = 'whole', sha256 = ?, hash = NULL, upload = '', updated_at = ?,
			expires_at = coalesce(expires_at, ?) WHERE id = ? AND state = 'partial' AND doom IS NULL`, sha256,
			s.opts.Now(), expiresAt, id)
		if err == nil {
			f, err = oneIn(c, "file", id, selectFileByID, id, s.scanFile)
		}
		return err
	})
	return f, err
}

// DoomFile dooms a file, and returns its record.
func (s *Store) DoomFile(ctx context.Context, id string, why bellhop.FileDoom) (rec bellhop.FileRecord, err error) {
	err = s.do(func(c *conn) error {
		rec, err = oneIn(c, "file", id, selectFileByID, id, s.scanFileRecord)
		if err == nil {
			err = c.exec("UPDATE files SET doom = ? WHERE id = ?", string(why), id)
		}
		if err == nil && why == bellhop.FileAsked {
			err = s.noteChange(ctx, c, "file", id, "deleted", unchanged)
		}
		rec.Doom = why
		return err
	})
	return rec, err
}

const (
	doomExpired = `UPDATE files SET doom = 'expired' WHERE n IN (SELECT n FROM files
		WHERE expires_at <= ? AND doom IS NULL LIMIT ?)`
	doomAbandoned = `UPDATE files SET doom = 'abandoned' WHERE n IN (SELECT f.n FROM files f
		WHERE f.state = 'partial' AND f.doom IS NULL AND f.updated_at <= ? AND NOT EXISTS (SELECT 1 FROM deliveries d
			WHERE d.n >= f.event << 16 AND d.n < (f.event + 1) << 16 AND d.destination = f.destination
			AND d.state IN ('pending', 'leased')) LIMIT ?)`
)

// DoomFiles dooms files that have expired, and partial ones with which nothing goes on: at most limit of each kind.
func (s *Store) DoomFiles(_ context.Context, limit int) (doomed int, err error) {
	now, trusted := s.now()
	if !trusted {
		return 0, nil
	}
	err = s.do(func(c *conn) error {
		before := c.db.TotalChanges()
		err := errors.Join(c.exec(doomExpired, now, limit),
			c.exec(doomAbandoned, now.Add(-bellhop.FileAbandonedAfter), limit))
		doomed = int(c.db.TotalChanges() - before)
		return err
	})
	return doomed, err
}

// doomFilesOfEvents dooms the files without an age of their own whose event was deleted, of events from first to last.
func doomFilesOfEvents(c *conn, first, last int64) error {
	return c.exec(`UPDATE files SET doom = 'event' WHERE event >= ? AND event <= ? AND expires_at IS NULL
		AND doom IS NULL AND NOT EXISTS (SELECT 1 FROM events e WHERE e.n = files.event)`, first, last)
}

// DoomedFiles returns doomed files after a position, oldest first.
func (s *Store) DoomedFiles(ctx context.Context, after int64, limit int) ([]bellhop.FileRecord, int64, error) {
	return s.filesAfter(ctx, "f.doom IS NOT NULL", after, limit)
}

// FilesAfter returns files after a position, oldest first.
func (s *Store) FilesAfter(ctx context.Context, after int64, limit int) ([]bellhop.FileRecord, int64, error) {
	return s.filesAfter(ctx, "f.doom IS NULL", after, limit)
}

// filesAfter returns files that meet a condition. A position is the number of a row.
func (s *Store) filesAfter(ctx context.Context, condition string, after int64, limit int) (list []bellhop.FileRecord,
	last int64, err error) {
	err = s.read(ctx, func(c *conn) error {
		list, last = nil, after
		return c.query(selectFile+" WHERE "+condition+" AND f.n > ? ORDER BY f.n LIMIT ?", []any{after, limit},
			func(row *sqlite3.Stmt) error {
				rec, err := s.scanFileRecord(row)
				list, last = append(list, rec), row.ColumnInt64(0)
				return err
			})
	})
	return list, last, err
}

// KnownFiles returns which of these ids and names are those of files.
func (s *Store) KnownFiles(ctx context.Context, idsOrNames []string) (map[string]bool, error) {
	known := make(map[string]bool, len(idsOrNames))
	err := s.read(ctx, func(c *conn) error {
		for _, idOrName := range idsOrNames {
			found, err := c.exists("SELECT 1 FROM files WHERE "+byIDOrName(idOrName, bellhop.PrefixFile), idOrName)
			if err != nil {
				return err
			}
			known[idOrName] = found
		}
		return nil
	})
	return known, err
}

// DeleteFile deletes the record of a doomed file.
func (s *Store) DeleteFile(_ context.Context, id string) error {
	return s.do(func(c *conn) error { return c.exec("DELETE FROM files WHERE id = ? AND doom IS NOT NULL", id) })
}

// FileTotals counts the files that are not doomed.
func (s *Store) FileTotals(ctx context.Context) (t bellhop.FileTotals, err error) {
	err = s.read(ctx, func(c *conn) error {
		t = bellhop.FileTotals{}
		return c.query("SELECT state, count(*), sum(size) FROM files WHERE doom IS NULL GROUP BY state", nil,
			func(row *sqlite3.Stmt) error {
				count := &t.Partial
				if row.ColumnText(0) == string(bellhop.FileWhole) {
					count = &t.Whole
				}
				*count = row.ColumnInt64(1)
				t.Bytes += row.ColumnInt64(2)
				return nil
			})
	})
	return t, err
}
