package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
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
SIGTERM and SIGINT stop the server cleanly; a second signal stops it at once.

Every flag can also be set as BELLHOP_<FLAG> in the environment, or as a key of the YAML file that
--config names. Flags win over the environment, and the environment over the file. BELLHOP_ADMIN_KEY
sets the admin API key; the key file of the data folder is then not used.`,
		Example: `  bellhop serve
  bellhop serve --data /var/lib/bellhop --listen :8080 --public-url https://hooks.example.com --retain 90d`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			path, _ := c.Flags().GetString("config")
			given := map[string]string{}
			for _, s := range config.Settings() {
				if f := c.Flags().Lookup(s.Name); f.Changed {
					given[s.Name] = f.Value.String()
				}
			}
			cfg, err := config.Load(path, e.getenv, given)
			if err != nil {
				return &usageError{err}
			}
			return serve(c.Context(), e, cfg)
		},
	}
	c.Flags().String("config", "", "a YAML file whose keys are the names of these flags")
	for _, s := range config.Settings() {
		c.Flags().String(s.Name, s.Default, s.Doc)
		if s.Default == "true" || s.Default == "false" {
			c.Flags().Lookup(s.Name).NoOptDefVal = "true"
		}
	}
	return c
}

// serve runs a server until ctx ends or a signal arrives. A second signal ends the process at once.
func serve(ctx context.Context, e *env, cfg config.Config) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	logger := newLogger(e.stderr, cfg.LogLevel, cfg.LogFormat)
	app.TuneMemory(e.getenv)
	a, err := app.New(ctx, app.Options{
		Config: cfg, Providers: all.Providers(), AdminKey: e.getenv("BELLHOP_ADMIN_KEY"), Version: version(), Logger: logger,
	})
	if err != nil {
		return err
	}
	if isTerminal(e.stderr) {
		welcome(e.stderr, a, cfg)
	} else {
		logger.Info("server.started", "component", "app", "url", a.URL(), "data", cfg.Data, "version", version(),
			"admin_key_file", filepath.Join(cfg.Data, datadir.AdminKeyFile),
			"master_key_file", filepath.Join(cfg.Data, datadir.MasterKeyFile))
	}
	err = a.Run(ctx)
	if err == nil {
		logger.Info("server.stopped", "component", "app")
	}
	return err
}

// welcome prints the server's addresses, the paths of its keys and a command to go on with.
func welcome(w io.Writer, a *app.App, cfg config.Config) {
	if a.FirstRun() {
		fmt.Fprintf(w, "created data folder %s\n", cfg.Data)
	}
	fmt.Fprintf(w, `serving on    %s
admin key in  %s
master key in %s (back it up: without it, stored secrets cannot be read)
sources at    %s/in/<source>
metrics at    %s

next, in another terminal:
  bellhop sources create media --provider ams --set signing_key=… --set account_id=…
`, a.URL(), filepath.Join(cfg.Data, datadir.AdminKeyFile), filepath.Join(cfg.Data, datadir.MasterKeyFile), a.URL(),
		a.MetricsURL())
}

// newLogger returns a logger that writes text or JSON. The format auto is text on a terminal and JSON elsewhere.
func newLogger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: l}
	if format == "text" || format == "auto" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}
