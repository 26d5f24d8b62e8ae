package app

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/doctor"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/ingest"
	"github.com/bellhop-gateway/bellhop/internal/release"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
)

// This file says which checks there are of a running server and of the data folder of a stopped one, and gives each
// what it looks at.

// Bounds of all checks together. Those of a folder have more time, because they read the whole database.
const (
	checkupTimeout = 8 * time.Second
	folderTimeout  = 60 * time.Second
)

// newDoctor returns the doctor of the server.
func (a *App) newDoctor() *doctor.Doctor {
	s, dir := a.store, a.opts.Config.Data
	public := doctor.Public{Prefix: ingest.Prefix, Client: egress.NewLocal(), Probes: &a.probes, Now: time.Now}
	if a.hasPublicURL {
		public.URL = a.opts.Config.PublicURL
	}
	checks := []doctor.Check{
		{Name: "version", Title: "Version", Run: func(context.Context) doctor.Finding {
			info := "Bellhop " + a.opts.Version + ", " + release.Read().Words()
			return doctor.Finding{State: doctor.OK, Message: info}
		}},
		{Name: "clock", Title: "Clock", Run: a.checkClock},
		{Name: "data_folder", Title: "Data folder", Run: func(context.Context) doctor.Finding {
			return doctor.Folder(dir, datadir.Check)
		}},
		{Name: "storage", Title: "Storage", Run: func(ctx context.Context) doctor.Finding {
			return doctor.Database(ctx, s.Ready)
		}},
		{Name: "standby", Title: "Standby", Run: func(ctx context.Context) doctor.Finding {
			standby, err := s.Standby(ctx)
			if err != nil {
				return doctor.Unread(err)
			}
			return doctor.Standby(standby, time.Now())
		}},
		{Name: "backup", Title: "Backup", Run: func(ctx context.Context) doctor.Finding {
			latest, err := s.LatestBackup(ctx)
			if err != nil {
				return doctor.Unread(err)
			}
			return doctor.Backup(latest, a.opts.Config.BackupEvery, time.Now())
		}},
		{Name: "disk", Title: "Disk", Run: func(context.Context) doctor.Finding {
			return doctor.Disk(dir, databaseBytes(dir))
		}},
		{Name: "sync", Title: "Speed of syncs", Run: func(ctx context.Context) doctor.Finding {
			return doctor.Sync(ctx, dir)
		}},
		{Name: "descriptors", Title: "Open files", Run: func(context.Context) doctor.Finding {
			return doctor.Descriptors(doctor.Files{Granted: descriptors(), Open: doctor.OpenFiles(),
				Needed: a.neededFiles()})
		}},
		{Name: "public_url", Title: "Public URL", Run: public.Reach},
		{Name: "certificate", Title: "TLS of the public URL", Run: a.checkCertificate(public)},
		{Name: "config_file", Title: "Configuration file", Run: a.checkConfigFile},
		{Name: "traces", Title: "Traces", Run: a.checkTraces},
		{Name: "keys", Title: "Keys", Run: read(func(ctx context.Context, page bellhop.Page) ([]bellhop.Key, string,
			error) {
			return s.Keys(ctx, bellhop.KeyFilter{}, page)
		}, func(list []bellhop.Key) doctor.Finding { return doctor.Keys(list, time.Now()) })},
		{Name: "secrets", Title: "Secrets that end", Run: read(a.allDestinations,
			func(list []bellhop.Destination) doctor.Finding { return doctor.Secrets(list, time.Now()) })},
		{Name: "connections", Title: "Connections", Run: read(func(ctx context.Context,
			page bellhop.Page) ([]bellhop.Connection, string, error) {
			return s.Connections(ctx, bellhop.ConnectionFilter{}, page)
		}, doctor.Connections)},
		{Name: "subscriptions", Title: "Subscriptions", Run: read(a.allSubscriptions,
			func(list []bellhop.Subscription) doctor.Finding { return doctor.Subscriptions(list, time.Now()) })},
		{Name: "sources", Title: "Silent sources", Run: a.checkSources},
		{Name: "destinations", Title: "Destinations", Run: read(a.allDestinations,
			func(list []bellhop.Destination) doctor.Finding {
				return doctor.Destinations(list, func(id string) doctor.Health {
					return doctor.Health{Closed: a.engine.Closed(id), MatchError: a.engine.MatchError(id)}
				}, time.Now())
			})},
		{Name: "deliveries", Title: "Deliveries", Run: func(ctx context.Context) doctor.Finding {
			b, err := s.Backlog(ctx)
			if err != nil {
				return doctor.Unread(err)
			}
			return doctor.Deliveries(b, time.Now())
		}},
		{Name: "repairs", Title: "Repairs", Run: read(func(ctx context.Context, page bellhop.Page) ([]bellhop.Repair,
			string, error) {
			return s.Repairs(ctx, bellhop.RepairQuery{State: bellhop.RepairRunning}, page)
		}, func(list []bellhop.Repair) doctor.Finding { return doctor.Repairs(list, time.Now()) })},
	}
	return doctor.New(checks, checkupTimeout, time.Now, a.opts.Logger)
}

// neededFiles returns how many open files the settings need that are not the default: see maxConnections and
// maxAttempts.
func (a *App) neededFiles() (n uint64) {
	for _, v := range a.opts.Config.Given() {
		switch v.Name {
		case "max-connections":
			n = max(n, 3*uint64(a.opts.Config.MaxConnections))
		case "max-attempts":
			n = max(n, 2*uint64(a.opts.Config.MaxAttempts))
		}
	}
	return n
}

// read returns a check that reads a whole list and judges it.
func read[T any](list func(context.Context, bellhop.Page) ([]T, string, error),
	judge func([]T) doctor.Finding) func(context.Context) doctor.Finding {
	return func(ctx context.Context) doctor.Finding {
		all, err := catalog.ReadAll(ctx, list)
		if err != nil {
			return doctor.Unread(err)
		}
		return judge(all)
	}
}

func (a *App) allDestinations(ctx context.Context, page bellhop.Page) ([]bellhop.Destination, string, error) {
	return a.store.Destinations(ctx, bellhop.DestinationFilter{}, page)
}

func (a *App) allSubscriptions(ctx context.Context, page bellhop.Page) ([]bellhop.Subscription, string, error) {
	return a.store.Subscriptions(ctx, bellhop.SubscriptionFilter{}, page)
}

func (a *App) checkSources(ctx context.Context) doctor.Finding {
	sources, err := catalog.ReadAll(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Source,
		string, error) {
		return a.store.Sources(ctx, bellhop.SourceFilter{}, page)
	})
	if err != nil {
		return doctor.Unread(err)
	}
	subscriptions, err := catalog.ReadAll(ctx, a.allSubscriptions)
	if err != nil {
		return doctor.Unread(err)
	}
	notes, err := a.store.SourceNotes(ctx)
	if err != nil {
		return doctor.Unread(err)
	}
	return doctor.Sources(sources, notes, subscriptions, time.Now())
}

func (a *App) checkConfigFile(context.Context) doctor.Finding {
	switch a.fileState.Load() {
	case fileApplied:
		return doctor.Finding{State: doctor.OK, Message: "it was applied when it was read last"}
	case fileRefused:
		return doctor.Finding{State: doctor.Failed, Message: "it was refused when it was read last, so the nouns " +
			"are as they were before", Remedy: "bellhop config check FILE names each fault; SIGHUP has " +
			"the server read it again"}
	}
	return doctor.Skip("the server was started without one", "")
}

func (a *App) checkClock(ctx context.Context) doctor.Finding {
	now := doctor.Time{Now: time.Now(), Started: a.startedAt}
	newest, _, err := a.store.Events(ctx, bellhop.EventFilter{}, bellhop.Page{Limit: 1})
	if err != nil {
		return doctor.Unread(err)
	}
	if len(newest) > 0 {
		now.Newest = newest[0].ReceivedAt
	}
	now.Host, now.Theirs, now.HeldAt = a.told.latest()
	now.Kept, now.Known = doctor.ClockKept()
	return doctor.Clock(now)
}

// databaseBytes returns the size of the files of the database in a folder.
func databaseBytes(dir string) (total int64) {
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(filepath.Join(dir, store.FileName+suffix)); err == nil {
			total += info.Size()
		}
	}
	return total
}

// A toldTime is the transport of calls to providers, and remembers the time that the latest answer by https said.
type toldTime struct {
	next http.RoundTripper

	mu     sync.Mutex // guards the fields below
	host   string
	theirs time.Time
	at     time.Time
}

// RoundTrip implements [http.RoundTripper].
func (t *toldTime) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := t.next.RoundTrip(r)
	if err != nil || r.URL.Scheme != "https" || reply.Header.Get("Age") != "" { // a cache tells an old time
		return reply, err
	}
	theirs, unread := http.ParseTime(reply.Header.Get("Date"))
	if unread == nil {
		t.mu.Lock()
		t.host, t.theirs, t.at = r.URL.Hostname(), theirs, time.Now()
		t.mu.Unlock()
	}
	return reply, err
}

// CloseIdleConnections is for [http.Client.CloseIdleConnections].
func (t *toldTime) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// latest returns the host that told the time last, its time, and ours at that moment; "" if none did.
func (t *toldTime) latest() (host string, theirs, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.host, t.theirs, t.at
}

// through returns c with t below it.
func (t *toldTime) through(c *http.Client) *http.Client {
	noting := *c
	t.next = c.Transport
	noting.Transport = t
	return &noting
}

// checkup implements [api.Options].Checkup.
func (a *App) checkup(ctx context.Context) (client.Checkup, error) {
	report, err := a.doctor.Run(ctx)
	return checkupJSON(report), err
}

// checkupJSON returns a report in its JSON form.
func checkupJSON(report doctor.Report) client.Checkup {
	out := client.Checkup{At: client.Time{Time: report.At}, State: string(report.State),
		TookMS: milliseconds(report.Took), Checks: make([]client.Check, len(report.Results))}
	for i, r := range report.Results {
		out.Checks[i] = client.Check{Name: r.Name, Title: r.Title, State: string(r.State), Message: r.Message,
			Remedy: r.Remedy, TookMS: milliseconds(r.Took), Nouns: make([]client.CheckedNoun, len(r.Nouns))}
		for j, n := range r.Nouns {
			out.Checks[i].Nouns[j] = client.CheckedNoun(n)
		}
	}
	return out
}

// milliseconds returns d in the form of the API.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// IsStopped reports whether dir is the data folder of a server that does not run.
func IsStopped(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, store.FileName))
	return err == nil && info.Mode().IsRegular() && !datadir.InUse(dir)
}

// CheckFolder checks the data folder dir of a server that does not run, and changes nothing in it. A folder that a
// server uses by now is an error.
func CheckFolder(ctx context.Context, opts Options, dir string) (client.Checkup, error) {
	release, err := datadir.Hold(dir)
	if err != nil {
		return client.Checkup{}, err
	}
	checks := []doctor.Check{
		{Name: "version", Title: "Version", Run: func(context.Context) doctor.Finding {
			return doctor.Finding{State: doctor.OK, Message: "Bellhop " + opts.Version}
		}},
		{Name: "server", Title: "Server", Run: func(context.Context) doctor.Finding {
			return doctor.Skip("no server runs in this folder: what only a running one knows is not checked",
				"bellhop serve --data "+dir)
		}},
		{Name: "clock", Title: "Clock", Run: func(context.Context) doctor.Finding {
			now := doctor.Time{Now: time.Now(), Started: time.Now()}
			now.Kept, now.Known = doctor.ClockKept()
			return doctor.Clock(now)
		}},
		{Name: "data_folder", Title: "Data folder", Run: func(context.Context) doctor.Finding {
			return doctor.Folder(dir, datadir.Check)
		}},
		{Name: "key_files", Title: "Key files", Run: func(context.Context) doctor.Finding {
			return checkKeyFiles(dir, opts.AdminKey != "")
		}},
		{Name: "disk", Title: "Disk", Run: func(context.Context) doctor.Finding {
			return doctor.Disk(dir, databaseBytes(dir))
		}},
		{Name: "sync", Title: "Speed of syncs", Run: func(ctx context.Context) doctor.Finding {
			return doctor.Sync(ctx, dir)
		}},
		{Name: "database", Title: "Database", Run: func(ctx context.Context) doctor.Finding {
			return checkDatabase(ctx, dir)
		}},
	}
	report, err := doctor.New(checks, folderTimeout, time.Now, opts.Logger).Run(ctx)
	return checkupJSON(report), errors.Join(err, release())
}

// checkKeyFiles looks at the files of keys in a folder.
func checkKeyFiles(dir string, given bool) doctor.Finding {
	if _, err := store.LoadKeyRing(dir, rand.Reader); err != nil { // beside a database, it makes no key
		return doctor.Finding{State: doctor.Failed, Message: err.Error(),
			Remedy: "put the master key back from its backup: without it, stored secrets cannot be read"}
	}
	key, err := datadir.ReadAdminKey(dir)
	switch {
	case err != nil:
		return doctor.Finding{State: doctor.Failed, Message: err.Error(),
			Remedy: "mend the file, or remove it to have another admin key made at the next start"}
	case key == "" && !given:
		return doctor.Finding{State: doctor.OK, Message: "the master key is there; the next start makes an admin key"}
	}
	return doctor.Finding{State: doctor.OK, Message: "the master key and the admin key are there"}
}

// checkDatabase reads the whole database and has SQLite look for damage.
func checkDatabase(ctx context.Context, dir string) doctor.Finding {
	damage, err := sqlite.Check(ctx, dir)
	const remedy = "keep a copy of the folder as it is, and restore the latest backup"
	switch {
	case err != nil && ctx.Err() != nil:
		return doctor.Skip("it is too large to be read within "+folderTimeout.String(),
			"sqlite3 "+store.FileName+" 'PRAGMA quick_check' takes as long as it needs")
	case err != nil:
		return doctor.Finding{State: doctor.Failed, Message: err.Error(), Remedy: remedy}
	case damage != "":
		return doctor.Finding{State: doctor.Failed, Message: "SQLite finds damage: " + damage, Remedy: remedy}
	}
	return doctor.Finding{State: doctor.OK, Message: "SQLite finds no damage"}
}
