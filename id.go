package bellhop

import (
	"encoding/base32"
	"io"
)

// Prefixes of ids. An id is the prefix of its noun, which ends in an underscore, and lower-case letters and digits.
// It has no dot, so that it can be a message id of Standard Webhooks.
const (
	PrefixSource      = "src_"
	PrefixRequest     = "req_"
	PrefixEvent       = "evt_"
	PrefixDestination = "dst_"
	PrefixDelivery    = "dlv_"
	PrefixRepair      = "rpr_"
	PrefixConnection  = "con_"

	PrefixSubscription = "sub_"
	PrefixGap          = "gap_"
	PrefixFile         = "fil_"
	PrefixKey          = "key_"
	PrefixTenant       = "ten_"
	PrefixPortalLink   = "plk_"
)

// IDAlphabet is Crockford's base 32 in lower case. Ids sort as the bits that they encode; the letters i, l, o
// and u are not used.
const IDAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

var idEncoding = base32.NewEncoding(IDAlphabet).WithPadding(base32.NoPadding)

// NewID returns prefix and 20 characters that encode 100 bits read from random. It panics if random fails, which the
// Reader of crypto/rand never does.
func NewID(prefix string, random io.Reader) string {
	var b [13]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic("bellhop: no randomness for an id: " + err.Error())
	}
	return prefix + idEncoding.EncodeToString(b[:])[:20]
}
