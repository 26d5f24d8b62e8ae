package http1

import (
	"context"
	"crypto/tls"
	"net"
)

// Secure makes the TLS handshake of a client on below, by the deadline of ctx, and returns the connection above
// it. A connection made by Secure knows whether it has received bytes that nobody has read, wherever they are:
// decrypted, or still in records. The pool needs that before it lends the connection again. below may be a
// connection made by Secure itself: the tunnel of a proxy that is spoken to over TLS.
func Secure(ctx context.Context, below net.Conn, cfg *tls.Config) (net.Conn, error) {
	s := &secured{records: recordReader{Conn: below}}
	s.Conn = tls.Client(&s.records, cfg)
	if err := s.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// A secured is TLS over a connection.
type secured struct {
	*tls.Conn
	records recordReader
	probe   [1]byte
}

// unread reports whether s has decrypted bytes that nobody has read, and otherwise whether it has a part of a record.
// It consumes nothing of the connection below. If either is true, s may have lost a byte and is not to be lent again.
//
// The read below takes the decrypted bytes that are left, then those of whole records that tls.Conn has buffered.
// It ends at the connection below, which answers errDry. What tls.Conn then has buffered is part of a record.
func (s *secured) unread() (data, part bool) {
	s.records.dry = true
	n, err := s.Read(s.probe[:])
	s.records.dry = false
	return n > 0 || err != errDry, !s.records.whole()
}

// silent reports whether stream, if it is TLS, has received nothing beyond what was read from it. It returns true
// for any other stream: see [conn.closedByPeer].
func silent(stream net.Conn) bool {
	for {
		s, ok := stream.(*secured)
		if !ok {
			return true
		}
		if data, part := s.unread(); data || part {
			return false
		}
		stream = s.records.Conn
	}
}

// A recordReader is the connection below a tls.Conn. It follows the records in the bytes that it hands over.
type recordReader struct {
	net.Conn

	dry    bool    // Read returns errDry
	header [5]byte // of the record that begins: type, version, length
	have   int     // how many bytes of header have passed
	left   int     // bytes of the record's content that have not passed yet
}

func (r *recordReader) Read(b []byte) (int, error) {
	if r.dry {
		return 0, errDry
	}
	n, err := r.Conn.Read(b)
	r.follow(b[:n])
	return n, err
}

// follow takes note of bytes that are handed over.
func (r *recordReader) follow(b []byte) {
	for len(b) > 0 {
		if r.left > 0 {
			n := min(r.left, len(b))
			r.left -= n
			b = b[n:]
			continue
		}
		n := copy(r.header[r.have:], b)
		r.have += n
		b = b[n:]
		if r.have == len(r.header) {
			r.have, r.left = 0, int(r.header[3])<<8|int(r.header[4])
		}
	}
}

// whole reports whether the bytes handed over end with a whole record.
func (r *recordReader) whole() bool { return r.have == 0 && r.left == 0 }

// errDry is what a dry recordReader returns. It is temporary, because tls.Conn keeps every other error for ever.
var errDry error = dryError{}

type dryError struct{}

func (dryError) Error() string   { return "nothing to read" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }
