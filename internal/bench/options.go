package bench

import (
	"fmt"
	"io"
	"time"
)

// Options say what is measured. The zero value of a field is not its default; see [Defaults].
type Options struct {
	Events      int  `json:"events"`      // of one run
	Connections int  `json:"connections"` // of the producer, each with one request under way
	Size        int  `json:"size"`        // bytes of one event's body
	Runs        int  `json:"runs"`        // of each gateway
	Rate        int  `json:"rate"`        // events per second, whether or not they are answered; 0 is as fast as they are
	Fanout      int  `json:"fanout"`      // destinations, each of which gets every event
	Sign        bool `json:"sign"`        // Standard Webhooks signatures: verified on the way in, made on the way out

	Dir      string    `json:"-"` // folder that temporary data is made in; "" is the system's, or /var/tmp where that one is in memory
	Program  string    `json:"-"` // executable with the commands serve and bench-relay
	Progress io.Writer `json:"-"` // what is going on, for a person
	Live     bool      `json:"-"` // Progress is a terminal: one line, rewritten

	patience time.Duration // how long nothing may arrive before what is owed counts as lost; 0 is [defaultPatience]
}

// Bounds of [Options].
const (
	MaxEvents      = 10_000_000
	MaxConnections = 4096
	MinSize        = 64
	MaxSize        = 1 << 20 // what a source accepts by default
	MaxRuns        = 100
	MaxRate        = 1_000_000
	MaxFanout      = 64
)

const (
	// attemptsAtOnce is how many deliveries each gateway has under way at a destination.
	attemptsAtOnce = 64
	// defaultPatience outlasts the timeout of an attempt and the retries after it.
	defaultPatience = 20 * time.Second
)

// Defaults are the options of `bellhop bench` without flags.
func Defaults() Options {
	return Options{Events: 50_000, Connections: 64, Size: 1024, Runs: 5, Fanout: 1}
}

// Check says which option is out of bounds, by the name of its flag.
func (o Options) Check() error {
	for _, b := range []struct {
		flag            string
		value, min, max int
	}{
		{"events", o.Events, 1, MaxEvents},
		{"connections", o.Connections, 1, MaxConnections},
		{"size", o.Size, MinSize, MaxSize},
		{"runs", o.Runs, 1, MaxRuns},
		{"rate", o.Rate, 0, MaxRate},
		{"fanout", o.Fanout, 1, MaxFanout},
	} {
		if b.value < b.min || b.value > b.max {
			return fmt.Errorf("--%s: use a number from %s to %s, not %d", b.flag, thousands(b.min), thousands(b.max), b.value)
		}
	}
	return nil
}
