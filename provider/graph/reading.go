package graph

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// This file is what the action graph.delta needs of Graph's notifications: which resource one is about. The log of
// that resource is in changelog.go.

var _ provider.ChangeReader = Provider{}

// mailboxWidth is how many calls at a time Outlook takes for one application and mailbox.
const mailboxWidth = 4

// ReadingInfo implements [provider.ChangeReader].
func (Provider) ReadingInfo() provider.ReadingInfo {
	return provider.ReadingInfo{
		Name: "graph.delta", Title: "Changes in Microsoft Graph", Width: mailboxWidth,
		Summary: "Asks Graph by delta queries which messages, events, files, users or groups have changed, and " +
			"publishes each as an event graph.delta.changed or graph.delta.removed.",
		Links: []string{"https://learn.microsoft.com/en-us/graph/delta-query-overview"},
		Settings: []provider.Setting{
			{Name: "resource", Title: "Resource", Example: "/me/mailFolders('Inbox')/messages",
				Doc: "The only resource that is read: the messages of a mailbox or of one of its folders, " +
					"`/me/events`, the root of a drive, `/users` or `/groups`. Notifications of resources of " +
					"another kind are skipped. Default: the one that the notification is about."},
			{Name: "first", Title: "First", Example: "all", Choices: firsts,
				Doc: "Where the first run of a resource begins: `now` is 10 minutes before the notification, `all` " +
					"tells everything that there is. Default: `now`."},
			{Name: "select", Title: "Select", Example: "subject,from",
				Doc: "The properties of each object, with commas between them: `$select`. Graph does not apply it " +
					"to the events of a calendar. Default: all that Graph sends unasked."},
			{Name: "start", Title: "Start", Kind: provider.KindDuration, Example: "-24h",
				Doc: "The begin of the window of a calendar, relative to now. Default: `-720h`, 30 days ago."},
			{Name: "end", Title: "End", Kind: provider.KindDuration, Example: "168h",
				Doc: "The end of the window of a calendar, relative to now. Default: `4320h`, in 180 days."},
			{Name: "immutable_ids", Title: "Immutable ids", Kind: provider.KindFlag, Example: "true",
				Doc: "Tell immutable ids of messages and events, which stay the same when an object is " +
					"moved. Default: false."},
		},
	}
}

// A reading is the Reading of one destination, and its settings.
type reading struct {
	provider.FetchSettings
	Resource     string `json:"resource"`
	First        string `json:"first"`
	Select       string `json:"select"`
	Start        string `json:"start"`
	End          string `json:"end"`
	ImmutableIDs bool   `json:"immutable_ids"`

	path   string // of Resource: see normalPath; "" if there is none
	window window
}

const firstAll = "all"

// firsts are the values of the setting first.
var firsts = []string{"now", firstAll}

// OpenReading implements [provider.ChangeReader].
func (Provider) OpenReading(settings json.RawMessage) (provider.Reading, error) {
	r := &reading{}
	decodeErr := provider.DecodeSettings(settings, r)
	_, firstErr := provider.OneOf("first", r.First, "", firsts...)
	selectErr := (&microsoft.FetchOptions{Select: r.Select}).CheckOptions()
	if err := bellhop.Join("", decodeErr, r.readResource(), firstErr, selectErr, r.readWindow()); err != nil {
		return nil, err
	}
	return r, nil
}

// readResource reads the setting resource.
func (r *reading) readResource() error {
	if r.Resource == "" {
		return nil
	}
	refused := func(why string) error { return bellhop.Invalid("resource", why) }
	if strings.ContainsAny(r.Resource, "?#") {
		return refused("use the path alone: properties are chosen by the setting select, and Graph " +
			"has no filter for changes")
	}
	if err := checkResource(r.Resource); err != nil {
		return err
	}
	path, err := normalPath(r.Resource)
	if err != nil {
		return refused("use a path such as /me/mailFolders('Inbox')/messages: " + err.Error())
	}
	kind, ok := deltaKindOf(path)
	switch {
	case !ok:
		return refused(noDelta)
	case kind == deltaCalendar && r.Select != "":
		return bellhop.Invalid("select", "Graph does not apply it to the events of a calendar; leave it out")
	case kind != deltaCalendar && r.Start != "":
		return bellhop.Invalid("start", "goes with the events of a calendar; leave it out")
	case kind != deltaCalendar && r.End != "":
		return bellhop.Invalid("end", "goes with the events of a calendar; leave it out")
	}
	r.path = path
	return nil
}

// Bounds of a window. Graph takes 1,825 days.
const (
	leastWindow = time.Hour
	mostWindow  = 1825 * 24 * time.Hour
)

// readWindow reads the settings start and end.
func (r *reading) readWindow() error {
	r.window = usualWindow
	for _, s := range []struct {
		name, text string
		to         *time.Duration
	}{{"start", r.Start, &r.window.from}, {"end", r.End, &r.window.to}} {
		if s.text == "" {
			continue
		}
		d, err := time.ParseDuration(s.text)
		if err != nil || d.Abs() > mostWindow {
			return bellhop.Invalid(s.name, `use a length of time relative to now, such as "-24h" for a day ago`)
		}
		*s.to = d
	}
	length, at := r.window.to-r.window.from, "end"
	if r.End == "" {
		at = "start"
	}
	if length < leastWindow || length > mostWindow {
		return bellhop.Invalid(at, "the window from start to end must be 1 to 43800 hours long")
	}
	return nil
}

// Common implements [provider.Reading].
func (r *reading) Common() provider.FetchSettings { return r.FetchSettings }

// Find implements [provider.Reading].
func (r *reading) Find(_ context.Context, env provider.Env, calls func(share string) provider.API,
	ev *bellhop.Event) (found provider.FoundLog, err error) {
	path, skip, err := r.pathFor(ev)
	if err != nil || skip != "" {
		return provider.FoundLog{Skip: skip}, err
	}
	resource := path
	kind, _ := deltaKindOf(path)
	if selected := r.selected(kind); selected != "" {
		resource += "?$select=" + url.QueryEscape(selected)
	}
	d, err := OpenDelta(env, calls(shareOf(strings.ToLower(path))), resource, r.ImmutableIDs, true)
	if err != nil {
		return found, err
	}
	d.window = r.window
	return provider.FoundLog{Key: keyOf(path), FromStart: r.First == firstAll, Log: newDeltaLog(d, path)}, nil
}

// keyOf returns the key of the cursor of a resource.
func keyOf(path string) string {
	if len(path) > bellhop.MaxCursorKey {
		return sumOf(path)
	}
	return path
}

// pathFor returns the path of the resource that is to be read for ev, or why there is none.
func (r *reading) pathFor(ev *bellhop.Event) (path, skip string, err error) {
	change, ours := strings.CutPrefix(ev.Type, typePrefix)
	change = strings.TrimPrefix(change, sealedPrefix)
	switch {
	case ours && change == lifecyclePrefix+"missed" && r.path != "":
		return r.path, "", nil
	case !ours || change != "created" && change != "updated" && change != "deleted":
		return "", "it is no notification that something was created, updated or deleted", nil
	}
	resource := strictjson.Member{Name: "resource"}
	if strictjson.FindAll(strictjson.TrimBOM(ev.Body), &resource) != nil || resource.Text() == "" {
		return "", "", &provider.APIError{Kind: provider.APIInvalid, Message: "the notification names no resource"}
	}
	named, err := normalPath(resource.Text())
	if err != nil {
		return "", "", &provider.APIError{Kind: provider.APIInvalid,
			Message: "the notification names a resource that is never called: " + err.Error()}
	}
	path = collectionOf(named)
	kind, ok := deltaKindOf(path)
	if !ok {
		return "", "it is about something else: " + noDelta, nil
	}
	if r.path == "" {
		return path, "", nil
	}
	own, _ := deltaKindOf(r.path)
	if own == deltaFolder {
		own = deltaMailbox // notifications do not name the folder of a message
	}
	if kind == deltaFolder {
		kind = deltaMailbox
	}
	if kind != own {
		return "", "it is about a resource of another kind than the setting resource", nil
	}
	return r.path, "", nil
}

// selected returns the properties to ask for: those of the setting, and those by which it is known what happened. ""
// is all.
func (r *reading) selected(kind deltaKind) string {
	if r.Select == "" || kind == deltaCalendar {
		return ""
	}
	names := strings.Split(r.Select, ",")
	for _, needed := range map[deltaKind][]string{
		deltaMailbox: {"lastModifiedDateTime"},
		deltaFolder:  {"lastModifiedDateTime"},
		deltaDrive:   {"lastModifiedDateTime", "eTag", "deleted", "root"},
	}[kind] {
		if !slices.ContainsFunc(names, func(name string) bool {
			return strings.EqualFold(strings.TrimSpace(name), needed)
		}) {
			names = append(names, needed)
		}
	}
	return strings.Join(names, ",")
}

// pathWords are the names in paths of resources, in lower case. Everything else in a path is an id.
var pathWords = []string{"me", "users", "groups", "sites", "teams", "drive", "drives", "root", "messages",
	"mailfolders", "events", "calendar", "calendarview"}

// normalPath returns the path of a resource without slashes around it, with keys as segments and names in lower case:
// "users/1/messages" for "/Users('1')/Messages". Graph takes any spelling. The error says in words why the path is
// never called.
func normalPath(resource string) (string, error) {
	path, err := provider.ResourcePath(resource)
	if err != nil {
		return "", err
	}
	parts := strings.Split(microsoft.KeysAsSegments(path), "/")
	for i, part := range parts {
		if name := strings.ToLower(part); slices.Contains(pathWords, name) {
			parts[i] = name
		}
	}
	return strings.Join(parts, "/"), nil
}

// collectionOf returns the resource in which something has changed, for what a notification names: the collection of
// an item, and the root of a drive itself. The path is normal.
func collectionOf(path string) string {
	at := strings.LastIndexByte(path, '/')
	if at < 0 || path[at+1:] == "root" {
		return path
	}
	return path[:at]
}

// itemPath returns what an item of a resource is called in events: "users/1/messages/2", "drives/b1/items/3".
func itemPath(kind deltaKind, path, id string) string {
	switch kind {
	case deltaFolder:
		owner, _, _ := strings.Cut(path, "/mailfolders/")
		path = owner + "/messages"
	case deltaCalendar:
		owner := strings.TrimSuffix(path[:strings.LastIndexByte(path, '/')], "/calendar")
		path = owner + "/events"
	case deltaDrive:
		path = strings.TrimSuffix(path, "root") + "items"
	}
	return path + "/" + id
}
