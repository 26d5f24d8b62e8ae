package providertest

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Fuzz passes any bytes to a provider, unsigned and signed. For all bytes, the provider must not panic, and its
// result must be one that the server can answer. If a proof covers the body, it must accept no unsigned request
// except the samples and recordings.
func Fuzz(f *testing.F, c Case) {
	s := newSuite(f, c)
	known := map[string]bool{}
	for _, sample := range s.samples {
		req := s.signed(sample.body)
		known[string(sample.body)] = true
		f.Add(false, req.Method, req.Target, string(bellhop.NewHeader(req.Header, nil)), sample.body)
		f.Add(true, req.Method, req.Target, "", sample.body)
	}
	for _, rec := range s.Recordings {
		req := rec.Request
		known[string(req.Body)] = true
		f.Add(false, req.Method, req.Target, string(bellhop.NewHeader(req.Header, nil)), req.Body)
		f.Add(true, req.Method, req.Target, "", req.Body)
	}
	f.Fuzz(func(t *testing.T, sign bool, method, target, header string, body []byte) {
		r := s.open(t, s.good(), Now)
		if sign {
			s.receive(t, r, s.signed(body))
			return
		}
		req := &provider.Request{Method: method, Target: target, Header: parseHeader(header), Body: body,
			ReceivedAt: Now}
		receipt, err := s.receive(t, r, req)
		if err == nil && len(receipt.Events) > 0 && s.Proves == ProvesBody && !known[string(body)] {
			t.Errorf("accepted an unsigned request\n%s", describe(req))
		}
	})
}

// parseHeader reads "Name: value" lines. Any text is accepted.
func parseHeader(text string) http.Header {
	h := http.Header{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		h.Add(name, value)
	}
	return h
}

// Benchmark measures Receive of one authentic request with body.
func Benchmark(b *testing.B, c Case, body []byte) {
	s := newSuite(b, c)
	r := s.open(b, s.good(), Now)
	req := s.signed(body)
	s.accept(b, r, req)
	if b.Failed() {
		return
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Receive(context.Background(), req); err != nil {
			b.Fatal(err)
		}
	}
}
