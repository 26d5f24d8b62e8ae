package certificate

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLog returns a logger for certmagic that writes to log. What goes well is for us, and what does not is a line of
// its own event as well: so everything is at the level debug, but for warnings, which may have no event.
func newLog(log *slog.Logger) *zap.Logger { return zap.New(core{log}) }

// A core is where certmagic's log goes.
type core struct{ log *slog.Logger }

var _ zapcore.Core = core{}

// Enabled implements [zapcore.LevelEnabler].
func (c core) Enabled(level zapcore.Level) bool {
	return c.log.Enabled(context.Background(), slogLevel(level))
}

// slogLevel returns the level of a line of certmagic in our log.
func slogLevel(level zapcore.Level) slog.Level {
	if level == zapcore.WarnLevel {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// With implements [zapcore.Core].
func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{c.log.With(attributes(fields)...)}
}

// Check implements [zapcore.Core].
func (c core) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

// Write implements [zapcore.Core].
func (c core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	c.log.With(attributes(fields)...).Log(context.Background(), slogLevel(e.Level), "acme.note", "note", e.Message)
	return nil
}

// Sync implements [zapcore.Core].
func (core) Sync() error { return nil }

// attributes returns the fields of a line, in a group of their own.
func attributes(fields []zapcore.Field) []any {
	if len(fields) == 0 {
		return nil
	}
	read := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(read)
	}
	return []any{"fields", read.Fields}
}
