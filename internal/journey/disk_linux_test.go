package journey

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestDiskFull fills the disk under load, checks what still works, makes room, and counts.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "32m")
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 12<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	l := newLedger()
	g := prepareGateway(t, filepath.Join(disk, "data"))
	g.start()
	p := newProducer(g, l)
	p.BodyBytes = 2000
	p.sources()
	r := newReceiver(t, l, nil)
	r.destination(g, "all", "standard")

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	load := p.Load(ctx, 8, 1000)
	eventually(t, patience, "the disk is full and requests are answered 503", func() bool {
		return p.Busy.Load() > 200
	})
	atFull := l.Acked()
	eventually(t, patience, "/readyz shows it", func() bool { return g.status("/readyz") == 503 })
	if status := g.status("/healthz"); status != 200 {
		t.Errorf("/healthz is %d, but the program is alive", status)
	}
	checkReads(t, g)
	refused := p.Busy.Load()

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	room := time.Now()
	eventually(t, patience, "there is room and events are accepted", func() bool { return l.Acked() > atFull+50 })
	recovered := time.Since(room)
	eventually(t, patience, "/readyz shows it", func() bool { return g.status("/readyz") == 200 })
	cancel()
	load.Wait()
	settle(t, g, patience)
	l.check(t, g)
	t.Logf("full after %d events; %d answers 503; accepted again %v after there was room", atFull, refused,
		recovered.Round(time.Millisecond))
	if n := p.Rude.Load(); n > 0 {
		t.Errorf("%d answers were neither 2xx nor 503 with Retry-After", n)
	}
	if !g.running() {
		t.Error("the program ended")
	}
}

// smallDisk mounts a file system in memory and returns its folder.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		skipAloud(t, "only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		skipAloud(t, "a small disk cannot be mounted: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// checkReads makes sure that the API answers lists and single nouns.
func checkReads(t *testing.T, g *gateway) {
	t.Helper()
	ctx, c := context.Background(), g.client()
	events, err := c.Events(ctx, client.EventFilter{}, client.Page{Limit: 250})
	if err != nil || len(events.Data) != 250 {
		t.Fatalf("events: %d, %v", len(events.Data), err)
	}
	bodyOf(t, c, events.Data[0].ID)
	if l, err := c.Deliveries(ctx, client.DeliveryFilter{}, client.Page{}); err != nil || len(l.Data) == 0 {
		t.Errorf("deliveries: %d, %v", len(l.Data), err)
	}
	if l, err := c.Destinations(ctx, client.DestinationFilter{}, client.Page{}); err != nil || len(l.Data) == 0 {
		t.Errorf("destinations: %d, %v", len(l.Data), err)
	}
	if _, err := c.Requests(ctx, client.RequestFilter{}, client.Page{}); err != nil {
		t.Errorf("requests: %v", err)
	}
	if _, err := c.Stats(ctx); err != nil {
		t.Errorf("stats: %v", err)
	}
}
