package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/manifest"
)

// This file has what serve does with its configuration file: at the start, and on each SIGHUP.

// A servedFile is the configuration file of a server.
type servedFile struct {
	e      *env
	path   string
	flags  map[string]string // settings that win over the file
	cfg    config.Config     // the settings in use
	logger *slog.Logger
	server *app.App
}

// readSettingsFile returns the settings of serve, with those of a configuration file. path may be "". An error has a
// line for each fault of a setting, or for each of the file if it cannot be read; faults of nouns are left for later.
func (e *env) readSettingsFile(path string, flags map[string]string) (cfg config.Config, err error) {
	if path == "" {
		return config.LoadFile("", nil, e.getenv, flags)
	}
	file, err := e.loadConfigFile(path)
	if err != nil {
		return cfg, err
	}
	return e.settingsOf(file, flags)
}

// settingsOf returns the settings of a file, with those of the environment and of flags.
func (e *env) settingsOf(file *configFile, flags map[string]string) (cfg config.Config, err error) {
	var lines []string
	for _, p := range file.faults() {
		if file.file == nil || !file.file.OfNoun(p.Path) && !isOverridden(p.Path, e, flags) {
			lines = append(lines, file.line(p))
		}
	}
	if len(lines) > 0 {
		return cfg, errors.New(strings.Join(lines, "\n"))
	}
	cfg, err = config.LoadFile(file.path, file.file.Settings(), e.getenv, flags)
	cfg.Locate(file.path, func(name string) int { return file.file.Place(name, "").Line })
	return cfg, err
}

// isOverridden reports whether a flag or the environment gives a setting, so that its value in the file does not
// count.
func isOverridden(setting string, e *env, flags map[string]string) bool {
	_, given := flags[setting]
	return given || isServerSetting(setting) && e.getenv(config.EnvName(setting)) != ""
}

// maxLogged bounds the log lines of one file.
const maxLogged = 100

// start applies the file when the server starts. A file that is refused leaves the nouns as they are; without any, the
// error says so, because there is nothing to serve.
func (f *servedFile) start(ctx context.Context) error {
	err := f.apply(ctx)
	if err == nil {
		return nil
	}
	empty, emptyErr := f.server.IsEmpty(ctx)
	if emptyErr != nil {
		return emptyErr
	}
	if empty {
		return err
	}
	return nil
}

// again applies the file once more.
func (f *servedFile) again(ctx context.Context) {
	f.logger.Info("config.read", "component", "app", "file", f.path)
	f.apply(ctx) // logs its error
}

// apply reads the file and makes the nouns of the server those of it. It logs what is wrong with the file, and returns
// an error if it was not applied.
func (f *servedFile) apply(ctx context.Context) error {
	file, err := f.e.loadConfigFile(f.path)
	if err != nil {
		return f.refuse(err)
	}
	if cfg, err := f.e.settingsOf(file, f.flags); err == nil && !cfg.Same(f.cfg) {
		f.logger.Warn("settings.changed", "component", "app", "file", f.path,
			"meaning", "settings of serve are read at the start only; restart the server for those of the file")
	}
	nouns, err := f.e.nouns(file, f.path)
	if err == nil && nouns != nil {
		err = f.declare(ctx, file, *nouns)
	}
	f.log(file)
	if err == nil && len(file.faults()) > 0 {
		err = errors.New(f.path + " has " + bellhop.Count(len(file.faults()), "fault") +
			": 'bellhop config check' shows each with its place")
	}
	if err != nil {
		return f.refuse(err)
	}
	return nil
}

// declare makes the nouns of the server those of the file. Faults go to the problems of the file.
func (f *servedFile) declare(ctx context.Context, file *configFile, nouns client.Config) error {
	plan, err := f.server.ApplyConfig(ctx, nouns, f.cfg.ConfigPrune)
	var refused *bellhop.Error
	if errors.As(err, &refused) && refused.Code == bellhop.CodeInvalid {
		file.place(fieldErrors(refused.Fields), false)
		return nil
	}
	file.place(fieldErrors(plan.Warnings), true)
	return err
}

// fieldErrors returns field errors in the form of the API.
func fieldErrors(errs []bellhop.FieldError) (shown []client.FieldError) {
	for _, e := range errs {
		shown = append(shown, client.FieldError(e))
	}
	return shown
}

// log logs the problems of a file, one line for each.
func (f *servedFile) log(file *configFile) {
	for i, p := range file.sorted() {
		if i == maxLogged {
			f.logger.Error("config.fault", "component", "app", "file", f.path, "more", len(file.problems)-i)
			return
		}
		f.logProblem(file, p)
	}
}

func (f *servedFile) logProblem(file *configFile, p manifest.Problem) {
	level, name := slog.LevelError, "config.fault"
	if p.Warning {
		level, name = slog.LevelWarn, "config.weak"
	}
	where := p.Path
	if file.file != nil {
		where = file.file.Label(p.Path)
	}
	f.logger.Log(context.Background(), level, name, "component", "app", "file", f.path, "line", p.Line,
		"column", p.Column, "path", where, "problem", p.Message)
}

// refuse notes that the file was not applied because of err, and returns err.
func (f *servedFile) refuse(err error) error {
	f.server.RefuseConfig()
	f.logger.Error("config.refused", "component", "app", "file", f.path, "error", err,
		"meaning", "the nouns of the server stay as they are")
	return err
}
