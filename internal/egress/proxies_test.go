package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// TestOnlyTheOperatorSetsProxies (S470): a destination may go through the proxies that were listed, however they are written,
// and through no other, whatever else is permitted.
func TestOnlyTheOperatorSetsProxies(t *testing.T) {
	open := Config{AllowPrivate: true, Allow: prefixes("0.0.0.0/0", "::/0")}
	listed := open
	listed.Proxies = []string{"http://proxy.example", "https://Proxy.example.:8443/", "http://[::1]:3128", "http://me:x@bad.example", "http://bad.example/path", "", "bad.example:3128"}
	for _, c := range []*Client{newClient(t, open), newClient(t, listed), newClient(t, Config{Proxies: listed.Proxies})} {
		for _, proxy := range []string{"http://127.0.0.1:3128", "http://proxy.example:3128", "https://proxy.example", "http://proxy.example:8443", "http://other.example",
			"http://bad.example", "http://bad.example:3128", "http://2130706433", "http://[::1]:3129", "http://"} {
			if err := c.CheckProxy(proxy); err == nil {
				t.Errorf("%s is accepted", proxy)
			}
			if _, err := c.Target("https://hooks.example.com", Route{Proxy: proxy}); err == nil {
				t.Errorf("Target accepts %s", proxy)
			}
		}
		err := c.CheckProxy("http://127.0.0.1:3128")
		if e := wantClass(t, err, ClassBlocked); !strings.HasSuffix(e.Detail, "its operator lists them by --proxies") {
			t.Errorf("got %v", e)
		}
		for _, proxy := range []string{"http://proxy.example", "http://PROXY.example.:80/", "https://proxy.example:8443", "http://[::1]:3128"} {
			if err := c.CheckProxy(proxy); (err == nil) != (len(c.proxies.listed) > 0) {
				t.Errorf("%s: %v", proxy, err)
			}
		}
	}
	for _, url := range []string{"socks5://proxy.example", "http://me:x@proxy.example:3128", "http://proxy.example:3128/path", "http://proxy.example?x", "proxy.example:3128", "http://", "http://a b"} {
		if CheckProxyURL(url) == nil {
			t.Errorf("%s can be listed", url)
		}
	}
}

// TestListedProxies: to list a proxy permits where it leads, but to metadata services; nothing else is permitted by it.
func TestListedProxies(t *testing.T) {
	rec := new(recorder)
	for _, c := range []struct{ proxy, answer, dialed string }{
		{"http://proxy.example:3128", "8.8.8.8", "8.8.8.8:3128"}, // a port that destinations may not have
		{"http://proxy:22", "10.0.0.7", "10.0.0.7:22"},
		{"http://localhost:3128", "", "127.0.0.1:3128"},
		{"http://10.0.0.7:6379", "", "10.0.0.7:6379"},
		{"http://[fd00::7]", "", "[fd00::7]:80"},
		{"http://169.254.7.7:3128", "", "169.254.7.7:3128"},
		{"http://proxy.example:3128", "169.254.7.7", ""}, // a name must not lead to where only an address can
		{"http://proxy.example:3128", "224.0.0.1", ""},
		{"http://proxy.example:3128", "64:ff9b::a9fe:a9fe", ""},
		{"http://proxy.example:3128", "169.254.169.254", ""},
		{"http://proxy.example:3128", "::ffff:169.254.169.254", ""},
		{"http://proxy.example:3128", "168.63.129.16", ""},
		{"http://proxy.example:3128", "fd00:ec2::254", ""},
		{"http://metadata.google.internal", "169.254.169.254", ""},
	} {
		client := newClient(t, Config{Resolver: answers(strings.Fields(c.answer)...), Dial: rec.dial, Proxies: []string{c.proxy}, Allow: prefixes("169.254.169.254/32")})
		_, err := post(client, mustRoute(t, client, "https://hooks.example.com", Route{Proxy: c.proxy}))
		dialed := rec.take()
		if c.dialed != "" && (!errors.Is(err, errRecorded) || dialed[0] != c.dialed) {
			t.Errorf("%+v: dialled %s, %v", c, dialed, err)
		}
		if c.dialed != "" {
			continue
		}
		if e := wantClass(t, err, ClassBlocked); !strings.HasPrefix(e.Detail, "the proxy: ") || len(dialed) > 0 || strings.Contains(c.answer, "169.254.169") && strings.Contains(e.Detail, "--allow") {
			t.Errorf("%+v: dialled %s, %v", c, dialed, e)
		}
	}
	for _, proxy := range []string{"http://169.254.169.254", "http://[::ffff:169.254.169.254]:3128", "http://168.63.129.16", "http://100.100.100.200:80"} {
		c := newClient(t, Config{AllowPrivate: true, Proxies: []string{proxy}, Allow: prefixes("0.0.0.0/0", "169.254.169.254/32")})
		wantClass(t, c.CheckProxy(proxy), ClassBlocked)
	}
}

// TestListedProxyIsNoDestination: what is permitted as a proxy is not by that permitted as a destination, directly or
// through it, and a target made while more was listed is not reached any more.
func TestListedProxyIsNoDestination(t *testing.T) {
	rec := new(recorder)
	const proxy = "http://10.0.0.7:3128"
	strict := newClient(t, Config{Resolver: answers("10.0.0.7"), Dial: rec.dial, Proxies: []string{proxy}})
	for _, url := range []string{proxy, "https://10.0.0.7/", "https://127.0.0.1/", "https://localhost/", "https://169.254.169.254/", "https://metadata.google.internal/", "http://hooks.example.com:3128/"} {
		for _, way := range []Route{{}, {Proxy: proxy}} {
			if _, err := strict.Target(url, way); err == nil {
				t.Errorf("%s is accepted, by the proxy %q", url, way.Proxy)
			}
		}
	}
	_, err := post(strict, mustTarget(t, strict, "https://hooks.example.com")) // whose name leads to the proxy
	wantClass(t, err, ClassBlocked)
	if err := strict.guard.check(netip.MustParseAddrPort("10.0.0.7:3128")); err == nil {
		t.Error("the guard permits it")
	}
	const gone = "http://127.0.0.1:3128"
	before := newClient(t, Config{Proxies: []string{gone}})
	_, err = post(strict, mustRoute(t, before, "https://hooks.example.com", Route{Proxy: gone}))
	wantClass(t, err, ClassBlocked)
	if dialed := rec.take(); len(dialed) > 0 {
		t.Errorf("dialled %s", dialed)
	}
	if _, err = post(strict, mustRoute(t, strict, "https://hooks.example.com", Route{Proxy: proxy})); !errors.Is(err, errRecorded) || fmt.Sprint(rec.take()) != "[10.0.0.7:3128]" {
		t.Errorf("the proxy itself: %v", err)
	}
}
