// Package bench measures Bellhop on the machine it runs on, beside an in-memory relay that keeps nothing.
//
// It plays both neighbours of a gateway, the producer that posts events and the receiver that deliveries arrive at,
// and drives the gateway from outside, as a process of its own, over loopback HTTP. The neighbours speak HTTP/1.1 on
// raw connections, so that their own cost stays low beside the gateway's. What other programs do on the machine moves
// every figure, so runs alternate, relay, Bellhop, relay, Bellhop, and what counts is the ratio of neighbouring runs.
//
// It promises that every accepted event is accounted for, at each destination by itself; that nothing leaves the
// machine: an address that is not loopback is refused; and that processes and folders are gone when [Run] returns.
// It imports nothing of ours.
package bench

import (
	"context"
	"fmt"
	"runtime"
)

// Run measures relay and Bellhop in turn, o.Runs times each. It ends early with an error when ctx ends, when a gateway
// cannot be started, ends before its time, or accepts nothing. Losses are not an error here; [Report.Err] tells them.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	parent, err := chooseFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Options: o,
		Machine: fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), runtime.Version()),
		Folder:  parent,
	}
	for i := range o.Runs {
		for j, g := range []gateway{relayGateway, bellhopGateway} {
			title := fmt.Sprintf("run %d/%d %s", 2*i+j+1, 2*o.Runs, g.name)
			one, err := measure(ctx, o, g, parent.Path, title)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", title, err)
			}
			one.Run = i + 1
			r.Runs = append(r.Runs, one)
		}
	}
	r.summarize()
	return r, nil
}
