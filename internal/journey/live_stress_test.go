//go:build stress && linux

package journey

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

const (
	openTails     = 5
	leastWithLive = 0.95 // of the events delivered a second while no page is open
)

// TestStressLiveCorridor: while five pages show the tail of everything, the corridor under load delivers at no less
// than 0.95 of the rate at which it does while no page is open. STRESS is four times the number of rounds; from 12 on
// the median is judged. A missed aim is said, and is no failure: other machines differ.
func TestStressLiveCorridor(t *testing.T) {
	rounds := max(1, stress(t)/4)
	var delivered atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		delivered.Add(1)
	}))
	defer receiver.Close()
	g := newGateway(t)
	g.source(plainSource, "generic", map[string]any{"scheme": "none"})
	g.destination(client.NewDestination{Name: "load", URL: receiver.URL, Settings: map[string]any{"format": "raw"}})
	var ratios, with, without, cpus []float64
	measure := func() (rate, cpu float64) {
		before, _ := cpuTime(g.pid)
		events := delivered.Load()
		end := time.Now().Add(warmUp + half(t))
		rate, _ = g.measure(&delivered, func() bool { return time.Now().After(end) })
		after, _ := cpuTime(g.pid)
		return rate, (after - before).Seconds() * 1e6 / float64(delivered.Load()-events)
	}
	for n := range rounds {
		var beside, alone, cpuBeside, cpuAlone float64
		halves := []func(){
			func() {
				stop := g.openPages(openTails)
				beside, cpuBeside = measure()
				for i, messages := range stop() {
					if messages == 0 || messages > 5*int64((warmUp+half(t))/time.Second+10) {
						t.Errorf("page %d got %d messages", i, messages)
					}
				}
			},
			func() { alone, cpuAlone = measure() },
		}
		if n%2 == 1 {
			slices.Reverse(halves)
		}
		for _, half := range halves {
			half()
			pause(t.Context(), warmUp)
		}
		t.Logf("round %d: %.0f/s beside %d live pages, %.0f/s without: %.2f; CPU per event %.0f µs and %.0f µs", n+1,
			beside, openTails, alone, beside/alone, cpuBeside, cpuAlone)
		ratios, with, without = append(ratios, beside/alone), append(with, beside), append(without, alone)
		cpus = append(cpus, cpuBeside/cpuAlone)
	}
	for _, list := range [][]float64{ratios, with, without, cpus} {
		slices.Sort(list)
	}
	middle := rounds / 2
	t.Logf("medians of %d rounds: %.0f/s beside %d live pages, %.0f/s without, ratio %.2f (%.2f); "+
		"CPU per event %.2f of that without", rounds, with[middle], openTails, without[middle], ratios[middle], ratios,
		cpus[middle])
	if rounds >= 3 && ratios[middle] < leastWithLive {
		missed(t, "the corridor delivers %.2f of what it does without live pages, the aim is %v", ratios[middle],
			leastWithLive)
	}
}

// openPages opens so many live pages, as browsers of several sessions would, and returns once all have begun. The
// returned function closes them, and returns how many messages with rows each got.
func (g *gateway) openPages(pages int) (stop func() []int64) {
	g.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	counts := make([]int64, pages)
	var all, begun sync.WaitGroup
	var visitor *http.Client
	for i := range pages {
		if i%2 == 0 {
			visitor = g.visitor()
		}
		begun.Add(1)
		all.Go(func() {
			once := sync.OnceFunc(begun.Done)
			defer once()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, *g.url.Load()+"/ui/stream", nil)
			if err != nil {
				g.t.Error(err)
				return
			}
			reply, err := visitor.Do(req)
			if err != nil {
				g.t.Error(err)
				return
			}
			defer reply.Body.Close()
			if reply.StatusCode != http.StatusOK {
				g.t.Errorf("page %d: %s", i, reply.Status)
			}
			lines := bufio.NewScanner(reply.Body)
			lines.Buffer(make([]byte, 0, 256<<10), 1<<20)
			for lines.Scan() {
				once()
				if strings.HasPrefix(lines.Text(), "event: rows") {
					counts[i]++
				}
			}
		})
	}
	begun.Wait()
	return func() []int64 {
		cancel()
		all.Wait()
		return counts
	}
}
