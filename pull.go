package bellhop

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// TypePull is the type of destinations whose deliveries are fetched by programs that nobody can call.
const TypePull = "pull"

// Defaults and bounds of a pull and of its leases. The lease of a delivery lasts for the timeout of its destination,
// unless it is extended.
const (
	DefaultPullMax         = 10
	MaxPullMax             = 100 // deliveries in one answer
	MaxPullWait            = 30 * time.Second
	MaxPullBytes           = 8 << 20 // of the bodies in one answer; a single body may be larger
	DefaultLease           = 30 * time.Second
	MinLease               = time.Second
	MaxLease               = 12 * time.Hour // from the pull to the end, all extensions included
	MaxNackDelay           = 24 * time.Hour
	DefaultPullConcurrency = 100
)

// ErrorNacked is the error of an attempt that the program gave up.
const ErrorNacked = "nacked"

// A Pull asks for deliveries of a destination of type pull.
type Pull struct {
	Max  int           // 1 to MaxPullMax
	Wait time.Duration // for the first delivery, at most MaxPullWait; 0 takes what is due now
}

// Check returns an error of CodeInvalid for each member of p that is out of bounds.
func (p Pull) Check() error {
	var maxErr, waitErr error
	if p.Max < 1 || p.Max > MaxPullMax {
		maxErr = Invalid("max", "use a whole number from 1 to "+strconv.Itoa(MaxPullMax))
	}
	if p.Wait < 0 || p.Wait > MaxPullWait {
		waitErr = Invalid("wait", `use a length of time up to "30s"; "0s" takes what is due now`)
	}
	return Join("", maxErr, waitErr)
}

// A Lease is a delivery in the hands of a program that pulled it: an attempt that ends with its ack or nack, or at
// EndsAt. The token names delivery and attempt, and has randomness: a program needs nothing else to end the attempt,
// whoever keeps the leases.
type Lease struct {
	Token      string
	DeliveryID string
	Attempt    int   // from 1
	Event      Event // without header and body
	EndsAt     time.Time
	Header     http.Header // as a request to the destination would have, without those that frame it
	Body       []byte      // the same
}

// A Nack gives an attempt up.
type Nack struct {
	Delay  *time.Duration // until the next attempt; nil is that of the retry schedule
	Detail string         // why, in words: at most MaxAnswerDetail bytes
}

// Check returns an error of CodeInvalid for each member of n that cannot be accepted.
func (n Nack) Check() error {
	var delayErr, detailErr error
	if n.Delay != nil && (*n.Delay < 0 || *n.Delay > MaxNackDelay) {
		delayErr = Invalid("delay", `use a length of time up to "24h"; leave it out for that of the retry schedule`)
	}
	if len(n.Detail) > MaxAnswerDetail {
		detailErr = Invalid("detail", "is longer than "+Count(MaxAnswerDetail, "byte"))
	}
	return Join("", delayErr, detailErr)
}

// ErrNoLease is the error of an ack, nack or extension whose token names no lease that lasts.
var ErrNoLease = errors.New("the token names no lease that lasts")

const leasePrefix = "lse_"

// LeaseToken returns the token of the lease of an attempt of a delivery. secret has letters and digits alone.
func LeaseToken(deliveryID string, attempt int, secret string) string {
	return leasePrefix + strings.TrimPrefix(deliveryID, PrefixDelivery) + "_" + strconv.Itoa(attempt) + "_" + secret
}

// ParseLeaseToken returns the delivery and the attempt that a token names; ok is false if it is no token of a lease.
func ParseLeaseToken(token string) (deliveryID string, attempt int, ok bool) {
	rest, ok := strings.CutPrefix(token, leasePrefix)
	parts := strings.Split(rest, "_")
	if !ok || len(parts) != 3 || parts[0] == "" || parts[2] == "" {
		return "", 0, false
	}
	number, err := strconv.ParseUint(parts[1], 10, 31)
	if err != nil || number == 0 || strconv.FormatUint(number, 10) != parts[1] {
		return "", 0, false
	}
	return PrefixDelivery + parts[0], int(number), true
}

// LeaseOver says why the lease that token names does not last, for whoever wants to end or extend it: attempts are
// those on record of d. The error is CodeInvalid for a text that is no token, CodeConflict if the attempt was ended by
// an ack or a nack or is one of another delivery, and otherwise CodeGone.
func LeaseOver(token string, d *Delivery, attempts []Attempt) error {
	deliveryID, number, ok := ParseLeaseToken(token)
	switch {
	case !ok:
		return Invalid("token", "is no token of a lease; send the one that the pull answered")
	case deliveryID != d.ID:
		return Conflict("this is the lease of another delivery, " + quoteShort(deliveryID) + "; nothing was done")
	}
	for _, a := range attempts {
		switch {
		case a.Number != number:
		case a.Error == "":
			return Conflict("attempt " + strconv.Itoa(number) + " was acked already; nothing more was done")
		case a.Error == ErrorNacked:
			return Conflict("attempt " + strconv.Itoa(number) + " was nacked already; nothing more was done")
		default:
			return Gone("the lease has ended: " + a.Detail + ". Nothing was done; " + d.outlook())
		}
	}
	return Gone("the lease has ended without an ack: it was given back, or the gateway was restarted. Nothing was " +
		"done; " + d.outlook())
}

// outlook says what becomes of d.
func (d *Delivery) outlook() string {
	switch d.State {
	case DeliveryLeased:
		return "another pull has or gets the delivery"
	case DeliveryPending:
		return "the delivery comes again"
	}
	return "the delivery is " + string(d.State)
}
