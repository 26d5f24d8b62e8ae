package bench

import (
	"context"
	"strconv"
)

// Names of the gateways in reports.
const (
	relayName   = "relay"
	bellhopName = "bellhop"
)

// A gateway is a kind of process that can be measured.
type gateway struct {
	// args are those it is started with, to use the folder dir and deliver to to+"0", to+"1", ….
	args func(o Options, dir, to string) []string
	// prepare tells it, once it is ready, what it was not told when it was started.
	prepare func(ctx context.Context, p *process, streams []*stream, secret string) error
}

// queueBytes bounds the bodies that the relay holds.
const queueBytes = 256 << 20

var relayGateway = gateway{
	args: func(o Options, dir, to string) []string {
		queue := min(queueBytes/o.Size, o.Events*o.Fanout)
		return []string{"bench-relay", "--dir", dir, "--to", to, "--fanout", strconv.Itoa(o.Fanout), "--queue", strconv.Itoa(queue)}
	},
	prepare: func(context.Context, *process, []*stream, string) error { return nil },
}

var bellhopGateway = gateway{
	args: func(_ Options, dir, _ string) []string {
		return []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--allow-private"}
	},
	prepare: createNouns,
}
