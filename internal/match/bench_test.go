package match_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// BenchmarkWants evaluates one match of each kind over one event.
func BenchmarkWants(b *testing.B) {
	for name, m := range map[string]bellhop.Match{
		"types": {Sources: []string{"media"}, Types: []string{"ams.*"}},
		"where": {Where: `data.Properties.NewState == 'Finished'`},
		"loop":  {Where: `any(data.tasks, any(.outputs, .id == 2))`},
	} {
		b.Run(name, func(b *testing.B) {
			c, ev := compile(b, m), finishedEvent()
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := c.Wants(&ev); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

// BenchmarkWantsKilobyte evaluates a where that reads one member of a body of 1 KiB.
func BenchmarkWantsKilobyte(b *testing.B) {
	c, ev := compile(b, bellhop.Match{Where: `data.amount > 100`}), finishedEvent()
	ev.Body = fmt.Appendf(nil, `{"id":"inv_17","amount":120,"customer":{"name":"acme","note":%q},"lines":[%s{"n":0}]}`,
		strings.Repeat("x", 300), strings.Repeat(`{"n":12,"price":4.5,"text":"a line"},`, 17))
	b.ReportAllocs()
	b.SetBytes(int64(len(ev.Body)))
	for b.Loop() {
		if ok, err := c.Wants(&ev); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
