package storetest

import (
	"errors"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// versions shows that a change or a deletion that names an earlier version of a noun does nothing, and that of changes
// which name the same version one is made.
func versions(w *world) {
	c := bellhop.Connection{ID: "con_1", Name: "work", Provider: "graph", Settings: []byte("{}"),
		State: bellhop.ConnectionReady, CreatedAt: w.clock.now(), UpdatedAt: w.clock.now()}
	w.must(w.CreateConnection(w.ctx, c))
	anew := w.newDestination("anew")
	created := w.clock.now()
	for noun, n := range map[string]struct {
		// update gives the noun a name and a time of change; remove deletes it.
		update func(name string, at time.Time, version ...time.Time) error
		remove func(version ...time.Time) error
		name   func() string
	}{
		"source": {
			func(name string, at time.Time, version ...time.Time) error {
				s, err := w.Source(w.ctx, w.source)
				s.Name, s.UpdatedAt = name, at
				return errors.Join(err, second(w.UpdateSource(w.ctx, s, version...)))
			},
			func(version ...time.Time) error { return w.DeleteSource(w.ctx, w.source, version...) },
			func() string {
				s, err := w.Source(w.ctx, w.source)
				w.must(err)
				return s.Name
			},
		},
		"destination": {
			func(name string, at time.Time, version ...time.Time) error {
				d, err := w.Destination(w.ctx, w.destination)
				d.Name, d.UpdatedAt = name, at
				return errors.Join(err, w.UpdateDestination(w.ctx, d, version...))
			},
			func(version ...time.Time) error { return w.DeleteDestination(w.ctx, w.destination, version...) },
			func() string {
				d, err := w.Destination(w.ctx, w.destination)
				w.must(err)
				return d.Name
			},
		},
		"destination that begins anew": {
			func(name string, at time.Time, version ...time.Time) error {
				d, err := w.Destination(w.ctx, anew)
				d.Name, d.UpdatedAt = name, at
				return errors.Join(err, w.RestartDestination(w.ctx, d, version...))
			},
			func(version ...time.Time) error {
				return w.DeleteDestination(w.ctx, anew, version...)
			},
			func() string {
				d, err := w.Destination(w.ctx, anew)
				w.must(err)
				return d.Name
			},
		},
		"connection": {
			func(name string, at time.Time, version ...time.Time) error {
				c, err := w.Connection(w.ctx, "con_1")
				c.Name, c.UpdatedAt = name, at
				return errors.Join(err, second(w.UpdateConnection(w.ctx, c, version...)))
			},
			func(version ...time.Time) error { return w.DeleteConnection(w.ctx, "con_1", version...) },
			func() string {
				c, err := w.Connection(w.ctx, "con_1")
				w.must(err)
				return c.Name
			},
		},
	} {
		n.name() // it exists
		at := created.Add(time.Second)
		w.must(n.update("first", at, created))
		w.refused(noun+": an update of an earlier version", n.update("lost", at.Add(1000), created),
			bellhop.CodeChanged)
		w.refused(noun+": a deletion of an earlier version", n.remove(created), bellhop.CodeChanged)
		w.equal(noun+": its name after both", n.name(), "first")

		const count = 8
		var wait sync.WaitGroup
		errs := make([]error, count)
		for i := range count {
			wait.Go(func() { errs[i] = n.update("one of many", at.Add(time.Duration(i+1)*time.Millisecond), at) })
		}
		wait.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
				continue
			}
			w.refused(noun+": one of many updates", err, bellhop.CodeChanged)
		}
		w.equal(noun+": updates of one version that were made", made, 1)

		last := at.Add(time.Minute)
		w.must(n.update("last", last))
		w.must(n.remove(last))
		w.refused(noun+": a version of what is gone", n.remove(last), bellhop.CodeNotFound)
	}
}
