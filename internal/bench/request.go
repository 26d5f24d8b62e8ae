package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"math/rand/v2"
	"strconv"
	"time"
)

// A body begins with its mark, by which the receiver knows it:
//
//	{"bench":"0000000042 0000001500000000","kind":"bench","pad":"kzqo…"}
//
// The event's number, and when it was due: nanoseconds since the run began.
const (
	markStart    = `{"bench":"`
	numberDigits = 10
	dueDigits    = 16
	markLength   = len(markStart) + numberDigits + 1 + dueDigits
	padStart     = `","kind":"bench","pad":"`
	padEnd       = `"}`
	idStart      = "msg_"   // of a webhook-id; the number follows
	typeStart    = "bench." // of a type; the destination follows
	typeDigits   = 5
	typeHeader   = "X-Bench-Type"
)

// A request is the bytes of one POST. They are laid out once; only digits and the signature change from event to event.
type request struct {
	bytes []byte

	// parts of bytes
	number, due, body       []byte
	destination             []byte // in the type's header; nil unless spread
	id, signedAt, signature []byte // nil unless signed

	spread int // destinations, of which each event goes to one; 0 is to all

	mac    hash.Hash
	sum    [sha256.Size]byte
	signed []byte // what is signed before the body: "msg_0000000042.1790000000."
}

// newRequest lays out a POST of size bytes to a path at host, signed if there is a key, with a type that says which
// destination it is for if they are spread over so many. Each has a padding of its own.
func newRequest(host, path string, size int, key []byte, spread int) *request {
	r := &request{spread: spread}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", path, host, size)
	r.bytes = append(make([]byte, 0, len(head)+size+256), head...) // room for all: parts must not move
	if spread > 0 {
		r.write(typeHeader + ": " + typeStart)
		r.destination = r.blank(typeDigits)
		r.write("\r\n")
	}
	if key != nil {
		r.mac = hmac.New(sha256.New, key)
		r.write("webhook-id: ")
		r.write(idStart)
		r.id = r.blank(numberDigits)
		r.write("\r\nwebhook-timestamp: ")
		r.signedAt = r.blank(numberDigits)
		r.write("\r\nwebhook-signature: v1,")
		r.signature = r.blank(base64.StdEncoding.EncodedLen(sha256.Size))
		r.write("\r\n")
	}
	r.write("\r\n" + markStart)
	bodyAt := len(r.bytes) - len(markStart)
	r.number = r.blank(numberDigits)
	r.write(" ")
	r.due = r.blank(dueDigits)
	r.write(padStart)
	for pad := r.blank(bodyAt + size - len(padEnd) - len(r.bytes)); len(pad) > 0; pad = pad[1:] {
		pad[0] = 'a' + byte(rand.IntN(26))
	}
	r.write(padEnd)
	r.body = r.bytes[bodyAt:]
	return r
}

func (r *request) write(s string) { r.bytes = append(r.bytes, s...) }

func (r *request) blank(n int) []byte {
	r.bytes = append(r.bytes, make([]byte, n)...)
	return r.bytes[len(r.bytes)-n:]
}

// set makes r the request for an event that was due at a time since the run began, and is sent now.
func (r *request) set(event int, due time.Duration, now time.Time) {
	putDigits(r.number, int64(event))
	putDigits(r.due, int64(due))
	if r.spread > 0 {
		putDigits(r.destination, int64(event%r.spread))
	}
	if r.mac == nil {
		return
	}
	putDigits(r.id, int64(event))
	putDigits(r.signedAt, now.Unix())
	r.mac.Reset()
	r.signed = append(append(append(r.signed[:0], idStart...), r.id...), '.')
	r.signed = append(append(r.signed, r.signedAt...), '.')
	r.mac.Write(r.signed)
	r.mac.Write(r.body)
	base64.StdEncoding.Encode(r.signature, r.mac.Sum(r.sum[:0]))
}

// putDigits fills b with the last digits of v.
func putDigits(b []byte, v int64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = '0' + byte(v%10)
		v /= 10
	}
}

// readMark finds the event and its due time in the first markLength bytes of a body.
func readMark(b []byte) (event int, due time.Duration, ok bool) {
	if len(b) < markLength || string(b[:len(markStart)]) != markStart {
		return 0, 0, false
	}
	number := b[len(markStart):][:numberDigits]
	event, err1 := strconv.Atoi(string(number))
	nanos, err2 := strconv.ParseInt(string(b[markLength-dueDigits:markLength]), 10, 64)
	return event, time.Duration(nanos), err1 == nil && err2 == nil
}
