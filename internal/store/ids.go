package store

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// TagLength is the length of a store's tag: 30 random bits.
const TagLength = 6

// Digits of an event's or request's number, and of a delivery's, in base 32.
const (
	eventDigits    = 10
	deliveryDigits = 13
)

// IDs formats and parses the ids of events, requests and deliveries. An id is the prefix of its noun, its
// number in base 32 and the tag of the store, which keeps two stores from giving out the same id. Ids sort as
// their numbers do. Numbers are not negative; how they are made is up to each database.
type IDs struct{ tag string }

// NewTag returns a random tag for a new store.
func NewTag(random io.Reader) string { return bellhop.NewID("", random)[:TagLength] }

// NewIDs returns the IDs of the store with that tag.
func NewIDs(tag string) (IDs, error) {
	if len(tag) != TagLength {
		return IDs{}, fmt.Errorf("the tag %q of the store does not have %d characters", tag, TagLength)
	}
	return IDs{tag: tag}, nil
}

// Event returns the id of the event with number n.
func (d IDs) Event(n int64) string { return d.format(bellhop.PrefixEvent, n, eventDigits) }

// Request returns the id of the request with number n.
func (d IDs) Request(n int64) string { return d.format(bellhop.PrefixRequest, n, eventDigits) }

// Delivery returns the id of the delivery with number n.
func (d IDs) Delivery(n int64) string { return d.format(bellhop.PrefixDelivery, n, deliveryDigits) }

// ParseEvent returns the number of an event's id; ok is false if id is not one of this store.
func (d IDs) ParseEvent(id string) (n int64, ok bool) {
	return d.parse(id, bellhop.PrefixEvent, eventDigits)
}

// ParseRequest returns the number of a request's id; ok is false if id is not one of this store.
func (d IDs) ParseRequest(id string) (n int64, ok bool) {
	return d.parse(id, bellhop.PrefixRequest, eventDigits)
}

// ParseDelivery returns the number of a delivery's id; ok is false if id is not one of this store.
func (d IDs) ParseDelivery(id string) (n int64, ok bool) {
	return d.parse(id, bellhop.PrefixDelivery, deliveryDigits)
}

func (d IDs) format(prefix string, n int64, digits int) string {
	var b [len(bellhop.PrefixEvent) + deliveryDigits + TagLength]byte
	text := append(b[:0], prefix...)
	for i := digits - 1; i >= 0; i-- {
		text = append(text, bellhop.IDAlphabet[n>>(5*i)&31])
	}
	return string(append(text, d.tag...))
}

func (d IDs) parse(id, prefix string, digits int) (n int64, ok bool) {
	text, ok := strings.CutPrefix(id, prefix)
	if !ok || len(text) != digits+TagLength || text[digits:] != d.tag {
		return 0, false
	}
	return parseNumber(text[:digits])
}

// parseNumber returns the number that digits write in base 32; ok is false if they are none, or more than 63 bits.
func parseNumber(digits string) (n int64, ok bool) {
	for i := range len(digits) {
		v := strings.IndexByte(bellhop.IDAlphabet, digits[i])
		if v < 0 || n > (1<<63-1)>>5 {
			return 0, false
		}
		n = n<<5 | int64(v)
	}
	return n, true
}

// Variant returns the variant of a conflict with that fingerprint: 63 bits of it. The variant of an event is 0 if it
// is the first with its ProviderID, else this number, which is never 0.
func Variant(fingerprint [32]byte) int64 {
	return max(1, int64(binary.BigEndian.Uint64(fingerprint[:])>>1))
}
