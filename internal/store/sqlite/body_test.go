package sqlite

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"pgregory.net/rapid"
)

// Bodies and headers come back byte for byte, in an event read alone, in one claimed, and after a restart.
func TestBodies(t *testing.T) {
	dir := t.TempDir()
	weak := func(o *Options) { o.sync = "off" }
	s := reopen(t, dir, weak)
	source, destination := populate(t, s)
	type sent struct {
		body   []byte
		header bellhop.Header
	}
	all := map[string]sent{}
	rapid.Check(t, func(r *rapid.T) {
		length := rapid.OneOf(rapid.Just(0), rapid.IntRange(0, 64), rapid.IntRange(0, 64<<10), rapid.SampledFrom([]int{4096, 8192, 16384, 64 << 10})).Draw(r, "length")
		body := make([]byte, length)
		if !rapid.Bool().Draw(r, "all NUL") {
			random := newRandom(rapid.Uint64().Draw(r, "seed"))
			for i := range body {
				body[i] = byte(random.Uint32())
			}
		}
		if length == 0 && rapid.Bool().Draw(r, "nil") {
			body = nil
		}
		header := bellhop.Header(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(r, "header"))
		events := []bellhop.Event{{SourceID: source, Type: "x", ReceivedAt: epoch, Header: header, Body: body, SHA256: sha256.Sum256(body)}}
		if _, err := s.Accept(t.Context(), nil, events, []bellhop.NewDelivery{{DestinationID: destination}}); err != nil {
			r.Fatal(err)
		}
		claimed, err := s.Claim(t.Context(), destination, 1, 1)
		if err != nil || len(claimed) != 1 {
			r.Fatalf("claimed %d, %v", len(claimed), err)
		}
		if ev := claimed[0].Event; ev.ID != events[0].ID || !bytes.Equal(ev.Body, body) || !bytes.Equal(ev.Header, header) || sha256.Sum256(ev.Body) != ev.SHA256 {
			r.Fatalf("claimed %s with another body", ev.ID)
		}
		all[events[0].ID] = sent{body, header}
	})
	for range 2 {
		for id, want := range all {
			got, err := s.Event(t.Context(), id)
			if err != nil || !bytes.Equal(got.Body, want.body) || !bytes.Equal(got.Header, want.header) || sha256.Sum256(got.Body) != got.SHA256 {
				t.Errorf("%s came back changed; %v", id, err)
			}
		}
		s.Close()
		s = reopen(t, dir, weak)
	}
}
