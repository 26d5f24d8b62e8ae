package ingest

import (
	"net/netip"
	"time"
)

// A bucket is a token bucket. The zero bucket is full when it is used first. Its owner's lock guards it.
type bucket struct {
	tokens float64
	at     time.Time // when tokens was right
}

// take takes a token and reports whether there was one. The bucket gains perSecond tokens a second, up to burst.
func (b *bucket) take(now time.Time, perSecond, burst float64) bool {
	if b.at.IsZero() {
		b.tokens = burst
	} else {
		b.tokens = min(burst, b.tokens+max(0, now.Sub(b.at).Seconds())*perSecond)
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// Sender returns what counts as one sender of requests in limits by address: the IPv4 address of remoteAddr, which is
// "address:port", or the /64 network of its IPv6 address, of which one customer of a provider has all addresses. It
// returns the zero Prefix for any other text, such as that of a Unix socket.
func Sender(remoteAddr string) netip.Prefix {
	at, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	addr := at.Addr().Unmap()
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
