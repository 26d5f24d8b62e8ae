package action

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Download downloads the files that the events of a provider name, before its system deletes them: acs.download. See
// docs/RECORDINGS.md.
type Download struct {
	Provider provider.Downloader
	Calls    *Calls
	claims   *claims
}

// Downloads returns an action for each provider that is a [provider.Downloader].
func Downloads(providers []provider.Provider, calls *Calls) (actions []provider.Action) {
	for _, p := range providers {
		d, ok := p.(provider.Downloader)
		if ok {
			actions = append(actions, Download{Provider: d, Calls: calls, claims: &claims{held: map[string]bool{}}})
		}
	}
	return actions
}

// The defaults of destinations that download. An attempt is a slice of the work: it ends before its timeout, and the
// next one goes on.
const (
	downloadTimeout     = 5 * time.Minute
	maxDownloadTimeout  = 6 * time.Hour
	downloadConcurrency = 4
	claimPause          = 5 * time.Second // while another delivery downloads the same files
)

// The error codes of downloads beside those of all calls.
const (
	errorExpired  = "expired"  // the system has deleted the files
	errorMismatch = "mismatch" // event, metadata and file contradict each other
	errorStorage  = "storage"  // the file could not be stored
)

// The events that are published, behind the name of the provider and what the files are together.
const (
	typeDownloaded = "downloaded"
	typeExpiring   = "expiring"
)

// alarmShare is the share of the time that the system keeps files after which an alarm is published.
const alarmShare = 0.8

// Info describes the destinations that download.
func (x Download) Info() provider.Info {
	info := provider.DownloadActionInfo(x.Provider)
	info.Concurrency, info.Timeout, info.MaxTimeout = downloadConcurrency, downloadTimeout, maxDownloadTimeout
	info.Errors = append([]string{errorExpired, errorMismatch, errorStorage}, callErrors...)
	return info
}

// OpenAction checks the settings of d, and that its connection exists and is one of the provider.
func (x Download) OpenAction(env provider.ActionEnv, d bellhop.Destination) (provider.Performer, error) {
	if env.Publish == nil || env.Files == nil {
		return nil, bellhop.Invalid("type", "this server takes no events from actions, or keeps no files")
	}
	opened, err := x.Provider.OpenDownload(d.Settings)
	if err != nil {
		return nil, bellhop.Join("settings", err)
	}
	common, info, name := opened.Common(), x.Provider.DownloadInfo(), x.Provider.Info().Name
	names := []string{"index", "ext", "event", "source"}
	for _, p := range info.Placeholders {
		names = append(names, p.Name)
	}
	path, pathErr := parsePath(cmp.Or(common.Path, info.Path), names)
	_, deleteErr := provider.OneOf("delete", common.Delete, "", provider.Deletes...)
	conn, connErr := openConnection(env, common.Connection, name)
	if err := bellhop.Join("settings", connErr, pathErr, deleteErr); err != nil {
		return nil, err
	}
	return &downloader{name: name, action: name + ".download", noun: info.Noun, keeps: info.Keeps, env: env,
		calls: x.Calls, claims: x.claims, destination: d, conn: conn, download: opened, path: path,
		deletes: common.Delete == provider.DeleteAfterDownload, log: env.Logger.With("component", "action"),
		large: largeFile, checkpoint: checkpoint}, nil
}

// claims are the downloads under way: of two deliveries of one event to one destination, one works at a time.
type claims struct {
	mu   sync.Mutex
	held map[string]bool // mu guards it
}

// take reports whether key was free, and takes it.
func (c *claims) take(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[key] {
		return false
	}
	c.held[key] = true
	return true
}

func (c *claims) free(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, key)
}

// A downloader is the Performer of one destination.
type downloader struct {
	name, action, noun string // "acs", "acs.download", "recording"
	keeps              time.Duration
	env                provider.ActionEnv
	calls              *Calls
	claims             *claims
	destination        bellhop.Destination
	conn               provider.Connection
	download           provider.Download
	path               pathTemplate
	deletes            bool
	log                *slog.Logger

	large, checkpoint int64 // largeFile and checkpoint, unless a test sets them
}

// A downloadProgress is what is stored between two attempts of a delivery.
type downloadProgress struct {
	Known   []knownPart `json:"known,omitempty"`  // of the parts from the first on, as their metadata says
	Part    int         `json:"part"`             // the place of the part that is being downloaded
	Seen    validator   `json:"seen"`             // of that part
	Absent  int         `json:"absent,omitempty"` // how often the system said that it is not there
	Alarmed bool        `json:"alarmed,omitempty"`
}

// A knownPart is what Describe found out about a part.
type knownPart struct {
	Format      string `json:"f"`
	ContentType string `json:"t"`
}

// A downloading is one attempt.
type downloading struct {
	*downloader
	ctx      context.Context // of the attempt
	slice    context.Context // of the calls: it ends earlier, so that the rest can be stored
	ev       *bellhop.Event
	plan     provider.DownloadPlan
	progress downloadProgress

	whole    []bellhop.File // the parts that are here, in turn
	current  bellhop.File   // the part that is not
	fetched  int64          // bytes
	resumes  int            // after connections that broke
	restarts int            // because of answers that contradict each other
}

// LeavesOut implements [provider.Selector]: what an action made names nothing to download.
func (*downloader) LeavesOut(*bellhop.Event) bool { return true }

// Perform downloads the files that ev names, as far as the time of the attempt allows.
func (d *downloader) Perform(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
	plan := d.download.Plan(ev)
	switch {
	case ev.Header.Get(bellhop.CauseHeader) != "":
		return d.skip(madeByAction)
	case plan.Skip != "":
		return d.skip(plan.Skip)
	case plan.Refused != "":
		return d.refuse(errorInvalid, plan.Refused)
	}
	for _, p := range plan.Parts { // before anything is called
		for _, call := range []provider.Call{p.Metadata, p.Content, p.Delete} {
			if call.Method == "" {
				continue
			}
			err := d.conn.Allows(ctx, call)
			if err != nil {
				return d.count(failure(ctx, d.conn, err))
			}
		}
	}
	if !d.claims.take(d.destination.ID + "|" + ev.ID) {
		return d.count(provider.ActionResult{Continue: d.env.Now().Add(claimPause),
			Reply: []byte("waits: another delivery of the event downloads the files")})
	}
	defer d.claims.free(d.destination.ID + "|" + ev.ID)
	d.calls.metrics.downloads.Inc()
	defer d.calls.metrics.downloads.Dec()
	d.calls.rests.active.Add(1)
	defer d.calls.rests.active.Add(-1)
	r := &downloading{downloader: d, ctx: ctx, slice: ctx, ev: ev, plan: plan}
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline) // by the real clock, as that of ctx
		slice, cancel := context.WithDeadline(ctx, deadline.Add(-min(10*time.Second, left/5)))
		defer cancel()
		r.slice = slice
	}
	if json.Unmarshal(at.Progress, &r.progress) != nil || r.progress.Part >= len(plan.Parts) {
		r.progress = downloadProgress{}
	}
	begun := d.env.Now()
	reply, err := r.all()
	done := r.result(reply, err)
	if done.Error != "" || !done.Continue.IsZero() || done.Short || done.Parked != "" {
		r.alarm(done)
	}
	text, jsonErr := json.Marshal(r.progress)
	if jsonErr == nil && !done.Cut {
		done.Progress = text
	}
	r.note(at, done, d.env.Now().Sub(begun))
	return d.count(done)
}

// all downloads the parts, publishes the event, and deletes the files at the system if that is asked for.
func (r *downloading) all() (reply downloadReply, err error) {
	for i := range r.plan.Parts {
		f, err := r.one(i)
		if err != nil {
			r.current = f
			return reply, err
		}
		r.whole = append(r.whole, f)
	}
	reply.Event, reply.Type, err = r.publish()
	if err != nil {
		return reply, err
	}
	if r.deletes {
		reply.Deleted, err = r.remove()
	}
	return reply, err
}

// one downloads the part at place i, unless it is here.
func (r *downloading) one(i int) (bellhop.File, error) {
	p := &r.plan.Parts[i]
	if i < len(r.progress.Known) {
		p.Format, p.ContentType = r.progress.Known[i].Format, r.progress.Known[i].ContentType
	} else {
		_, err := r.calls.do(r.slice, r.conn, share{}, p.Metadata, func(a provider.Answer) error {
			if a.Status != http.StatusOK {
				return r.download.Refused(a, r.env.Now())
			}
			return r.download.Describe(a.Body, p)
		})
		if err != nil {
			return bellhop.File{}, err
		}
		r.progress.Known = append(r.progress.Known, knownPart{p.Format, p.ContentType})
	}
	f, err := r.begin(p)
	if err != nil {
		return f, &unstoredError{err}
	}
	if f.State == bellhop.FileWhole {
		return f, nil
	}
	if r.progress.Part != i {
		r.progress.Part, r.progress.Seen, r.progress.Absent = i, validator{}, 0
	}
	t := &transfer{downloading: r, part: p, file: f, seen: &r.progress.Seen, saved: r.progress.Seen.ifRange() != ""}
	return t.run()
}

// begin returns the file of a part, and makes it if there is none. If its name is taken by a file of another event or
// destination, it gets one of its own: what the system deletes soon must not be lost because of a name.
func (r *downloading) begin(p *provider.DownloadPart) (bellhop.File, error) {
	name := r.path.expand(func(name string) string {
		switch name {
		case "index":
			return strconv.Itoa(p.Index)
		case "ext":
			return p.Format
		case "event":
			return r.ev.ID
		case "source":
			return r.ev.Source
		}
		return p.Values[name]
	})
	f := bellhop.File{Name: name, EventID: r.ev.ID, DestinationID: r.destination.ID, Total: -1,
		ContentType: p.ContentType, DueAt: r.dueAt()}
	got, err := r.env.Files.Begin(r.ctx, f)
	var known *bellhop.Error
	if errors.As(err, &known) && known.Code == bellhop.CodeConflict {
		own := sha256.Sum256([]byte(r.destination.ID + "|" + r.ev.ID))
		f.Name = withSuffix(name, "-"+hex.EncodeToString(own[:6]))
		got, err = r.env.Files.Begin(r.ctx, f)
	}
	return got, err
}

// dueAt returns when the system deletes the files.
func (r *downloading) dueAt() time.Time { return r.plan.At.Add(r.keeps) }

// publish publishes the event that all files are here, once for the same files.
func (r *downloading) publish() (id, kind string, err error) {
	body := downloadedBody{Recording: r.plan.Subject, Chunks: len(r.whole), Missing: r.plan.Missing}
	key := typeDownloaded + "|" + r.ev.ID
	for i, f := range r.whole {
		body.Bytes += f.Size
		body.Files = append(body.Files, downloadedFile{ID: f.ID, Name: f.Name, Index: r.plan.Parts[i].Index,
			Size:   f.Size,
			SHA256: f.SHA256, ContentType: f.ContentType, URL: r.env.PublicURL + "/api/v1/files/" + f.ID + "/content"})
		key += "|" + f.ID
	}
	kind = r.name + "." + r.noun + "." + typeDownloaded
	id, err = publish(r.ctx, r.env, r.destination.ID, key, r.ev, bellhop.Event{Type: kind, Subject: r.plan.Subject,
		ContentType: "application/json", Body: marshal(body)})
	if err != nil {
		err = &publishError{err}
	}
	return id, kind, err
}

// A publishError says that an event could not be stored.
type publishError struct{ cause error }

func (e *publishError) Error() string { return e.cause.Error() }

// remove deletes the files at the system, now that all of them are here. It returns how many it has deleted: files
// that the event does not say how to delete, and those of an event that lacks some, stay until the system deletes
// them.
func (r *downloading) remove() (deleted int, err error) {
	if len(r.plan.Missing) > 0 {
		return 0, nil
	}
	for i := range r.plan.Parts {
		call := r.plan.Parts[i].Delete
		if call.Method == "" {
			continue
		}
		_, err := r.calls.do(r.slice, r.conn, share{}, call, func(a provider.Answer) error {
			switch a.Status {
			case http.StatusOK, http.StatusAccepted, http.StatusNoContent, http.StatusNotFound:
				return nil
			}
			return r.download.Refused(a, r.env.Now())
		})
		if err != nil {
			return deleted, &deleteError{err}
		}
		deleted++
	}
	return deleted, nil
}

// A deleteError says that a file which is here could not be deleted at the system.
type deleteError struct{ cause error }

func (e *deleteError) Error() string { return e.cause.Error() }
func (e *deleteError) Unwrap() error { return e.cause }

// alarm publishes, once, that the files are not here although the system deletes them soon.
func (r *downloading) alarm(done provider.ActionResult) {
	now := r.env.Now()
	soon := r.plan.At.Add(time.Duration(alarmShare * float64(r.keeps)))
	if r.progress.Alarmed || now.Before(soon) || len(r.whole) == len(r.plan.Parts) {
		return
	}
	body := expiringBody{Recording: r.plan.Subject, DueAt: r.dueAt().UTC(), Chunks: len(r.plan.Parts),
		Whole: len(r.whole), Reason: cmp.Or(done.Detail, "the download goes on")}
	for _, f := range r.whole {
		body.Bytes += f.Size
	}
	body.Bytes += r.current.Size
	kind := r.name + "." + r.noun + "." + typeExpiring
	id, err := publish(context.WithoutCancel(r.ctx), r.env, r.destination.ID, typeExpiring+"|"+r.ev.ID, r.ev,
		bellhop.Event{Type: kind, Subject: r.plan.Subject, ContentType: "application/json", Body: marshal(body)})
	args := []any{"action", r.action, "destination_id", r.destination.ID, "destination", r.destination.Name,
		"event_id", r.ev.ID, "published_id", id, "due_at", r.dueAt()}
	if err != nil {
		r.log.Error("download.expiring", append(args, "error", err, "meaning", "the alarm could not be published")...)
		return
	}
	r.progress.Alarmed = true
	r.log.Warn("download.expiring", args...)
}

// skip returns the result for an event that names nothing to download.
func (d *downloader) skip(why string) provider.ActionResult {
	return d.count(provider.ActionResult{Skip: true, Detail: d.action + ": " + why})
}

// refuse returns the result for an event for which nothing is ever called.
func (d *downloader) refuse(code, why string) provider.ActionResult {
	return d.count(provider.ActionResult{Error: code, Detail: why, Final: true})
}

// count counts an attempt, and returns its result.
func (d *downloader) count(done provider.ActionResult) provider.ActionResult {
	outcome := outcomeFetched
	switch {
	case done.Skip:
		outcome = outcomeSkipped
	case done.Parked != "":
		outcome = outcomeParked
	case !done.Continue.IsZero() || done.Short || done.Cut && done.Error == "":
		outcome = outcomeWaiting
	case done.Error != "":
		outcome = outcomeFailed
	}
	d.calls.metrics.count(d.action, outcome)
	return done
}

// note writes the line of one attempt.
func (r *downloading) note(at provider.AttemptInfo, done provider.ActionResult, took time.Duration) {
	level, args := slog.LevelInfo, []any{"action", r.action, "destination_id", r.destination.ID, "destination",
		r.destination.Name, "delivery_id", at.DeliveryID, "attempt", at.Attempt, "event_id", r.ev.ID, "connection_id",
		r.conn.ID, "chunks", len(r.plan.Parts), "whole", len(r.whole), "file_id", r.current.ID, "size", r.current.Size,
		"total", r.current.Total, "fetched_bytes", r.fetched, "resumes", r.resumes, "restarts", r.restarts,
		"duration_ms", took.Milliseconds()}
	if done.Error != "" || done.Short || done.Parked != "" {
		level, args = slog.LevelWarn, append(args, "error", done.Error, "detail", done.Detail)
	}
	r.log.Log(context.Background(), level, "action.downloaded", args...)
}

// marshal writes what can always be written: a struct of texts, numbers and times.
func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("bellhop: write JSON: %v", err))
	}
	return text
}
