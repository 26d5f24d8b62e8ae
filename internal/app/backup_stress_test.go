//go:build stress

package app

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// TestStressBackup takes backups of a server under load, restores each elsewhere, and shows that every event that was
// acknowledged before a backup began is in it, and that the server acknowledges 99 of 100 requests within 100 ms
// meanwhile.
func TestStressBackup(t *testing.T) {
	r := run(t, options(t))
	r.source("src")
	const senders, backups = 16, 3
	var mu sync.Mutex
	acknowledged := map[string]time.Time{} // when, by the subject of the event
	var took []time.Duration
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: senders}
	body := `{"padding":"` + strings.Repeat("x", 2000) + `"}`
	for sender := range senders {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("%d-%d", sender, n)
				q, err := http.NewRequest("POST", r.URL()+"/in/src", strings.NewReader(body+id))
				if err != nil {
					t.Error(err)
					return
				}
				began := time.Now()
				reply, err := transport.RoundTrip(q)
				if err != nil || reply.StatusCode != http.StatusAccepted {
					t.Errorf("%v %v", reply, err)
					return
				}
				reply.Body.Close()
				mu.Lock()
				acknowledged[id] = time.Now()
				took = append(took, time.Since(began))
				mu.Unlock()
				time.Sleep(5 * time.Millisecond) // a load, and not all that the machine can do
			}
		})
	}
	poll(t, "20,000 events before the first backup", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged) > 20_000
	})
	mu.Lock()
	alone := slices.Clone(took)
	took = nil
	mu.Unlock()
	type taken struct {
		archive []byte
		began   time.Time
	}
	var list []taken
	for range backups {
		began := time.Now()
		list = append(list, taken{r.archiveOf(client.BackupOptions{}), began})
		t.Logf("a backup took %v: %d bytes", time.Since(began), len(list[len(list)-1].archive))
	}
	mu.Lock()
	during := slices.Clone(took)
	mu.Unlock()
	stop()
	all.Wait()
	p99 := func(d []time.Duration) time.Duration {
		slices.Sort(d)
		return d[len(d)*99/100]
	}
	t.Logf("p99 of %d requests before: %v; of %d meanwhile: %v", len(alone), p99(alone), len(during), p99(during))
	if len(during) < 100 || p99(during) > 100*time.Millisecond {
		t.Errorf("99 of 100 of %d requests took up to %v", len(during), p99(during))
	}
	for _, b := range list {
		dir := filepath.Join(t.TempDir(), "restored")
		if _, err := Restore(t.Context(), dir, bytes.NewReader(b.archive), nil); err != nil {
			t.Fatal(err)
		}
		again := run(t, options(t, func(o *Options) { o.Config.Data = dir }))
		stored := map[string]bool{}
		for cursor := ""; ; {
			page, next, err := again.store.Events(t.Context(), bellhop.EventFilter{}, bellhop.Page{Limit: 250,
				Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			for _, listed := range page {
				ev, err := again.store.Event(t.Context(), listed.ID)
				if err != nil {
					t.Fatal(err)
				}
				_, id, _ := strings.Cut(string(ev.Body), `"}`)
				stored[id] = true
			}
			if cursor = next; next == "" {
				break
			}
		}
		missing, due := 0, 0
		for id, at := range acknowledged {
			if at.After(b.began) {
				continue
			}
			due++
			if !stored[id] {
				missing++
			}
		}
		t.Logf("%d events acknowledged before the backup, %d in it", due, len(stored))
		if missing > 0 || due < 20_000 {
			t.Errorf("%d of %d events acknowledged before the backup are not in it", missing, due)
		}
		if err := again.stop(); err != nil {
			t.Error(err)
		}
	}
}
