//go:build stress && linux

package journey

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

const (
	storedDestinations = 10_000
	pageRounds         = 5
	pageWithin         = 100 * time.Millisecond // the aim of each page
	firstPageBytes     = 100 << 10              // the aim of the first page with all that it loads, uncompressed
)

// TestStressPages: with two million events and ten thousand destinations stored, and while the door is under load,
// every page to which a link leads comes within pageWithin, and the first page with its style and modules has less
// than firstPageBytes. STRESS below 20 stores less in proportion. A missed aim is said, and is no failure: other
// machines differ.
func TestStressPages(t *testing.T) {
	scale := min(stress(t), 20)
	var delivered atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		delivered.Add(1)
	}))
	defer receiver.Close()
	g := newGateway(t)
	g.source(plainSource, "generic", map[string]any{"scheme": "none"})
	for i := range storedSources {
		g.source(fmt.Sprintf("stored-%d", i), "generic", map[string]any{"scheme": "none"})
	}
	g.destination(client.NewDestination{Name: "load", URL: receiver.URL, Settings: map[string]any{"format": "raw"},
		Match: &client.Match{Sources: []string{plainSource}}})
	g.destination(client.NewDestination{Name: "stored", URL: receiver.URL, Settings: map[string]any{"format": "raw"},
		Match: &client.Match{Types: []string{"none"}}})
	if status, _ := g.stop(); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	began := time.Now()
	g.fill(storedEvents / 20 * scale)
	g.fillDestinations(storedDestinations / 20 * scale)
	t.Logf("%d events and %d destinations were stored in %v", storedEvents/20*scale, storedDestinations/20*scale,
		time.Since(began).Round(time.Second))
	g.start()
	visitor := g.visitor()
	paths, _ := g.linked(visitor)
	took, size := map[string][]time.Duration{}, map[string]int{}
	var over atomic.Bool
	var looking sync.WaitGroup
	looking.Go(func() {
		defer over.Store(true)
		for range max(1, pageRounds*scale/20) {
			for _, path := range paths {
				began := time.Now()
				page, err := get(visitor, *g.url.Load()+path)
				took[path], size[path] = append(took[path], time.Since(began)), len(page)
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
				pause(t.Context(), listEvery)
			}
		}
	})
	rate, _ := g.measure(&delivered, over.Load)
	looking.Wait()
	t.Logf("%d pages, while %.0f events a second were delivered:", len(paths), rate)
	var slow []string
	for _, path := range paths {
		times := took[path]
		slices.Sort(times)
		median := times[len(times)/2]
		t.Logf("%-60s median %8v, slowest %8v, %4d KB", path, median.Round(100*time.Microsecond),
			times[len(times)-1].Round(100*time.Microsecond), size[path]>>10)
		if median > pageWithin {
			slow = append(slow, fmt.Sprintf("%s (%v)", path, median.Round(time.Millisecond)))
		}
	}
	if len(slow) > 0 {
		missed(t, "the aim is %v for a page; these take longer: %s", pageWithin, strings.Join(slow, ", "))
	}
	first := g.firstPage(visitor)
	t.Logf("the first page has %d bytes with its style and modules", first)
	if first > firstPageBytes {
		missed(t, "the first page has %d bytes, the aim is %d", first, firstPageBytes)
	}
	settle(t, g, patience)
}

// fillDestinations stores destinations like "stored" in the folder of the gateway, which is stopped.
func (g *gateway) fillDestinations(count int) {
	g.t.Helper()
	s := openStore(g.t, g.dir, time.Now)
	defer s.Close()
	like, err := s.Destination(g.t.Context(), "stored")
	if err != nil {
		g.t.Fatal(err)
	}
	numbers := make(chan int)
	var creating sync.WaitGroup
	for range 64 { // the store syncs once for many
		creating.Go(func() {
			for n := range numbers {
				d := like
				d.ID, d.Name = bellhop.NewID("dst_", rand.Reader), fmt.Sprintf("customer-%05d", n)
				if err := s.CreateDestination(g.t.Context(), d); err != nil {
					g.t.Error(err)
				}
			}
		})
	}
	for n := range count {
		numbers <- n
	}
	close(numbers)
	creating.Wait()
}

// firstPage returns how many bytes the first page has, with its style, its icon and its modules.
func (g *gateway) firstPage(visitor *http.Client) (bytes int) {
	g.t.Helper()
	parts := regexp.MustCompile(`(?:href|src)="(/ui/static/[^"]+)"|from '\./([a-z]+\.js)'`)
	seen := map[string]bool{}
	folder := ""
	for next := []string{"/ui/"}; len(next) > 0; next = next[1:] {
		content, err := get(visitor, *g.url.Load()+next[0])
		if err != nil {
			g.t.Fatalf("%s: %v", next[0], err)
		}
		bytes += len(content)
		for _, found := range parts.FindAllSubmatch(content, -1) {
			to := string(found[1])
			if to == "" {
				to = folder + string(found[2])
			}
			folder = to[:strings.LastIndex(to, "/")+1]
			if !seen[to] {
				seen[to] = true
				next = append(next, to)
			}
		}
	}
	return bytes
}
