package bellhop

import "testing"

// TestSender: one host is one sender, and so is one IPv6 network of 64 bits.
func TestSender(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.1:1": "192.0.2.1/32", "[::ffff:192.0.2.1]:9": "192.0.2.1/32", "127.0.0.1:80": "127.0.0.1/32",
		"[2001:db8:1:2:3:4:5:6]:443": "2001:db8:1:2::/64", "[2001:db8:1:2::]:1": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1": "fe80::/64",
		"@":                "invalid Prefix", "192.0.2.1": "192.0.2.1/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"": "invalid Prefix", "host:80": "invalid Prefix",
	} {
		if got := Sender(addr).String(); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true,
		"::ffff:127.0.0.1": true,
		"":                 false, "localhost.example.com": false, "128.0.0.1": false, "::2": false, "10.0.0.1": false,
		"0.0.0.0": false,
	} {
		if got := IsLoopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
