package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file decides which server a command calls and which key it sends there. A key that the user gives (--api-key,
// BELLHOP_API_KEY) goes to the server that the user gives, or to the server of a data folder that nobody else may have
// prepared. The admin key of a data folder goes to the server of that folder, and to no other.

// defaultData is the data folder of commands that name none.
const defaultData = "./data"

// A connection holds the flags that say how a command reaches a server and how it prints the answer.
type connection struct {
	server, key, data string
	json              bool                    // print data, not a table: JSON, or YAML if that is the format
	dir               string                  // env.dir
	warn              func(warnings []string) // env.warn
	adminKey          string                  // of BELLHOP_ADMIN_KEY, which also sets that of servers started here
}

func newConnection(e *env, flags *pflag.FlagSet) *connection {
	conn := &connection{dir: e.dir, warn: e.warn, adminKey: bellhop.Pasted(e.getenv(datadir.AdminKeyVariable))}
	flags.StringVar(&conn.server, "server", "",
		"URL of the server, such as http://127.0.0.1:8080 (default: the server that runs in the data folder)")
	flags.StringVar(&conn.key, "api-key", "",
		"API key (default: the admin key of the data folder, for the server that runs in it)")
	flags.StringVar(&conn.data, "data", defaultData, "data folder of a server on this machine")
	flags.SetAnnotation("data", ofTheServer, []string{})
	formatFlags(e, flags, &conn.json)
	return conn
}

// addHiddenConnectionFlags accepts the flags of a connection before the name of a sub-command too, so that a
// shell alias can hold them. They are hidden because each command that uses them shows its own.
func addHiddenConnectionFlags(e *env, root *cobra.Command) {
	newConnection(e, root.PersistentFlags())
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) { f.Hidden = true })
}

// A called is the server that a command calls, and the key that it sends there.
type called struct {
	server, key string
	keyFrom     string         // in words, for errors
	local       datadir.Server // the server of the data folder, if it is the one that is called
}

// choose chooses the server and the key. It does not look into the data folder if both are given.
func (conn *connection) choose() (called, error) {
	to := called{server: conn.server, key: bellhop.Pasted(conn.key), keyFrom: "--api-key or BELLHOP_API_KEY"}
	if err := checkServerURL(conn.server); err != nil {
		return called{}, err
	}
	if conn.server != "" && conn.key != "" {
		return to, nil
	}
	local, err := datadir.ReadServer(within(conn.dir, conn.data), conn.data != defaultData)
	switch {
	case conn.server == "" && err != nil:
		return called{}, fmt.Errorf("%w; give --server and --api-key, or another --data", err)
	case conn.server == "" && local.URL == "":
		return called{}, fmt.Errorf(
			"no server is running in %s: start one with 'bellhop serve', or give --server or --data", conn.data)
	case conn.server == "" || err == nil && sameServer(conn.server, local.URL):
		to.server, to.local = local.URL, local
	}
	if to.key != "" {
		return to, nil
	}
	switch {
	case to.local.AdminKey == datadir.AdminKeyFile:
		to.keyFrom = "the file " + datadir.AdminKeyFile + " in " + conn.data
		if to.key, err = datadir.ReadAdminKey(within(conn.dir, conn.data)); err != nil {
			return called{}, err
		}
	case conn.adminKey != "" && (to.local.URL != "" || isLoopback(to.server)):
		to.key, to.keyFrom = conn.adminKey, datadir.AdminKeyVariable
	case to.local.URL == "" && err != nil:
		return called{}, fmt.Errorf("no API key for %s: give --api-key or BELLHOP_API_KEY (%w)", to.server, err)
	case to.local.URL == "":
		return called{}, fmt.Errorf("no API key for %s: give --api-key or BELLHOP_API_KEY; the key in %s is for the "+
			"server that runs there", to.server, conn.data)
	case to.local.AdminKey == datadir.AdminKeyVariable:
		return called{}, fmt.Errorf("no API key: the server in %s takes its admin key from %s; set that here too, "+
			"or give --api-key", conn.data, datadir.AdminKeyVariable)
	}
	if to.key == "" {
		return called{}, fmt.Errorf("no API key for %s: give --api-key or BELLHOP_API_KEY", to.server)
	}
	return to, nil
}

// checkServerURL returns a usage error unless server is empty or a web URL.
func checkServerURL(server string) error {
	u, err := url.Parse(server)
	switch {
	case server == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil &&
		u.RawQuery == "" && u.Fragment == "":
		return nil
	case err == nil && u.User != nil:
		return wrongUsage("--server: leave user and password out; the key is --api-key")
	case !strings.Contains(server, "://"):
		scheme := "https://"
		if isLoopback("http://" + server) {
			scheme = "http://"
		}
		return wrongUsage("--server %s: write it with http:// or https://, such as %s", clean(server),
			clean(scheme+server))
	}
	return wrongUsage("--server: write it as http://HOST:PORT or https://HOST")
}

// sameServer reports whether given is the URL of the server that listens at local, or another loopback address with
// its port. The command then calls local itself: at the other address and port somebody else may listen.
func sameServer(given, local string) bool {
	a, errA := url.Parse(given)
	b, errB := url.Parse(local)
	if errA != nil || errB != nil || local == "" || a.Scheme != b.Scheme || a.Port() != b.Port() ||
		strings.Trim(a.Path, "/") != "" {
		return false
	}
	return strings.EqualFold(a.Hostname(), b.Hostname()) || isLoopback(given) && isLoopback(local)
}

// isLoopback reports whether server is the URL of a loopback address or localhost.
func isLoopback(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	return bellhop.IsLoopback(u.Hostname())
}

// call makes f's calls of the server's API.
func (conn *connection) call(f func(*client.Client) error) error {
	to, err := conn.choose()
	if err != nil {
		return err
	}
	calls := egress.NewLocal()
	calls.Transport = &standbyNotice{next: calls.Transport, warn: conn.warn}
	err = f(client.New(to.server, to.key, calls))
	var refused *client.Error
	var network *url.Error
	switch {
	case errors.As(err, &refused) && refused.Status == 401 && refused.Code != "":
		return fmt.Errorf("the server at %s does not accept the API key from %s%s", to.server, to.keyFrom,
			to.otherKey())
	case errors.As(err, &network):
		return fmt.Errorf("%w: is the server running?", err)
	}
	return err
}

// A standbyNotice warns once that a server which was called sends nothing.
type standbyNotice struct {
	next http.RoundTripper
	warn func(warnings []string)
	once sync.Once
}

func (n *standbyNotice) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := n.next.RoundTrip(r)
	if err == nil && resp.Header.Get(client.StandbyHeader) != "" {
		n.once.Do(func() {
			n.warn([]string{"the server is in standby: it keeps events and sends nothing, until 'bellhop resume'"})
		})
	}
	return resp, err
}

// otherKey says where the key is that the server accepts, as far as this is known.
func (to called) otherKey() string {
	switch {
	case to.local.AdminKey == datadir.AdminKeyVariable:
		return "; it was started with another " + datadir.AdminKeyVariable
	case to.local.AdminKey == datadir.AdminKeyFile:
		return "; without --api-key and BELLHOP_API_KEY, the key in the file " + datadir.AdminKeyFile +
			" of its data folder is used"
	}
	return "; its admin key is in the file " + datadir.AdminKeyFile + " of its data folder, or in its " +
		datadir.AdminKeyVariable
}
