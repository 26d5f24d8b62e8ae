// Package bench measures Bellhop on the machine it runs on, beside an in-memory relay that keeps nothing, or beside itself
// with and without what is said to cost little.
//
// It plays both neighbours of a gateway, the producer that posts events and the receiver that deliveries arrive at,
// and drives the gateway from outside, as a process of its own, over loopback HTTP. The neighbours speak HTTP/1.1 on
// raw connections, so that their own cost stays low beside the gateway's. What other programs do on the machine moves
// every figure, so the two sides of a comparison take turns, and what counts is the ratio of neighbouring runs.
//
// It promises that every accepted event is accounted for, at each destination by itself; that nothing leaves the
// machine: an address that is not loopback is refused; and that processes and folders are gone when [Run] returns.
// It imports nothing of ours.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
)

// Run measures both sides of a comparison in turn, o.Runs times each. It ends early with an error when ctx ends, when a
// gateway cannot be started, ends before its time, or accepts nothing. Losses are not an error here; [Report.Err] tells
// them.
func Run(ctx context.Context, o Options) (r *Report, err error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	folder, err := chooseFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &site{options: o, parent: folder.Path}
	for i := range s.receivers {
		if s.receivers[i], err = newReceiver(max(1, o.Fanout)); err != nil {
			return nil, err
		}
		defer s.receivers[i].close()
	}
	c := find(o.Against)
	sides := c.sides(o)
	if c.seeded {
		dir, err := os.MkdirTemp(folder.Path, "bellhop-bench-*")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		if err := s.plant(ctx, sides[0], dir); err != nil {
			return nil, fmt.Errorf("destinations: %w", err)
		}
	}
	r = &Report{
		Options: o,
		Machine: fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), runtime.Version()),
		Folder:  folder,
		Sides:   [2]string{sides[0].name, sides[1].name},
	}
	for i := range o.Runs {
		for j, of := range sides {
			title := fmt.Sprintf("run %d/%d %s", 2*i+j+1, 2*o.Runs, of.name)
			one, err := s.measure(ctx, of, title)
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
