package bellhop

import (
	"net/netip"
	"strings"
	"time"
)

// A RequestOutcome says how the door handled a request.
type RequestOutcome string

// The outcomes of a request.
const (
	RequestAccepted  RequestOutcome = "accepted"  // its events are on disk
	RequestHandshake RequestOutcome = "handshake" // a handshake, answered at once; it carried no event
	RequestRefused   RequestOutcome = "refused"   // refused as a whole; Reason says why
	RequestPartial   RequestOutcome = "partial"   // some items accepted, some refused
)

// A Request is one HTTP call at a source. It is kept as received if it was refused, was a handshake or carried several
// events. A request that carried one accepted event is not kept beside that event. A
// request at no source is kept without header and body.
type Request struct {
	ID       string // "req_…"; set if the request is kept
	SourceID string // "" if there is no source at the path
	Source   string // name of the source, also of a deleted one; storage keeps the id
	// RequestName is, without a source, the name in the path, in which a stranger may have written anything: at most
	// 128 bytes, without control characters.
	RequestName string
	Outcome     RequestOutcome
	Status      int    // of our answer
	Reason      string // of a refusal: a short code such as "signature_mismatch"
	Detail      string // of a refusal: a sentence for the owner of the source, without input and secrets
	Method      string
	Target      string // path and query as sent, without the values of the query
	RemoteAddr  string // of the client: see [ClientAddr]
	Header      Header // as received, without headers that carry secrets
	Body        []byte // as received; for a refused request at most MaxRefusedBodyBytes of it
	BodyBytes   int64  // bytes of the body that were read
	Events      int    // number of accepted events
	ReceivedAt  time.Time
}

// A Verdict is what a source makes of a request on record when it is verified again, as if it came in when it did.
type Verdict struct {
	// Outcome is accepted, handshake, partial or refused; "" if the record does not have enough of the request to
	// tell.
	Outcome RequestOutcome
	Status  int       // that the source would answer; 0 if Outcome is ""
	Reason  string    // of a refusal, as in a Request
	Detail  string    // of a refusal, as in a Request
	Events  int       // that the request carries
	Missing []Missing // what the record lacks; some of it may not matter

	Cause  string // the likely cause of the refusal, in a sentence: of this one, or of the one on record
	Advice string // what to do, in a sentence
}

// A Missing is a part of a request that is not on record.
type Missing struct {
	Part   string // MissingBody, MissingHeader or MissingQuery
	Detail string // which, and why, in words
}

// The parts of a request that may not be on record.
const (
	MissingBody   = "body"
	MissingHeader = "header"
	MissingQuery  = "query"
)

// MaxRefusedBodyBytes bounds how much of a refused request's body is kept.
const MaxRefusedBodyBytes = 16 << 10

// ClientAddr returns the address in remoteAddr, which is "address:port", or an address alone of a client whose proxy
// names no port. It returns the zero Addr for any other text, such as that of a Unix socket.
func ClientAddr(remoteAddr string) netip.Addr {
	at, err := netip.ParseAddrPort(remoteAddr)
	if err == nil {
		return at.Addr().Unmap()
	}
	alone, err := netip.ParseAddr(remoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return alone.Unmap()
}

// Sender returns what counts as one sender of requests in limits by address: the IPv4 address of remoteAddr, see
// [ClientAddr], or the /64 network of its IPv6 address, of which one customer of a provider has all addresses. It
// returns the zero Prefix for a text without an address.
func Sender(remoteAddr string) netip.Prefix {
	addr := ClientAddr(remoteAddr)
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	sender, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return sender
}

// IsLoopback reports whether host, a name or an IP address without brackets, is this machine: localhost or a loopback
// address. It looks no name up.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}
