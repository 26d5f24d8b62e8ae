package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// A corpusRow is one line of testdata/ssrf.txt. The top of that file explains the columns.
type corpusRow struct{ id, category, expect, url, resolves, reason string }

func readCorpus(t *testing.T) (rows []corpusRow) {
	data, err := os.ReadFile("testdata/ssrf.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 6 {
			t.Fatalf("%q has %d columns", line, len(f))
		}
		row := corpusRow{f[0], f[1], f[2], strings.ReplaceAll(f[3], `\t`, "\t"), f[4], f[5]}
		row.url = strings.Replace(row.url, `\r\nHost: 127.0.0.1 (real CR LF bytes)`, "\r\nHost: 127.0.0.1", 1)
		rows = append(rows, row)
	}
	return rows
}

// elsewhere are the rows, or parts of rows, that this package cannot decide, with the room that decides.
var elsewhere = map[string]string{
	"S437": "provider/eventgrid accepts https only",
	"S439": "provider/eventgrid has a list of host suffixes",
	"S451": "provider/acs signs for the configured host only",
	"S452": "provider/acs accepts https only",
	"S454": "provider/acs escapes the document id",
	"S458": "provider/graph builds the URL of the key set from its settings",
	"S460": "provider/graph accepts https only",
	"S463": "no provider takes the URL of a certificate from a payload",
	"S464": "no provider takes the URL of a certificate from a payload",
	"S467": "provider/cloudevents never fetches a callback by itself",
	"S475": "internal/delivery counts hops; own interface addresses are S244",
	"S476": "internal/delivery counts hops; own interface addresses are S244",
	"S478": "internal/delivery counts hops",
}

// generic are rows of other rooms, each with a URL of the same kind that the guard must refuse.
var generic = map[string]string{
	"S440": "https://eventgrid.azure.net@127.0.0.1/x",
	"S442": "https://evil.test/#.eventgrid.azure.net",
	"S443": "https://rp-eastus2.eventgrid.azure.net:22/x",
	"S455": "https://contoso.communication.azure.com/recording/download/x?api-version=1&y=z#",
	"S466": "http://169.254.169.254/confirm",
	"S469": "http://127.0.0.1:8080/token",
	"S470": "http://127.0.0.1:3128", // see also TestOnlyTheOperatorSetsProxies and TestHTTPIgnoresProxies
	"S472": "http://127.0.0.1:6379/",
	"S473": "http://169.254.169.254/",
}

func TestCorpus(t *testing.T) {
	for _, row := range readCorpus(t) {
		t.Run(row.id, func(t *testing.T) {
			if why, ok := elsewhere[row.id]; ok {
				t.Skip("belongs to another room: " + why)
			}
			if u, ok := generic[row.id]; ok {
				testRefused(t, u)
				return
			}
			switch row.category {
			case "dns":
				testDNS(t, row)
			case "redirect":
				testRedirect(t, row)
			case "header":
				testHeader(t, row)
			default:
				if u, ok := strings.CutSuffix(row.url, " (DNS answers 10.0.0.1)"); ok {
					testAnswers(t, row.expect, u, answers("10.0.0.1"))
				} else if u, ok := strings.CutSuffix(row.url, " (302 to http://127.0.0.1/)"); ok {
					testRedirectTo(t, u, 302, "http://127.0.0.1/", true)
				} else {
					testStatic(t, row)
				}
			}
		})
	}
}

// testStatic tries a row whose result depends on the URL alone.
func testStatic(t *testing.T, row corpusRow) {
	switch row.expect {
	case "REJECT", "BLOCK":
		testRefused(t, row.url)
		if row.expect == "REJECT" {
			open := newClient(t, Config{AllowPrivate: true, Allow: prefixes("0.0.0.0/0", "::/0")})
			_, err := open.CheckURL(row.url)
			wantClass(t, err, ClassBadURL) // whatever the settings
		}
	case "ALLOW":
		testAnswers(t, "ALLOW", row.url, answers("8.8.8.8"))
	case "EITHER": // our own choice; see parseHost, parsePort, splitPort
		_, err := newClient(t, Config{}).CheckURL(row.url)
		refused := strings.Contains(row.url, ":00080")
		if (err != nil) != refused {
			t.Errorf("got %v, want refused = %v", err, refused)
		}
	default:
		t.Fatalf("unknown expectation %q", row.expect)
	}
}

// testRefused wants that raw is refused when it is set, and is dialled by neither client if it was set
// nevertheless. If its host is an address, the guard must refuse that address itself.
func testRefused(t *testing.T, raw string) {
	rec := new(recorder)
	strict := newClient(t, Config{Resolver: answers("127.0.0.1"), Dial: rec.dial,
		Proxies: []string{"http://proxy.example:3128"}})
	_, err := strict.CheckURL(raw)
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Class != ClassBlocked && refusal.Class != ClassBadURL ||
		refusal.Phase != PhaseURL {
		t.Fatalf("CheckURL: %v", err)
	}
	if _, err := strict.Target(raw, Route{}); err == nil {
		t.Error("Target accepts it")
	}
	if _, err := strict.Target(raw, Route{Proxy: "http://proxy.example:3128"}); err == nil {
		t.Error("Target accepts it through a proxy")
	}
	if strict.CheckProxy(raw) == nil {
		t.Error("it can be a proxy")
	}
	if res, err := strict.HTTP().Get(raw); err == nil {
		res.Body.Close()
		t.Error("HTTP fetches it")
	}
	// The URL was stored while the settings permitted it. The guard must refuse it when it is dialled.
	open := newClient(t, Config{AllowPrivate: true, Allow: prefixes("0.0.0.0/0", "::/0")})
	if target, err := open.Target(raw, Route{}); err == nil {
		_, err := post(strict, target)
		wantClass(t, err, ClassBlocked)
		if a := target.addr; a.IsValid() && strict.guard.check(netip.AddrPortFrom(a, target.port)) == nil {
			t.Error("the guard permits it")
		}
	}
	if dialed := rec.take(); len(dialed) > 0 {
		t.Errorf("dialled %s", dialed)
	}
}

// testAnswers makes a request to raw, whose host has the addresses that r gives, and wants the result expect.
func testAnswers(t *testing.T, expect, raw string, r Resolver) {
	rec := &recorder{to: wiretest.Serve(t, wiretest.Replies(wiretest.OKReply))}
	c := newClient(t, Config{Resolver: r, Dial: rec.dial})
	reply, err := post(c, mustTarget(t, c, raw))
	dialed := rec.take()
	switch expect {
	case "ALLOW":
		if strings.HasPrefix(raw, "https:") {
			wantClass(t, err, ClassTLS) // the server of this test speaks no TLS; the guard permitted it
		} else if err != nil || reply.Status != 200 {
			t.Errorf("got %v, %v", reply, err)
		}
		if len(dialed) != 1 {
			t.Errorf("dialled %s", dialed)
		}
		for _, d := range dialed {
			if !public(netip.MustParseAddrPort(d).Addr()) {
				t.Errorf("dialled %s", d)
			}
		}
	case "BLOCK":
		wantClass(t, err, ClassBlocked)
		if len(dialed) > 0 {
			t.Errorf("dialled %s", dialed)
		}
	case "FAIL":
		wantClass(t, err, ClassDNS)
	}
	if expect != "ALLOW" { // the standard client
		res, err := c.HTTP().Get(raw)
		if err == nil {
			res.Body.Close()
			t.Error("HTTP fetches it")
		}
		if dialed := rec.take(); len(dialed) > 0 {
			t.Errorf("HTTP dialled %s", dialed)
		}
	}
}

// testDNS tries a row about the answers of a resolver.
func testDNS(t *testing.T, row corpusRow) {
	switch {
	case strings.HasPrefix(row.resolves, "query1"):
		testRebinding(t, row.url)
	case row.resolves == "query A good, query AAAA ::1":
		testAnswers(t, row.expect, row.url, answers("8.8.8.8", "::1"))
	case row.resolves == "CNAME localhost":
		testAnswers(t, row.expect, row.url, answers("::1", "127.0.0.1"))
	case row.resolves == "NXDOMAIN":
		testAnswers(t, row.expect, row.url, noSuchHost)
	case row.resolves == "NOERROR, no records":
		testAnswers(t, row.expect, row.url, answers())
	case strings.HasPrefix(row.resolves, "A <address of one"):
		testOwnAddress(t, row.url)
	case strings.HasPrefix(row.resolves, "no reply"):
		synctest.Test(t, func(t *testing.T) { testNoAnswer(t, row.url) })
	default:
		var addrs []string
		for record := range strings.SplitSeq(row.resolves, ", ") {
			_, addr, ok := strings.Cut(record, " ")
			if !ok {
				t.Fatalf("cannot read answer %q", row.resolves)
			}
			addrs = append(addrs, addr)
		}
		testAnswers(t, row.expect, row.url, answers(addrs...))
	}
}

// testRebinding wants that a name which resolves to a forbidden address after a good delivery is not dialled
// again.
func testRebinding(t *testing.T, raw string) {
	rec := &recorder{to: wiretest.Serve(t, wiretest.Replies(closingReply))}
	for _, bad := range []string{"127.0.0.1", "169.254.169.254"} {
		queries := 0
		c := newClient(t, Config{Dial: rec.dial, Resolver: resolverFunc(func(context.Context, string,
			string) ([]netip.Addr, error) {
			queries++
			if queries == 1 {
				return addresses("8.8.8.8"), nil
			}
			return addresses(bad), nil
		})})
		target := mustTarget(t, c, raw)
		if _, err := post(c, target); err != nil {
			t.Fatal(err)
		}
		_, err := post(c, target)
		wantClass(t, err, ClassBlocked)
		if dialed := rec.take(); !slices.Equal(dialed, []string{"8.8.8.8:80"}) {
			t.Errorf("dialled %s", dialed)
		}
	}
}

func testOwnAddress(t *testing.T, raw string) {
	rec := new(recorder)
	c := newClient(t, Config{Resolver: answers("8.8.4.4"), Dial: rec.dial})
	c.guard.local = func() []netip.Addr { return addresses("8.8.4.4") } // as if our network card had it
	_, err := post(c, mustTarget(t, c, raw))
	wantClass(t, err, ClassBlocked)
	if dialed := rec.take(); len(dialed) > 0 {
		t.Errorf("dialled %s", dialed)
	}
	c.guard.allowPrivate = true
	if _, err = post(c, mustTarget(t, c, raw)); !errors.Is(err, errRecorded) {
		t.Errorf("with --allow-private: %v", err)
	}
}

// testNoAnswer wants that a lookup without answer ends after 5 s, or with the attempt if that ends sooner.
func testNoAnswer(t *testing.T, raw string) {
	c := New(Config{Resolver: resolverFunc(func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})})
	defer c.Close()
	target := mustTarget(t, c, raw)
	for timeout, want := range map[time.Duration]time.Duration{time.Minute: dnsTimeout, time.Second: time.Second} {
		start := time.Now()
		_, err := c.Do(context.Background(), &Request{Target: target, Timeout: timeout})
		wantClass(t, err, ClassDNS)
		if took := time.Since(start); took != want {
			t.Errorf("took %s, want %s", took, want)
		}
	}
}

// testRedirect reads a row such as "A public; reply 301 Location http://127.0.0.1:PORT/secret".
func testRedirect(t *testing.T, row corpusRow) {
	_, reply, ok := strings.Cut(row.resolves, "reply ")
	code, rest, ok2 := strings.Cut(reply, " ")
	status, err := strconv.Atoi(code)
	if !ok || !ok2 || err != nil {
		t.Fatalf("cannot read %q", row.resolves)
	}
	if location, ok := strings.CutPrefix(rest, "Location "); ok {
		testRedirectTo(t, row.url, status, location, false)
		return
	}
	name, value, _ := strings.Cut(strings.Replace(rest, ": ", " ", 1), " ")
	testReplyHeader(t, row.url, status, name, value)
}

// testRedirectTo wants that a redirect is returned as a reply and is not followed. PORT in location is replaced
// by the port of a server that must not be reached.
func testRedirectTo(t *testing.T, raw string, status int, location string, secure bool) {
	bait := wiretest.Serve(t, func(_ int, c net.Conn) { t.Error("the redirect was followed") })
	_, port, _ := net.SplitHostPort(bait)
	if secure {
		raw = strings.Replace(raw, "https://", "http://", 1) // this test does not depend on TLS
	}
	testReplyHeader(t, raw, status, "Location", strings.Replace(location, "PORT", port, 1))
}

// testReplyHeader wants that both clients return a reply with the header, after one connection each.
func testReplyHeader(t *testing.T, raw string, status int, name, value string) {
	text := fmt.Sprintf("HTTP/1.1 %d X\r\n%s: %s\r\nContent-Length: 0\r\n\r\n", status, name, value)
	rec := &recorder{to: wiretest.Serve(t, wiretest.Replies(text))}
	c := newClient(t, Config{Resolver: answers("8.8.8.8"), Dial: rec.dial})
	reply, err := post(c, mustTarget(t, c, raw))
	if err != nil || reply.Status != status {
		t.Errorf("got %v, %v", reply, err)
	}
	res, err := c.HTTP().Post(raw, "application/json", http.NoBody)
	if err == nil {
		res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("HTTP got %s", res.Status)
		}
	} else if !strings.Contains(err.Error(), "failed to parse Location") { // net/http insists on a valid one
		t.Error(err)
	}
	if dialed := rec.take(); !slices.Equal(dialed, []string{"8.8.8.8:80", "8.8.8.8:80"}) {
		t.Errorf("dialled %s", dialed)
	}
}

// testHeader reads a row such as "header Metadata: true".
func testHeader(t *testing.T, row corpusRow) {
	escapes := strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\x00`, "\x00")
	text := escapes.Replace(strings.TrimPrefix(row.resolves, "header "))
	i := strings.LastIndex(text, ": ")
	if err := bellhop.CheckHeader(text[:i], text[i+2:]); err == nil {
		t.Errorf("header %q is accepted", text)
	}
}
