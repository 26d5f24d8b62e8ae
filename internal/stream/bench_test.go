package stream

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// BenchmarkPublish measures what one note costs whoever publishes it, with Run beside it: while nobody listens, and
// with 20 listeners of whom all or none want it.
func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct {
		name      string
		listeners int
		filter    Filter
	}{
		{"nobody", 0, Filter{}},
		{"20 who want none", 20, Filter{Sources: []string{"src_2"}}},
		{"20 who want all", 20, Filter{}},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := New(Options{Now: time.Now, Mark: func(context.Context) (string, error) { return "m", nil },
				Render: func(dst []byte, n *Note) []byte { return fmt.Append(dst, n.Thing) }})
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			go h.Run(ctx)
			for range c.listeners {
				l, err := h.Open(ctx, c.filter)
				if err != nil {
					b.Fatal(err)
				}
				l.Attach(Position{})
				go func() {
					defer l.Close()
					for {
						_, err := l.Next(ctx)
						if err != nil {
							return
						}
					}
				}()
			}
			n := Note{Kind: EventAccepted, SourceID: "src_1", Type: "ams.JobStateChange",
				Thing: fmt.Sprintf("%0300d", 1)}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				h.Publish(n)
			}
		})
	}
}
