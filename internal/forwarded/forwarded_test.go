package forwarded

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// newTrust trusts 10.0.0.0/8 and one IPv6 address.
func newTrust(log *slog.Logger, now func() time.Time) (*Trust, *prometheus.Registry) {
	registry := prometheus.NewRegistry()
	return New([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::9/128")}, now, log,
		registry), registry
}

// TestClient: the client is the rightmost address that is not trusted; what is left of it is what the client said.
func TestClient(t *testing.T) {
	t.Parallel()
	trust, _ := newTrust(slog.New(slog.DiscardHandler), time.Now)
	const proxy = "10.1.1.1:4711"
	for name, test := range map[string]struct {
		peer         string
		xff, tagged  []string
		want, reason string
	}{
		"no header":               {proxy, nil, nil, proxy, ""},
		"a stranger that lies":    {"192.0.2.1:9", []string{"1.1.1.1"}, []string{"for=1.1.1.1"}, "192.0.2.1:9", ""},
		"one proxy":               {proxy, []string{"203.0.113.9"}, nil, "203.0.113.9", ""},
		"a port":                  {proxy, []string{"203.0.113.9:80"}, nil, "203.0.113.9:80", ""},
		"two proxies":             {proxy, []string{"203.0.113.9, 10.2.2.2"}, nil, "203.0.113.9", ""},
		"in two lines":            {proxy, []string{"203.0.113.9", "10.2.2.2"}, nil, "203.0.113.9", ""},
		"a client that lies":      {proxy, []string{"10.3.3.3, 198.51.100.1, 203.0.113.9"}, nil, "203.0.113.9", ""},
		"a client that says more": {proxy, []string{`<script>, "`, "203.0.113.9"}, nil, "203.0.113.9", ""},
		"all are trusted":         {proxy, []string{"10.2.2.2, 10.3.3.3"}, nil, "10.2.2.2", ""},
		"empty elements":          {proxy, []string{"203.0.113.9,, ", " "}, nil, "203.0.113.9", ""},
		"empty":                   {proxy, []string{""}, nil, proxy, ""},
		"IPv6":                    {proxy, []string{"2001:db8::1"}, nil, "2001:db8::1", ""},
		"IPv6 in brackets":        {proxy, []string{"[2001:db8::1]"}, nil, "2001:db8::1", ""},
		"IPv6 with a port":        {proxy, []string{"[2001:db8::1]:443"}, nil, "[2001:db8::1]:443", ""},
		"IPv4 in IPv6":            {proxy, []string{"::ffff:203.0.113.9"}, nil, "203.0.113.9", ""},
		"a zone":                  {proxy, []string{"fe80::1%eth0"}, nil, "fe80::1", ""},
		"a proxy of IPv6":         {"[2001:db8::9]:1", []string{"203.0.113.9"}, nil, "203.0.113.9", ""},
		"a proxy of IPv4 in IPv6": {"[::ffff:10.1.1.1]:1", []string{"203.0.113.9"}, nil, "203.0.113.9", ""},
		"no address":              {proxy, []string{"unknown"}, nil, proxy, malformed},
		"no address further on":   {proxy, []string{"unknown, 10.2.2.2"}, nil, "10.2.2.2", malformed},
		"a name":                  {proxy, []string{"localhost"}, nil, proxy, malformed},
		"a bad port":              {proxy, []string{"203.0.113.9:99999"}, nil, proxy, malformed},

		"Forwarded":             {proxy, nil, []string{"for=203.0.113.9"}, "203.0.113.9", ""},
		"with parameters":       {proxy, nil, []string{"by=10.1.1.1; For=203.0.113.9;proto=https"}, "203.0.113.9", ""},
		"quoted":                {proxy, nil, []string{`for="[2001:db8::1]:4711"`}, "[2001:db8::1]:4711", ""},
		"a port without quotes": {proxy, nil, []string{"for=203.0.113.9:80"}, "203.0.113.9:80", ""},
		"escapes":               {proxy, nil, []string{`for="203.0\.113.9"`}, "203.0.113.9", ""},
		"two of them":           {proxy, nil, []string{"for=203.0.113.9, for=10.2.2.2"}, "203.0.113.9", ""},
		"an open quote":         {proxy, nil, []string{`for="1.2.3.4, for=203.0.113.9`}, "203.0.113.9", ""},
		"a comma in quotes":     {proxy, nil, []string{`for=203.0.113.9;host="a,b;c"`}, "203.0.113.9", ""},
		"obfuscated":            {proxy, nil, []string{"for=_hidden"}, proxy, malformed},
		"unknown":               {proxy, nil, []string{"for=unknown"}, proxy, malformed},
		"without for":           {proxy, nil, []string{"proto=https"}, proxy, malformed},
		"two for":               {proxy, nil, []string{"for=203.0.113.9;for=203.0.113.8"}, proxy, malformed},
		"no pair":               {proxy, nil, []string{"203.0.113.9"}, proxy, malformed},
		"a bad quote":           {proxy, nil, []string{`for="203.0.113.9`}, proxy, malformed},

		"both agree":             {proxy, []string{"203.0.113.9"}, []string{`for="203.0.113.9:1"`}, "203.0.113.9", ""},
		"both differ":            {proxy, []string{"203.0.113.9"}, []string{"for=203.0.113.8"}, proxy, contradicts},
		"one cannot be read":     {proxy, []string{"203.0.113.9"}, []string{"for=_x"}, proxy, malformed},
		"a stranger with both":   {"192.0.2.1:9", []string{"1.1.1.1"}, []string{"for=2.2.2.2"}, "192.0.2.1:9", ""},
		"a Unix socket":          {"@", []string{"203.0.113.9"}, nil, "@", ""},
		"nothing but separators": {proxy, []string{",,,"}, nil, proxy, ""},
	} {
		h := http.Header{}
		if test.xff != nil {
			h["X-Forwarded-For"] = test.xff
		}
		if test.tagged != nil {
			h["Forwarded"] = test.tagged
		}
		if got, reason := trust.client(test.peer, h); got != test.want || reason != test.reason {
			t.Errorf("%s: %s (%s), want %s (%s)", name, got, reason, test.want, test.reason)
		}
	}
}

// TestHandler: the handler sees the client, and what cannot be believed is counted, and logged now and then.
func TestHandler(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	now := time.Unix(1_000_000_000, 0)
	trust, registry := newTrust(slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now })
	var seen string
	h := trust.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.RemoteAddr }))
	ask := func(xff string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.1.1.1:4711"
		r.Header.Set("X-Forwarded-For", xff)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	ask("203.0.113.9")
	if seen != "203.0.113.9" || log.Len() > 0 {
		t.Errorf("%s %s", seen, &log)
	}
	for range 3 {
		ask("unknown")
	}
	now = now.Add(time.Minute)
	ask("unknown")
	if n := testutil.ToFloat64(trust.refused.WithLabelValues(malformed)); seen != "10.1.1.1:4711" || n != 4 ||
		strings.Count(log.String(), "proxy.client_unknown") != 2 || !strings.Contains(log.String(), "times=3") {
		t.Errorf("%s %v %s", seen, n, &log)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// FuzzClient: whatever a client sends, the address that a trusted proxy adds at the right end is the client, in either
// header; and no header panics or makes an address of what is none.
func FuzzClient(f *testing.F) {
	f.Add("203.0.113.9", `for="[2001:db8::1]:4711";proto=https, for=10.2.2.2`)
	f.Add(`for="`, `\"`)
	f.Add("unknown, ,", `for="a\\"";,="`)
	trust, _ := newTrust(slog.New(slog.DiscardHandler), time.Now)
	f.Fuzz(func(t *testing.T, plain, tagged string) {
		const peer, added = "10.1.1.1:1", "198.51.100.7"
		for _, h := range []http.Header{{"X-Forwarded-For": {plain}}, {"Forwarded": {tagged}},
			{"X-Forwarded-For": {plain}, "Forwarded": {tagged}}} {
			if got, _ := trust.client(peer, h); got != peer {
				if again, ok := parseNode(got); !ok || again != got {
					t.Errorf("%q is the client of %q", got, h)
				}
			}
		}
		for _, h := range []http.Header{{"X-Forwarded-For": {plain + "," + added}},
			{"X-Forwarded-For": {plain, added}}, {"Forwarded": {tagged + ",for=" + added}}, {"Forwarded": {tagged, `for="` + added + `"`}}} {
			if got, reason := trust.client(peer, h); got != added || reason != "" {
				t.Errorf("the client of %q is %s (%s)", h, got, reason)
			}
		}
	})
}
