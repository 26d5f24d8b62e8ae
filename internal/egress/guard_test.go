package egress

import (
	"net/netip"
	"strings"
	"testing"
)

// TestSettings: what each setting permits, when a URL is set and when the guard judges an address.
func TestSettings(t *testing.T) {
	closed := Config{}
	open := Config{AllowPrivate: true}
	lan := Config{Allow: prefixes("10.0.0.0/8", "fd00::/8")}
	loop := Config{Allow: prefixes("127.0.0.0/8")}
	everything := Config{AllowPrivate: true, Allow: prefixes("0.0.0.0/0", "::/0", "::ffff:0:0/96")}
	explicit := Config{Allow: prefixes("169.254.169.254/32")}
	for _, test := range []struct {
		url                                           string
		closed, open, lan, loop, everything, explicit bool
	}{
		{"http://8.8.8.8/", true, true, true, true, true, true},
		{"http://127.0.0.1/", false, true, false, true, true, false},
		{"http://127.0.0.1:22/", false, true, false, true, true, false},
		{"http://8.8.8.8:22/", false, true, false, false, true, false},
		{"http://10.1.2.3/", false, true, true, false, true, false},
		{"http://10.1.2.3:6379/", false, true, true, false, true, false},
		{"http://[::ffff:10.1.2.3]/", false, true, true, false, true, false},
		{"http://[fd00::7]/", false, true, true, false, true, false},
		{"http://100.64.0.1/", false, true, false, false, true, false},
		{"http://192.0.2.9/", false, true, false, false, true, false},
		{"http://169.254.1.1/", false, false, false, false, true, false},
		{"http://[fe80::1]/", false, false, false, false, true, false},
		{"http://0.0.0.0/", false, false, false, false, true, false},
		{"http://224.0.0.1/", false, false, false, false, true, false},
		{"http://[64:ff9b::8.8.8.8]/", false, false, false, false, true, false},
		{"http://169.254.169.254/", false, false, false, false, false, true},
		{"http://[::ffff:169.254.169.254]/", false, false, false, false, false, true},
		{"http://168.63.129.16/", false, false, false, false, false, false},
		{"http://100.100.100.200/", false, false, false, false, false, false},
		{"http://[fd00:ec2::254]/", false, false, false, false, false, false},
		// With a list of networks, names are judged when they are dialled.
		{"http://localhost/", false, true, false, true, true, false},
		{"http://a.localhost/", false, true, false, true, true, false},
		{"http://redis:6379/", false, true, true, true, true, true},
		{"http://erp.corp/", false, true, true, true, true, true},
		{"http://metadata.google.internal/", false, true, true, true, true, true},
		{"http://example.com/", true, true, true, true, true, true},
	} {
		for i, cfg := range []Config{closed, open, lan, loop, everything, explicit} {
			want := []bool{test.closed, test.open, test.lan, test.loop, test.everything, test.explicit}[i]
			c := newClient(t, cfg)
			_, err := c.CheckURL(test.url)
			if (err == nil) != want {
				t.Errorf("settings %d, %s: got %v", i, test.url, err)
			}
			if err != nil {
				wantClass(t, err, ClassBlocked)
			}
			if p, _ := parseOrigin("http", strings.TrimSuffix(strings.TrimPrefix(test.url, "http://"),
				"/")); p.addr.IsValid() {
				if err := c.guard.check(netip.AddrPortFrom(p.addr, p.port)); (err == nil) != want {
					t.Errorf("settings %d, %s: the guard says %v", i, test.url, err)
				}
			}
		}
	}
}

func TestDefaultPorts(t *testing.T) {
	for i := 1; i < len(servicePorts); i++ {
		if servicePorts[i-1] >= servicePorts[i] {
			t.Fatalf("the ports are not in order at %d", servicePorts[i])
		}
	}
	for _, port := range []uint16{80, 443, 553, 1024, 3000, 5000, 8000, 8080, 8443, 8888, 9000, 9443, 65535} {
		if !DefaultPorts(port) {
			t.Errorf("port %d is refused", port)
		}
	}
	for _, port := range []uint16{0, 22, 25, 445, 1023, 2375, 3306, 6379, 11211, 27017} {
		if DefaultPorts(port) {
			t.Errorf("port %d is permitted", port)
		}
	}
}

// public reports whether a is an address of the public internet, to which a stranger may make us connect. It is
// a second implementation of the guard's rule, written from the RFCs and not from the guard's tables.
func public(a netip.Addr) bool {
	if a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() ||
		a.IsUnspecified() {
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
