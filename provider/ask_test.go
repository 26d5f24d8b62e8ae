package provider_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bellhop-gateway/bellhop/provider"
)

func ask(t *testing.T, to string) (g provider.HandshakeRequest, token, escaped string) {
	t.Helper()
	g, err := provider.EchoHandshake(provider.Env{Rand: rand.NewChaCha8([32]byte{1})}, provider.AttemptInfo{URL: to}, "validationToken")
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

func TestAskEcho(t *testing.T) {
	const want = "Validation: Bellhop asks before it calls + Request-Id: "
	g, token, escaped := ask(t, "https://a.example/in/x")
	if !strings.HasPrefix(token, want) || len(token) != len(want)+32 || g.Request.Method != "POST" || len(g.Request.Body) > 0 || g.Request.Header == nil {
		t.Errorf("asks %+v for %q", g, token)
	}
	if plain, err := url.PathUnescape(escaped); err != nil || plain != token {
		t.Errorf("decodes to %q where a plus is a plus", plain)
	}
	to, _ := url.Parse(g.URL)
	reply, _, err := provider.Echo(&provider.Request{Method: g.Request.Method, Target: to.RequestURI()}, "validationtoken")
	if err != nil || string(reply.Body) != token {
		t.Errorf("our own answer is %+v, %v", reply, err)
	}
	for status, agrees := range map[int]bool{200: true, 201: false, 202: false, 204: false, 302: false, 400: false, 500: false} {
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

func TestAskEchoURL(t *testing.T) {
	for to, want := range map[string]string{
		"https://a.example":              "https://a.example?validationToken=Validation",
		"https://a.example/x%2Fy?":       "https://a.example/x%2Fy?validationToken=Validation",
		"https://a.example/?code=a%2bb":  "https://a.example/?code=a%2bb&validationToken=Validation",
		"https://a.example/?x=1#section": "https://a.example/?x=1&validationToken=Validation",
	} {
		if g, _, _ := ask(t, to); !strings.HasPrefix(g.URL, want) {
			t.Errorf("%s: asks at %s", to, g.URL)
		}
	}
	_, err := provider.EchoHandshake(provider.Env{Rand: strings.NewReader(strings.Repeat("x", 16))}, provider.AttemptInfo{URL: "https://cAnArY\x00"}, "x")
	if err == nil || strings.Contains(err.Error(), "cAnArY") {
		t.Errorf("a URL that is none: %v", err)
	}
	if _, err := provider.EchoHandshake(provider.Env{Rand: iotest.ErrReader(io.ErrClosedPipe)}, provider.AttemptInfo{}, "x"); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("no randomness: %v", err)
	}
}
