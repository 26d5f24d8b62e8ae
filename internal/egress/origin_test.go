package egress

import (
	"context"
	"net/netip"
	"os"
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
	const private = "; the server permits it with --allow-private, or --allow CIDR"
	for _, test := range []struct{ url, want string }{
		{"http://10.1.2.3/secret", "10.1.2.3 is a private address" + private},
		{"http://127.0.0.1:8080/secret", "127.0.0.1 is a loopback address" + private},
		{"http://localhost:8080/secret", "localhost is a name for a machine of its own network" + private},
		{"http://redis/secret", "redis is a name for a machine of its own network" + private},
		{"http://erp.corp/secret", "erp.corp is a name of a private network" + private},
		{"http://169.254.1.1/secret", "169.254.1.1 is a link-local address; the server permits it with --allow CIDR"},
		{"http://169.254.169.254/secret",
			"169.254.169.254 hands out a cloud's credentials; " +
				"the server permits it only with --allow 169.254.169.254/32"},
		{"http://example.com:25/secret",
			"port 25 is not one for webhooks (80, 443, or 1024 and above without well-known services); " +
				"the server permits any with --allow-private"},
		{"ftp://example.com/secret", "the URL must begin with http:// or https://"},
		{"example.com/secret", "the URL must begin with http:// or https://"},
		{"http://u:secret@example.com/",
			"the URL must not hold a user name or password; use access: username and password"},
		{"http://example.com/secret#x", "the URL has a fragment (#…), which would never be sent"},
		{"http://example.com/ü",
			"the URL has a non-ASCII character at byte 19; " +
				"write host names in punycode and the rest percent-encoded"},
		{"http://exa%zzmple.com/", `the URL cannot be read: invalid URL escape "%zz"`},
		{"", "the URL is empty"},
		{"http://example.com:0/", "the port must be a number from 1 to 65535"},
		{"http://" + strings.Repeat("a.", 127) + "com/", "the host name is longer than 253 bytes"},
	} {
		if _, err := c.CheckURL(test.url); err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.url, err, test.want)
		}
		if strings.Contains(test.want, "secret") {
			t.Errorf("%q has the path", test.want)
		}
	}
}

// FuzzCheckURL: for every URL that is accepted, every answer of the name servers, and both clients, an address
// that is dialled is public (catalogue S4).
func FuzzCheckURL(f *testing.F) {
	rows, err := os.ReadFile("testdata/ssrf.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(rows)) {
		if columns := strings.Split(line, "\t"); len(columns) == 6 {
			f.Add(columns[3], []byte{8, 8, 8, 8}, []byte{127, 0, 0, 1})
		}
	}
	f.Add("http://example.com", netip.MustParseAddr("64:ff9b::7f00:1").AsSlice(),
		netip.MustParseAddr("::ffff:10.0.0.1").AsSlice())
	f.Add("http://example.com", netip.MustParseAddr("2606:4700::1").AsSlice(), []byte{})

	var answer []netip.Addr
	rec := new(recorder)
	c := newClient(f, Config{Dial: rec.dial, Resolver: resolverFunc(func(context.Context, string,
		string) ([]netip.Addr, error) {
		return answer, nil
	})})
	f.Fuzz(func(t *testing.T, raw string, a, b []byte) {
		answer = nil
		for _, bytes := range [][]byte{a, b} {
			if addr, ok := netip.AddrFromSlice(bytes); ok {
				answer = append(answer, addr)
			}
		}
		if target, err := c.Target(raw, Route{}); err == nil {
			post(c, target)
			head := "POST" + target.head + target.userAgent
			lines := strings.Split(head, "\r\n")
			if len(lines) != 4 || strings.Count(head, "\n") != 3 || strings.Count(lines[0], " ") != 2 ||
				lines[3] != "" {
				t.Errorf("the request is\n%q", head)
			}
			again, err := c.CheckURL(raw)
			if err != nil {
				t.Fatalf("the second time: %v", err)
			}
			normal, err := c.CheckURL(again.String())
			if err != nil || normal.String() != again.String() {
				t.Errorf("%s is in normal form, but becomes %v, %v", again, normal, err)
			}
		}
		if res, err := c.HTTP().Get(raw); err == nil {
			res.Body.Close()
		}
		for _, d := range rec.take() {
			if !public(netip.MustParseAddrPort(d).Addr()) {
				t.Errorf("dialled %s", d)
			}
		}
	})
}
