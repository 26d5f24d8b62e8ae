package egress

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// TellSystemd tells the service manager of systemd the state of this process: "READY=1" or "STOPPING=1". So
// `systemctl start` returns when the server listens, and fails if it does not. socket is the value of NOTIFY_SOCKET,
// which names a socket of this machine; if it is "", the process was not started by systemd, and nothing is told.
// Source: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
func TellSystemd(socket, state string) error {
	if socket == "" {
		return nil
	}
	// A name that begins with @ is in the abstract namespace.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell systemd: %w", err)
	}
	_, err = io.WriteString(conn, state)
	return errors.Join(err, conn.Close())
}
