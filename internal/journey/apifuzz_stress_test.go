//go:build stress && linux

package journey

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/provider/all"
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
// STRESS is the number of rounds through all operations. `make stress` makes the same requests each time, so that it
// fails for what has changed; `make apifuzz` makes new ones. -seed repeats a run.
func TestStressAPIFuzz(t *testing.T) {
	rounds := stress(t)
	start := cmp.Or(*seed, 1)
	t.Logf("-seed %d", start)
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
	s := newServed(t)
	f := newAPIFuzz(t, s, start, receiver.URL)

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
	f.table(rounds >= 10)
	f.reportAll()

	for _, path := range []string{"/healthz", "/readyz"} {
		res, err := probing.Get(s.url + path)
		if err != nil || res.Body.Close() != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %v %v", path, res, err)
		}
	}
	f.goesThrough(receiver.URL+"/200", &received)
	log := []byte(s.log())
	if part := escapedCanary(log, f.shown...); part != nil {
		t.Errorf("a secret is in the log: %q", part)
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "panic") || strings.Contains(line, `"level":"ERROR"`) {
			t.Errorf("in the log: %.2000s", line)
		}
	}
}

// inside has TestStressAPIFuzz start the server in the test's own process, so that the race detector watches it.
var inside = flag.Bool("inside", false, "start the server of the API's fuzzer in the process of the test")

// A served is a server that a run asks.
type served struct {
	url   string
	admin *client.Client
	log   func() string
}

// newServed starts a server, which ends with the test.
func newServed(t *testing.T) served {
	t.Helper()
	if !*inside {
		g := newGateway(t, "--log-format", "json")
		return served{*g.url.Load(), g.client(), g.log}
	}
	cfg, err := config.Load("", func(string) string { return "" }, map[string]string{"listen": "127.0.0.1:0",
		"data": filepath.Join(t.TempDir(), "data"), "allow-private": "true"})
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	a, err := app.New(t.Context(), app.Options{Config: cfg, Providers: all.Providers(), Connectors: all.Connectors(),
		Version: "test", Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		err := <-ended
		if err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	key, err := os.ReadFile(filepath.Join(cfg.Data, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	return served{a.URL(), client.New(a.URL(), strings.TrimSpace(string(key)), nil), log.String}
}

// A lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newAPIFuzz makes the tenants and the keys of a run.
func newAPIFuzz(t *testing.T, s served, seed uint64, receiver string) *apiFuzz {
	t.Helper()
	res, err := http.Get(s.url + "/openapi.json")
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
	f := &apiFuzz{apiMaker: m, t: t, url: s.url, codes: errorCodes(t), findings: map[string]*finding{},
		answered: map[string]map[int]int{}, slowest: map[string]time.Duration{}, owners: map[string]string{},
		open: map[string]bool{},
		kept: map[string]bool{}}
	for _, name := range m.tenants {
		made, err := s.admin.CreateTenant(t.Context(), client.NewTenant{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		f.kept[made.ID] = true
	}
	for _, k := range []apiKey{{"all-admin", "", "admin", ""}, {"all-operate", "", "operate", ""},
		{"all-read", "", "read", ""},
		{"all-publish", "", "publish", ""}, {"our-admin", "", "admin", ourTenant}, {"our-read", "", "read", ourTenant},
		{"their-admin", "", "admin", foreignTenant}, {"their-operate", "", "operate", foreignTenant}} {
		made, err := s.admin.CreateKey(t.Context(), client.NewKey{Name: k.name, Scope: k.scope, Tenant: k.tenant})
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

// table logs how long each operation took at most, and how often it was answered with which status. If all is set, it
// fails for operations that never succeeded.
func (f *apiFuzz) table(all bool) {
	for _, o := range f.doc.operations {
		var counts []string
		succeeded := false
		for _, status := range slices.Sorted(maps.Keys(f.answered[o.id])) {
			counts = append(counts, fmt.Sprintf("%d: %d", status, f.answered[o.id][status]))
			succeeded = succeeded || status < 300
		}
		f.t.Logf("%-28s %7v %s", o.id, f.slowest[o.id].Round(time.Millisecond), strings.Join(counts, ", "))
		if _, ok := unanswered[o.id]; !ok && !succeeded && all {
			f.t.Errorf("%s never succeeded: the run does not reach what it does", o.id)
		}
	}
}

// goesThrough checks that an event is still delivered.
func (f *apiFuzz) goesThrough(url string, received *atomic.Int64) {
	admin := client.New(f.url, f.keys[allAdmin].text, nil) // the first key was replaced
	_, err := admin.CreateDestination(f.t.Context(), client.NewDestination{Name: "after", URL: url,
		Settings: map[string]any{"format": "raw"}, Match: &client.Match{Types: []string{"after.all"}}})
	if err != nil {
		f.t.Fatal(err)
	}
	before := received.Load()
	event := client.NewEvent{Type: "after.all", Data: []byte(`{"a":1}`)}
	if _, _, err := admin.Publish(f.t.Context(), event, ""); err != nil {
		f.t.Fatal(err)
	}
	eventually(f.t, patience, "an event is delivered", func() bool { return received.Load() > before })
}
