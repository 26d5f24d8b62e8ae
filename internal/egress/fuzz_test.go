package egress

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

// If the guard says yes, the address that is dialled is public: for every URL that passes, every answer of the
// name servers, and by both ways out (catalogue S4).
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
	f.Add("http://example.com", netip.MustParseAddr("64:ff9b::7f00:1").AsSlice(), netip.MustParseAddr("::ffff:10.0.0.1").AsSlice())
	f.Add("http://example.com", netip.MustParseAddr("2606:4700::1").AsSlice(), []byte{})

	var answer []netip.Addr
	rec := new(recorder)
	c := newClient(f, Config{Dial: rec.dial, Resolver: resolverFunc(func(context.Context, string, string) ([]netip.Addr, error) { return answer, nil })})
	f.Fuzz(func(t *testing.T, raw string, a, b []byte) {
		answer = nil
		for _, bytes := range [][]byte{a, b} {
			if addr, ok := netip.AddrFromSlice(bytes); ok {
				answer = append(answer, addr)
			}
		}
		if target, err := c.Target(raw, Route{}); err == nil {
			req := &Request{Target: target}
			post(c, target)
			head := req.appendHead(nil)
			if lines := bytes.Split(head, []byte("\r\n")); len(lines) != 6 || bytes.Count(head, []byte("\n")) != 5 || bytes.Count(lines[0], []byte(" ")) != 2 {
				t.Errorf("the request is\n%q", head)
			}
			again, err := c.CheckURL(raw)
			if err != nil {
				t.Fatalf("the second time: %v", err)
			}
			normal, err := c.CheckURL(again.String())
			if err != nil || normal.String() != again.String() {
				t.Errorf("%s is normal, but becomes %v, %v", again, normal, err)
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

// FuzzProxyURL: what can be listed is found on the list it makes, however often it is written anew, and leads to no metadata service.
func FuzzProxyURL(f *testing.F) {
	for _, raw := range []string{"http://proxy.example:3128", "https://Proxy.EXAMPLE./", "http://[::1]:80", "http://[::ffff:169.254.169.254]", "http://2130706433", "http://a:b@c", "socks5://x", "http://x/?", "http://x:080"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		c := newClient(t, Config{Proxies: []string{raw}})
		if CheckProxyURL(raw) != nil {
			if c.CheckProxy(raw) == nil {
				t.Errorf("%q is a proxy though it cannot be listed", raw)
			}
			return
		}
		at, err := c.proxies.parse(raw)
		if err != nil && !at.addr.IsValid() {
			t.Errorf("%q is listed, and refused: %v", raw, err)
		}
		if slices.Contains(metadata, at.addr) {
			t.Errorf("%q leads to a metadata service", raw)
		}
		if again := at.key(); err == nil && c.CheckProxy(again) != nil {
			t.Errorf("%q is refused as %s", raw, again)
		}
	})
}
