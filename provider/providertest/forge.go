package providertest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
)

// testProof takes each header and parameter of the proof away, doubles it, cuts it and blows it up.
func (s *suite) testProof(t *testing.T) {
	if s.Proves == ProvesNothing {
		t.Skip("there is none")
	}
	good := s.signed(s.samples[0].body)
	for _, name := range s.Headers {
		t.Run(name, func(t *testing.T) { s.spoil(t, good, header{name}) })
	}
	for _, name := range s.Parameters {
		t.Run(name, func(t *testing.T) { s.spoil(t, good, parameter{name}) })
	}
	t.Run("none at all", func(t *testing.T) {
		bare := clone(good)
		bare.Header, bare.Target = http.Header{}, "/in/test"
		if s.Proves == ProvesBody || len(s.Headers)+len(s.Parameters) > 0 {
			s.refuse(t, s.open(t, s.good(), Now), bare)
		}
	})
}

// A place is where a part of the proof stands.
type place interface {
	get(req *provider.Request) string
	set(req *provider.Request, values ...string)
}

type header struct{ name string }

func (h header) get(req *provider.Request) string { return req.Header.Get(h.name) }
func (h header) set(req *provider.Request, values ...string) {
	req.Header.Del(h.name)
	for _, v := range values {
		req.Header.Add(h.name, v)
	}
}

type parameter struct{ name string }

func (p parameter) get(req *provider.Request) string {
	u, _ := url.Parse(req.Target)
	return u.Query().Get(p.name)
}

func (p parameter) set(req *provider.Request, values ...string) {
	u, _ := url.Parse(req.Target)
	q := u.Query()
	q[p.name] = values
	u.RawQuery = q.Encode()
	req.Target = u.String()
}

func (s *suite) spoil(t *testing.T, good *provider.Request, at place) {
	r := s.open(t, s.good(), Now)
	s.accept(t, r, good)
	v := at.get(good)
	if v == "" {
		t.Fatal("the request that Sign makes does not have it")
	}
	huge := strings.Repeat(canary, 10_000)
	for name, values := range map[string][]string{
		"missing":         nil,
		"empty":           {""},
		"blank":           {" "},
		"doubled":         {v, v},
		"good, then bad":  {v, canary},
		"bad, then good":  {canary, v},
		"empty, and good": {"", v},
		"cut":             {v[:len(v)-1]},
		"only its end":    {v[len(v)-1:]},
		"more in front":   {"x" + v},
		"more behind":     {v + "x"},
		"twice in one":    {v + v},
		"with a comma":    {canary + "," + v},
		"another":         {canary},
		"huge":            {huge},
		"good, then huge": {v + huge},
		"NUL":             {v + "\x00"},
		"not UTF-8":       {"\xff\xfe" + v},
	} {
		t.Run(name, func(t *testing.T) {
			req := clone(good)
			at.set(req, values...)
			if name == "NUL" || strings.HasSuffix(name, "huge") { // what no sender makes may be malformed
				s.refuse(t, r, req, http.StatusBadRequest)
				return
			}
			s.refuse(t, r, req)
		})
	}
}

// testBody holds that a signature does not stand for any other body: the forgery list's G19 to G29, R12.
func (s *suite) testBody(t *testing.T) {
	if s.Proves != ProvesBody {
		t.Skip("the body is not proven")
	}
	r := s.open(t, s.good(), Now)
	body := s.samples[0].body
	good := s.signed(body)
	other := func(name string, body []byte) {
		t.Helper()
		req := clone(good)
		req.Body = body
		if !bytes.Equal(body, good.Body) {
			t.Run(name, func(t *testing.T) { s.refuse(t, r, req) })
		}
	}
	for i := range body {
		tampered := bytes.Clone(body)
		tampered[i] ^= 1 << (i % 8)
		req := clone(good)
		req.Body = tampered
		s.refuse(t, r, req)
		req.Body = body[:i]
		s.refuse(t, r, req)
	}
	for i := range 8 * min(64, len(body)) {
		tampered := bytes.Clone(body)
		tampered[i/8] ^= 1 << (i % 8)
		req := clone(good)
		req.Body = tampered
		s.refuse(t, r, req)
	}
	for _, tail := range []string{"\n", " ", "\x00", "x", canary} {
		other(fmt.Sprintf("%q behind", tail), append(bytes.Clone(body), tail...))
	}
	other("byte order mark in front", append([]byte("\uFEFF"), body...))
	other("CRLF", bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n")))
	other("LF", bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")))
	other("blanks gone", bytes.ReplaceAll(body, []byte(" "), nil))
	other("twice", append(bytes.Clone(body), body...))
	other("empty", nil)
}
