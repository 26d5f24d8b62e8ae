package egress

import (
	"bufio"
	"bytes"
	"errors"
	"math"
)

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
			if drained > maxDrainBytes {
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
	// A bare CR or LF may be an end of line to one reader and not to the next.
	if bytes.IndexByte(line, '\r') != len(line)-2 {
		return 0, badReply("a chunk of the reply has a line that does not end in CR LF")
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
	end, err := in.Peek(2)
	if err != nil {
		return unexpected(err)
	}
	if string(end) != "\r\n" {
		return badReply("a chunk of the reply is longer than it says")
	}
	_, err = in.Discard(2)
	return err
}

// readTrailers reads, and forgets, the lines after the last chunk.
func readTrailers(in *bufio.Reader, budget *int) error {
	for {
		if end, _ := in.Peek(2); string(end) == "\r\n" {
			_, err := in.Discard(2)
			return err
		}
		line, err := readLine(in, budget)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return badReply("the reply's last chunk does not end in CR LF")
		}
	}
}

// hexPrefix reads the hexadecimal number that b begins with; it is -1 if there is none, or it is too large.
func hexPrefix(b []byte) (n int64, rest []byte) {
	i := 0
	for i < len(b) && hexDigit(b[i]) >= 0 {
		if n > math.MaxInt64>>4 {
			return -1, b
		}
		n = n<<4 | int64(hexDigit(b[i]))
		i++
	}
	if i == 0 {
		return -1, b
	}
	return n, b[i:]
}

// hexDigit is the value of a hexadecimal digit, or -1.
func hexDigit(b byte) int {
	switch {
	case digit(b):
		return int(b - '0')
	case 'a' <= b && b <= 'f':
		return int(b-'a') + 10
	case 'A' <= b && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}
