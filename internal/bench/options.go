package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Options select a comparison and its parameters. Parameters that the comparison does not use are zero; see
// [Defaults].
type Options struct {
	Against     string `json:"against"`     // name of the comparison
	Events      int    `json:"events"`      // posted in one run
	Connections int    `json:"connections"` // of the producer, each with one request under way
	Size        int    `json:"size"`        // bytes of one event's body
	Runs        int    `json:"runs"`        // of each side

	// events per second, even if answers are late; 0 is as fast as they are answered
	Rate   int `json:"rate,omitzero"`
	Fanout int `json:"fanout,omitzero"` // destinations, each of which gets every event
	// Standard Webhooks signatures: verified on the way in, made on the way out
	Sign         bool          `json:"sign,omitzero"`
	Where        string        `json:"where,omitzero"`        // the expression of each destination's match
	Destinations int           `json:"destinations,omitzero"` // each of which gets events of its own
	Backlog      int           `json:"backlog,omitzero"`      // deliveries that come due at the same time
	Delay        time.Duration `json:"delay_ns,omitzero"`     // before each answer of the receiver of a backlog
	Batch        int           `json:"batch,omitzero"`        // events in a request

	// folder for temporary data; "" is that of the system, or /var/tmp if that one is in memory
	Dir      string    `json:"-"`
	Program  string    `json:"-"` // executable with the commands serve and bench-relay
	Progress io.Writer `json:"-"` // where progress is written, for a person; nil discards it
	Live     bool      `json:"-"` // Progress is a terminal: one line is rewritten

	// how long no delivery arrives before the missing ones count as lost; 0 is [defaultPatience]
	patience time.Duration
}

// Bounds of [Options].
const (
	MaxEvents       = 10_000_000
	MaxConnections  = 4096
	MinSize         = 64
	MaxSize         = 1 << 20 // the default limit of a source
	MaxRuns         = 100
	MaxRate         = 1_000_000
	MaxFanout       = 64
	MinDestinations = 100 // one of them is one in a hundred
	MaxDestinations = 20_000
	MaxBatch        = 1000 // the most that Bellhop puts into a request
	MaxDelay        = time.Second
)

const (
	// attemptsAtOnce is the concurrency of each destination where two gateways are compared.
	attemptsAtOnce = 64
	// defaultAtOnce is Bellhop's default concurrency of a destination.
	defaultAtOnce = 16
	// defaultPatience is longer than the timeout of an attempt and the retries after it.
	defaultPatience = 20 * time.Second
)

// Defaults returns the options of `bellhop bench --against against` without other flags, or an error if there is
// no such comparison.
func Defaults(against string) (Options, error) {
	i := slices.IndexFunc(comparisons, func(c comparison) bool { return c.name == against })
	if i < 0 {
		return Options{}, fmt.Errorf("--against: there is no comparison %q; there are %s", against,
			strings.Join(Comparisons(), ", "))
	}
	o := comparisons[i].defaults
	o.Against = against
	return o, nil
}

// Check returns an error that names the flag of an option that is out of bounds or that the comparison does not use.
func (o Options) Check() error {
	if _, err := Defaults(o.Against); err != nil {
		return err
	}
	c := find(o.Against)
	for _, b := range []struct {
		flag            string
		value, min, max int
	}{
		{"events", o.Events, 1, MaxEvents},
		{"connections", o.Connections, 1, MaxConnections},
		{"size", o.Size, MinSize, MaxSize},
		{"runs", o.Runs, 1, MaxRuns},
		{"rate", o.Rate, c.minRate, MaxRate},
		{"fanout", o.Fanout, c.minFanout, MaxFanout},
		{"destinations", o.Destinations, MinDestinations, MaxDestinations},
		{"backlog", o.Backlog, 1, MaxEvents},
		{"batch", o.Batch, 2, MaxBatch},
	} {
		if !c.takes(b.flag) {
			if b.value != 0 {
				return c.idle(b.flag)
			}
		} else if b.value < b.min || b.value > b.max {
			return fmt.Errorf("--%s: use a number from %s to %s, not %d", b.flag, thousands(b.min), thousands(b.max),
				b.value)
		}
	}
	return o.checkRest(c)
}

// checkRest checks the options that are not whole numbers.
func (o Options) checkRest(c *comparison) error {
	switch {
	case o.Sign && !c.takes("sign"):
		return c.idle("sign")
	case o.Where != "" && !c.takes("where"):
		return c.idle("where")
	case c.takes("where") && strings.TrimSpace(o.Where) == "":
		return fmt.Errorf("--where: write an expression that is true for every event, such as %q", defaultWhere)
	case o.Delay != 0 && !c.takes("delay"):
		return c.idle("delay")
	case o.Delay < 0 || o.Delay > MaxDelay:
		return fmt.Errorf("--delay: use a length of time from 0s to %s, not %s", MaxDelay, o.Delay)
	}
	return nil
}
