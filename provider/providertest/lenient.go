package providertest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
)

// testLenient checks that a source reads JSON as leniently as the systems that send it: each sample gives the same
// events with a byte order mark before it, and with members that no provider reads, twice or nested deeply. The
// signature is made over the changed bytes.
func (s *suite) testLenient(t *testing.T) {
	for _, sample := range s.samples {
		if !json.Valid(sample.body) || !strings.ContainsAny(string(sample.body[:1]), "{[ \n") {
			continue
		}
		t.Run(sample.name, func(t *testing.T) {
			want := s.lenientReceipt(t, sample.body)
			blank := s.lenientReceipt(t, append(bytes.Clone(sample.body), ' '))
			marked := s.lenientReceipt(t, append([]byte("\uFEFF"), sample.body...))
			compareReceipts(t, "a byte order mark", marked, want)
			for i := range min(len(want.Events), len(marked.Events), len(blank.Events)) {
				own := want.Events[i].ProviderID // unless it is made of the bytes, or of the signature
				if own == blank.Events[i].ProviderID && own != marked.Events[i].ProviderID {
					t.Errorf("with a byte order mark, event %d has the ProviderID %q, was %q", i,
						marked.Events[i].ProviderID, own)
				}
			}
			for name, body := range lenientBodies(sample.body) {
				compareReceipts(t, name, s.lenientReceipt(t, body), want)
			}
		})
	}
}

// lenientReceipt signs body and receives it at a new source, which remembers nothing of another body.
func (s *suite) lenientReceipt(t *testing.T, body []byte) provider.Receipt {
	t.Helper()
	return s.accept(t, s.open(t, s.good(), Now), s.signed(body))
}

// lenientBodies returns body with members that are not read: texts in its first object, and a deep value in its last
// one, if that is within another.
func lenientBodies(body []byte) map[string][]byte {
	const names = `{"unreadmember":"a","unreadmember":"b",`
	deep := `{"unreadmember":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + ","
	first, last := bytes.IndexByte(body, '{'), bytes.LastIndexByte(body, '{')
	bodies := map[string][]byte{}
	insert := func(name, members string, at int) {
		changed := string(body[:at]) + members + string(body[at+1:])
		shallow := string(body[:at]) + names + string(body[at+1:])
		if json.Valid([]byte(shallow)) { // else the brace is in a text, or the object is empty
			bodies[name] = []byte(changed)
		}
	}
	if first >= 0 {
		insert("a name that occurs twice", names, first)
	}
	if last > first {
		insert("a name that occurs twice within", names, last)
		insert("a deep value", deep, last)
	}
	return bodies
}

// compareReceipts checks that got has the events of want, apart from their bodies and ids.
func compareReceipts(t *testing.T, change string, got, want provider.Receipt) {
	t.Helper()
	if len(got.Events) != len(want.Events) || len(got.Refused) != len(want.Refused) ||
		(got.Reply == nil) != (want.Reply == nil) {
		t.Errorf("with %s: %d events, %d refused, want %d, %d", change, len(got.Events), len(got.Refused),
			len(want.Events), len(want.Refused))
		return
	}
	for i, ev := range got.Events {
		if was := want.Events[i]; ev.Type != was.Type || ev.Subject != was.Subject || !ev.Time.Equal(was.Time) {
			t.Errorf("with %s: event %d is %s, %q, %v; want %s, %q, %v", change, i, ev.Type, ev.Subject, ev.Time,
				was.Type, was.Subject, was.Time)
		}
	}
}
