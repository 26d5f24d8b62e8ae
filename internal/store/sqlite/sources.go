package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

const selectSource = `SELECT n, id, name, provider, settings, max_body_bytes, disabled, created_at, updated_at,
	secrets_at, tenant, expect_every, reply, retain_age, retain_bytes FROM sources`

func (s *Store) scanSource(row *sqlite3.Stmt) (src bellhop.Source, err error) {
	src = bellhop.Source{ID: row.ColumnText(1), Name: row.ColumnText(2), Provider: row.ColumnText(3),
		MaxBodyBytes: row.ColumnInt64(5),
		Disabled:     row.ColumnBool(6), CreatedAt: timeAt(row, 7), UpdatedAt: timeAt(row, 8),
		SecretsAt: secretTimesAt(row, 9),
		Tenant:    row.ColumnText(10), ExpectEvery: time.Duration(row.ColumnInt64(11)),
		Retention: bellhop.SourceRetention{Age: time.Duration(row.ColumnInt64(13)), MaxBytes: row.ColumnInt64(14)}}
	if text := row.ColumnRawText(12); len(text) > 0 {
		if err := json.Unmarshal(text, &src.Reply); err != nil {
			return src, fmt.Errorf("read the reply of source %s: %w", src.ID, err)
		}
	}
	src.Settings, err = s.opts.Keys.Open(row.ColumnRawBlob(4), src.ID)
	return src, err
}

// hasURL is true for all sources but the two that every store has from the start: the source of the API, and
// that of the gateway's own events.
const hasURL = "n > 2"

// Sources lists the sources that have a URL, newest first.
func (s *Store) Sources(ctx context.Context, f bellhop.SourceFilter,
	page bellhop.Page) ([]bellhop.Source, string, error) {
	l, err := s.newListing("sources", "n", page)
	if err != nil {
		return nil, "", err
	}
	l.and("deleted_at IS NULL AND " + hasURL)
	l.tenant(ctx, "tenant", f.Tenant, l.and)
	l.equal("provider", f.Provider)
	return list(ctx, s, l, selectSource, s.scanSource)
}

// Source returns the source with that id or name.
func (s *Store) Source(ctx context.Context, idOrName string) (bellhop.Source, error) {
	query := selectSource + " WHERE " + byIDOrName(idOrName, bellhop.PrefixSource) + " AND deleted_at IS NULL AND " +
		hasURL
	return owned(ctx, s, "source", idOrName, query, "tenant", idOrName, s.scanSource)
}

// SourceIDs returns the id of the source with that id or name or, if there is none, those of the deleted ones with it.
func (s *Store) SourceIDs(ctx context.Context, idOrName string) ([]string, error) {
	return s.idsOf(ctx, "sources", idOrName)
}

// idsOf returns the id of the row with that id or name or, if there is none, those of the deleted rows with it, oldest
// first. The table is sources or destinations. A caller who sees the nouns of one tenant alone finds those, and the
// two sources that every store has: events of the tenant may be of them.
func (s *Store) idsOf(ctx context.Context, table, idOrName string) (ids []string, err error) {
	exceptions := ""
	if table == "sources" {
		exceptions = " OR NOT " + hasURL
	}
	err = s.read(ctx, func(c *conn) error {
		ids = nil
		return c.query(`SELECT id FROM `+table+` WHERE (id = ?1 OR name = ?1) AND (?2 = '' OR tenant = ?2`+exceptions+
			`)
			AND (deleted_at IS NULL OR id = ?1 OR NOT EXISTS (SELECT 1 FROM `+table+` WHERE name = ?1
			AND deleted_at IS NULL AND (?2 = '' OR tenant = ?2`+exceptions+`))) ORDER BY n`,
			[]any{idOrName, bellhop.TenantOf(ctx)}, func(row *sqlite3.Stmt) error {
				ids = append(ids, row.ColumnText(0))
				return nil
			})
	})
	return ids, err
}

// byIDOrName is the condition that finds a noun by its id, if idOrName begins like one, or else by its name.
func byIDOrName(idOrName, prefix string) string {
	if strings.HasPrefix(idOrName, prefix) {
		return "id = ?"
	}
	return "name = ?"
}

// CreateSource stores a new source. It is a conflict if another has its name.
func (s *Store) CreateSource(ctx context.Context, src bellhop.Source) error {
	if err := checkOwner(ctx, "source", src.Tenant); err != nil {
		return err
	}
	return s.write(s.noted(ctx, "source", src.ID, "created")(s.createSource(src)))
}

func (s *Store) createSource(src bellhop.Source) (w write, err error) {
	sealed, err := s.opts.Keys.Seal(src.Settings, src.ID, s.opts.Rand)
	if err != nil {
		return w, err
	}
	var n int64
	w.apply = func(c *conn) error {
		err := c.exec(
			`INSERT INTO sources (id, name, provider, settings, max_body_bytes, disabled, created_at, updated_at,
			secrets_at, tenant, expect_every, reply, retain_age, retain_bytes)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, src.ID, src.Name, src.Provider, sealed, src.MaxBodyBytes,
			src.Disabled,
			src.CreatedAt, src.UpdatedAt, formatSecretTimes(src.SecretsAt), src.Tenant, src.ExpectEvery,
			formatReply(src.Reply), src.Retention.Age, src.Retention.MaxBytes)
		n = c.db.LastInsertRowID()
		return conflictIfTaken(err, "source", src.Name)
	}
	w.done = func() { s.sources.put(src.ID, n) }
	return w, nil
}

// UpdateSource replaces the source with the id of src. Destinations that name it by its old name, and may get its
// events, follow.
func (s *Store) UpdateSource(ctx context.Context, src bellhop.Source,
	version ...time.Time) (followed []string, err error) {
	err = s.write(s.noted(ctx, "source", src.ID, "updated")(s.updateSource(ctx, src, version, &followed)))
	return followed, err
}

// updateSource returns the write of UpdateSource, which sets followed.
func (s *Store) updateSource(ctx context.Context, src bellhop.Source, version []time.Time,
	followed *[]string) (w write, err error) {
	sealed, err := s.opts.Keys.Seal(src.Settings, src.ID, s.opts.Rand)
	if err != nil {
		return w, err
	}
	w.apply = func(c *conn) error {
		old, err := oneIn(c, "source", src.ID, "SELECT name FROM sources WHERE id = ? AND deleted_at IS NULL", src.ID,
			func(row *sqlite3.Stmt) (string, error) { return row.ColumnText(0), nil })
		if err != nil {
			return err
		}
		err = sourceTable.change(c, `UPDATE sources SET name = ?, provider = ?, settings = ?, max_body_bytes = ?,
			disabled = ?, updated_at = ?, secrets_at = ?, tenant = ?, expect_every = ?, reply = ?,
			retain_age = ?, retain_bytes = ?`, src.ID, version,
			src.Name, src.Provider, sealed, src.MaxBodyBytes, src.Disabled,
			src.UpdatedAt, formatSecretTimes(src.SecretsAt), src.Tenant, src.ExpectEvery,
			formatReply(src.Reply), src.Retention.Age, src.Retention.MaxBytes)
		if err != nil {
			return conflictIfTaken(err, "source", src.Name)
		}
		*followed, err = followRename(ctx, c, src, old)
		return err
	}
	return w, nil
}

// followRename puts the new name of a source in place of its old one in the match of each destination that may get its
// events: another one means the source of its own tenant. It returns the names of those that it changed, as far as
// the caller sees them.
func followRename(ctx context.Context, c *conn, src bellhop.Source, from string) (followed []string, err error) {
	to := src.Name
	if from == to {
		return nil, nil
	}
	type change struct {
		n     int64
		match bellhop.Match
	}
	var changes []change
	err = c.query(`SELECT n, name, match, tenant, tenants FROM destinations WHERE deleted_at IS NULL
		AND instr(match, ?) > 0 ORDER BY name`,
		[]any{`"` + from + `"`}, func(row *sqlite3.Stmt) error {
			var m bellhop.Match
			d := bellhop.Destination{Tenant: row.ColumnText(3)}
			err := errors.Join(json.Unmarshal(row.ColumnRawText(2), &m), scanJSON(row, 4, &d.Tenants))
			if err != nil || !slices.Contains(m.Sources, from) || !d.Takes(src.Tenant) {
				return err
			}
			var sources []string
			for _, source := range m.Sources {
				if source == from {
					source = to
				}
				if !slices.Contains(sources, source) {
					sources = append(sources, source)
				}
			}
			m.Sources = sources
			changes = append(changes, change{row.ColumnInt64(0), m})
			if sees(ctx, d.Tenant) {
				followed = append(followed, row.ColumnText(1))
			}
			return nil
		})
	for _, change := range changes {
		text, jsonErr := json.Marshal(change.match)
		if err = errors.Join(err, jsonErr); err != nil {
			break
		}
		err = c.exec("UPDATE destinations SET match = ?, updated_at = ? WHERE n = ?", string(text), src.UpdatedAt,
			change.n)
	}
	return followed, err
}

// DeleteSource deletes a source. Its row stays, for its events, without secrets.
func (s *Store) DeleteSource(ctx context.Context, id string, version ...time.Time) error {
	return s.write(s.noted(ctx, "source", id, "deleted")(s.deleteSource(id, version)))
}

func (s *Store) deleteSource(id string, version []time.Time) (write, error) {
	return write{apply: func(c *conn) error {
		table := sourceTable
		table.present += " AND " + hasURL
		return table.change(c, "UPDATE sources SET deleted_at = ?, settings = x''", id, version, s.opts.Now())
	}}, nil
}

// formatReply returns r as it is stored.
func formatReply(r *bellhop.SourceReply) string {
	if r == nil {
		return ""
	}
	text, _ := json.Marshal(r) // of texts and numbers
	return string(text)
}

// formatSecretTimes returns times as a JSON object of microseconds since 1970.
func formatSecretTimes(times bellhop.SecretTimes) string {
	micros := make(map[string]int64, len(times))
	for path, at := range times {
		micros[path] = at.UnixMicro()
	}
	text, _ := json.Marshal(micros) // of texts and numbers
	return string(text)
}

// secretTimesAt reads a column that formatSecretTimes wrote.
func secretTimesAt(row *sqlite3.Stmt, col int) bellhop.SecretTimes {
	var micros map[string]int64
	if json.Unmarshal(row.ColumnRawText(col), &micros) != nil || len(micros) == 0 {
		return nil
	}
	times := make(bellhop.SecretTimes, len(micros))
	for path, at := range micros {
		times[path] = time.UnixMicro(at).UTC()
	}
	return times
}

// conflictIfTaken turns the violation of a unique name into a conflict.
func conflictIfTaken(err error, noun, name string) error {
	if isTaken(err) {
		return bellhop.Conflict("there is already a " + noun + " named " + name)
	}
	return err
}

// notFoundIfUnchanged returns that there is no such noun if a statement, whose error is err, changed no row.
func notFoundIfUnchanged(c *conn, err error, noun, id string) error {
	if err == nil && c.db.Changes() == 0 {
		return bellhop.NotFound(noun, id)
	}
	return err
}
