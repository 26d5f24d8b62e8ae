package pgtest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby starts a standby of s, which follows it asynchronously, and returns once it does. It ends with t.
func (s *Server) Standby(t testing.TB, o Options) *Server {
	t.Helper()
	standby, err := start(o, func(standby *Server) error {
		standby.password = s.password
		return standby.runs("pg_basebackup", "--pgdata="+standby.data(), "--host=127.0.0.1",
			"--port="+strconv.Itoa(s.port), "--username="+superuser, "--write-recovery-conf", "--checkpoint=fast",
			"--no-sync")
	})
	fail(t, err)
	t.Cleanup(standby.remove)
	s.await(t, "SELECT count(*) > 0 FROM pg_stat_replication WHERE state = 'streaming'")
	return standby
}

// Synchronous makes commits of s wait for its standby from now on.
func (s *Server) Synchronous(t testing.TB) {
	t.Helper()
	err := s.admin("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
	if err != nil {
		t.Fatal(err)
	}
	s.await(t, "SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync'")
}

// Promote makes a standby a primary, and returns once it is one. The former primary should be stopped by then.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	if err := s.admin("SELECT pg_promote()"); err != nil {
		t.Fatal(err)
	}
	s.await(t, "SELECT NOT pg_is_in_recovery()")
}

// await returns once a query gives true.
func (s *Server) await(t testing.TB, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		yes := false
		if err := c.QueryRow(ctx, sql).Scan(&yes); err != nil {
			t.Fatalf("%s: %v\n%s", sql, err, s.Log())
		}
		if yes {
			tick.Stop()
			return
		}
		<-tick.C
	}
}
