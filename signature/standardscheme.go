package signature

import "strings"

// Versions of the entries of a webhook-signature: what stands before their comma.
const (
	versionSymmetric = "v1"
	versionEd25519   = "v1a"
)

// signedText is what Standard Webhooks sign: the id, the timestamp and the body with dots between.
type signedText struct {
	id, timestamp string
	body          []byte
}

// head appends what stands in front of the body.
func (t signedText) head(dst []byte) []byte {
	dst = append(dst, t.id...)
	dst = append(dst, '.')
	dst = append(dst, t.timestamp...)
	return append(dst, '.')
}

// whole returns all of it, for what cannot be signed piece by piece.
func (t signedText) whole() []byte {
	b := make([]byte, 0, len(t.id)+len(t.timestamp)+len(t.body)+2)
	return append(t.head(b), t.body...)
}

// A standardScheme is one kind of key at work.
type standardScheme interface {
	prefix() string  // of a key of this kind
	version() string // of its entries
	signs() bool
	appendEntry(dst []byte, text signedText) []byte // "version,base64"
	matches(text signedText, value string) bool     // any entry of value
}

// decodeEntry reads the signature of an entry of that version into sig and reports whether it is one of its size.
func decodeEntry(sig []byte, entry, version string) bool {
	label, text, ok := strings.Cut(entry, ",")
	return ok && label == version && Base64.decode(sig, text)
}
