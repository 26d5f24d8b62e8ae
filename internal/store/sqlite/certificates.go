package sqlite

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// certificateRow is the name under which a certificate file is sealed.
func certificateRow(key string) string { return "certificate file " + key }

// CertificateFile returns the value of a certificate file.
func (s *Store) CertificateFile(ctx context.Context, key string) (value []byte, savedAt time.Time, err error) {
	var sealed []byte
	err = s.read(ctx, func(c *conn) error {
		sealed = nil
		return c.query("SELECT value, saved_at FROM certificate_files WHERE key = ?", []any{key},
			func(row *sqlite3.Stmt) error {
				sealed, savedAt = row.ColumnBlob(0, nil), timeAt(row, 1)
				return nil
			})
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	if sealed != nil {
		value, err = s.opts.Keys.Open(sealed, certificateRow(key))
		if err == nil {
			return value, savedAt, nil
		}
		s.opts.Logger.Warn("certificate.unreadable", "component", "store", "error", err,
			"meaning", "it is asked for anew")
	}
	return nil, time.Time{}, bellhop.NotFound("certificate file", key)
}

// SaveCertificateFile stores a certificate file.
func (s *Store) SaveCertificateFile(_ context.Context, key string, value []byte, at time.Time) error {
	if key == "" || len(key) > store.MaxCertificateKey || len(value) > store.MaxCertificateBytes {
		return bellhop.Invalid("certificate file", "the key or the value is too long")
	}
	sealed, err := s.opts.Keys.Seal(value, certificateRow(key), s.opts.Rand)
	if err != nil {
		return err
	}
	return s.do(func(c *conn) error {
		return c.exec(`INSERT INTO certificate_files (key, value, saved_at) VALUES (?1, ?2, ?3)
			ON CONFLICT (key) DO UPDATE SET value = ?2, saved_at = ?3`, key, sealed, at)
	})
}

// DeleteCertificateFiles deletes the certificate file of that key and those below it.
func (s *Store) DeleteCertificateFiles(_ context.Context, key string) error {
	return s.do(func(c *conn) error {
		return c.exec("DELETE FROM certificate_files WHERE key = ?1 OR key > ?1 || '/' AND key < ?1 || '0'", key)
	})
}

// CertificateFiles returns the keys of the certificate files below key, in their order.
func (s *Store) CertificateFiles(ctx context.Context, key string) (keys []string, err error) {
	err = s.read(ctx, func(c *conn) error {
		keys = nil
		// the character after the slash is 0
		return c.query(`SELECT key FROM certificate_files
			WHERE ?1 = '' OR key > ?1 || '/' AND key < ?1 || '0' ORDER BY key`, []any{key},
			func(row *sqlite3.Stmt) error {
				keys = append(keys, row.ColumnText(0))
				return nil
			})
	})
	return keys, err
}
