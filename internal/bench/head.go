package bench

import (
	"bufio"
	"bytes"
	"errors"
	"strconv"
)

// A head is the start line of a request or answer, and what its headers say about the bytes after it. The neighbours
// read no other header.
type head struct {
	first  []byte // without the line's end; overwritten by the next read
	length int    // of the body
	close  bool   // the connection ends with this message
}

var errChunked = errors.New("a body in chunks, which only a Content-Length can do without")

// read takes a head from in.
func (h *head) read(in *bufio.Reader) error {
	h.first, h.length, h.close = h.first[:0], 0, false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case len(h.first) == 0:
			h.first = append(h.first, line...)
		case len(line) == 0:
			return nil
		default:
			if err := h.field(line); err != nil {
				return err
			}
		}
	}
}

// field takes notice of one header. Their names differ in length, which spares most comparisons.
func (h *head) field(line []byte) (err error) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch len(name) {
	case len("Connection"):
		if bytes.EqualFold(name, []byte("Connection")) {
			h.close = bytes.EqualFold(value, []byte("close"))
		}
	case len("Content-Length"):
		if bytes.EqualFold(name, []byte("Content-Length")) {
			h.length, err = strconv.Atoi(string(value))
		}
	case len("Transfer-Encoding"):
		if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			return errChunked
		}
	}
	return err
}
