package app

import (
	"context"
	"errors"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
)

// reload reads the sources and destinations, and hands them to the door and the engine. If one of them cannot
// be opened, it logs the reason: a broken noun must not keep the others from changing.
func (a *App) reload(ctx context.Context) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	sources, err := catalog.ReadAll(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Source,
		string, error) {
		return a.store.Sources(ctx, bellhop.SourceFilter{}, page)
	})
	if err != nil {
		return err
	}
	destinations, err := a.readDestinations(ctx)
	if err != nil {
		return err
	}
	tenants, err := catalog.ReadAll(ctx, a.store.Tenants)
	if err != nil {
		return err
	}
	a.watcher.label(sources, destinations)
	a.bridgeRenames(sources, destinations)
	a.door.SetTenants(tenants)
	a.engine.SetTenants(tenants) // before the destinations and sources that belong to them
	a.recountFor(tenants)
	a.keeper.SetSources(sources) // before the door, which asks it about each source
	a.logUnopened(errors.Join(a.engine.SetDestinations(ctx, a.held(destinations)), a.door.SetSources(sources)))
	return nil
}

// maxUnopened bounds the lines of one reload about nouns that could not be opened.
const maxUnopened = 100

// logUnopened logs why nouns could not be opened, one line for each. err joins their errors. A line that the last
// reload had cause for too is left out: every change of any noun is a reload. The caller holds reloading.
func (a *App) logUnopened(err error) {
	before := a.unopened
	a.unopened = map[string]bool{}
	more := 0
	for _, each := range parts(err) {
		text := each.Error()
		a.unopened[text] = true
		switch {
		case before[text]:
		case len(a.unopened) > maxUnopened:
			more++
		default:
			a.log.Error("open.failed", "error", text, "meaning", "it could not be opened; all others are loaded")
		}
	}
	if more > 0 {
		a.log.Error("open.failed", "more", more, "meaning", "so many more could not be opened; lists show their state")
	}
}

// parts returns the errors that errors.Join made err of, and those that it made these of.
func parts(err error) (all []error) {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(joined.Unwrap()...).Error() != err.Error() { // such as one of fmt.Errorf
		return []error{err}
	}
	for _, each := range joined.Unwrap() {
		all = append(all, parts(each)...)
	}
	return all
}

// bridgeRenames adds the id of each source that has another name than at the last reload to the matches that have its
// new name. Until the door and the engine have both been told, the door accepts events with the old name while the
// engine may know the new one: by the id they find their destinations all the same, if the engine is told first. The
// caller holds reloading.
func (a *App) bridgeRenames(sources []bellhop.Source, destinations []bellhop.Destination) {
	before := a.names
	a.names = make(map[string]string, len(sources))
	renamed := map[string]string{} // ids by new names
	for _, s := range sources {
		a.names[s.ID] = s.Name
		if old, ok := before[s.ID]; ok && old != s.Name {
			renamed[s.Name] = s.ID
		}
	}
	if len(renamed) == 0 {
		return
	}
	for i := range destinations {
		m := &destinations[i].Match
		for _, name := range slices.Clone(m.Sources) {
			id, ok := renamed[name]
			if ok && len(m.Sources) < bellhop.MaxMatchEntries && !slices.Contains(m.Sources, id) {
				m.Sources = append(slices.Clip(m.Sources), id)
			}
		}
	}
}

// readDestinations returns all destinations. It reads those that have changed since the last reload, because
// there may be ten thousand. The caller holds reloading.
func (a *App) readDestinations(ctx context.Context) ([]bellhop.Destination, error) {
	list, err := a.store.DestinationVersions(ctx)
	if err != nil {
		return nil, err
	}
	read := make(map[string]bellhop.Destination, len(list))
	whole := list[:0]
	for _, version := range list {
		d, ok := a.destinations[version.ID]
		var err error
		if !ok || d.State != version.State || !d.UpdatedAt.Equal(version.UpdatedAt) {
			d, err = a.store.Destination(ctx, version.ID)
		}
		var known *bellhop.Error
		switch {
		case errors.As(err, &known) && known.Code == bellhop.CodeNotFound: // deleted since the list was read
			continue
		case err != nil:
			return nil, err
		}
		whole, read[version.ID] = append(whole, d), d
	}
	a.destinations = read
	return whole, nil
}

// reloadLater reloads in the background, unless the server is stopping.
func (a *App) reloadLater() {
	a.later(func(ctx context.Context) {
		if err := a.reload(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("reload.failed", "error", err)
		}
	})
}

// later runs f in the background, unless the server is stopping.
func (a *App) later(f func(ctx context.Context)) {
	a.late.Lock()
	defer a.late.Unlock()
	select {
	case <-a.draining:
		return
	default:
	}
	a.background.Go(func() { f(a.running) })
}
