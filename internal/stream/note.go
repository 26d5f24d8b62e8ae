package stream

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Kind says what happened.
type Kind uint8

// The kinds of notes. The last three are messages about the stream itself, which every listener gets.
const (
	EventAccepted Kind = iota
	RequestRefused
	RequestHandshake
	DeliveryAttempted
	SourceChanged
	DestinationChanged
	ConnectionChanged
	SubscriptionChanged

	Live    // the messages that follow are of what happens from now on
	Gap     // something is missing here
	Skipped // some notes were left out, because of the rate of the filter
	End     // the stream ends here
)

// names are the names of the kinds, as messages have them.
var names = [...]string{"event.accepted", "request.refused", "request.handshake", "delivery.attempted",
	"source.changed", "destination.changed", "connection.changed", "subscription.changed", "live", "gap",
	"skipped", "end"}

// String returns the name of k, such as "event.accepted".
func (k Kind) String() string { return names[k] }

// ParseKind returns the kind of that name. The kinds of messages about the stream itself have no name here.
func ParseKind(name string) (k Kind, ok bool) {
	i := slices.Index(names[:Live], name)
	return Kind(max(i, 0)), i >= 0
}

// A Note is one thing that happened. It holds the values by which a listener chooses, and a pointer to the rest.
type Note struct {
	Kind Kind
	At   time.Time

	// Mark is the place of a stored event or request among all of them: a text that sorts as they were stored. It is
	// "" for other kinds.
	Mark string

	Tenant        string
	SourceID      string
	DestinationID string
	Type          string // of the event
	Subject       string // of the event
	Outcome       string // of the request, of the attempt, or of the change

	Thing any // for Options.Render; it does not change any more
}

// A Control is the Thing of a note about the stream itself.
type Control struct {
	Reason string    // a short code
	Detail string    // the reason in words
	Kinds  []string  // of a gap: the kinds that may be missing; nil is all
	Since  time.Time // of a gap: from when on; zero is unknown
	Count  int       // of skipped notes
}

// A Filter chooses notes. Zero fields choose all. A filter by a property chooses no note without that property.
type Filter struct {
	Kinds        []Kind
	Sources      []string // ids
	Destinations []string // ids
	Type         string   // the whole type, or a prefix and "*"
	Subject      string   // the whole subject, or a prefix and "*"
	Outcomes     []string
	Tenant       string
	Rate         int // notes a second at most, a quarter of which may come at once; 0 is all
}

// Wants reports whether f chooses n.
func (f *Filter) Wants(n *Note) bool {
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, n.Kind)) &&
		(f.Tenant == "" || f.Tenant == n.Tenant) &&
		(len(f.Sources) == 0 || slices.Contains(f.Sources, n.SourceID)) &&
		(len(f.Destinations) == 0 || slices.Contains(f.Destinations, n.DestinationID)) &&
		(len(f.Outcomes) == 0 || slices.Contains(f.Outcomes, n.Outcome)) &&
		fits(f.Type, n.Type) && fits(f.Subject, n.Subject)
}

// WantsKind reports whether f chooses some notes of a kind.
func (f *Filter) WantsKind(k Kind) bool { return len(f.Kinds) == 0 || slices.Contains(f.Kinds, k) }

// fits reports whether text is as pattern says: that text, or a prefix and "*". The pattern "" is any text.
func fits(pattern, text string) bool {
	prefix, wild := strings.CutSuffix(pattern, "*")
	if wild {
		return text != "" && strings.HasPrefix(text, prefix)
	}
	return pattern == "" || pattern == text
}

// A Position is a place in the stream: the id of a message. A later stream goes on after it.
type Position struct {
	Mark    string    // of the latest event or request before it
	At      time.Time // when it was passed on, to the millisecond
	Session uint64    // in which Seq counts; 0 is none
	Seq     uint64    // how many notes of the session came until then
}

// maxPosition bounds the text of a position.
const maxPosition = 100

// Append appends the text of p, which has no characters but digits, lower-case letters and "-".
func (p Position) Append(dst []byte) []byte {
	dst = append(dst, p.Mark...)
	dst = strconv.AppendInt(append(dst, '-'), p.At.UnixMilli(), 36)
	dst = strconv.AppendUint(append(dst, '-'), p.Session, 36)
	return strconv.AppendUint(append(dst, '-'), p.Seq, 36)
}

// String returns the text of p.
func (p Position) String() string { return string(p.Append(nil)) }

// errPosition is the error of ParsePosition.
var errPosition = errors.New("is no id of a message of this stream")

// ParsePosition reads the text of a position. It does not check the mark.
func ParsePosition(text string) (p Position, err error) {
	parts := strings.Split(text, "-")
	if len(text) > maxPosition || len(parts) != 4 || parts[0] == "" {
		return Position{}, errPosition
	}
	at, err := strconv.ParseInt(parts[1], 36, 64)
	if err == nil {
		p.Session, err = strconv.ParseUint(parts[2], 36, 64)
	}
	if err == nil {
		p.Seq, err = strconv.ParseUint(parts[3], 36, 64)
	}
	p.Mark, p.At = parts[0], time.UnixMilli(at).UTC()
	if err != nil || p.String() != text {
		return Position{}, errPosition
	}
	return p, nil
}
