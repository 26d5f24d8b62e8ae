package postgres

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/pgtest"
)

// TestSettings opens databases whose administrator has changed a setting.
func TestSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		setting string
		refused string // "": it is accepted
	}{
		{"synchronous_commit = off", "synchronous_commit is off, but must be on or remote_write or remote_apply"},
		{"synchronous_commit = local", "synchronous_commit is local"},
		{"synchronous_commit = remote_apply", ""},
		{"default_transaction_isolation = serializable",
			"default_transaction_isolation is serializable, but must be read committed"},
		{"default_transaction_read_only = on", "default_transaction_read_only is on, but must be off"},
		{"statement_timeout = '30s'", "statement_timeout is 30s, but must be 0 (off) or at least 1m0s"},
		{"statement_timeout = '10min'", ""},
		{"lock_timeout = '1s'", "lock_timeout is 1s"},
		{"idle_session_timeout = '59s'", `idle_session_timeout is 59s, but must be 0 (off) or at least 1m0s: ` +
			`ALTER ROLE "bellhop" SET idle_session_timeout = 0`},
		{"idle_in_transaction_session_timeout = '2s'", "idle_in_transaction_session_timeout is 2s"},
		{"idle_in_transaction_session_timeout = '1d'", ""},
	} {
		t.Run(c.setting, func(t *testing.T) {
			t.Parallel()
			database := pgtest.NewDatabase(t)
			run(t, database, "ALTER DATABASE "+databaseOf(database)+" SET "+c.setting)
			s, err := connect(t.Context(), testOptions(t, database, "a"))
			if err == nil {
				s.pool.Close()
			}
			if c.refused == "" && err != nil {
				t.Error(err)
			}
			if c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestServerSettings opens databases of servers that cannot keep the promises of the store.
func TestServerSettings(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"fsync": "off", "max_connections": "7",
		"full_page_writes": "off"}})
	database := server.NewDatabase(t)
	opts := testOptions(t, database, "a")
	_, err := connect(t.Context(), opts)
	for _, want := range []string{"fsync is off, but must be on", "ALTER SYSTEM SET fsync = on",
		"max_connections leaves 4 connections, but this node may open 5"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v; it should contain %q", err, want)
		}
	}
	server.StopCleanly(t)
	_, err = connect(t.Context(), opts)
	if err == nil || strings.Contains(err.Error(), passwordOf(t, database)) ||
		!strings.Contains(err.Error(), databaseOf(database)) {
		t.Errorf("the error of a server that does not run is %v", err)
	}
}

func passwordOf(t *testing.T, database string) string {
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return password
}

func TestRefusals(t *testing.T) {
	good := map[string]string{"server_version": "17.2", "server_version_num": "170002", "fsync": "on"}
	if errs := refusals(good, false, "me"); errs != nil {
		t.Errorf("a good server is refused: %v", errs)
	}
	if errs := refusals(good, true, "me"); len(errs) != 1 || !strings.Contains(errs[0].Error(), "is a standby") {
		t.Errorf("a standby is refused with %v", errs)
	}
	old := map[string]string{"server_version": "13.9", "server_version_num": "130009", "transaction_timeout": "5000",
		"server_encoding": "SQL_ASCII"}
	errs := refusals(old, false, `o"k`)
	if len(errs) != 3 || errs[0].Error() != "server_version is 13.9, but must be 14 or newer" ||
		!strings.HasPrefix(errs[1].Error(), "server_encoding is SQL_ASCII, but must be UTF8") ||
		!strings.HasSuffix(errs[2].Error(), `ALTER ROLE "o""k" SET transaction_timeout = 0`) {
		t.Errorf("an old server is refused with %v", errs)
	}
}

// TestWarnings opens a database with an asynchronous standby, and one that need not write whole pages.
func TestWarnings(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"full_page_writes": "off"}})
	database := server.NewDatabase(t)
	warned := func() string {
		log := &lines{}
		opts := testOptions(t, database, "a")
		opts.Logger = slog.New(slog.NewTextHandler(log, nil))
		if err := open(t, opts).Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return log.String()
	}
	if log := warned(); !strings.Contains(log, "full_page_writes is off") || strings.Contains(log, "standby") {
		t.Errorf("the warnings are:\n%s", log)
	}
	standby := server.Standby(t, pgtest.Options{})
	if log := warned(); !strings.Contains(log, "the standby is asynchronous") {
		t.Errorf("the warnings are:\n%s", log)
	}
	_, err := connect(t.Context(), testOptions(t, standby.URL(databaseOf(database)), "a"))
	if err == nil || !strings.Contains(err.Error(), "the server is a standby, which is read-only") {
		t.Errorf("the error of a standby is %v", err)
	}
	server.Synchronous(t)
	if log := warned(); strings.Contains(log, "the standby is asynchronous") {
		t.Errorf("the warnings are:\n%s", log)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	name := databaseOf(database)
	run(t, database, "ALTER DATABASE "+name+" CONNECTION LIMIT 4", "CREATE ROLE "+name+" LOGIN PASSWORD 'secret-word'")
	_, err := connect(t.Context(), testOptions(t, database, "a"))
	if err == nil || !strings.Contains(err.Error(), "the connection limit of the database leaves 4 connections") {
		t.Errorf("the error is %v", err)
	}
	run(t, database, "ALTER DATABASE "+name+" CONNECTION LIMIT -1", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, "secret-word")
	_, err = connect(t.Context(), testOptions(t, u.String(), "a"))
	if err == nil || !strings.Contains(err.Error(), "must be the owner of the database") {
		t.Errorf("the error of a user without rights is %v", err)
	}
	u.User = url.UserPassword(name, "other-word")
	_, err = connect(t.Context(), testOptions(t, u.String(), "a"))
	if err == nil || !strings.Contains(err.Error(), "another user or password") ||
		strings.Contains(err.Error(), "other-word") {
		t.Errorf("the error of a wrong password is %v", err)
	}
	u, _ = url.Parse(database)
	u.Path = "/none"
	_, err = connect(t.Context(), testOptions(t, u.String(), "a"))
	if err == nil || !strings.Contains(err.Error(), "CREATE DATABASE") {
		t.Errorf("the error of a missing database is %v", err)
	}
}

func TestEncoding(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	ascii := databaseOf(database) + "_ascii"
	run(t, database, "CREATE DATABASE "+ascii+" ENCODING 'SQL_ASCII' TEMPLATE template0")
	defer run(t, database, "DROP DATABASE "+ascii+" WITH (FORCE)")
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + ascii
	_, err = connect(t.Context(), testOptions(t, u.String(), "a"))
	if err == nil || !strings.Contains(err.Error(), "server_encoding is SQL_ASCII, but must be UTF8") {
		t.Errorf("the error is %v", err)
	}
}

func TestURL(t *testing.T) {
	for text, want := range map[string]string{
		"host=localhost dbname=x":         "must begin with postgres://",
		"mysql://localhost/x":             "must begin with postgres://",
		"postgres://u:hidden@[::1/x":      "",
		"postgres://u:hidden@h:nan/x":     "",
		"postgres://u:hidden@h/x?sslmode": "",
	} {
		_, err := parseURL(text, minConnections)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("the error of %s is %v", text, err)
		}
	}
	if _, err := parseURL("postgres://h/x", minConnections-1); err == nil {
		t.Error("a node may have too few connections")
	}
	config, err := parseURL("postgres://u:hidden@db.example.com/x?sslmode=verify-full", 7)
	if err != nil {
		t.Fatal(err)
	}
	if config.MaxConns != 7 || config.ConnConfig.ConnectTimeout != connectTimeout {
		t.Errorf("%d connections, timeout %v", config.MaxConns, config.ConnConfig.ConnectTimeout)
	}
	if place := placeOf(config.ConnConfig); place != "db.example.com:5432/x" {
		t.Errorf("the database is at %s", place)
	}
}

func TestWarnOfTLS(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://localhost/x":                                         "",
		"postgres://127.0.0.1/x?sslmode=disable":                         "",
		"postgres://[::1]/x":                                             "",
		"postgres:///x?host=/run/postgresql":                             "",
		"postgres://db.example.com/x":                                    "db.example.com is not encrypted",
		"postgres://db.example.com/x?sslmode=disable":                    "db.example.com is not encrypted",
		"postgres://db.example.com/x?sslmode=require":                    "nobody checks that db.example.com is",
		"postgres://db.example.com/x?sslmode=verify-full":                "",
		"postgres://localhost,10.0.0.7:5433/x?sslmode=disable":           "10.0.0.7 is not encrypted",
		"postgres://one.example.com,two.example.com/x?sslmode=verify-ca": "",
	} {
		config, err := parseURL(text, minConnections)
		if err != nil {
			t.Fatal(err)
		}
		got := warnOfTLS(config.ConnConfig)
		if (got == "") != (want == "") || !strings.Contains(got, want) ||
			want != "" && !strings.Contains(got, "sslmode=verify-full") {
			t.Errorf("the warning of %s is %q", text, got)
		}
	}
}
