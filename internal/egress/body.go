package egress

import (
	"bufio"
	"errors"
	"io"
	"math"
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
	_, err := in.Peek(1)
	reply.Truncated = err == nil
	return nil
}

// endOf is nil if err is the end that the body's framing expects.
func endOf(err error) error {
	if errors.Is(err, io.EOF) {
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

// readChunks reads a chunked body and its trailers into reply, at most keep bytes of it. whole is as in readLength.
func readChunks(in *bufio.Reader, reply *Reply, keep int, budget *int) (whole bool, err error) {
	drained, overhead := 0, 0
	for {
		size, err := readChunkSize(in, &overhead)
		if err != nil {
			return false, enough(reply, err)
		}
		if size == 0 {
			err := readTrailers(in, budget)
			return err == nil, enough(reply, err)
		}
		for size > 0 {
			if reply.Truncated && drained > maxDrainBytes {
				return false, nil
			}
			if _, err := in.Peek(1); err != nil {
				return false, enough(reply, unexpected(err))
			}
			n := int(min(size, int64(in.Buffered())))
			before := len(reply.Body)
			take(in, reply, keep, n)
			drained += n - (len(reply.Body) - before)
			size -= int64(n)
		}
		if err := readChunkEnd(in); err != nil {
			return false, enough(reply, err)
		}
	}
}

// enough forgives an error of the connection once more of the body has come than is kept.
func enough(reply *Reply, err error) error {
	var bad badReply
	if reply.Truncated && !errors.As(err, &bad) {
		return nil
	}
	return err
}

// readChunkSize reads the line before a chunk, "1a0" or "1a0;extension". overhead counts what such lines carry
// beside the size, less what honest chunks need, so that a server cannot send for ever and say nothing.
func readChunkSize(in *bufio.Reader, overhead *int) (int64, error) {
	line, err := in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return 0, badReply("a chunk of the reply has too long an extension")
	}
	if err != nil {
		return 0, unexpected(err)
	}
	size, rest := hexPrefix(cutEnd(line))
	if rest = trim(rest); size < 0 || len(rest) > 0 && rest[0] != ';' {
		return 0, badReply("a chunk of the reply has no valid size")
	}
	*overhead += len(line) + len("\r\n") // behind the chunk
	*overhead = max(0, *overhead-16-2*int(min(size, maxChunkOverhead)))
	if *overhead > maxChunkOverhead {
		return 0, badReply("the reply has more chunk extensions than content")
	}
	return size, nil
}

// readChunkEnd reads the line end after a chunk.
func readChunkEnd(in *bufio.Reader) error {
	var end [2]byte
	if _, err := io.ReadFull(in, end[:]); err != nil {
		return unexpected(err)
	}
	if end != [2]byte{'\r', '\n'} {
		return badReply("a chunk of the reply is longer than it says")
	}
	return nil
}

// readTrailers reads, and forgets, the lines after the last chunk.
func readTrailers(in *bufio.Reader, budget *int) error {
	for {
		line, err := readLine(in, budget)
		if err != nil || len(line) == 0 {
			return err
		}
	}
}

// hexPrefix reads the hexadecimal number that b begins with; it is -1 if there is none, or it is too large.
func hexPrefix(b []byte) (n int64, rest []byte) {
	i := 0
	for ; i < len(b); i++ {
		var v byte
		switch c := b[i]; {
		case digit(c):
			v = c - '0'
		case 'a' <= c && c <= 'f':
			v = c - 'a' + 10
		case 'A' <= c && c <= 'F':
			v = c - 'A' + 10
		default:
			v = 16
		}
		if v == 16 {
			break
		}
		if n > math.MaxInt64>>4 {
			return -1, b
		}
		n = n<<4 | int64(v)
	}
	if i == 0 {
		return -1, b
	}
	return n, b[i:]
}
