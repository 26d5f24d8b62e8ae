package providertest

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
)

// testCoded compresses each sample. The proof is over the bytes on the wire, unless the system puts it into the body.
// The server sets Decoded, and the provider must read the same events as without compression.
func (s *suite) testCoded(t *testing.T) {
	for _, sample := range s.samples {
		plain := s.signed(sample.body)
		coded := s.coded(t, plain, sample.body)
		r := s.open(t, s.good(), Now)
		want, got := s.accept(t, r, plain), s.accept(t, r, coded)
		if len(got.Events) != len(want.Events) || len(got.Refused) != len(want.Refused) || got.Status != want.Status ||
			(got.Reply == nil) != (want.Reply == nil) {
			t.Errorf("%s: compressed %+v, else %+v", sample.name, got, want)
			continue
		}
		for i, ev := range got.Events {
			from := want.Events[i]
			body, id := ev.Body, ev.ProviderID
			if bytes.Equal(body, coded.Body) {
				body = coded.Decoded
			}
			if within(plain.Header, from.ProviderID) && within(coded.Header, id) {
				id = from.ProviderID // the proof, or a header that depends on the bytes, identifies the event
			}
			if ev.Type != from.Type || ev.Subject != from.Subject || !ev.Time.Equal(from.Time) ||
				id != from.ProviderID || ev.ContentType != from.ContentType || !bytes.Equal(body, from.Body) {
				t.Errorf("%s: event %d is compressed %+v, else %+v", sample.name, i, ev, from)
			}
		}
	}
}

// coded returns the authentic request plain, which carries body, with its body compressed and signed anew.
func (s *suite) coded(t *testing.T, plain *provider.Request, body []byte) *provider.Request {
	t.Helper()
	coded := clone(plain)
	coded.Body = compress(t, plain.Body)
	if bytes.Equal(plain.Body, body) { // otherwise the proof is within the body
		signed := s.signed(coded.Body)
		coded.Target = signed.Target
		for _, name := range s.proofHeaders() { // Sign may derive others from what the body says
			if values := signed.Header[name]; values != nil {
				coded.Header[name] = values
			}
		}
	}
	coded.Header.Set("Content-Encoding", "gzip")
	coded.Decoded = plain.Body
	return coded
}

// proofHeaders returns the canonical names of the headers that are parts of the proof.
func (s *suite) proofHeaders() []string {
	names := slices.Concat(s.Headers, s.Hashes)
	if s.MAC != nil {
		names = append(names, s.MAC.Header)
	}
	for i := range names {
		names[i] = http.CanonicalHeaderKey(names[i])
	}
	return names
}

func compress(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// within reports whether a value of h contains text.
func within(h http.Header, text string) bool {
	for _, values := range h {
		if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, text) }) {
			return true
		}
	}
	return false
}
