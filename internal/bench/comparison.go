package bench

import (
	"fmt"
	"slices"
	"time"
)

// A comparison is two ways to run a gateway. They take turns.
type comparison struct {
	name     string
	about    string   // a line of help: what the comparison shows
	heading  string   // of the column with the names of the sides
	flags    []string // of the command, besides commonFlags
	defaults Options
	seeded   bool // the destinations are created once, and each run begins with a copy, because there are many

	minRate, minFanout int

	sides   func(o Options) [2]side
	verdict func(r *Report) string // a clause: the second side in relation to the first
}

// A side is one of the two ways of a comparison.
type side struct {
	name    string
	gateway gateway
	loads   []load // the first is measured; the second runs beside it
}

// A load is the events of one source and their destinations.
type load struct {
	source       string // its name; events are posted to /in/{source}
	events       int    // 0 is as many as fit into the time until the other load has drained
	rate         int    // events a second; 0 is as fast as they are answered
	destinations int
	concurrency  int  // of each destination
	spread       bool // each event goes to one destination, selected by its type; otherwise to all
	// the destinations are paused until all events are accepted, and then all deliveries come due at once
	held bool

	where    string // of each destination's match
	envelope bool   // format envelope; otherwise raw, or standard if signed
	batch    int    // the most events in a request; 0 is one

	hangs bool          // the receiver reads requests and never answers
	delay time.Duration // before each answer
}

// commonFlags are the flags that every comparison uses.
var commonFlags = []string{"against", "events", "connections", "size", "runs", "dir", "json"}

// comparisons are in the order of the help. The first one is the default.
var comparisons = []comparison{relayComparison, whereComparison, fanoutComparison, batchComparison, hangingComparison,
	outageComparison}

// Comparisons returns the names of all comparisons.
func Comparisons() (names []string) {
	for _, c := range comparisons {
		names = append(names, c.name)
	}
	return names
}

// About returns for each comparison its name and a line of help with the flags of its own.
func About() (lines [][2]string) {
	for _, c := range comparisons {
		about := c.about
		for i, flag := range c.flags {
			about += []string{" (--", ", --"}[min(i, 1)] + flag
		}
		if len(c.flags) > 0 {
			about += ")"
		}
		lines = append(lines, [2]string{c.name, about})
	}
	return lines
}

// find returns the comparison of a name that Check has accepted.
func find(name string) *comparison {
	return &comparisons[slices.IndexFunc(comparisons, func(c comparison) bool { return c.name == name })]
}

// takes reports whether the comparison uses a flag.
func (c *comparison) takes(flag string) bool {
	return slices.Contains(commonFlags, flag) || slices.Contains(c.flags, flag)
}

// idle returns the error for a flag that the comparison does not use.
func (c *comparison) idle(flag string) error {
	return fmt.Errorf("--%s: does nothing with --against %s; leave it out", flag, c.name)
}

// sourceName is the source of the measured events.
const sourceName = "bench"

// load returns the load of events that every destination gets.
func (o Options) load() load {
	return load{source: sourceName, events: o.Events, rate: o.Rate, destinations: o.Fanout,
		concurrency: attemptsAtOnce}
}

// relayComparison, whereComparison, fanoutComparison and batchComparison are about throughput.
var relayComparison = comparison{
	name:     "relay",
	about:    "an in-memory relay and Bellhop",
	heading:  "gateway",
	flags:    []string{"rate", "fanout", "sign"},
	defaults: Options{Events: 50_000, Connections: 64, Size: 1024, Runs: 5, Fanout: 1}, minFanout: 1,
	sides: func(o Options) [2]side {
		l := []load{o.load()}
		return [2]side{{relayName, relayGateway, l}, {bellhopName, bellhopGateway, l}}
	},
	verdict: func(r *Report) string {
		if r.Options.Rate == 0 {
			return fmt.Sprintf("Bellhop delivered %.2f of what an in-memory relay does", r.Ratio.DeliveredPerSecond)
		}
		relay, bellhop := r.Medians[0], r.Medians[1]
		return fmt.Sprintf("An in-memory relay delivered half within %.1f ms and 99 %% within %.1f ms, Bellhop "+
			"within %.1f and %.1f ms",
			relay.EndToEndP50, relay.EndToEndP99, bellhop.EndToEndP50, bellhop.EndToEndP99)
	},
}

// defaultWhere is an expression that decodes each body and is true for it.
const defaultWhere = "data.kind == 'bench'"

var whereComparison = comparison{
	name:      "where",
	about:     "destinations that match by source, and by an expression too",
	heading:   "match",
	flags:     []string{"where", "fanout", "sign"},
	defaults:  Options{Events: 50_000, Connections: 64, Size: 1024, Runs: 7, Fanout: 1, Where: defaultWhere},
	minFanout: 1,
	sides: func(o Options) [2]side {
		plain, where := o.load(), o.load()
		where.where = o.Where
		return [2]side{{"source", bellhopGateway, []load{plain}}, {"where", bellhopGateway, []load{where}}}
	},
	verdict: func(r *Report) string {
		return fmt.Sprintf("With an expression at each destination Bellhop delivered %.3f of what it does without, "+
			"for %.2f of the CPU",
			r.Ratio.DeliveredPerSecond, r.Ratio.CPU)
	},
}

var fanoutComparison = comparison{
	name:     "fanout",
	about:    "events for one destination, and for many",
	heading:  "fan-out",
	flags:    []string{"fanout", "sign"},
	defaults: Options{Events: 20_000, Connections: 64, Size: 1024, Runs: 5, Fanout: 10}, minFanout: 2,
	sides: func(o Options) [2]side {
		one, many := o.load(), o.load()
		one.destinations = 1
		return [2]side{{"1", bellhopGateway, []load{one}}, {fmt.Sprint(o.Fanout), bellhopGateway, []load{many}}}
	},
	verdict: func(r *Report) string {
		return fmt.Sprintf("With %d destinations each Bellhop made %.2f times the deliveries a second that it makes "+
			"with one", r.Options.Fanout, r.Ratio.DeliveredPerSecond)
	},
}

var batchComparison = comparison{
	name:     "batch",
	about:    "a backlog delivered one event a request, and many",
	heading:  "batch",
	flags:    []string{"batch", "delay"},
	defaults: Options{Events: 100_000, Connections: 64, Size: 128, Runs: 5, Batch: 100, Delay: 2 * time.Millisecond},
	sides: func(o Options) [2]side {
		single := load{source: sourceName, events: o.Events, destinations: 1, concurrency: defaultAtOnce, held: true,
			envelope: true, delay: o.Delay}
		batch := single
		batch.batch = o.Batch
		return [2]side{{"1", bellhopGateway, []load{single}}, {fmt.Sprint(o.Batch), bellhopGateway, []load{batch}}}
	},
	verdict: func(r *Report) string {
		return fmt.Sprintf("With %d events a request Bellhop delivered %.2f times the events a second that it does "+
			"one by one", r.Options.Batch, r.Ratio.DeliveredPerSecond)
	},
}

// troubleName is the source of the events beside the measured ones. Their destinations are in trouble.
const troubleName = "trouble"

// hangingComparison and outageComparison are about isolation. Bellhop delivers at a rate far below the machine's
// limits, and the comparison shows how much longer that takes while other destinations are in trouble.
var hangingComparison = comparison{
	name:     "hanging",
	about:    "many destinations, of which one in a hundred answers, or hangs",
	heading:  "1 in 100",
	flags:    []string{"destinations", "rate"},
	defaults: Options{Events: 15_000, Connections: 64, Size: 1024, Runs: 3, Rate: 500, Destinations: 10_000},
	seeded:   true, minRate: 1,
	sides: func(o Options) [2]side {
		few := o.Destinations / 100
		healthy := load{source: sourceName, events: o.Events, rate: o.Rate, destinations: o.Destinations - few,
			concurrency: defaultAtOnce, spread: true}
		// A tenth as many events for a hundredth of the destinations: each has many attempts under way while it hangs.
		trouble := load{source: troubleName, events: max(1, o.Events/10), rate: max(1, o.Rate/10), destinations: few,
			concurrency: defaultAtOnce, spread: true}
		hanging := trouble
		hanging.hangs = true
		return [2]side{{"answers", bellhopGateway, []load{healthy, trouble}},
			{"hangs", bellhopGateway, []load{healthy, hanging}}}
	},
	verdict: func(r *Report) string {
		few := r.Options.Destinations / 100
		return fmt.Sprintf("With %s of %s destinations hanging, 99 %% of the others' events arrived within %.1f ms, "+
			"%.2f times as long as without; up to %s attempts hung at a time",
			thousands(few), thousands(r.Options.Destinations), r.Medians[1].EndToEndP99, r.Ratio.EndToEndP99,
			thousands(int(r.Medians[1].AtOnce)))
	},
}

var outageComparison = comparison{
	name:    "outage",
	about:   "one destination alone, and beside one with a backlog",
	heading: "backlog",
	flags:   []string{"backlog", "delay", "rate"},
	defaults: Options{Events: 15_000, Connections: 64, Size: 256, Runs: 3, Rate: 500, Backlog: 1_000_000,
		Delay: 2 * time.Millisecond},
	minRate: 1,
	sides: func(o Options) [2]side {
		alone := load{source: sourceName, events: o.Events, rate: o.Rate, destinations: 1, concurrency: defaultAtOnce}
		beside := alone
		beside.events = 0
		backlog := load{source: troubleName, events: o.Backlog, destinations: 1, concurrency: defaultAtOnce,
			held:  true,
			delay: o.Delay}
		return [2]side{{"none", bellhopGateway, []load{alone}}, {thousands(o.Backlog), bellhopGateway,
			[]load{beside, backlog}}}
	},
	verdict: func(r *Report) string {
		with := r.Medians[1]
		return fmt.Sprintf("%s deliveries that came due at once drained in %.1f s, at most %.0f at a time of %d "+
			"allowed, in %.0f MiB; meanwhile 99 %% of another destination's events arrived within %.1f ms, %.2f "+
			"times as long as without",
			thousands(r.Options.Backlog), with.Drain, with.AtOnce, defaultAtOnce, with.PeakMemory, with.EndToEndP99,
			r.Ratio.EndToEndP99)
	},
}
