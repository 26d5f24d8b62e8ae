//go:build stress && linux

package journey

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// The tenants of the run. The keys that bind to one see nothing of the other.
const (
	ourTenant     = "ours"
	foreignTenant = "theirs"
)

// unanswered are the operations that no run answers with success, and why.
var unanswered = map[string]string{
	"show-file":                 "files are kept by downloads of recordings, which internal/journey tests elsewhere",
	"delete-file":               "as show-file",
	"get-file-content":          "as show-file",
	"fill-subscription":         "it is asked seldom",
	"list-remote-subscriptions": "the receiver is no provider: interop has the stand-ins",
}

// seldom are the operations that are asked in each tenth round alone, and why.
var seldom = map[string]string{
	"fill-subscription": "it waits 25 seconds for the provider, which the receiver is not",
}

// TestStressAPIFuzz makes requests from the OpenAPI document of a gateway: as the document wants them, with one thing
// changed, and in sequences. Each answer must be one that the document declares, and keep the properties of judge.
// STRESS is the number of rounds through all operations. -seed repeats a run.
func TestStressAPIFuzz(t *testing.T) {
	rounds := stress(t)
	random := newRandom(t)
	var received atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form, _ := io.ReadAll(r.Body)
		received.Add(1)
		status, err := strconv.Atoi(strings.Trim(r.URL.Path, "/"))
		if err != nil || status < 200 || status > 599 {
			status = http.StatusOK
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if bytes.Contains(form, []byte("grant_type=")) {
			fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, canaryMark+"-token")
		}
	}))
	defer receiver.Close()
	g := newGateway(t, "--log-format", "json")
	f := newAPIFuzz(t, *g.url.Load(), g.client(), random.Uint64(), receiver.URL)

	began := time.Now()
	for n := range rounds {
		f.furnish()
		f.begin()
		operations := slices.Clone(f.doc.operations)
		f.Shuffle(len(operations), func(i, j int) {
			operations[i], operations[j] = operations[j], operations[i]
		})
		for _, o := range operations {
			if seldom[o.id] != "" && n%10 != 0 {
				continue
			}
			f.send(f.request(o))
			for range 2 {
				r := f.request(o)
				f.change(r)
				f.send(r)
			}
		}
		f.sequences()
	}
	t.Logf("%d requests in %v", f.requests, time.Since(began).Round(time.Second))
	f.table()
	f.reportAll()

	for _, path := range []string{"/healthz", "/readyz"} {
		if got := g.status(path); got != http.StatusOK {
			t.Errorf("%s: %d", path, got)
		}
	}
	f.goesThrough(g, receiver.URL+"/200", &received)
	log := []byte(g.log())
	if part := escapedCanary(log, f.shown...); part != nil {
		t.Errorf("a secret is in the log: %q", part)
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "panic") || strings.Contains(line, `"level":"ERROR"`) {
			t.Errorf("in the log: %.2000s", line)
		}
	}
}

// newAPIFuzz makes the tenants and the keys of a run.
func newAPIFuzz(t *testing.T, url string, admin *client.Client, seed uint64, receiver string) *apiFuzz {
	t.Helper()
	res, err := http.Get(url + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := readDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	m := &apiMaker{seed: seed, doc: doc, receiver: receiver, pool: map[string][]named{},
		cursors: map[string][]string{}, tags: map[string]string{}, tenants: []string{ourTenant, foreignTenant}}
	f := &apiFuzz{apiMaker: m, t: t, url: url, codes: errorCodes(t), findings: map[string]*finding{},
		answered: map[string]map[int]int{}, slowest: map[string]time.Duration{}, owners: map[string]string{},
		kept: map[string]bool{}}
	for _, name := range m.tenants {
		made, err := admin.CreateTenant(t.Context(), client.NewTenant{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		f.kept[made.ID] = true
	}
	for _, k := range []apiKey{{"all-admin", "", "admin", ""}, {"all-operate", "", "operate", ""},
		{"all-read", "", "read", ""},
		{"all-publish", "", "publish", ""}, {"our-admin", "", "admin", ourTenant}, {"our-read", "", "read", ourTenant},
		{"their-admin", "", "admin", foreignTenant}, {"their-operate", "", "operate", foreignTenant}} {
		made, err := admin.CreateKey(t.Context(), client.NewKey{Name: k.name, Scope: k.scope, Tenant: k.tenant})
		if err != nil {
			t.Fatal(err)
		}
		k.text = made.Text
		m.keys = append(m.keys, k)
		f.kept[made.ID] = true
		f.shown = append(f.shown, []byte(made.Text[len(made.Text)-20:]))
	}
	return f
}

// table logs how long each operation took at most and how often it was answered with which status, and fails for
// operations that never succeeded.
func (f *apiFuzz) table() {
	for _, o := range f.doc.operations {
		var counts []string
		succeeded := false
		for _, status := range slices.Sorted(maps.Keys(f.answered[o.id])) {
			counts = append(counts, fmt.Sprintf("%d: %d", status, f.answered[o.id][status]))
			succeeded = succeeded || status < 300
		}
		f.t.Logf("%-28s %7v %s", o.id, f.slowest[o.id].Round(time.Millisecond), strings.Join(counts, ", "))
		if _, ok := unanswered[o.id]; !ok && !succeeded {
			f.t.Errorf("%s never succeeded: the run does not reach what it does", o.id)
		}
	}
}

// goesThrough checks that an event is still delivered.
func (f *apiFuzz) goesThrough(g *gateway, url string, received *atomic.Int64) {
	g.destination(client.NewDestination{Name: "after", URL: url,
		Settings: map[string]any{"format": "raw"}, Match: &client.Match{Types: []string{"after.all"}}})
	before := received.Load()
	event := client.NewEvent{Type: "after.all", Data: []byte(`{"a":1}`)}
	if _, _, err := g.client().Publish(f.t.Context(), event, ""); err != nil {
		f.t.Fatal(err)
	}
	eventually(f.t, patience, "an event is delivered", func() bool { return received.Load() > before })
}
