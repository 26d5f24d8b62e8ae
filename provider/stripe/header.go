package stripe

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/bellhop-gateway/bellhop/signature"
)

const maxSignatures = 16 // in one header; Stripe sends one for each secret in use

// A signedHeader is a Stripe-Signature, read.
type signedHeader struct {
	timestamp  string // as it was signed
	at         int64  // the same, in seconds since 1970
	signatures [maxSignatures][sha256.Size]byte
	n          int // of them
}

// parseHeader reads pairs such as "t=1700000000,v1=ab…,v1=cd…,v0=ef…". A v1 that is no signature and what has another
// name are passed over. Anything that could be read in two ways is signature.ErrMalformed: two times, a pair without
// "=" or with two.
func parseHeader(value string) (*signedHeader, error) {
	var s signedHeader
	v1 := 0
	for pair := range strings.SplitSeq(value, ",") {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || strings.Contains(text, "=") {
			return nil, fmt.Errorf("%w: not pairs of name=value", signature.ErrMalformed)
		}
		switch name {
		case "t":
			at, err := signature.ParseUnix(text, signature.MaxUnix)
			if s.timestamp != "" || err != nil {
				return nil, fmt.Errorf("%w: t is there twice, or not in Unix seconds", signature.ErrMalformed)
			}
			s.timestamp, s.at = text, at
		case "v1":
			if v1++; v1 > maxSignatures {
				return nil, fmt.Errorf("%w: more than %d signatures", signature.ErrMalformed, maxSignatures)
			}
			s.readSignature(text)
		}
	}
	if s.timestamp == "" || v1 == 0 {
		return nil, fmt.Errorf("%w: no t, or no v1", signature.ErrMissing)
	}
	return &s, nil
}

func (s *signedHeader) readSignature(text string) {
	if len(text) != hex.EncodedLen(sha256.Size) {
		return
	}
	if _, err := hex.Decode(s.signatures[s.n][:], []byte(text)); err == nil {
		s.n++
	}
}
