package app

import (
	"context"
	"errors"
	"log/slog"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
)

// A restored server is in standby until a person ends it. It accepts and stores events as ever. It sends nothing:
// its destinations are as if they were paused, and it does not renew subscriptions, refresh tokens or remove files,
// because the server of the backup may still run, and two servers with the same accounts would undo each other's
// work.

var _ api.Operations = operations{}

// loadStandby notes whether the server starts in standby.
func (a *App) loadStandby(ctx context.Context) error {
	latest, err := a.store.LatestBackup(ctx)
	if err != nil {
		return err
	}
	if !latest.At.IsZero() {
		a.backedUp.Store(latest.At.Unix())
	}
	standby, err := a.store.Standby(ctx)
	if err != nil {
		return err
	}
	if !standby.Is() {
		close(a.active)
		return nil
	}
	a.log.Warn("server.standby", "since", standby.Since, "reason", standby.Why,
		"meaning", "events are accepted, and nothing is sent until 'bellhop resume'")
	return nil
}

// InStandby reports whether the server is in standby. It implements [api.Operations].
func (a *App) InStandby() bool {
	select {
	case <-a.active:
		return false
	default:
		return true
	}
}

// onceActive runs f once the server is not in standby, unless ctx ends before.
func (a *App) onceActive(ctx context.Context, f func(ctx context.Context)) {
	select {
	case <-a.active:
		f(ctx)
	case <-ctx.Done():
	}
}

// held returns the destinations as the engine sees them: in standby, the active ones are paused.
func (a *App) held(destinations []bellhop.Destination) []bellhop.Destination {
	if !a.InStandby() {
		return destinations
	}
	for i := range destinations {
		if destinations[i].State == bellhop.DestinationActive {
			destinations[i].State = bellhop.DestinationPaused
		}
	}
	return destinations
}

// Standby implements [api.Operations].
func (o operations) Standby(ctx context.Context) (bellhop.Standby, error) {
	return o.store.Standby(ctx)
}

// Resume implements [api.Operations].
func (o operations) Resume(ctx context.Context) error {
	o.resuming.Lock()
	defer o.resuming.Unlock()
	if !o.InStandby() {
		return nil
	}
	if err := o.store.SetStandby(ctx, bellhop.Standby{}); err != nil {
		return err
	}
	close(o.active)
	o.log.Info("server.resumed")
	return o.reload(ctx)
}

// LogLevel implements [api.Operations].
func (o operations) LogLevel() string { return levelWord(o.opts.LogLevel.Level()) }

// levels are the levels of the log, by the words of the setting.
var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn,
	"error": slog.LevelError}

func levelWord(level slog.Level) string {
	for word, l := range levels {
		if l == level {
			return word
		}
	}
	return level.String()
}

// SetLogLevel implements [api.Operations].
func (o operations) SetLogLevel(_ context.Context, word string) error {
	level, ok := levels[word]
	if !ok {
		return bellhop.Invalid("level", "use debug, info, warn or error")
	}
	before := o.opts.LogLevel.Level()
	o.opts.LogLevel.Set(min(before, level)) // so that the line about it is written
	o.log.Info("log.level", "before", levelWord(before), "after", word)
	o.opts.LogLevel.Set(level)
	return nil
}

// ResumeFolder ends the standby of the data folder dir of a server that does not run. It reports whether it was in
// one.
func ResumeFolder(ctx context.Context, dir string) (was bool, err error) {
	release, err := datadir.Hold(dir)
	if err != nil {
		return false, err
	}
	_, standby, err := sqlite.FolderNotes(ctx, dir)
	if err == nil && standby.Is() {
		err = sqlite.SetStandbyOf(dir, bellhop.Standby{})
	}
	return standby.Is(), errors.Join(err, release())
}
