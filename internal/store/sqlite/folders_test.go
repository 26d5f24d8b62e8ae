package sqlite

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/backup"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

type memberFile struct{ bytes.Buffer }

func (*memberFile) Close() error { return nil }

// storedDatabase returns the database and the master key of a stored folder.
func storedDatabase(t testing.TB, archive string) images {
	t.Helper()
	content, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	var database, key memberFile
	_, err = backup.Extract(context.Background(), bytes.NewReader(content), nil,
		func(name string, _ int64) (io.WriteCloser, error) {
			switch name {
			case store.FileName:
				return &database, nil
			case store.KeyFileName:
				return &key, nil
			}
			return &memberFile{}, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return images{store.FileName: database.Bytes(), store.KeyFileName: key.Bytes()}
}

// TestInterruptedUpgrade opens the stored folder of each landed schema, has the power go at each sync and at some
// of the writes of the migrations, and shows that the next start does the rest and loses nothing.
func TestInterruptedUpgrade(t *testing.T) {
	t.Parallel()
	known, err := KnownSchema()
	if err != nil {
		t.Fatal(err)
	}
	archives, err := filepath.Glob("testdata/folders/*.tar.zst")
	if err != nil || len(archives) == 0 {
		t.Fatalf("%d stored folders: %v", len(archives), err)
	}
	for _, archive := range archives {
		files, cuts := storedDatabase(t, archive), 0
		for op, step := range map[diskOp]int{opSync: 1, opWrite: 5} {
			for n := 1; ; n += step {
				dir := t.TempDir()
				writeFolder(t, dir, files)
				d := newDisk(t, uint64(n))
				fired := d.set(fault{op: op, nth: n, kept: 0.5})
				s, err := (&crashRig{T: t, dir: dir}).open(d)
				if err == nil {
					s.Close()
				}
				if !closed(fired) {
					break
				}
				cuts++
				s = reopen(t, d.powerCut(t, dir, 0.5))
				err = s.do(func(c *conn) error {
					version, err := schemaVersion(c)
					if err != nil || version != known {
						t.Errorf("%s, %s %d: schema %d, want %d", archive, op, n, version, known)
					}
					for table, want := range map[string]int64{"sources": 4, "destinations": 3, "events": 5,
						"deliveries": 9, "connections": 1, "files": 1, "tenants": 1} {
						if got, err := c.number("SELECT count(*) FROM " + table); err != nil || got != want {
							t.Errorf("%s, %s %d: %d %s, want %d: %v", archive, op, n, got, table, want, err)
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if cuts < 3 {
			t.Errorf("%s: the power went %d times", archive, cuts)
		}
	}
}
