//go:build stress && linux

package journey

import (
	"bufio"
	"bytes"
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
	streamListeners = 20
	streamRate      = 1000            // events a second at the source that they follow
	streamHalf      = 6 * time.Second // of a round; in a run that judges no medians a second is enough
	leastWithStream = 0.95            // of the events delivered a second while nobody listens
)

// TestStressStreamCorridor: 20 clients of the live stream follow a source with 1,000 events a second, of each the
// event and its attempt, while another source is put under load. The corridor delivers the events of that other source
// at no less than 0.95 of the rate at which it does while nobody listens. No client misses anything. STRESS is four
// times the number of rounds; from 12 on the median is judged. A missed aim is said, and is no failure: other machines
// differ.
func TestStressStreamCorridor(t *testing.T) {
	rounds := max(1, stress(t)/4)
	var delivered, watched atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/load" {
			delivered.Add(1)
		} else {
			watched.Add(1)
		}
	}))
	defer receiver.Close()
	g := newGateway(t)
	g.source(plainSource, "generic", map[string]any{"scheme": "none"})
	g.source("watched", "generic", map[string]any{"scheme": "none"})
	for name, source := range map[string]string{"load": plainSource, "watched": "watched"} {
		g.destination(client.NewDestination{Name: name, URL: receiver.URL + "/" + name,
			Settings: map[string]any{"format": "raw"}, Match: &client.Match{Sources: []string{source}}})
	}
	var ratios, with, without, cpus []float64
	var sent int64
	for n := range rounds {
		var beside, alone, cpuBeside, cpuAlone float64
		measure := func() (rate, cpu float64) {
			steady := g.postSteadily("watched", streamRate)
			before, _ := cpuTime(g.pid)
			events := delivered.Load()
			end := time.Now().Add(warmUp + half(t))
			rate, _ = g.measure(&delivered, func() bool { return time.Now().After(end) })
			after, _ := cpuTime(g.pid)
			sent += steady()
			eventually(t, patience, "all events of the steady source are delivered",
				func() bool { return watched.Load() == sent })
			pause(t.Context(), warmUp) // until the last attempts are told, so that the next half has none of them
			return rate, (after - before).Seconds() * 1e6 / float64(delivered.Load()-events)
		}
		halves := []func(){
			func() {
				already := sent
				listeners := g.listen(streamListeners, "watched")
				beside, cpuBeside = measure()
				for i, got := range listeners() {
					if want := 2 * (sent - already); got != want {
						t.Errorf("client %d got %d messages, want %d", i, got, want)
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
		}
		t.Logf("round %d: %.0f/s beside %d clients, %.0f/s without: %.2f; CPU per event %.0f µs and %.0f µs", n+1,
			beside, streamListeners, alone, beside/alone, cpuBeside, cpuAlone)
		ratios, with, without = append(ratios, beside/alone), append(with, beside), append(without, alone)
		cpus = append(cpus, cpuBeside/cpuAlone)
	}
	for _, list := range [][]float64{ratios, with, without, cpus} {
		slices.Sort(list)
	}
	middle := rounds / 2
	t.Logf("medians of %d rounds: %.0f/s beside %d clients that follow %d events a second, %.0f/s without, "+
		"ratio %.2f (%.2f); CPU per event %.2f of that without", rounds, with[middle], streamListeners, streamRate,
		without[middle], ratios[middle], ratios, cpus[middle])
	if rounds >= 3 && ratios[middle] < leastWithStream {
		missed(t, "the corridor delivers %.2f of what it does without clients, the aim is %v", ratios[middle],
			leastWithStream)
	}
}

// TestStressStreamCost measures how much processor time a gateway uses for 1,000 events a second, while 20 clients
// follow them and while nobody does. It says more than a rate on a machine whose speed varies. STRESS is four times
// the number of rounds.
func TestStressStreamCost(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	}))
	defer receiver.Close()
	g := newGateway(t)
	g.source("watched", "generic", map[string]any{"scheme": "none"})
	g.destination(client.NewDestination{Name: "watched", URL: receiver.URL, Settings: map[string]any{"format": "raw"}})
	steady := g.postSteadily("watched", streamRate)
	defer steady()
	used := func() float64 { // milliseconds a second
		pause(t.Context(), warmUp)
		before, _ := cpuTime(g.pid)
		began := time.Now()
		pause(t.Context(), half(t))
		after, _ := cpuTime(g.pid)
		return (after - before).Seconds() * 1000 / time.Since(began).Seconds()
	}
	var with, without []float64
	for range max(1, stress(t)/4) {
		stop := g.listen(streamListeners, "watched")
		with = append(with, used())
		stop()
		without = append(without, used())
	}
	slices.Sort(with)
	slices.Sort(without)
	middle := len(with) / 2
	t.Logf("medians of %d rounds at %d events a second: %.0f ms of processor time a second with %d clients, %.0f ms "+
		"without (%.0f, %.0f)", len(with), streamRate, with[middle], streamListeners, without[middle], with, without)
}

// postSteadily posts events to a source at a rate, until the returned function is called, which returns how many.
func (g *gateway) postSteadily(source string, perSecond int) (stop func() int64) {
	g.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{MaxIdleConnsPerHost: loadConnections}
	posting := &http.Client{Timeout: patience, Transport: transport}
	due := make(chan struct{}, perSecond)
	var sent atomic.Int64
	var all sync.WaitGroup
	all.Go(func() {
		defer close(due)
		began := time.Now()
		for n := 0; ctx.Err() == nil; n++ {
			pause(ctx, time.Until(began.Add(time.Duration(n)*time.Second/time.Duration(perSecond))))
			select {
			case due <- struct{}{}:
			case <-ctx.Done():
			}
		}
	})
	for range loadConnections {
		all.Go(func() {
			for range due {
				reply, err := posting.Post(g.in(source), "application/json", strings.NewReader(`{"text":"steady"}`))
				if err != nil {
					g.t.Error(err)
					return
				}
				io.Copy(io.Discard, reply.Body)
				reply.Body.Close()
				sent.Add(1)
			}
		})
	}
	return func() int64 {
		cancel()
		all.Wait()
		transport.CloseIdleConnections()
		return sent.Load()
	}
}

// listen follows what is of a source with so many clients, which have all begun when it returns. The returned function
// waits until no client gets anything more, but for 10 seconds at most, ends them, and returns how many messages each
// got.
func (g *gateway) listen(clients int, source string) (stop func() []int64) {
	g.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	counts := make([]atomic.Int64, clients)
	var all, begun sync.WaitGroup
	for i := range clients {
		begun.Add(1)
		all.Go(func() {
			url := *g.url.Load() + "/api/v1/stream?source=" + source
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				g.t.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+g.key())
			reply, err := probing.Transport.RoundTrip(req)
			if err != nil {
				g.t.Error(err)
				return
			}
			defer reply.Body.Close()
			lines := bufio.NewScanner(reply.Body)
			lines.Buffer(make([]byte, 0, 256<<10), 1<<20)
			for lines.Scan() { // counting is cheap, so that the clients take little of the machine
				switch kind, ok := bytes.CutPrefix(lines.Bytes(), []byte("event: ")); {
				case !ok:
				case string(kind) == "live":
					begun.Done()
				case string(kind) == "event.accepted" || string(kind) == "delivery.attempted":
					counts[i].Add(1)
				default:
					g.t.Errorf("client %d got a message of kind %s", i, kind)
				}
			}
		})
	}
	begun.Wait()
	return func() []int64 {
		got := make([]int64, clients)
		for last, tries := int64(-1), 0; tries < 10; tries++ {
			var sum int64
			for i := range counts {
				got[i] = counts[i].Load()
				sum += got[i]
			}
			if sum == last {
				break
			}
			last = sum
			pause(ctx, time.Second)
		}
		cancel()
		all.Wait()
		return got
	}
}

// half returns how long a half of a round is measured.
func half(t *testing.T) time.Duration {
	if stress(t) < 8 {
		return time.Second
	}
	return streamHalf
}
