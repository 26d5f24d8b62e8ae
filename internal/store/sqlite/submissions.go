package sqlite

import (
	"context"
	"encoding/hex"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// submissionRow is the name under which the answer to a submission is sealed.
func submissionRow(key [32]byte) string { return "submission " + hex.EncodeToString(key[:]) }

// BeginSubmission stores a submission without an answer, which begins now, unless there is one with its key: then it
// returns that one.
func (s *Store) BeginSubmission(_ context.Context, sub bellhop.Submission) (first bellhop.Submission, begun bool,
	err error) {
	err = s.do(func(c *conn) error {
		sub.BegunAt = bellhop.StoredTime(s.opts.Now())
		first, begun = sub, false
		outdated := sub.BegunAt.Add(-bellhop.KeepSubmissions)
		err := c.exec("DELETE FROM submissions WHERE key = ? AND begun_at <= ?", sub.Key[:], outdated)
		if err != nil {
			return err
		}
		err = c.exec("INSERT INTO submissions (key, request, begun_at) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
			sub.Key[:], sub.Request[:], sub.BegunAt)
		begun = err == nil && c.db.Changes() > 0
		if begun || err != nil {
			return err
		}
		return c.query("SELECT request, begun_at, status, answer FROM submissions WHERE key = ?", []any{sub.Key[:]},
			func(row *sqlite3.Stmt) (err error) {
				first = bellhop.Submission{Key: sub.Key, BegunAt: timeAt(row, 1), Status: row.ColumnInt(2)}
				copy(first.Request[:], row.ColumnRawBlob(0))
				if first.Status != 0 {
					first.Answer, err = s.opts.Keys.Open(row.ColumnRawBlob(3), submissionRow(sub.Key))
				}
				return err
			})
	})
	return first, begun, err
}

// EndSubmission stores the answer to a submission.
func (s *Store) EndSubmission(_ context.Context, key [32]byte, status int, answer []byte) error {
	sealed, err := s.opts.Keys.Seal(answer, submissionRow(key), s.opts.Rand)
	if err != nil {
		return err
	}
	return s.do(func(c *conn) error {
		err := c.exec("UPDATE submissions SET status = ?, answer = ? WHERE key = ?", status, sealed, key[:])
		return notFoundIfUnchanged(c, err, "submission", hex.EncodeToString(key[:4]))
	})
}

// DropSubmission forgets a submission.
func (s *Store) DropSubmission(_ context.Context, key [32]byte) error {
	return s.do(func(c *conn) error { return c.exec("DELETE FROM submissions WHERE key = ?", key[:]) })
}

// deleteOldSubmissions deletes some submissions that are too old.
func (s *Store) deleteOldSubmissions() (more bool, err error) {
	now, trusted := s.now()
	if !trusted {
		return false, nil
	}
	err = s.do(func(c *conn) error {
		err := c.exec("DELETE FROM submissions WHERE key IN (SELECT key FROM submissions WHERE begun_at <= ? LIMIT ?)",
			now.Add(-bellhop.KeepSubmissions), sweepStep)
		more = err == nil && c.db.Changes() == sweepStep
		return err
	})
	return more, err
}
