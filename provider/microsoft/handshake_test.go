package microsoft_test

import (
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

func TestEchoVectors(t *testing.T) {
	var file struct {
		Tokens []struct {
			Name, Method string
			Query        string `json:"raw_query"`
			Expect       struct {
				Status int
				Body   string `json:"body_utf8"`
			}
		} `json:"validation_token"`
	}
	b, err := os.ReadFile("testdata/handshakes.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &file); err != nil || len(file.Tokens) < 9 {
		t.Fatal(len(file.Tokens), err)
	}
	for _, v := range file.Tokens {
		reply, ok, err := echo(v.Method, v.Query)
		if !ok || err != nil || reply.Status != v.Expect.Status || string(reply.Body) != v.Expect.Body ||
			reply.ContentType != "" {
			t.Errorf("%s: %+v, %v, %v", v.Name, reply, ok, err)
		}
	}
}

func TestEcho(t *testing.T) {
	for _, c := range []struct {
		query, body string
		ok          bool
		err         error
	}{
		{query: "", ok: false},
		{query: "x=1", ok: false},
		{query: "validationToken2=a", ok: false},
		{query: "validation%54oken=a", body: "a", ok: true},
		{query: "VALIDATIONTOKEN=a", body: "a", ok: true},
		{query: "validationTo%E2%84%AAen=a", ok: false}, // the Kelvin sign
		{query: "x=1&validationToken=abc", body: "abc", ok: true},
		{query: "validationToken=abc%2Bdef", body: "abc+def", ok: true},
		{query: "validationToken=abc+def", body: "abc def", ok: true},
		{query: "validationToken=%252B", body: "%2B", ok: true},
		{query: "validationToken=a=b", body: "a=b", ok: true},
		{query: "validationToken=%3Cb%3E%26amp%3B", body: "<b>&amp;", ok: true},
		{query: "validationToken=" + strings.Repeat("a", 4096), body: strings.Repeat("a", 4096), ok: true},
		{query: "validationToken=" + strings.Repeat("a", 4097), ok: true, err: provider.ErrBody},
		{query: "validationToken=", ok: true, err: provider.ErrBody},
		{query: "validationToken", ok: true, err: provider.ErrBody},
		{query: "validationToken=a&validationToken=a", ok: true, err: provider.ErrBody},
		{query: "validationToken=a&validationtoken=b", ok: true, err: provider.ErrBody},
		{query: "validationToken=%0d%0aX:+y", ok: true, err: provider.ErrBody},
		{query: "validationToken=%00", ok: true, err: provider.ErrBody},
		{query: "validationToken=%C2%85", ok: true, err: provider.ErrBody},
		{query: "validationToken=%E2%80%A8", ok: true, err: provider.ErrBody},
		{query: "validationToken=%FF", ok: true, err: provider.ErrBody},
	} {
		reply, ok, err := echo("POST", c.query)
		if ok != c.ok || !errors.Is(err, c.err) || (c.body != "" && (reply == nil || string(reply.Body) != c.body)) {
			t.Errorf("%.60s: %+v, %v, %v", c.query, reply, ok, err)
		}
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT"} {
		if _, ok, err := echo(method, "validationToken=a"); !ok || !errors.Is(err, provider.ErrMethod) {
			t.Errorf("%s: %v, %v", method, ok, err)
		}
	}
}

func echo(method, query string) (*provider.Reply, bool, error) {
	return microsoft.Echo(&provider.Request{Method: method, Target: "/in/x?" + query}, "validationToken")
}

func FuzzEcho(f *testing.F) {
	f.Add("validationToken=a%20b")
	f.Add("validationToken=%0d%0a&x=%zz")
	f.Fuzz(func(t *testing.T, query string) {
		reply, ok, err := echo("POST", query)
		if !ok && (reply != nil || err != nil) || ok && (reply == nil) == (err == nil) {
			t.Fatalf("%q: %+v, %v, %v", query, reply, ok, err)
		}
		if reply != nil && !provider.PlainToken(string(reply.Body)) {
			t.Errorf("echoes %q", reply.Body)
		}
	})
}

// newHandshake returns a handshake for the URL to, and its token, decoded and as in the URL.
func newHandshake(t *testing.T, to string) (g provider.HandshakeRequest, token, escaped string) {
	t.Helper()
	g, err := microsoft.EchoHandshake(provider.Env{Rand: rand.NewChaCha8([32]byte{1})}, provider.AttemptInfo{URL: to},
		"validationToken")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, escaped, _ = strings.Cut(g.URL, "validationToken=")
	return g, u.Query().Get("validationToken"), escaped
}

func TestEchoHandshake(t *testing.T) {
	const want = "Validation: Bellhop asks before it calls + Request-Id: "
	g, token, escaped := newHandshake(t, "https://a.example/in/x")
	if !strings.HasPrefix(token, want) || len(token) != len(want)+32 || g.Request.Method != "POST" ||
		len(g.Request.Body) > 0 ||
		g.Request.Header == nil {
		t.Errorf("handshake %+v with token %q", g, token)
	}
	if plain, err := url.PathUnescape(escaped); err != nil || plain != token {
		t.Errorf("a decoder that keeps "+" reads %q", plain)
	}
	to, _ := url.Parse(g.URL)
	reply, _, err := microsoft.Echo(&provider.Request{Method: g.Request.Method, Target: to.RequestURI()},
		"validationtoken")
	if err != nil || string(reply.Body) != token {
		t.Errorf("Echo returns %+v, %v", reply, err)
	}
	for status, agrees := range map[int]bool{200: true, 201: false, 202: false, 204: false, 302: false, 400: false,
		500: false} {
		agreed, err := g.Read(status, http.Header{}, []byte(token))
		if (err == nil) != agrees || agreed != (provider.HandshakeResult{}) {
			t.Errorf("%d: %+v, %v", status, agreed, err)
		}
	}
	for _, c := range []struct{ body, fault string }{
		{"", "no body"},
		{"\r\n", "no body"},
		{token + "\n", "around the token"},
		{" " + token, "around the token"},
		{"\uFEFF" + token, "around the token"},
		{`"` + token + `"`, "in quotes"},
		{`"` + token + "\"\n", "in quotes"},
		{escaped, "still escaped"},
		{strings.ReplaceAll(escaped, "%20", "+"), "still escaped"},
		{strings.ReplaceAll(token, "+", " "), "decoded twice"},
		{strings.ReplaceAll(token, "+", "&#43;"), "escaped for HTML"},
		{strings.ToUpper(token), "letter case"},
		{"<p>" + token + "</p>", "more than the token"},
		{token[:20], "a part of the token"},
		{"cAnArY", "another text"},
		{"\xff\x00", "another text"},
	} {
		_, err := g.Read(200, http.Header{}, []byte(c.body))
		if err == nil || !strings.Contains(err.Error(), c.fault) || strings.Contains(err.Error(), "cAnArY") {
			t.Errorf("%q: %v, want %q", c.body, err, c.fault)
		}
	}
}

func TestEchoHandshakeURL(t *testing.T) {
	for to, want := range map[string]string{
		"https://a.example":              "https://a.example?validationToken=Validation",
		"https://a.example/x%2Fy?":       "https://a.example/x%2Fy?validationToken=Validation",
		"https://a.example/?code=a%2bb":  "https://a.example/?code=a%2bb&validationToken=Validation",
		"https://a.example/?x=1#section": "https://a.example/?x=1&validationToken=Validation",
	} {
		if g, _, _ := newHandshake(t, to); !strings.HasPrefix(g.URL, want) {
			t.Errorf("%s: URL of the handshake is %s", to, g.URL)
		}
	}
	_, err := microsoft.EchoHandshake(provider.Env{Rand: strings.NewReader(strings.Repeat("x", 16))},
		provider.AttemptInfo{URL: "https://cAnArY\x00"}, "x")
	if err == nil || strings.Contains(err.Error(), "cAnArY") {
		t.Errorf("invalid URL: %v", err)
	}
	broken := provider.Env{Rand: iotest.ErrReader(io.ErrClosedPipe)}
	if _, err := microsoft.EchoHandshake(broken, provider.AttemptInfo{}, "x"); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken source of randomness: %v", err)
	}
}
