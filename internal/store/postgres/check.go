package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// minVersion is the oldest major version of PostgreSQL that works: its partitions can be detached while they are
// used.
const minVersion = 14

// minTimeout is the least that an administrator's timeout may be, unless it is off. Statements of the corridor take
// milliseconds, but a migration or the statistics of a partition may take this long.
const minTimeout = time.Minute

// A rule says what a setting must be, and why.
type rule struct {
	name    string
	allowed []string
	why     string
	server  bool // it can be set in the server's configuration alone
}

// rules are the settings that are checked at the start. What is effective for this user and database counts.
var rules = []rule{
	{"fsync", []string{"on"}, "a power cut would lose events whose senders were answered 2xx", true},
	{"synchronous_commit", []string{"on", "remote_write", "remote_apply"},
		"a crash would lose events whose senders were answered 2xx", false},
	{"default_transaction_isolation", []string{"read committed"},
		"statements here look again at rows that another node has changed", false},
	{"default_transaction_read_only", []string{"off"}, "everything that is accepted is written", false},
	{"server_encoding", []string{"UTF8"}, "events have text of all languages; create the database with " +
		"ENCODING 'UTF8'", true},
}

// timeouts are the settings that end what takes longer. Those that this version of the server does not have are off.
var timeouts = []string{"statement_timeout", "transaction_timeout", "lock_timeout", "idle_session_timeout",
	"idle_in_transaction_session_timeout"}

// check refuses a server that cannot keep the promises of the store, with all the reasons at once, and returns
// warnings about what weakens them.
func check(ctx context.Context, c *pgx.Conn, connections int) (warnings []string, err error) {
	settings, err := readSettings(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	var standby bool
	var user string
	if err := c.QueryRow(ctx, "SELECT pg_is_in_recovery(), current_user").Scan(&standby, &user); err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	refused := refusals(settings, standby, user)
	short, err := shortOfConnections(ctx, c, settings, connections)
	if err != nil {
		return nil, err
	}
	if short != nil {
		refused = append(refused, short)
	}
	if err := errors.Join(refused...); err != nil {
		return nil, err
	}
	return warn(ctx, c, settings)
}

// refusals returns what is wrong with the settings of the server for this user.
func refusals(settings map[string]string, standby bool, user string) []error {
	var refused []error
	if version, _ := strconv.Atoi(settings["server_version_num"]); version < minVersion*10000 {
		refused = append(refused, fmt.Errorf("server_version is %s, but must be %d or newer",
			settings["server_version"], minVersion))
	}
	if standby {
		refused = append(refused, errors.New("the server is a standby, which is read-only: name the primary in "+
			"the URL, or all servers, with target_session_attrs=read-write"))
	}
	for _, r := range rules {
		if value, known := settings[r.name]; known && !slices.Contains(r.allowed, value) {
			refused = append(refused, fmt.Errorf("%s is %s, but must be %s: %s%s", r.name, value,
				strings.Join(r.allowed, " or "), r.why, r.remedy(user)))
		}
	}
	for _, name := range timeouts {
		ms, _ := strconv.Atoi(settings[name])
		if d := time.Duration(ms) * time.Millisecond; d > 0 && d < minTimeout {
			refused = append(refused, fmt.Errorf("%s is %v, but must be 0 (off) or at least %v: "+
				"ALTER ROLE %s SET %s = 0", name, d, minTimeout, pgx.Identifier{user}.Sanitize(), name))
		}
	}
	return refused
}

// remedy returns the statement that mends a setting.
func (r rule) remedy(user string) string {
	switch {
	case r.name == "server_encoding":
		return ""
	case r.server:
		return "; ALTER SYSTEM SET " + r.name + " = " + r.allowed[0] + ", then SELECT pg_reload_conf()"
	}
	return "; ALTER ROLE " + pgx.Identifier{user}.Sanitize() + " SET " + r.name + " = '" + r.allowed[0] + "'"
}

// readSettings returns all settings that are checked, as they are for this connection. Those of time are in
// milliseconds.
func readSettings(ctx context.Context, c *pgx.Conn) (map[string]string, error) {
	names := slices.Concat(timeouts, []string{"server_version", "server_version_num", "max_connections",
		"superuser_reserved_connections", "reserved_connections", "synchronous_standby_names", "full_page_writes"})
	for _, r := range rules {
		names = append(names, r.name)
	}
	rows, err := c.Query(ctx, "SELECT name, setting FROM pg_settings WHERE name = ANY($1)", names)
	if err != nil {
		return nil, err
	}
	settings := map[string]string{}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		settings[name] = value
		return nil
	})
	return settings, err
}

// shortOfConnections returns which limit has no room for so many connections, or nil. A limit of -1 is none.
func shortOfConnections(ctx context.Context, c *pgx.Conn, settings map[string]string,
	connections int) (short, err error) {
	limits := []struct {
		name  string
		limit int
	}{{"max_connections", 0}, {"the connection limit of the user", 0}, {"the connection limit of the database", 0}}
	err = c.QueryRow(ctx, `SELECT (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
		(SELECT datconnlimit FROM pg_database WHERE datname = current_database())`).
		Scan(&limits[1].limit, &limits[2].limit)
	if err != nil {
		return nil, fmt.Errorf("read the limits of connections: %w", err)
	}
	limits[0].limit, _ = strconv.Atoi(settings["max_connections"])
	for _, reserved := range []string{"superuser_reserved_connections", "reserved_connections"} {
		n, _ := strconv.Atoi(settings[reserved])
		limits[0].limit -= n
	}
	for _, l := range limits {
		if l.limit >= 0 && l.limit < connections {
			return fmt.Errorf("%s leaves %d connections, but this node may open %d: raise it, or give the node fewer "+
				"connections", l.name, l.limit, connections), nil
		}
	}
	return nil, nil
}

// warn returns what weakens the promises of the store but has good uses too.
func warn(ctx context.Context, c *pgx.Conn, settings map[string]string) (warnings []string, err error) {
	if settings["full_page_writes"] != "on" {
		warnings = append(warnings, "full_page_writes is "+settings["full_page_writes"]+": a power cut may damage "+
			"pages, unless the file system writes them whole, as ZFS does")
	}
	var standbys int
	// To users without pg_monitor the state of a standby is not shown.
	err = c.QueryRow(ctx, `SELECT count(*) FROM pg_stat_replication
		WHERE coalesce(state, 'streaming') IN ('streaming', 'catchup')`).Scan(&standbys)
	if err != nil {
		return nil, fmt.Errorf("look for standbys: %w", err)
	}
	if standbys > 0 && settings["synchronous_standby_names"] == "" {
		warnings = append(warnings, "the standby is asynchronous: a failover to it would lose the latest events, "+
			"although their senders were answered 2xx; set synchronous_standby_names")
	}
	return warnings, nil
}
