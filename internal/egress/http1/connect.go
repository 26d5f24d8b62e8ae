package http1

import (
	"bufio"
	"context"
	"io"
	"net"
	"time"
)

// Connect asks the proxy at the other end of c for a tunnel to the address to ("host:port"), by the deadline of
// ctx. header is further header lines, as in [Request]. status is that of the proxy's answer; after a 2xx, c is
// the tunnel and has no deadline. The answer is bounded as a reply's headers are. No body is read.
//
// Errors are those of c and of ctx, and a [ProtocolError] if the answer is not one to CONNECT.
func Connect(ctx context.Context, c net.Conn, to, header string) (status int, err error) {
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	undisturbed := context.AfterFunc(ctx, func() { interrupt(c) })
	status, err = connect(c, to, header)
	if !undisturbed() {
		return 0, ctx.Err()
	}
	c.SetDeadline(time.Time{})
	return status, err
}

func connect(c net.Conn, to, header string) (status int, err error) {
	if _, err := io.WriteString(c, "CONNECT "+to+" HTTP/1.1\r\nHost: "+to+"\r\n"+header+"\r\n"); err != nil {
		return 0, err
	}
	in := readers.Get().(*bufio.Reader)
	in.Reset(c)
	defer func() {
		in.Reset(nil)
		readers.Put(in)
	}()
	if _, err := in.Peek(1); err != nil {
		return 0, err
	}
	budget := MaxHeaderBytes
	h, err := readFinalHead(in, &budget, false)
	if err != nil {
		return 0, err
	}
	if h.status/100 == 2 && (in.Buffered() > 0 || !silent(c)) { // no server that we tunnel to speaks first
		return 0, ProtocolError("it sent more than its answer to CONNECT")
	}
	return h.status, nil
}
