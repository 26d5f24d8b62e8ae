package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unicode"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/manifest"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/spf13/cobra"
)

func newServeCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server: receive, store and deliver webhooks",
		Long: `Run the server: receive, store and deliver webhooks.

The first start creates the data folder, with a database, a master key that encrypts stored secrets,
and an admin API key, and prints where they are. Only one server at a time can use a data folder.
SIGTERM and SIGINT stop the server cleanly; a second signal stops it at once. SIGHUP reads the
certificate of --tls-cert again, and applies the file that --config names again; without these it does
nothing: settings are read at the start only.

Every flag can also be set as BELLHOP_<FLAG> in the environment, or as a key of the YAML file that
--config names. Flags win over the environment, and the environment over the file. The file can
declare sources, destinations, connections, subscriptions and keys too, which the server then makes
or changes, as 'bellhop config apply' does; a file with faults changes nothing, and is logged.
BELLHOP_ADMIN_KEY sets the admin API key; the key file of the data folder is then not used.`,
		Example: `  bellhop serve
  bellhop serve --data /var/lib/bellhop --listen :8080 --public-url https://hooks.example.com --retain 90d`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			path, _ := c.Flags().GetString("config")
			given := map[string]string{}
			for _, s := range config.Settings() {
				if f := c.Flags().Lookup(s.Name); f.Changed {
					given[s.Name] = f.Value.String()
				}
			}
			cfg, err := e.readSettingsFile(path, given)
			if err != nil {
				return &usageError{err}
			}
			return serve(c.Context(), e, cfg, path, given)
		},
	}
	c.Flags().String("config", "", "a YAML file of nouns, and of settings by the names of these flags")
	for _, s := range config.Settings() {
		value := &settingValue{text: s.Default, kind: s.Kind}
		flag := c.Flags().VarPF(value, s.Name, "", s.Doc)
		if s.Kind == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
	return c
}

// A settingValue is the flag of a setting. Its text is that of the flag: config.Load checks it, because it knows what
// the file and the environment say.
type settingValue struct{ text, kind string }

func (v *settingValue) String() string        { return v.text }
func (v *settingValue) Set(text string) error { v.text = text; return nil }
func (v *settingValue) Type() string          { return v.kind }

// serve runs a server until ctx ends or a signal arrives. A second signal ends the process at once.
// path is the configuration file, which is applied at the start and on each SIGHUP; "" is none. flags are the settings
// that win over those of the file.
func serve(ctx context.Context, e *env, cfg config.Config, path string, flags map[string]string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	logger, level := newLevelLogger(e.stderr, cfg.LogLevel, cfg.LogFormat)
	var reload atomic.Pointer[func(context.Context)]
	defer onHangUp(logger, &reload)()
	app.TuneMemory(e.getenv)
	a, err := app.New(ctx, app.Options{
		Config: cfg, Providers: all.Providers(), Connectors: all.Connectors(),
		AdminKey: bellhop.Pasted(e.getenv("BELLHOP_ADMIN_KEY")), Version: version(), Logger: logger,
		LogLevel: level,
	})
	if err != nil {
		return err
	}
	if path != "" {
		file := &servedFile{e: e, path: path, flags: flags, cfg: cfg, logger: logger, server: a}
		err := file.start(ctx)
		if err != nil {
			ended, end := context.WithCancel(ctx)
			end()
			return errors.Join(err, a.Run(ended))
		}
		again := func(ctx context.Context) {
			a.ReloadCertificate(ctx)
			file.again(ctx)
		}
		reload.Store(&again)
	} else if a.HasTLS() {
		again := a.ReloadCertificate
		reload.Store(&again)
	}
	if isTerminal(e.stderr) {
		hasSources, err := a.HasSources(ctx)
		welcome(e.stderr, a, cfg, err == nil && !hasSources)
	} else {
		logger.Info("server.started", "component", "app", "url", a.URL(), "api_url", a.APIURL(), "metrics_url",
			a.MetricsURL(), "ui_url", a.UIURL(), "data", cfg.Data, "version", version(), "admin_key",
			adminKeyFrom(a, cfg), "master_key_file", filepath.Join(cfg.Data, datadir.MasterKeyFile))
	}
	context.AfterFunc(ctx, func() { egress.TellSystemd(e.getenv("NOTIFY_SOCKET"), "STOPPING=1") })
	err = egress.TellSystemd(e.getenv("NOTIFY_SOCKET"), "READY=1") // the listeners are open
	if err != nil {
		logger.Warn("systemd.failed", "component", "app", "error", err)
	}
	err = a.Run(ctx)
	if err == nil {
		logger.Info("server.stopped", "component", "app")
	}
	return err
}

// onHangUp runs reload at each SIGHUP; while that is nil, it logs the signal. SIGHUP does not end the process then,
// nor does the end of a reader of the log: a write to a closed pipe on stderr is then an error like any other. undo
// ends both, and a reload that is under way.
func onHangUp(logger *slog.Logger, reload *atomic.Pointer[func(context.Context)]) (undo func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	pipes := make(chan os.Signal, 1) // nobody reads it; in the channel of SIGHUP it would take the place of one
	signal.Notify(pipes, syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			select {
			case <-signals:
				if run := reload.Load(); run != nil {
					(*run)(ctx)
					continue
				}
				logger.Info("signal.ignored", "component", "app", "signal", "SIGHUP",
					"meaning", "nothing is reloaded: settings are read at the start only; "+
						"SIGTERM stops the server")
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		signal.Stop(signals)
		signal.Stop(pipes)
		cancel()
		ended.Wait()
	}
}

// adminKeyFrom returns where the admin key is: the path of its file, or the variable of the environment.
func adminKeyFrom(a *app.App, cfg config.Config) string {
	if from := a.AdminKeyFrom(); from != datadir.AdminKeyFile {
		return from
	}
	return filepath.Join(cfg.Data, datadir.AdminKeyFile)
}

// welcome prints the server's addresses and where its keys are. If there are no sources yet, it also prints commands
// to go on with, which run as they are printed.
func welcome(w io.Writer, a *app.App, cfg config.Config, first bool) {
	if a.FirstRun() {
		fmt.Fprintf(w, "created data folder %s\n", cfg.Data)
	}
	fmt.Fprintf(w, `serving on    %s
admin key in  %s
master key in %s (back it up: without it, stored secrets cannot be read)
sources at    %[1]s/in/<source>
metrics at    %[4]s
`, a.URL(), adminKeyFrom(a, cfg), filepath.Join(cfg.Data, datadir.MasterKeyFile), a.MetricsURL())
	if at := a.APIURL(); at != a.URL() {
		fmt.Fprintf(w, "API at        %s\n", at)
	}
	if pages := a.UIURL(); pages != "" {
		fmt.Fprintf(w, "pages at      %s (bellhop ui%s signs you in)\n", pages, dataFlag(cfg.Data))
	}
	if !first {
		return
	}
	token := rand.Text()
	fmt.Fprintf(w, `
next, in another terminal:
  bellhop sources create first --provider generic --set scheme=token --set header=X-Token --key %[1]s%[2]s
  curl -H 'X-Token: %[1]s' -d '{"type":"hello"}' %[3]s/in/first
  bellhop events%[2]s
`, token, dataFlag(cfg.Data), a.URL())
}

// dataFlag returns the flag, with a blank before it, by which commands find the data folder dir: "" if they do so
// without one. It is quoted for a shell.
func dataFlag(dir string) string {
	if filepath.Clean(dir) == filepath.Clean(defaultData) {
		return ""
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	if strings.ContainsFunc(dir, func(r rune) bool {
		return !strings.ContainsRune("/._-+,=:@%", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		dir = "'" + strings.ReplaceAll(dir, "'", `'\''`) + "'"
	}
	return " --data " + dir
}

// newLogger returns a logger that writes text or JSON. The format auto is text on a terminal and JSON elsewhere.
func newLogger(w io.Writer, level, format string) *slog.Logger {
	logger, _ := newLevelLogger(w, level, format)
	return logger
}

// newLevelLogger is newLogger, and returns the level, which can be changed.
func newLevelLogger(w io.Writer, level, format string) (*slog.Logger, *slog.LevelVar) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	changeable := new(slog.LevelVar)
	changeable.Set(l)
	opts := &slog.HandlerOptions{Level: changeable}
	if format == "text" || format == "auto" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, opts)), changeable
	}
	return slog.New(slog.NewJSONHandler(w, opts)), changeable
}

// What follows is what serve does with its configuration file: at the start, and on each SIGHUP.

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
