package egress

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// localAddrsMaxAge is how old the list of our own addresses may be. Addresses come and go with leases and
// containers.
const localAddrsMaxAge = 30 * time.Second

// localAddrs knows the addresses of this machine's interfaces. A delivery to one of them would come back to us
// or go to a neighbouring process, even if the address is a public one.
type localAddrs struct {
	mu    sync.Mutex // protects the fields below
	addrs []netip.Addr
	at    time.Time // when addrs was read
}

// get returns the list, which the caller must not change. If the interfaces cannot be read, the list is empty.
func (l *localAddrs) get() []netip.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.at.IsZero() || now.Sub(l.at) > localAddrsMaxAge {
		l.addrs, l.at = interfaceAddrs(), now
	}
	return l.addrs
}

func interfaceAddrs() (out []netip.Addr) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, addr.Unmap())
			}
		}
	}
	return out
}
