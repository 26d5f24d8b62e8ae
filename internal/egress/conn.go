package egress

import (
	"net"
	"syscall"
	"time"
)

// A conn is a connection to one scheme, host and port.
type conn struct {
	net.Conn // what is written and read: TCP, or TLS over it

	tcp   net.Conn        // what is below
	raw   syscall.RawConn // of tcp; nil if it has none
	shelf *shelf
	born  time.Time

	// Owned by the pool, while idle.
	idleAt       time.Time
	older, newer *conn
}

func newConn(stream, tcp net.Conn) *conn {
	c := &conn{Conn: stream, tcp: tcp}
	if s, ok := tcp.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	return c
}

// hungUp reports whether the server has closed c, or said something unasked, while it was idle.
func (c *conn) hungUp() bool {
	if c.raw == nil {
		return false
	}
	silent := true
	if err := c.raw.Control(func(fd uintptr) { silent = nothingToRead(fd) }); err != nil {
		return true
	}
	return !silent
}
