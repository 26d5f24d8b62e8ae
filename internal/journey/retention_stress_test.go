//go:build stress && linux

package journey

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

const (
	expiredEvents  = 1_000_000
	besideRate     = 300                    // requests a second meanwhile
	besideWithin   = 100 * time.Millisecond // the aim of the 99th percentile of their answers
	leastGivenBack = 0.5                    // the share of the database's bytes that the disk gets back
)

// TestStressRetention: a million events, fewer if STRESS is less than 20, are older than --retain when the server
// starts. While it deletes them, besideRate requests a second are answered, 99 of 100 within besideWithin, and none is
// refused; nothing that is young enough is deleted; afterwards the folder is smaller.
func TestStressRetention(t *testing.T) {
	g := newGateway(t)
	g.source(plainSource, "generic", map[string]any{"scheme": "none"})
	for i := range storedSources {
		g.source(fmt.Sprintf("stored-%d", i), "generic", map[string]any{"scheme": "none"})
	}
	g.destination(client.NewDestination{Name: "stored", URL: "http://127.0.0.1:9",
		Match: &client.Match{Types: []string{"none"}}, Settings: map[string]any{"format": "raw"}})
	if status, _ := g.stop(); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	// All days but the last one are too old, and the border moves while the test goes on.
	all := expiredEvents / 20 * min(stress(t), 20) / (filledDays - 1) * filledDays / fillBatch * fillBatch
	moments := all / fillBatch
	expired := ((moments-1)*(filledDays-1)/filledDays + 1) * fillBatch
	g.fill(all)
	before := folderBytes(t, g.dir)
	g.args = append(g.args, "--retain", "24h")
	began := time.Now()
	g.start()

	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var took []time.Duration
	load.Go(func() { took = postSteadily(ctx, t, g.in(plainSource)) })
	least := expired - storedDeliveries/fillBatch - fillBatch // each dead delivery keeps its event for longer
	eventually(t, 10*time.Minute, "the old events are deleted", func() bool {
		return g.deletedEvents() >= least
	})
	deleted := time.Since(began)
	after := int64(0)
	eventually(t, 10*time.Minute, "the folder is smaller", func() bool {
		after = folderBytes(t, g.dir)
		return after < before-int64(float64(before)*leastGivenBack)
	})
	given := time.Since(began)
	cancel()
	load.Wait()

	n := g.deletedEvents()
	step := filledDays * 24 * time.Hour / time.Duration(moments)
	if most := expired + int(time.Since(began)/step+1)*fillBatch; n > most {
		t.Errorf("%d events were deleted, of which only %d were old enough", n, most)
	}
	slices.Sort(took)
	if len(took) < 100 {
		t.Fatalf("only %d requests in %v", len(took), given)
	}
	median, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("%d events were deleted in %v; the folder went from %d to %d MiB in %v; %d requests meanwhile: median %v, "+
		"99th percentile %v, slowest %v", n, deleted.Round(time.Second), before>>20, after>>20,
		given.Round(time.Second), len(took), median.Round(100*time.Microsecond), p99.Round(100*time.Microsecond),
		took[len(took)-1].Round(100*time.Microsecond))
	if p99 > besideWithin {
		missed(t, "the 99th percentile is %v, the aim is %v", p99, besideWithin)
	}
}

// deletedEvents returns how many events were deleted since the start.
func (g *gateway) deletedEvents() int {
	text := g.metric("bellhop_store_deleted_events_total")
	n, err := strconv.ParseFloat(text, 64) // of a million it has an exponent
	if err != nil {
		g.t.Errorf("the metric is %q", text)
	}
	return int(n)
}

// postSteadily posts besideRate events a second to url until ctx ends, also while earlier ones have no answer yet. It
// returns how long each took, from the moment at which it was due.
func postSteadily(ctx context.Context, t *testing.T, url string) []time.Duration {
	c := &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: besideRate}}
	defer c.CloseIdleConnections()
	var mu sync.Mutex
	var took []time.Duration
	var posts sync.WaitGroup
	began := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		due := began.Add(time.Duration(n) * time.Second / besideRate)
		pause(ctx, time.Until(due))
		posts.Go(func() {
			res, err := c.Post(url, "application/json", strings.NewReader(fmt.Sprintf(`{"n":%d}`, n)))
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
			if res.StatusCode != http.StatusAccepted {
				t.Errorf("request %d is answered %d", n, res.StatusCode)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(due))
		})
	}
	posts.Wait()
	return took
}

// folderBytes returns the bytes of the files of a data folder, those of the database's log included.
func folderBytes(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
