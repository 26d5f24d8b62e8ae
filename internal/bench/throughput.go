package bench

import (
	"fmt"
	"time"
)

// The comparisons of how much gets through.

// sourceName is where events are posted that are not there to trouble others.
const sourceName = "bench"

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
		return fmt.Sprintf("An in-memory relay delivered half within %.1f ms and 99 %% within %.1f ms, Bellhop within %.1f and %.1f ms",
			relay.EndToEndP50, relay.EndToEndP99, bellhop.EndToEndP50, bellhop.EndToEndP99)
	},
}

// defaultWhere decodes each body, and is true of it.
const defaultWhere = "data.kind == 'bench'"

var whereComparison = comparison{
	name:     "where",
	about:    "destinations that match by source, and by an expression too",
	heading:  "match",
	flags:    []string{"where", "fanout", "sign"},
	defaults: Options{Events: 50_000, Connections: 64, Size: 1024, Runs: 7, Fanout: 1, Where: defaultWhere}, minFanout: 1,
	sides: func(o Options) [2]side {
		plain, where := o.load(), o.load()
		where.where = o.Where
		return [2]side{{"source", bellhopGateway, []load{plain}}, {"where", bellhopGateway, []load{where}}}
	},
	verdict: func(r *Report) string {
		return fmt.Sprintf("With an expression at each destination Bellhop delivered %.3f of what it does without, for %.2f of the CPU",
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
		return fmt.Sprintf("With %d destinations each Bellhop made %.2f times the deliveries a second that it makes with one", r.Options.Fanout, r.Ratio.DeliveredPerSecond)
	},
}

// load is what the options say of events that every destination gets.
func (o Options) load() load {
	return load{source: sourceName, events: o.Events, rate: o.Rate, destinations: o.Fanout, concurrency: attemptsAtOnce}
}

var batchComparison = comparison{
	name:     "batch",
	about:    "a backlog delivered one event a request, and many",
	heading:  "batch",
	flags:    []string{"batch", "delay"},
	defaults: Options{Events: 100_000, Connections: 64, Size: 128, Runs: 5, Batch: 100, Delay: 2 * time.Millisecond},
	sides: func(o Options) [2]side {
		single := load{source: sourceName, events: o.Events, destinations: 1, concurrency: defaultAtOnce, held: true, envelope: true, delay: o.Delay}
		batch := single
		batch.batch = o.Batch
		return [2]side{{"1", bellhopGateway, []load{single}}, {fmt.Sprint(o.Batch), bellhopGateway, []load{batch}}}
	},
	verdict: func(r *Report) string {
		return fmt.Sprintf("With %d events a request Bellhop delivered %.2f times the events a second that it does one by one", r.Options.Batch, r.Ratio.DeliveredPerSecond)
	},
}
