package bench

import (
	"fmt"
	"time"
)

// The comparisons of what some destinations do to others. Bellhop delivers at a rate that leaves the machine room, and
// what is compared is how long that takes while others are in trouble.

// troubleName is the source whose events go to those.
const troubleName = "trouble"

var hangingComparison = comparison{
	name:     "hanging",
	about:    "many destinations, of which one in a hundred answers, or hangs until its attempts time out",
	heading:  "1 in 100",
	flags:    []string{"destinations", "rate"},
	defaults: Options{Events: 15_000, Connections: 64, Size: 1024, Runs: 3, Rate: 500, Destinations: 10_000},
	seeded:   true, minRate: 1,
	sides: func(o Options) [2]side {
		few := o.Destinations / 100
		healthy := load{source: sourceName, events: o.Events, rate: o.Rate, destinations: o.Destinations - few, concurrency: defaultAtOnce, spread: true}
		// A tenth as many events for a hundredth of the destinations: each has many attempts under way while it hangs.
		trouble := load{source: troubleName, events: max(1, o.Events/10), rate: max(1, o.Rate/10), destinations: few, concurrency: defaultAtOnce, spread: true}
		hanging := trouble
		hanging.hangs = true
		return [2]side{{"answers", bellhopGateway, []load{healthy, trouble}}, {"hangs", bellhopGateway, []load{healthy, hanging}}}
	},
	verdict: func(r *Report) string {
		few := r.Options.Destinations / 100
		return fmt.Sprintf("With %s of %s destinations hanging, 99 %% of the others' events arrived within %.1f ms, %.2f times as long as without; up to %s attempts hung at a time",
			thousands(few), thousands(r.Options.Destinations), r.Medians[1].EndToEndP99, r.Ratio.EndToEndP99, thousands(int(r.Medians[1].AtOnce)))
	},
}

var outageComparison = comparison{
	name:     "outage",
	about:    "one destination alone, and beside one that comes back and is owed a backlog, all of it due at once",
	heading:  "backlog",
	flags:    []string{"backlog", "delay", "rate"},
	defaults: Options{Events: 15_000, Connections: 64, Size: 256, Runs: 3, Rate: 500, Backlog: 1_000_000, Delay: 2 * time.Millisecond},
	minRate:  1,
	sides: func(o Options) [2]side {
		alone := load{source: sourceName, events: o.Events, rate: o.Rate, destinations: 1, concurrency: defaultAtOnce}
		beside := alone
		beside.events = 0
		backlog := load{source: troubleName, events: o.Backlog, destinations: 1, concurrency: defaultAtOnce, held: true, delay: o.Delay}
		return [2]side{{"none", bellhopGateway, []load{alone}}, {thousands(o.Backlog), bellhopGateway, []load{beside, backlog}}}
	},
	verdict: func(r *Report) string {
		with := r.Medians[1]
		return fmt.Sprintf("%s deliveries that came due at once drained in %.1f s, at most %.0f at a time of %d allowed, in %.0f MiB; meanwhile 99 %% of another destination's events arrived within %.1f ms, %.2f times as long as without",
			thousands(r.Options.Backlog), with.Drain, with.AtOnce, defaultAtOnce, with.PeakMemory, with.EndToEndP99, r.Ratio.EndToEndP99)
	},
}
