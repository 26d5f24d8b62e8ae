package journey

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestSilentUploads announces more bytes, on many connections, than the gateway takes at once, and sends none of them.
// Others are served all the same.
func TestSilentUploads(t *testing.T) {
	g := newGateway(t, "--read-timeout", "5s")
	newProducer(g, newLedger()).sources()
	for range 400 { // of 1 MiB each; 256 MiB are taken at once
		c := dial(t, g, abuser)
		defer c.Close()
		fmt.Fprintf(c, "POST /in/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", plainSource, maxBody)
	}
	slowest := serves(t, g, plainSource, 20)
	t.Logf("400 silent uploads: 20 others are served, the slowest within %v", slowest.Round(time.Millisecond))
}

// TestUploadFlood posts 512 bodies of 32 MiB at once, without authenticating: to a source that takes so much, and to
// one that does not.
func TestUploadFlood(t *testing.T) {
	const posts, size = 512, 32 << 20
	g := newGateway(t)
	hmac := map[string]any{"scheme": "hmac", "header": "X-Signature", "secret": "Tr0ub4dor&3"}
	g.newSource(client.NewSource{Name: "large", Provider: "generic", Settings: hmac, MaxBodyBytes: size})
	g.newSource(client.NewSource{Name: "small", Provider: "generic", Settings: hmac})
	g.source(plainSource, "generic", map[string]any{"scheme": "none"})

	var all sync.WaitGroup
	var mu sync.Mutex
	counts := map[int]int{}
	barrier := make(chan struct{})
	for n := range posts {
		source := []string{"large", "small"}[n%2]
		var text io.Reader = io.MultiReader(strings.NewReader(fmt.Sprintf("POST /in/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", source, size)), zeros(size))
		if n%4 >= 2 {
			text = io.MultiReader(strings.NewReader(fmt.Sprintf("POST /in/%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", source)), chunks(zeros(size)))
		}
		all.Go(func() {
			<-barrier
			k := sayFrom(t, g, abuser, text, 30*time.Second)
			mu.Lock()
			defer mu.Unlock()
			for _, status := range k.statuses {
				counts[status]++
			}
			if len(k.statuses) == 0 {
				counts[0]++ // the answer was lost when the gateway hung up on what it would not read
			}
		})
	}
	close(barrier)
	all.Wait()
	_, peak, ok := memory(g.pid)
	t.Logf("%d posts of 32 MiB: answers %v; %d MiB at most", posts, counts, peak)
	for status := range counts {
		if status != 0 && status != 401 && status != 413 && status != 503 {
			t.Errorf("%d were answered %d", counts[status], status)
		}
	}
	if counts[413] == 0 || counts[503] == 0 || counts[0] > posts*3/4 {
		t.Error("too few answers were seen: this run shows nothing")
	}
	if ok && peak >= 400 {
		t.Errorf("it held %d MiB, want less than 400", peak)
	}
	serves(t, g, plainSource, 5)
	if events := listEvents(t, g); len(events) != 5 {
		t.Errorf("%d events are stored, want 5", len(events))
	}
}
