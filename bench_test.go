package bellhop_test

import (
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// BenchmarkWants asks matches of each kind about one event.
func BenchmarkWants(b *testing.B) {
	for name, m := range map[string]bellhop.Match{
		"types": {Sources: []string{"media"}, Types: []string{"ams.*"}},
		"where": {Where: `data.Properties.NewState == 'Finished'`},
		"loop":  {Where: `any(data.tasks, any(.outputs, .id == 2))`},
	} {
		b.Run(name, func(b *testing.B) {
			c, ev := compile(b, m), finished()
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := c.Wants(&ev); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
