// Package bench measures Bellhop on the machine it runs on: beside an in-memory relay, or beside itself with and
// without a feature.
//
// It plays both neighbours of a gateway: the producer, which posts events, and the receiver, at which deliveries
// arrive. The gateway is a process of its own, reached by HTTP on the loopback interface. The neighbours speak
// HTTP/1.1 on raw connections, so that their cost is low beside the gateway's. Other programs on the machine move
// every figure. Therefore the two sides of a comparison take turns, and the result is the ratio of neighbouring
// runs.
//
// It promises that every accepted event is accounted for at each destination; that all traffic stays on loopback
// addresses; and that processes and folders are gone when [Run] returns. It imports no other package of
// Bellhop but the one that knows the disk.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Run measures both sides of a comparison in turn, o.Runs times each. It returns an error when ctx ends, and when
// a gateway cannot be started, ends early or accepts nothing. Lost events are not an error of Run; see
// [Report.Err].
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
		Machine: fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0),
			runtime.Version()),
		Folder: folder,
		Sides:  [2]string{sides[0].name, sides[1].name},
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

// A site holds what the runs of a comparison share.
type site struct {
	options   Options
	parent    string // folder for temporary data
	seed      string // data folder that each run begins with a copy of; "" is an empty folder
	receivers [2]*receiver
}

// measure starts the gateway of a side in a temporary folder, measures one run, and removes the process and the
// folder.
func (s *site) measure(ctx context.Context, of side, title string) (result Result, err error) {
	dir, err := os.MkdirTemp(s.parent, "bellhop-bench-*")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	data := filepath.Join(dir, "data")
	if err := s.fill(data); err != nil {
		return result, err
	}
	m := &measurement{options: s.options, side: of, seeded: s.seed != "", streams: s.streams(of)}
	if m.process, err = start(ctx, s.options.Program, data, of.gateway.args(s.options, data,
		s.receivers[0].base(0))); err != nil {
		return result, err
	}
	err = m.run(ctx, title)
	stopped := m.process.stop()
	if ctx.Err() != nil {
		return result, context.Cause(ctx)
	}
	if err := errors.Join(err, stopped); err != nil {
		return result, err
	}
	for i := range m.streams {
		s.receivers[i].hangUp() // afterwards the ledger has the deliveries that arrived during the stop
	}
	return m.result(), nil
}

// streams begins the loads of a side, each at a receiver of its own.
func (s *site) streams(of side) (all []*stream) {
	for i, l := range of.loads {
		all = append(all, newStream(s.options, l, s.receivers[i]))
	}
	return all
}

// plant makes the seed: it starts a gateway, creates the destinations of a side, and stops the gateway. Creating
// ten thousand destinations takes longer than a run.
func (s *site) plant(ctx context.Context, of side, dir string) (err error) {
	data := filepath.Join(dir, "data")
	if err := s.fill(data); err != nil {
		return err
	}
	p, err := start(ctx, s.options.Program, data, of.gateway.args(s.options, data, s.receivers[0].base(0)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	within, cancel := p.within(ctx)
	defer cancel()
	if err := p.ready(within); err != nil {
		return err
	}
	streams := s.streams(of)
	watch := watchProgress(s.options, "destinations", streams)
	defer watch.stop()
	if err := of.gateway.prepare(within, p, streams, ""); err != nil {
		return err
	}
	s.seed = data
	return nil
}

// fill creates the folder data as a copy of the seed.
func (s *site) fill(data string) error {
	if err := os.Mkdir(data, 0o700); err != nil || s.seed == "" {
		return err
	}
	from := os.DirFS(s.seed)
	return fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		to := filepath.Join(data, filepath.FromSlash(name))
		switch {
		case err != nil || name == ".":
			return err
		case entry.IsDir():
			return os.Mkdir(to, 0o700)
		}
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600) // keys must be readable by their owner only
	})
}
