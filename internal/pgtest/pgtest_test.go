package pgtest

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ask returns the one text that a query gives.
func ask(t *testing.T, url, sql string) string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	var text string
	if err := c.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestNewDatabase(t *testing.T) {
	t.Parallel()
	first, second := NewDatabase(t), NewDatabase(t)
	if a, b := ask(t, first, "SELECT current_database()"), ask(t, second, "SELECT current_database()"); a == b {
		t.Errorf("both databases are %s", a)
	}
	if tables := ask(t, first, "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'"); tables != "0" {
		t.Errorf("a new database has %s tables", tables)
	}
	if fsync := ask(t, first, "SHOW fsync"); fsync != "on" {
		t.Errorf("fsync is %s", fsync)
	}
	if at := ask(t, first, "SELECT host(inet_server_addr())"); at != "127.0.0.1" {
		t.Errorf("the server listens at %s", at)
	}
}

func TestDatabaseGoesWithItsTest(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	t.Run("user", func(t *testing.T) { ask(t, s.NewDatabase(t), "SELECT current_database()") })
	left := ask(t, s.URL("postgres"), "SELECT count(*)::text FROM pg_database WHERE datname ~ 'test_'")
	if left != "0" {
		t.Errorf("%s databases are left", left)
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{Settings: map[string]string{"fsync": "off", "max_connections": "20"}, OnDisk: true})
	url := s.URL("postgres")
	if got := ask(t, url, "SELECT current_setting('fsync') || current_setting('max_connections')"); got != "off20" {
		t.Errorf("the settings are %s", got)
	}
	if got := ask(t, s.SocketURL("postgres"), "SELECT coalesce(inet_server_addr()::text, 'socket')"); got != "socket" {
		t.Errorf("the socket leads to %s", got)
	}

	began := ask(t, url, "SELECT pg_postmaster_start_time()::text")
	s.Restart(t)
	if ask(t, url, "SELECT pg_postmaster_start_time()::text") == began {
		t.Error("the server has not been restarted")
	}
	if !strings.Contains(s.Log(), "not properly shut down") {
		t.Errorf("Stop is no crash:\n%s", s.Log())
	}
	s.StopCleanly(t)
	if c, err := pgx.Connect(t.Context(), url); err == nil {
		c.Close(t.Context())
		t.Error("a stopped server takes connections")
	}
	s.Start(t)
	if log := s.Log(); strings.Count(log, "not properly shut down") != 1 {
		t.Errorf("StopCleanly is a crash:\n%s", log)
	}
	s.remove()
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("the folder stays: %v", err)
	}
}

// TestStandby fails over to a synchronous standby.
func TestStandby(t *testing.T) {
	t.Parallel()
	primary := Start(t, Options{})
	standby := primary.Standby(t, Options{})
	if got := ask(t, standby.URL("postgres"), "SELECT pg_is_in_recovery()::text"); got != "true" {
		t.Error("the standby is a primary")
	}
	primary.Synchronous(t)
	c, err := pgx.Connect(t.Context(), primary.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), "CREATE TABLE kept AS SELECT 7 AS n"); err != nil {
		t.Fatal(err)
	}
	primary.Stop(t)
	standby.Promote(t)
	if got := ask(t, standby.URL("postgres"), "SELECT n::text FROM kept"); got != "7" {
		t.Errorf("the table has %s", got)
	}
	if err := standby.admin("DROP TABLE kept"); err != nil {
		t.Error(err)
	}
}

// orphanVariable makes TestOrphan the program that is killed.
const orphanVariable = "PGTEST_ORPHAN"

// TestOrphan kills a test binary: its server and its folder must go, although nothing of the binary could end them.
func TestOrphan(t *testing.T) {
	t.Parallel()
	if os.Getenv(orphanVariable) != "" {
		s := Start(t, Options{})
		os.Stdout.WriteString("\n" + s.dir + "\n")
		select {}
	}
	if _, err := programs(); err != nil {
		fail(t, err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestOrphan$")
	child.Env = append(os.Environ(), orphanVariable+"=1")
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	dir := ""
	for lines := bufio.NewScanner(output); dir == "" && lines.Scan(); {
		if strings.Contains(lines.Text(), "bellhop-pg-") {
			dir = lines.Text()
		}
	}
	if dir == "" {
		t.Error("the child names no folder")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	gone, tick := time.After(startTimeout), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return
		}
		select {
		case <-gone:
			t.Fatalf("%s is still there", dir)
		case <-tick.C:
		}
	}
}

func TestVersionOf(t *testing.T) {
	for dir, want := range map[string]float64{"/usr/lib/postgresql/15/bin": 15, "/usr/lib/postgresql/9.6/bin": 9.6,
		"/opt/bin": 0} {
		if got := versionOf(dir); got != want {
			t.Errorf("versionOf(%s) is %v", dir, got)
		}
	}
}
