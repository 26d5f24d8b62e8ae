package bellhop

import (
	"encoding/base32"
	"io"
)

// Prefixes of identifiers. Every id is its noun's prefix, an underscore and
// lower-case letters and digits; it never holds a dot, so that it can be a
// Standard Webhooks message id.
const (
	PrefixSource      = "src_"
	PrefixRequest     = "req_"
	PrefixEvent       = "evt_"
	PrefixDestination = "dst_"
	PrefixDelivery    = "dlv_"
	PrefixRepair      = "rpr_"
)

// IDAlphabet is Crockford's base 32 in lower case: it sorts as the bits do and has no i, l, o or u.
const IDAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

var idEncoding = base32.NewEncoding(IDAlphabet).WithPadding(base32.NoPadding)

// NewID returns prefix and 20 characters that carry 100 bits read from random.
// It panics if random fails, as crypto/rand's Reader never does.
func NewID(prefix string, random io.Reader) string {
	var b [13]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic("bellhop: no randomness for an id: " + err.Error())
	}
	return prefix + idEncoding.EncodeToString(b[:])[:20]
}
