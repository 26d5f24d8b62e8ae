package sqlite

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// TestDatabaseTakenAway: once the database is no longer at its path, nothing is reported as stored, and storage has
// failed with words that say so.
func TestDatabaseTakenAway(t *testing.T) {
	t.Parallel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, take := range map[string]func(dir, path string){
		"folder deleted":   func(dir, _ string) { must(os.RemoveAll(dir)) },
		"folder moved":     func(dir, _ string) { must(os.Rename(dir, dir+".moved")) },
		"database deleted": func(_, path string) { must(os.Remove(path)) },
		"database moved":   func(_, path string) { must(os.Rename(path, path+".moved")) },
		"log deleted":      func(_, path string) { must(os.Remove(path + "-wal")) },
		"another folder in its place": func(dir, _ string) {
			must(os.Rename(dir, dir+".moved"))
			must(os.CopyFS(dir, os.DirFS(dir+".moved")))
		},
		"a file in the folder's place": func(dir, _ string) {
			must(os.Rename(dir, dir+".moved"))
			must(os.WriteFile(dir, nil, 0o600))
		},
	} {
		for _, found := range []string{"by an accept", "by Ready"} {
			t.Run(name+", found "+found, func(t *testing.T) {
				t.Parallel()
				must := func(err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				}
				dir := filepath.Join(t.TempDir(), "data")
				must(os.Mkdir(dir, 0o700))
				s := open(t, func(o *Options) { o.Dir = dir })
				source, _ := populate(t, s)
				accept := func() error {
					_, err := s.Accept(context.Background(), nil, []bellhop.Event{{SourceID: source, Type: "x",
						ReceivedAt: time.Now()}}, nil)
					return err
				}
				must(accept())
				must(s.Ready(t.Context()))
				take(dir, s.Path())
				if found == "by Ready" {
					if err := s.Ready(t.Context()); err == nil ||
						!strings.Contains(err.Error(), "no longer the file") {
						t.Errorf("Ready: %v", err)
					}
				}
				if err := accept(); !errors.Is(err, store.ErrUnknown) {
					t.Errorf("Accept: %v, want ErrUnknown", err)
				}
				select {
				case <-s.Failed():
				default:
					t.Error("storage has not failed")
				}
				if err := s.Err(); err == nil || !strings.Contains(err.Error(), "no longer the file that was opened") {
					t.Errorf("Err: %v", err)
				}
			})
		}
	}
}

// TestCloseLeavesOthersAlone: a store whose folder another one has replaced changes no file of that one when it
// closes, whether it knows of the change or not. The log of the other database holds events that are nowhere else.
func TestCloseLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	for _, found := range []string{"by an accept", "by Ready", "by a reader", "by nobody"} {
		t.Run(found, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			s := open(t, func(o *Options) { o.Dir = dir })
			source, _ := populate(t, s)
			accept := func() error {
				_, err := s.Accept(context.Background(), nil, []bellhop.Event{{SourceID: source, Type: "x",
					ReceivedAt: time.Now()}}, nil)
				return err
			}
			err := errors.Join(accept(), os.CopyFS(dir+".other", os.DirFS(dir)), accept(),
				os.Rename(dir, dir+".moved"), os.Rename(dir+".other", dir))
			if err != nil {
				t.Fatal(err)
			}
			before := contents(t, dir)
			if len(before["bellhop.db-wal"]) == 0 {
				t.Fatalf("the other database has no log: %d files", len(before))
			}
			switch found {
			case "by an accept":
				err = accept()
			case "by Ready":
				err = s.Ready(t.Context())
			case "by a reader":
				_, err = s.Stats(t.Context())
			}
			if (err == nil) != (found == "by nobody") {
				t.Errorf("the error that found it: %v", err)
			}
			s.Close()
			after := contents(t, dir)
			delete(before, "bellhop.db-shm") // a reader that connects may rebuild this index of the log
			delete(after, "bellhop.db-shm")
			if !maps.Equal(before, after) {
				t.Errorf("files of the other database changed: %d before, %d after", len(before), len(after))
			}
			other := open(t, func(o *Options) { o.Dir, o.Keys = dir, s.opts.Keys })
			if st, err := other.Stats(t.Context()); err != nil || st.Events != 1 {
				t.Errorf("the other database has %d events, want 1 (%v)", st.Events, err)
			}
			mine := open(t, func(o *Options) { o.Dir, o.Keys = dir+".moved", s.opts.Keys })
			if st, err := mine.Stats(t.Context()); err != nil || st.Events < 2 {
				t.Errorf("the moved database has %d events, want at least 2 (%v)", st.Events, err)
			}
		})
	}
}

// contents returns the files of a folder, by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[name.Name()] = string(text)
	}
	return files
}

// TestDamageMetByReader: a reader that finds damaged pages makes storage fail, with the remedy.
func TestDamageMetByReader(t *testing.T) {
	t.Parallel()
	s := open(t)
	source, _ := populate(t, s)
	for range 200 {
		_, err := s.Accept(context.Background(), nil,
			[]bellhop.Event{{SourceID: source, Type: "x", ReceivedAt: time.Now(),
				Body: make([]byte, 2000)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.do(func(*conn) error { return nil }); err != nil {
		t.Fatal(err)
	}
	dir := s.opts.Dir
	if err := s.Close(); err != nil { // moves the log into the database
		t.Fatal(err)
	}
	s = open(t, func(o *Options) { o.Dir, o.Keys = dir, s.opts.Keys })
	f, err := os.OpenFile(s.Path(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	const page = 8192
	for at := int64(20 * page); at < info.Size(); at += page { // beyond the pages of the schema
		if _, err := f.WriteAt([]byte(strings.Repeat("\xff", page)), at); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err = s.Events(t.Context(), bellhop.EventFilter{}, bellhop.Page{Limit: bellhop.MaxPage})
	if err == nil {
		t.Fatal("the list is read from damaged pages")
	}
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), ".recover") {
		t.Errorf("Ready: %v, want the remedy", err)
	}
	_, err = s.Accept(context.Background(), nil, []bellhop.Event{{SourceID: source, Type: "x",
		ReceivedAt: time.Now()}}, nil)
	if !errors.Is(err, store.ErrUnknown) {
		t.Errorf("Accept: %v", err)
	}
}
