package journey

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// A forgery is one request at a source. Ids are those of the list of forgeries (G, W, A, K, L: any HMAC, Standard
// Webhooks, Media Services, tokens, HTTP).
type forgery struct {
	id     string
	source string
	target string // behind the source's URL: "?code=…"
	header http.Header
	body   []byte
	want   int
	fresh  bool // accepted as a new event; otherwise nothing is stored
}

// refuse sends fs to g and looks at everything there is to see of them: the status; what is stored; that nothing is
// delivered of what was refused; that all refusals of a status look the same; and that each is on record.
func refuse(t *testing.T, g *gateway, l *ledger, fs []forgery) {
	t.Helper()
	looks := map[int]string{}
	want := map[string][]int{} // statuses of refusals, by source
	stored := 0
	for _, f := range fs {
		status, look := f.send(t, g)
		if status != f.want {
			t.Errorf("%s at %s: answered %d, want %d", f.id, f.source, status, f.want)
		}
		if f.fresh {
			stored++
		}
		if n := len(listEvents(t, g)); n != stored {
			t.Errorf("%s at %s: %d events are stored now, want %d", f.id, f.source, n, stored)
			stored = n
		}
		if status/100 == 2 {
			continue
		}
		want[f.source] = append(want[f.source], status)
		if looks[status] == "" {
			looks[status] = look
		}
		if looks[status] != look {
			t.Errorf("%s at %s: this %d does not look like others:\n%s\n%s", f.id, f.source, status, look, looks[status])
		}
		if sent := string(f.body); len(sent) > 8 && strings.Contains(look, sent) {
			t.Errorf("%s: what was sent is in the answer", f.id)
		}
	}
	settle(t, g, 20*time.Second)
	if n := len(l.arrivedAt("all")); n != stored {
		t.Errorf("%d arrived, want the %d that were accepted", n, stored)
	}
	for _, source := range slices.Sorted(maps.Keys(want)) {
		checkRecord(t, g, source, want[source])
	}
	t.Logf("%d requests: %d accepted, %d refused, each %d byte for byte the same, each on record", len(fs), stored, sum(want), slices.Sorted(maps.Keys(looks)))
}

func sum(m map[string][]int) (n int) {
	for _, list := range m {
		n += len(list)
	}
	return n
}

// send returns the status and all of the answer that a stranger sees, but for the date.
func (f forgery) send(t *testing.T, g *gateway) (status int, look string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, g.in(f.source)+f.target, bytes.NewReader(f.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = f.header
	res, err := probing.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", f.id, err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(res.Body)
	res.Header.Del("Date")
	return res.StatusCode, fmt.Sprintf("%v %s", res.Header, answer)
}

// checkRecord compares what is on record of a source's refusals with the statuses that were answered.
func checkRecord(t *testing.T, g *gateway, source string, statuses []int) {
	t.Helper()
	var kept []client.Request
	if !poll(5*time.Second, func() bool { kept = refusals(t, g, source); return len(kept) >= len(statuses) }) {
		t.Errorf("source %s: %d refusals are on record, want %d", source, len(kept), len(statuses))
		return
	}
	for i, r := range kept { // newest first
		if want := statuses[len(statuses)-1-i]; r.Status != want || r.Reason == "" || r.Detail == "" || r.RemoteAddr == "" {
			t.Errorf("source %s: on record is %+v, answered was %d", source, r, want)
		}
	}
}

func refusals(t *testing.T, g *gateway, source string) []client.Request {
	t.Helper()
	c := g.client()
	return everything(t, func(ctx context.Context, page client.Page) (client.List[client.Request], error) {
		return c.Requests(ctx, client.RequestFilter{Source: source, Outcome: "refused"}, page)
	})
}

// forgeable starts a gateway with a destination that wants everything.
func forgeable(t *testing.T) (*gateway, *ledger) {
	t.Helper()
	l := newLedger()
	g := newGateway(t)
	r := newReceiver(t, l, nil)
	r.destination(g, "all", "raw")
	return g, l
}

// with returns h with other values for name; without values it is removed. Names are written as they are.
func with(h http.Header, name string, values ...string) http.Header {
	h = h.Clone()
	delete(h, name)
	if len(values) > 0 {
		h[name] = values
	}
	return h
}

func mac(key, text []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(text)
	return m.Sum(nil)
}

func flip(b []byte, bit int) []byte {
	b = slices.Clone(b)
	b[bit/8] ^= 1 << (bit % 8)
	return b
}
