package egress

import (
	"net/netip"
	"strings"
	"testing"
)

func TestCheckURLNormalises(t *testing.T) {
	c := newClient(t, Config{})
	for raw, want := range map[string]string{
		"HTTPS://Hooks.Example.COM./In/x?y=Z":         "https://hooks.example.com/In/x?y=Z",
		"http://example.com:80":                       "http://example.com",
		"https://example.com:443/":                    "https://example.com/",
		"https://example.com:80/":                     "https://example.com:80/",
		"https://example.com:8443/":                   "https://example.com:8443/",
		"http://8.8.8.8:/hook":                        "http://8.8.8.8/hook",
		"http://[2606:4700:0:0::1]:8080/":             "http://[2606:4700::1]:8080/",
		"http://[::ffff:8.8.8.8]/":                    "http://8.8.8.8/",
		"http://xn--bcher-kva.example.com/%C3%BC?%23": "http://xn--bcher-kva.example.com/%C3%BC?%23",
		"http://exam_ple.com/":                        "http://exam_ple.com/",
	} {
		u, err := c.CheckURL(raw)
		if err != nil || u.String() != want {
			t.Errorf("%s: got %v, %v; want %s", raw, u, err, want)
		}
	}
}

func TestCheckURLSaysWhatIsWrong(t *testing.T) {
	c := newClient(t, Config{})
	for raw, want := range map[string]string{
		"http://10.1.2.3/secret":                       "10.1.2.3 is a private address; the server permits it with --allow-private, or --allow CIDR",
		"http://127.0.0.1:8080/secret":                 "127.0.0.1 is a loopback address; the server permits it with --allow-private, or --allow CIDR",
		"http://localhost:8080/secret":                 "localhost is a name for a machine of its own network; the server permits it with --allow-private, or --allow CIDR",
		"http://redis/secret":                          "redis is a name for a machine of its own network; the server permits it with --allow-private, or --allow CIDR",
		"http://erp.corp/secret":                       "erp.corp is a name of a private network; the server permits it with --allow-private, or --allow CIDR",
		"http://169.254.1.1/secret":                    "169.254.1.1 is a link-local address; the server permits it with --allow CIDR",
		"http://169.254.169.254/secret":                "169.254.169.254 hands out a cloud's credentials; the server permits it only with --allow 169.254.169.254/32",
		"http://example.com:25/secret":                 "port 25 is not one for webhooks (80, 443, or 1024 and above without well-known services); the server permits any with --allow-private",
		"ftp://example.com/secret":                     "the URL must begin with http:// or https://",
		"example.com/secret":                           "the URL must begin with http:// or https://",
		"http://u:secret@example.com/":                 "the URL must not hold a user name or password; use a header for credentials",
		"http://example.com/secret#x":                  "the URL has a fragment (#…), which would never be sent",
		"http://example.com/ü":                         "the URL has a non-ASCII character at byte 19; write host names in punycode and the rest percent-encoded",
		"http://exa%zzmple.com/":                       `the URL cannot be read: invalid URL escape "%zz"`,
		"":                                             "the URL is empty",
		"http://example.com:0/":                        "the port must be a number from 1 to 65535",
		"http://" + strings.Repeat("a.", 127) + "com/": "the host name is longer than 253 bytes",
	} {
		if _, err := c.CheckURL(raw); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", raw, err, want)
		}
		if strings.Contains(want, "secret") {
			t.Errorf("%q has what it should not", want)
		}
	}
}

// What settings permit, at creation and by the guard. "no" is refused, "late" is left to the dial.
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
		// Names: with a list, the dial decides.
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
			if p, _ := parsePlace("http", strings.TrimSuffix(strings.TrimPrefix(test.url, "http://"), "/")); p.addr.IsValid() {
				if err := c.guard.check(netip.AddrPortFrom(p.addr, p.port)); (err == nil) != want {
					t.Errorf("settings %d, %s: the guard says %v", i, test.url, err)
				}
			}
		}
	}
}

func TestDefaultPorts(t *testing.T) {
	for i := 1; i < len(services); i++ {
		if services[i-1] >= services[i] {
			t.Fatalf("services are not in order at %d", services[i])
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
