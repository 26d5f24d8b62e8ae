package egress

import (
	"bytes"
	"context"
	"net/netip"
	"os"
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
		if target, err := c.Target(raw, Way{}); err == nil {
			req := &Request{URL: target}
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
