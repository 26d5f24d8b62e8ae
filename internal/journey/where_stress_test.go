//go:build stress && linux

package journey

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestStressWhere posts a body of 829 KB to a source of which 60 destinations each look at every item, and meanwhile
// small bodies to another source. STRESS is how many large bodies are posted; from 20 on, which is for a quiet
// machine, the times are judged.
func TestStressWhere(t *testing.T) {
	// Sixty texts are sixty evaluations, of which all are made: none of the destinations goes without.
	for texts, bound := range map[string]time.Duration{"one": 600 * time.Millisecond,
		"sixty": 1500 * time.Millisecond} {
		t.Run(texts, func(t *testing.T) {
			g := newGateway(t)
			for _, name := range []string{"large", "small"} {
				g.source(name, "generic", map[string]any{"scheme": "none"})
			}
			for i := range 60 {
				where := `any(data.l, #.a == -1)`
				if texts == "sixty" {
					where = fmt.Sprintf(`any(data.l, #.a == -%d)`, i+1)
				}
				g.destination(client.NewDestination{Name: fmt.Sprint("d", i), URL: "http://127.0.0.1:9/",
					Settings: map[string]any{"format": "raw"},
					Match:    &client.Match{Sources: []string{"large"}, Where: where}})
			}
			body := []byte(`{"l":[` + strings.Repeat(`{"a":123456},`, 59_999) + `{"a":1}]` +
				strings.Repeat(" ", 49_000) + `}`)
			ctx, cancel := context.WithCancel(t.Context())
			small := make(chan []time.Duration)
			go func() {
				var all []time.Duration
				for ctx.Err() == nil {
					all = append(all, timePost(t, g, "small", []byte(`{}`)))
					pause(ctx, 5*time.Millisecond)
				}
				small <- all
			}()
			var large []time.Duration
			for range stress(t) {
				large = append(large, timePost(t, g, "large", body))
			}
			cancel()
			beside := <-small
			slices.Sort(large)
			slices.Sort(beside)
			largeHalf, most := large[len(large)/2], beside[len(beside)*99/100]
			t.Logf("%d bytes: p50 %v, worst %v; %d small: p50 %v, p99 %v, worst %v", len(body), largeHalf,
				large[len(large)-1], len(beside), beside[len(beside)/2], most, beside[len(beside)-1])
			if stress(t) >= 20 && (largeHalf > bound || most > 50*time.Millisecond) {
				t.Errorf("slower than %v, or a small one slower than 50 ms", bound)
			}
		})
	}
}

// timePost posts a body to a source, and returns after how long it was accepted.
func timePost(t *testing.T, g *gateway, source string, body []byte) time.Duration {
	t.Helper()
	began := time.Now()
	reply, err := http.Post(g.in(source), "application/json", bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0
	}
	defer reply.Body.Close()
	io.Copy(io.Discard, reply.Body)
	if reply.StatusCode != http.StatusAccepted {
		t.Errorf("%s: %s", source, reply.Status)
	}
	return time.Since(began)
}
