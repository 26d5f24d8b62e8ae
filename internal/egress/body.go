package egress

import (
	"bufio"
	"io"
)

// readLength reads a body of length bytes into reply, at most keep of them. whole reports whether all of the body
// was read off in; an error there once enough is kept costs only the connection.
func readLength(in *bufio.Reader, reply *Reply, keep int, length int64) (whole bool, err error) {
	kept := min(length, int64(keep))
	if kept > 0 {
		reply.Body = make([]byte, kept)
		n, err := io.ReadFull(in, reply.Body)
		if err != nil {
			reply.Body = reply.Body[:n]
			return false, unexpected(err)
		}
	}
	rest := length - kept
	if rest == 0 {
		return true, nil
	}
	reply.Truncated = true
	if rest > maxDrainBytes {
		return false, nil
	}
	_, err = in.Discard(int(rest))
	return err == nil, nil
}

// readToEnd reads a body that ends with the connection into reply, at most keep bytes of it.
func readToEnd(in *bufio.Reader, reply *Reply, keep int) error {
	for len(reply.Body) < keep {
		if _, err := in.Peek(1); err != nil {
			return endOf(err)
		}
		take(in, reply, keep, in.Buffered())
	}
	if reply.Truncated {
		return nil
	}
	_, err := in.Peek(1)
	reply.Truncated = err == nil
	return endOf(err)
}

// endOf is nil if err is the end that such a body has.
func endOf(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// take moves n bytes that in has buffered to reply, as far as it keeps them.
func take(in *bufio.Reader, reply *Reply, keep, n int) {
	b, _ := in.Peek(n)
	kept := min(n, keep-len(reply.Body))
	reply.Body = append(reply.Body, b[:kept]...)
	reply.Truncated = reply.Truncated || kept < n
	in.Discard(n)
}
