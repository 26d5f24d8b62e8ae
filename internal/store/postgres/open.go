// Package postgres is a store in a PostgreSQL database that several nodes share. So far it has the ground, which is
// the connection and what is checked when it is made, the schema, its partitions and the sessions of nodes, and the
// part of the corridor that stores: Accept, Record and Settle.
//
// A node registers and gets a session, whose number only grows. Everything that a node leases or owns belongs to its
// session, and every transaction of the corridor begins with the fence, which fails once another node has ended the
// session. So no lease depends on a clock: see session.go.
package postgres

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bellhop-gateway/bellhop/internal/store"
)

// Options are the options of a store on PostgreSQL.
type Options struct {
	store.Options
	URL         string        // postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full
	Node        string        // the name of this node; no other living node has it
	Version     string        // of this program, as other nodes show it
	Connections int           // of this node at most; 0 is defaultConnections
	Lease       time.Duration // how long a node may be silent before another ends its session; 0 is defaultLease
	Metrics     prometheus.Registerer
}

const (
	defaultConnections = 16
	minConnections     = 4 // one writes, one beats, two read
	defaultLease       = 5 * time.Second
	connectTimeout     = 5 * time.Second
)

// A Store is one node's view of the database.
type Store struct {
	opts     Options
	database string // where it is, for errors: host, port and name
	pool     *pgxpool.Pool
	ids      ids
	session  *session
	writer   *writer

	// The numbers of the nouns' rows. They lock themselves.
	sources, destinations numbers
}

// connect connects to the database, checks its settings, migrates it and registers this node.
func connect(ctx context.Context, opts Options) (*Store, error) {
	if opts.Now == nil || opts.Rand == nil || opts.Logger == nil || opts.Node == "" {
		return nil, errors.New("open the store: Now, Rand, Logger and Node are required")
	}
	if opts.Elapsed == nil {
		opened := time.Now()
		opts.Elapsed = func() time.Duration { return time.Since(opened) }
	}
	opts.Lease = cmp.Or(opts.Lease, defaultLease)
	opts.Connections = cmp.Or(opts.Connections, defaultConnections)
	config, err := parseURL(opts.URL, opts.Connections)
	if err != nil {
		return nil, err
	}
	s := &Store{opts: opts, database: placeOf(config.ConnConfig), sources: numbers{table: "sources"},
		destinations: numbers{table: "destinations"}}
	if err := s.start(ctx, config); err != nil {
		return nil, fmt.Errorf("database %s: %w", s.database, err)
	}
	return s, nil
}

// start does what connect promises, on a connection of its own until the session is known: every connection of the
// pool has its number in the name.
func (s *Store) start(ctx context.Context, config *pgxpool.Config) error {
	c, err := pgx.ConnectConfig(ctx, named(config.ConnConfig, "starting"))
	if err != nil {
		return explain(err)
	}
	defer c.Close(context.WithoutCancel(ctx))
	warnings, err := check(ctx, c, s.opts.Connections)
	if err != nil {
		return err
	}
	if warning := warnOfTLS(config.ConnConfig); warning != "" {
		warnings = append(warnings, warning)
	}
	for _, warning := range warnings {
		s.opts.Logger.Warn("database.warned", "component", "store", "database", s.database, "warning", warning)
	}
	if err := migrate(ctx, c, s.opts.Keys, s.opts.Rand); err != nil {
		return explain(err)
	}
	if s.ids, err = readMeta(ctx, c, s.opts.Keys); err != nil {
		return err
	}
	if err := s.makePartitions(ctx, c, s.opts.Now()); err != nil {
		return explain(err)
	}
	if s.session, err = register(ctx, c, &s.opts); err != nil {
		return explain(err)
	}
	pooled, err := throughPooler(ctx, c)
	if err != nil {
		return err
	}
	config.ConnConfig = named(config.ConnConfig, strconv.FormatInt(s.session.number, 10))
	if !pooled {
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	s.session.pool = s.pool
	s.writer = newWriter(s)
	go s.writer.run()
	return nil
}

// Close writes everything that waits, ends the session, which gives back what it holds, and closes the connections.
func (s *Store) Close(ctx context.Context) error {
	s.writer.close()
	err := s.session.leave(ctx)
	s.pool.Close()
	return err
}

// parseURL returns the configuration of a pool of at most so many connections.
func parseURL(text string, connections int) (*pgxpool.Config, error) {
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		return nil, errors.New("database: the URL must begin with postgres://, and look like " +
			"postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full")
	}
	if connections < minConnections {
		return nil, fmt.Errorf("database: %d connections are too few: a node needs %d", connections, minConnections)
	}
	config, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err) // it does not show the password
	}
	config.MaxConns = int32(connections)
	config.MaxConnIdleTime = idleTime
	c := config.ConnConfig
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	// The descriptions of statements are kept here, and no prepared statements in the server: a pooler that lends a
	// connection for one transaction would lend the next one without them.
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	return config, nil
}

// idleTime is how long a connection stays open that nobody uses: less than an administrator's timeout that check
// accepts.
const idleTime = minTimeout / 2

// named returns a copy of c whose connections have the name of a session. Whoever ends the session finds them by it.
// No other parameter is set when a connection is made: poolers refuse those that they do not know.
func named(c *pgx.ConnConfig, session string) *pgx.ConnConfig {
	c = c.Copy()
	c.RuntimeParams["application_name"] = applicationName(session)
	return c
}

func applicationName(session string) string { return "bellhop/" + session }

// placeOf returns where a database is, without the password.
func placeOf(c *pgx.ConnConfig) string {
	host := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	if strings.HasPrefix(c.Host, "/") {
		host = c.Host
	}
	return host + "/" + c.Database
}

// throughPooler reports whether a pooler is between here and the server: then the process that answers is not the one
// of which the connection was told.
func throughPooler(ctx context.Context, c *pgx.Conn) (bool, error) {
	var pid uint32
	err := c.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid)
	return pid != c.PgConn().PID(), err
}

// warnOfTLS returns a warning if somebody between here and another machine could read or change what is sent.
func warnOfTLS(c *pgx.ConnConfig) string {
	hosts := append([]*pgconn.FallbackConfig{{Host: c.Host, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
	plain, unverified := "", ""
	for _, h := range hosts {
		switch {
		case isHere(h.Host):
		case h.TLSConfig == nil:
			plain = h.Host
		case !verifies(h.TLSConfig):
			unverified = h.Host
		}
	}
	const remedy = ": add sslmode=verify-full to the URL, and sslrootcert=FILE unless a public authority signed its " +
		"certificate"
	switch {
	case plain != "":
		return "the connection to " + plain + " is not encrypted, or need not be" + remedy
	case unverified != "":
		return "nobody checks that " + unverified + " is the right server" + remedy
	}
	return ""
}

func verifies(c *tls.Config) bool {
	return !c.InsecureSkipVerify || c.VerifyPeerCertificate != nil || c.VerifyConnection != nil
}

// isHere reports whether host is this machine: a Unix socket or loopback.
func isHere(host string) bool {
	ip := net.ParseIP(host)
	return strings.HasPrefix(host, "/") || host == "localhost" || ip != nil && ip.IsLoopback()
}

// SQLSTATE codes that have a meaning here.
const (
	codeDivisionByZero     = "22012"
	codeCheck              = "23514" // also: no partition for the row
	codeNoDatabase         = "3D000"
	codeLockNotAvailable   = "55P03"
	codeNoPrivilege        = "42501"
	codeTooManyConnections = "53300"
	codeNoPassword         = "28P01"
	codeUndefinedTable     = "42P01"
)

// codeOf returns the SQLSTATE of an error of the server, or "".
func codeOf(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// explain adds what to do about an error that an administrator has to mend.
func explain(err error) error {
	remedy := ""
	switch codeOf(err) {
	case codeNoDatabase:
		remedy = "create it: CREATE DATABASE, with ENCODING 'UTF8'"
	case codeNoPassword:
		remedy = "the URL has another user or password than the server"
	case codeTooManyConnections:
		remedy = "max_connections is too small for all programs that use the server: raise it, or give each node " +
			"fewer connections"
	case codeNoPrivilege:
		remedy = "the user of the URL must be the owner of the database, or have CREATE on it and on its schema"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, remedy)
}
