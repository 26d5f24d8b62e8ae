package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

// localErrors are what this machine returns when it is short of something.
var localErrors = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	syscall.EADDRNOTAVAIL}

// TestLocalShortage: a lack of this machine is a class of its own, wherever it is met: while looking a name up,
// dialling one or several addresses, or sending.
func TestLocalShortage(t *testing.T) {
	for _, errno := range localErrors {
		failing := func(err error) dialFunc {
			return func(_ context.Context, _, address string) (net.Conn, error) {
				cause := err
				if address == "[2001:4860:4860::8888]:80" {
					cause = syscall.ECONNREFUSED // another cause beside it
				}
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", cause)}
			}
		}
		dns := resolverFunc(func(_ context.Context, _, host string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "dial udp 10.9.8.7:53: socket: " + errno.Error(), Name: host,
				Server:      "10.9.8.7:53",
				IsTemporary: true}
		})
		writes := func(context.Context, string, string) (net.Conn, error) { return &brokenConn{err: errno}, nil }
		for name, cfg := range map[string]Config{
			"lookup":        {Resolver: dns},
			"dial":          {Resolver: answers("8.8.8.8"), Dial: failing(errno)},
			"one of two":    {Resolver: answers("2001:4860:4860::8888", "8.8.8.8"), Dial: failing(errno)},
			"write or read": {Resolver: answers("8.8.8.8"), Dial: writes},
		} {
			for _, url := range []string{"http://hooks.example.com/secret", "https://hooks.example.com/secret"} {
				if name == "one of two" && url[:5] == "https" {
					continue
				}
				c := newClient(t, cfg)
				_, err := post(c, mustTarget(t, c, url))
				wantClass(t, err, ClassLocal)
				res, err := c.HTTP().Get(url)
				if err == nil {
					res.Body.Close()
				}
				if !IsLocal(err) || Local(err).Class != ClassLocal {
					t.Errorf("%s, %v: HTTP: %v", name, errno, err)
				}
			}
		}
	}
	for _, err := range []error{nil, errors.New("too many open files"), syscall.ECONNREFUSED, syscall.ENETUNREACH,
		&net.DNSError{Err: "no such host", IsNotFound: true}, &Error{Class: ClassDNS, Err: syscall.ECONNREFUSED}} {
		if IsLocal(err) {
			t.Errorf("%v is taken for a shortage of this machine", err)
		}
	}
}

// A brokenConn fails with err.
type brokenConn struct {
	net.Conn
	err error
}

func (c *brokenConn) Write([]byte) (int, error)        { return 0, c.wrap("write") }
func (c *brokenConn) Read([]byte) (int, error)         { return 0, c.wrap("read") }
func (c *brokenConn) Close() error                     { return nil }
func (c *brokenConn) SetDeadline(time.Time) error      { return nil }
func (c *brokenConn) SetReadDeadline(time.Time) error  { return nil }
func (c *brokenConn) SetWriteDeadline(time.Time) error { return nil }

func (c *brokenConn) wrap(op string) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, c.err)}
}
