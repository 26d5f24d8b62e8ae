package http1

import (
	"bufio"
	"bytes"
	"errors"
	"math"
)

// readChunks reads a chunked body into reply, keeps at most keep bytes of it, and reads its trailers. whole is
// as in readLength.
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

// enough returns err, but nil for an error of the connection after more of the body arrived than is kept.
func enough(reply *Reply, err error) error {
	var bad ProtocolError
	if reply.Truncated && !errors.As(err, &bad) {
		return nil
	}
	return err
}

// readChunkSize reads the line before a chunk, "1a0" or "1a0;extension". *overhead counts the bytes of such
// lines beyond what chunks of their size reasonably need. The bound on it stops a server that sends extensions
// and no content.
func readChunkSize(in *bufio.Reader, overhead *int) (int64, error) {
	first, err := in.Peek(1)
	if err != nil {
		return 0, unexpected(err)
	}
	if hexDigit(first[0]) < 0 { // before reading a line that may never end
		return 0, ProtocolError("a chunk of the reply has no valid size")
	}
	line, err := in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return 0, ProtocolError("a chunk of the reply has too long an extension")
	}
	if err != nil {
		return 0, unexpected(err)
	}
	// Some readers take a bare CR or LF for the end of a line, and others do not.
	if bytes.IndexByte(line, '\r') != len(line)-2 {
		return 0, ProtocolError("a chunk of the reply has a line that does not end in CR LF")
	}
	size, rest := hexPrefix(cutEnd(line))
	if rest = trim(rest); size < 0 || len(rest) > 0 && rest[0] != ';' {
		return 0, ProtocolError("a chunk of the reply has no valid size")
	}
	*overhead += len(line) + len("\r\n") // the line end after the chunk
	*overhead = max(0, *overhead-16-2*int(min(size, maxChunkOverhead)))
	if *overhead > maxChunkOverhead {
		return 0, ProtocolError("the reply has more chunk extensions than content")
	}
	return size, nil
}

// readChunkEnd reads the line end after the content of a chunk.
func readChunkEnd(in *bufio.Reader) error {
	end, err := in.Peek(2)
	if err != nil {
		return unexpected(err)
	}
	if string(end) != "\r\n" {
		return ProtocolError("a chunk of the reply is longer than it says")
	}
	_, err = in.Discard(2)
	return err
}

// readTrailers reads and drops the lines after the last chunk.
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
			return ProtocolError("the reply's last chunk does not end in CR LF")
		}
	}
}

// hexPrefix reads the hexadecimal number that b begins with. n is -1 if there is none or it is too large.
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

// hexDigit returns the value of a hexadecimal digit, or -1 for any other byte.
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
