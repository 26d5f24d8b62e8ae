package provider_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
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
		if !ok || err != nil || reply.Status != v.Expect.Status || string(reply.Body) != v.Expect.Body || reply.ContentType != "" {
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
	return provider.Echo(&provider.Request{Method: method, Target: "/in/x?" + query}, "validationToken")
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
