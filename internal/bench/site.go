package bench

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// A site is where the runs of a comparison take place.
type site struct {
	options   Options
	parent    string // folder for temporary data
	seed      string // folder that each run begins with a copy of; "" is an empty one
	receivers [2]*receiver
}

// measure starts a side's gateway in a temporary folder, has it carry the events of one run, and takes all of it away.
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
	if m.process, err = start(ctx, s.options.Program, data, of.gateway.args(s.options, data, s.receivers[0].base(0))); err != nil {
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
		s.receivers[i].hangUp() // what arrived while the gateway stopped is in the ledger now
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

// plant makes the folder that runs begin with: a gateway is started, told of the destinations of a side, and stopped.
// Making ten thousand takes longer than a run.
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

// fill makes data a new folder with what the runs begin with.
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
		return os.WriteFile(to, text, 0o600) // keys are for their owner alone
	})
}
