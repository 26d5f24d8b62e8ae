package egress

import "net/netip"

// public is a second opinion on the guard, written from the RFCs and not from its tables: whether a is an address
// of the public internet that a stranger may make us connect to.
func public(a netip.Addr) bool {
	if a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	b := a.AsSlice()
	if a.Is4() {
		switch {
		case b[0] == 0, b[0] >= 224,
			b[0] == 100 && b[1]&0xc0 == 64,
			b[0] == 192 && b[1] == 0 && (b[2] == 0 || b[2] == 2),
			b[0] == 192 && b[1] == 88 && b[2] == 99,
			b[0] == 198 && b[1]&0xfe == 18,
			b[0] == 198 && b[1] == 51 && b[2] == 100,
			b[0] == 203 && b[1] == 0 && b[2] == 113,
			b[0] == 168 && b[1] == 63 && b[2] == 129 && b[3] == 16:
			return false
		}
		return true
	}
	group := func(i int) int { return int(b[2*i])<<8 | int(b[2*i+1]) }
	switch {
	case group(0)&0xe000 != 0x2000,
		group(0) == 0x2001 && (group(1) < 0x0200 || group(1) == 0x0db8),
		group(0) == 0x2002,
		group(0) == 0x3fff && group(1) < 0x1000:
		return false
	}
	return true
}
