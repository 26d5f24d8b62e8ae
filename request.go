package bellhop

import "time"

// A RequestOutcome says what became of a request at the door.
type RequestOutcome string

// What can become of a request.
const (
	RequestAccepted  RequestOutcome = "accepted"  // its events are on disk
	RequestHandshake RequestOutcome = "handshake" // answered at once; carried no event
	RequestRefused   RequestOutcome = "refused"   // whole; Reason says why
	RequestPartial   RequestOutcome = "partial"   // some items accepted, some refused
)

// A Request is one HTTP call at a source. It is kept raw when it was refused, answered a handshake or
// carried several events; a request with one accepted event is that event.
type Request struct {
	ID         string // "req_…", set when kept
	SourceID   string
	Outcome    RequestOutcome
	Status     int    // answered
	Reason     string // of a refusal: a short code such as "signature_mismatch"
	Detail     string // of a refusal: a sentence for the owner of the source; never input or secrets
	Method     string
	Target     string // path and query as sent, values of the query left out
	RemoteAddr string
	Header     Header // as received, without what carries secrets
	Body       []byte // as received; a refused one is cut to MaxRefusedBodyBytes
	BodyBytes  int64  // length of the whole body as far as it was read
	Events     int    // accepted
	ReceivedAt time.Time
}

// MaxRefusedBodyBytes is how much of a refused request's body is kept.
const MaxRefusedBodyBytes = 16 << 10
