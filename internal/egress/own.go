package egress

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// ownRefresh is how old the list of our own addresses may be. Addresses come and go with leases and containers.
const ownRefresh = 30 * time.Second

// An ownList knows the addresses of this machine's interfaces. A delivery to one of them would come back to us
// or to a neighbour process, public as the address may look.
type ownList struct {
	mu    sync.Mutex
	addrs []netip.Addr
	at    time.Time // of the last reading
}

// get returns the list; it must not be changed. A list that cannot be read is empty.
func (l *ownList) get() []netip.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.at.IsZero() || now.Sub(l.at) > ownRefresh {
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
