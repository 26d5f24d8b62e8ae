package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/egress"
)

// A connection is how a command reaches a server, and how it prints what it hears.
type connection struct {
	server, key, data string
	json              bool
	adminKey          string // BELLHOP_ADMIN_KEY, which sets the key of servers started here
}

func newConnection(e *env, flags *pflag.FlagSet) *connection {
	conn := &connection{adminKey: e.getenv("BELLHOP_ADMIN_KEY")}
	flags.StringVar(&conn.server, "server", "", "URL of the server; by default, the one started in the data folder")
	flags.StringVar(&conn.key, "api-key", "", "API key; by default, the one in the data folder")
	flags.StringVar(&conn.data, "data", "./data", "data folder of a server on this machine")
	flags.BoolVar(&conn.json, "json", false, "print JSON, one line per item")
	return conn
}

// hideConnection lets the flags of a connection stand in front of a command as well, so that an alias can hold them.
// Each command that uses them has them itself.
func hideConnection(e *env, root *cobra.Command) {
	newConnection(e, root.PersistentFlags())
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) { f.Hidden = true })
}

// A serverFile is what a server leaves in its data folder for as long as it runs.
type serverFile struct {
	URL string `json:"url"`
}

// client returns a client of the server.
func (conn *connection) client() (*client.Client, error) {
	local, err := conn.local()
	if err != nil {
		return nil, err
	}
	server := conn.server
	if server == "" {
		server = local.URL
	}
	if server == "" {
		return nil, fmt.Errorf("no server is running in %s: start one with 'bellhop serve', or give --server or --data", conn.data)
	}
	key := conn.key
	if key == "" && (server == local.URL || isLoopback(server)) {
		if key, err = conn.localKey(); err != nil {
			return nil, err
		}
	}
	if key == "" {
		return nil, fmt.Errorf("no API key for %s: give --api-key or BELLHOP_API_KEY", server)
	}
	return client.New(server, key, egress.NewLocal()), nil
}

// local reads what a server in the data folder says of itself; nothing, if there is none.
func (conn *connection) local() (f serverFile, err error) {
	text, err := os.ReadFile(filepath.Join(conn.data, "server.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("data folder: %w", err)
	}
	if !app.FolderInUse(conn.data) { // it was left by a server that died; who is at its address now gets no key
		return f, nil
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("data folder: server.json: %w", err)
	}
	return f, nil
}

// localKey returns the admin key of a server in the data folder; "" if there is none.
func (conn *connection) localKey() (string, error) {
	if conn.adminKey != "" {
		return conn.adminKey, nil
	}
	text, err := os.ReadFile(filepath.Join(conn.data, app.AdminKeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// isLoopback reports whether server is on this machine. The admin key of a data folder goes nowhere else by itself.
func isLoopback(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// call runs f with a client, and adds a hint to what goes wrong.
func (conn *connection) call(f func(c *client.Client) error) error {
	c, err := conn.client()
	if err != nil {
		return err
	}
	err = f(c)
	var refused *client.Error
	var network *url.Error
	switch {
	case errors.As(err, &refused) && refused.Status == 401:
		return fmt.Errorf("the server does not take this API key: see --api-key, or admin.key in its data folder")
	case errors.As(err, &network):
		return fmt.Errorf("%w: is the server running?", err)
	}
	return err
}
