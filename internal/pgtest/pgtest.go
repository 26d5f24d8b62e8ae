// Package pgtest starts PostgreSQL for tests: a server of their own, in a folder of its own, that ends with the test
// binary.
//
// [NewDatabase] is what most tests need: an empty database on the one server of the test binary. A test that stops
// its server, or needs settings of its own, calls [Start].
//
// The programs of PostgreSQL must be installed; a server that runs is neither needed nor used. Without the programs a
// test is skipped, and says so; with CI=true it fails.
package pgtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Options are the options of a server.
type Options struct {
	// Settings are settings of PostgreSQL, by their names. The server has fsync, as PostgreSQL has by default, unless
	// they say otherwise.
	Settings map[string]string
	// OnDisk keeps the data in the folder for temporary files. Otherwise it is kept in memory, if the machine has a
	// file system there: a sync then costs little, and the data outlives the server's processes, but no power cut.
	OnDisk bool
}

// shared is the server of the test binary. Nobody stops it: it ends with the process.
var shared = sync.OnceValues(func() (*Server, error) { return start(Options{}, initialize) })

// NewDatabase creates an empty database on the server of this test binary and returns its URL. The database is
// removed when the test ends, and its connections are closed. The user of the URL may do everything on the server, so
// a test that changes a setting changes it for its database alone.
func NewDatabase(t testing.TB) string {
	t.Helper()
	s, err := shared()
	fail(t, err)
	return s.NewDatabase(t)
}

// Start starts a server for t, which ends with t.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := start(o, initialize)
	fail(t, err)
	t.Cleanup(s.remove)
	return s
}

func fail(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errMissing) && os.Getenv("CI") != "true" {
		t.Skip("SKIPPED, there is no PostgreSQL:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// databases counts the databases of all servers, so that each has a name of its own.
var databases atomic.Int64

// NewDatabase creates an empty database and returns its URL. It is removed when the test ends.
func (s *Server) NewDatabase(t testing.TB) string {
	t.Helper()
	name := "test_" + strconv.FormatInt(databases.Add(1), 10)
	if err := s.admin("CREATE DATABASE " + name); err != nil {
		t.Fatalf("create a database: %v\n%s", err, s.Log())
	}
	t.Cleanup(func() {
		if !s.running() {
			return
		}
		if err := s.admin("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("remove the database: %v", err)
		}
	})
	return s.URL(name)
}

// admin runs statements, each in a transaction of its own. None waits for a standby, which may be gone.
func (s *Server) admin(statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c, err := pgx.Connect(ctx, s.URL("postgres")+"&synchronous_commit=local")
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for _, sql := range statements {
		if _, err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// URL returns the URL of a database, through TCP on loopback.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, s.password),
		Host: "127.0.0.1:" + strconv.Itoa(s.port), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// SocketURL returns the URL of a database, through a Unix socket.
func (s *Server) SocketURL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, s.password), Path: "/" + database,
		RawQuery: url.Values{"host": {s.dir}, "port": {strconv.Itoa(s.port)}}.Encode()}
	return u.String()
}

// errMissing means that the programs of PostgreSQL are not installed.
var errMissing = errors.New("no programs initdb and postgres, neither in PATH nor in " + debianPrograms +
	"; on Debian the package postgresql has them")

// debianPrograms is where Debian keeps the programs of each version, outside of PATH.
const debianPrograms = "/usr/lib/postgresql/*/bin"

// programs returns the folder with the programs of PostgreSQL: that of PATH, or else the newest of Debian.
func programs() (string, error) {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	debian, err := filepath.Glob(debianPrograms)
	if err != nil {
		return "", err
	}
	slices.SortFunc(debian, func(a, b string) int { return cmp.Compare(versionOf(b), versionOf(a)) })
	for _, dir := range append(dirs, debian...) {
		if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", errMissing
}

// versionOf returns the version in a folder of debianPrograms.
func versionOf(dir string) float64 {
	version, _ := strconv.ParseFloat(filepath.Base(filepath.Dir(dir)), 64)
	return version
}
