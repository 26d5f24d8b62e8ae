package providertest

import (
	"context"
	"testing"
)

// Benchmark measures Receive of one authentic request with body.
func Benchmark(b *testing.B, c Case, body []byte) {
	s := newSuite(b, c)
	r := s.open(b, s.good(), Now)
	req := s.signed(body)
	if s.accept(b, r, req); b.Failed() {
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
