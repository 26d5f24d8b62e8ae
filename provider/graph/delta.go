package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// A Delta walks through the changes of one resource by delta queries. What can be asked differs:
//
//   - the messages of a mailbox are asked folder by folder, since there is no delta query for all. A first round takes
//     the messages received since a time, so that it need not list a whole mailbox
//   - events are asked by a window of a calendar, which stays where it was laid in the first round
//   - drives and the directory can begin at now, drives of businesses also at a time
//
// A Delta is for one goroutine at a time.
// Source: https://learn.microsoft.com/en-us/graph/delta-query-overview
type Delta struct {
	api       provider.API
	now       func() time.Time
	kind      deltaKind
	path      string // below the version, with a slash before it: "/me/messages", "/drives/b1/root"
	query     string // further options of a first round: "$select=subject"
	immutable bool   // items of mailboxes are named by immutable ids
	whole     bool   // items have all members; otherwise those that tell what happened
	window    window // of a calendar
	anew      bool   // the position of the call before was lost
}

// A window is a part of a calendar, from a time to another, both relative to the time at which it is laid.
type window struct{ from, to time.Duration }

// A deltaKind is how a resource is asked for its changes.
type deltaKind int

const (
	deltaMailbox   deltaKind = iota // messages of all folders
	deltaFolder                     // messages of one folder
	deltaCalendar                   // events in a window of the default calendar
	deltaDrive                      // the items of a drive
	deltaDirectory                  // users or groups
)

// deltaKinds are the resources with delta queries, in lower case and without a leading slash and query.
var deltaKinds = []struct {
	kind    deltaKind
	pattern *regexp.Regexp
}{
	{deltaMailbox, re(`^(me|users/[^/]+)/messages$`)},
	{deltaFolder, re(`^(me|users/[^/]+)/mailfolders(\('[^'/]+'\)|/[^/]+)/messages$`)},
	{deltaCalendar, re(`^(me|users/[^/]+)/(calendar/)?(events|calendarview)$`)},
	{deltaDrive, re(`^(.+/)?drives?(/[^/]+)?/root$`)},
	{deltaDirectory, re(`^(users|groups)$`)},
}

// usualWindow is the window of a calendar unless another one is asked for.
var usualWindow = window{from: -30 * 24 * time.Hour, to: 180 * 24 * time.Hour}

// longestWindowLife is the age at which a window is laid anew.
const longestWindowLife = 30 * 24 * time.Hour

// life returns the age at which a window is laid anew: a seventh of its length, and a month at most.
func (w window) life() time.Duration { return min((w.to-w.from)/7, longestWindowLife) }

// receivedBefore is how long before a gap a message may have been received whose changes are looked for without a
// position from before the gap.
const receivedBefore = 30 * 24 * time.Hour

// Bounds of a page.
const (
	deltaPageSize  = "odata.maxpagesize=200"
	deltaPageBytes = 16 << 20
	maxFolders     = 500
)

// OpenDelta returns the walk for a resource: a path such as "/me/messages". whole asks for items with all members. The
// error is an *provider.APIError of APIInvalid that says why the resource has none.
func OpenDelta(env provider.Env, api provider.API, resource string, immutable, whole bool) (*Delta, error) {
	path, query, _ := strings.Cut(strings.Trim(resource, "/"), "?")
	path = strings.Trim(path, "/")
	refused := func(why string) error { return &provider.APIError{Kind: provider.APIInvalid, Message: why} }
	options, err := url.ParseQuery(query)
	switch {
	case err != nil || strings.Contains(path, "//") || strings.Contains(path, ".."):
		return nil, refused("the path of the resource cannot be read")
	case options.Get("$filter") != "":
		return nil, refused("the resource has a $filter, which Graph does not apply to what changed")
	}
	d := &Delta{api: api, now: env.Now, path: "/" + path, immutable: immutable, whole: whole, window: usualWindow}
	if selected := options.Get("$select"); selected != "" {
		d.query = "$select=" + url.QueryEscape(selected)
	}
	kind, ok := deltaKindOf(path)
	if !ok {
		return nil, refused(noDelta)
	}
	d.kind = kind
	return d, nil
}

const noDelta = "Graph tells afterwards only what has changed in messages, in the events of the default calendar, " +
	"in the root of a drive, in users and in groups"

// deltaKindOf returns how the resource at a path without a leading slash is asked; ok is false if it has no delta
// query.
func deltaKindOf(path string) (kind deltaKind, ok bool) {
	path = strings.ToLower(path)
	for _, k := range deltaKinds {
		if k.pattern.MatchString(path) {
			return k.kind, true
		}
	}
	return 0, false
}

// A DeltaItem is an item as a delta query shows it.
type DeltaItem struct {
	ID, ETag              string
	Removed               bool
	CreatedAt, ModifiedAt time.Time // zero if the item does not say
	StartsAt              time.Time // of an event; zero if the item does not say
	Series                string    // of an event that is one of a series: the id of the series
	Body                  json.RawMessage
}

// What a walk cannot find, in words.
const (
	unseenDeleted = "what was deleted"
	unseenBefore  = "what has changed before"
)

// A DeltaPage is one page of a walk. Its members but Items are those of [provider.ChangePage].
type DeltaPage struct {
	Items        []DeltaItem
	Cursor       string
	Last         bool
	Wait         time.Duration
	Lost, Unseen string
	Listing      bool      // the items are what there is; otherwise they are what has changed
	Watched      time.Time // of messages: those received before are not watched
}

// A position is a cursor of a walk, in JSON.
type position struct {
	Links   map[string]string `json:"links,omitempty"`   // where to go on, by folder; "" where there are no folders
	Todo    []string          `json:"todo,omitempty"`    // folders to be asked in this round; the first is under way
	Folders string            `json:"folders,omitempty"` // next link of the list of folders
	Listed  bool              `json:"listed,omitempty"`  // the folders of this round are listed
	Listing bool              `json:"listing,omitempty"` // the folder under way is listed: it has no delta link yet
	// Laid is when a calendar window was laid, or since when messages were received that are watched.
	Laid time.Time `json:"laid,omitzero"`
}

func (p *position) text() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // it is made of texts
	}
	return string(text)
}

// parsePosition reads a cursor. Its error says that the cursor is none of this package.
func parsePosition(cursor string) (p position, err error) {
	if cursor != "" && json.Unmarshal([]byte(cursor), &p) != nil {
		return position{}, errPosition
	}
	if p.Links == nil {
		p.Links = map[string]string{}
	}
	return p, nil
}

var errPosition = &provider.APIError{Kind: provider.APIInvalid, Message: "the stored position cannot be read"}

// Begin returns the cursor of now. See [provider.Changes].
func (d *Delta) Begin(ctx context.Context, before string) (string, error) {
	if d.kind == deltaDrive || d.kind == deltaDirectory {
		return d.latest(ctx)
	}
	p, err := parsePosition(before)
	if err != nil || d.kind == deltaCalendar && d.now().Sub(p.Laid) > d.window.life() {
		before = ""
	}
	var walk provider.Walk
	for cursor := before; ; {
		page, err := d.Next(ctx, cursor, time.Time{})
		if err == nil && !page.Last {
			err = walk.Step(page.Cursor)
		}
		if err != nil || page.Last {
			return page.Cursor, err
		}
		cursor = page.Cursor
	}
}

// latest asks for the position of now, where the resource can.
func (d *Delta) latest(ctx context.Context) (string, error) {
	parameter := "$deltatoken"
	if d.kind == deltaDrive {
		parameter = "token"
	}
	page, err := d.get(ctx, "/v1.0"+d.path+"/delta?"+parameter+"=latest")
	if err == nil && page.Delta == "" {
		err = &provider.APIError{Kind: provider.APIForeign, Message: "the answer has no delta link"}
	}
	if err != nil {
		return "", err
	}
	return (&position{Links: map[string]string{"": page.Delta}}).text(), nil
}

// FromStart is a time before everything: a walk from then lists what there is.
var FromStart = time.Unix(0, 0)

// Next returns one page. With the cursor "" it begins at since, which may be FromStart. For a mailbox, a since of zero
// is now.
func (d *Delta) Next(ctx context.Context, cursor string, since time.Time) (DeltaPage, error) {
	p, err := parsePosition(cursor)
	if err != nil {
		return DeltaPage{Cursor: "", Lost: err.Error()}, nil
	}
	if cursor == "" && d.kind == deltaDirectory && since.After(FromStart) {
		return DeltaPage{}, &provider.APIError{Kind: provider.APIInvalid,
			Message: "the directory can be asked only from a position that was taken before"}
	}
	folder := ""
	if d.kind == deltaMailbox {
		if !p.Listed {
			return d.listFolders(ctx, p)
		}
		if len(p.Todo) == 0 {
			return DeltaPage{Cursor: (&position{Links: p.Links, Laid: p.Laid}).text(), Last: true}, nil
		}
		folder = p.Todo[0]
	}
	link, begins := p.Links[folder], false
	if link == "" {
		p.Listing = d.kind != deltaDrive || !since.After(FromStart)
		if d.kind == deltaCalendar || p.Laid.IsZero() {
			p.Laid, begins = d.begin(since), true
		}
		link = d.first(folder, since, p.Laid)
	}
	page, err := d.get(ctx, link)
	switch {
	case lost(err) && p.Links[folder] != "" && !d.anew:
		return d.restart(ctx, p, folder, link, err)
	case d.kind == deltaMailbox && kindOfError(err) == provider.APIGone: // the folder was deleted since it was listed
		delete(p.Links, folder)
		page, err = deltaAnswer{}, nil
	case err != nil && begins && d.kind == deltaDrive && kindOfError(err) == provider.APIInvalid:
		return DeltaPage{}, &provider.APIError{Kind: provider.APIInvalid,
			Message: "this drive cannot be asked from a time on: " + err.Error()}
	case err != nil:
		return DeltaPage{}, err
	case page.Next == "" && page.Delta == "":
		return DeltaPage{}, errNoLink
	default:
		p.Links[folder] = page.Next + page.Delta
	}
	d.anew = false
	out := DeltaPage{Items: page.items(), Wait: page.wait, Listing: p.Listing}
	if begins && d.kind != deltaDrive && !since.IsZero() {
		out.Unseen = unseenDeleted
	}
	if page.Next == "" {
		p.Listing = false
		p.Todo = p.Todo[min(1, len(p.Todo)):]
		out.Last = len(p.Todo) == 0
		p.Listed = p.Listed && !out.Last
	}
	if d.kind == deltaMailbox || d.kind == deltaFolder {
		out.Watched = p.Laid
	}
	out.Cursor = p.text()
	return out, nil
}

var errNoLink = &provider.APIError{Kind: provider.APIForeign, Message: "the page has neither a next nor a delta link"}

// begin returns Laid of a walk that begins at since: of a calendar, the middle of its window, and of messages the time
// since when those were received that it watches.
func (d *Delta) begin(since time.Time) time.Time {
	at := d.now()
	if !since.IsZero() && d.kind != deltaCalendar {
		at = since.Add(-receivedBefore)
	}
	return at.UTC().Truncate(time.Second)
}

// first returns the path of a first round.
func (d *Delta) first(folder string, since, laid time.Time) string {
	var options []string
	add := func(name string, at time.Time, before string) {
		options = append(options, name+url.QueryEscape(before+at.UTC().Format("2006-01-02T15:04:05Z")))
	}
	path := d.path
	selects := d.query
	switch d.kind {
	case deltaMailbox, deltaFolder:
		if d.kind == deltaMailbox {
			path = strings.TrimSuffix(path, path[strings.LastIndexByte(path, '/'):]) + "/mailFolders/" +
				url.PathEscape(folder) + "/messages"
		}
		if laid.After(FromStart) { // with a filter, Graph lists 5,000 messages at most
			add("$filter=", laid, "receivedDateTime ge ")
		}
		if selects == "" && !d.whole {
			selects = "$select=receivedDateTime,createdDateTime,lastModifiedDateTime"
		}
	case deltaCalendar:
		path = strings.TrimSuffix(path, path[strings.LastIndexByte(path, '/'):]) + "/calendarView"
		add("startDateTime=", laid.Add(d.window.from), "")
		add("endDateTime=", laid.Add(d.window.to), "")
		selects = "" // it is not supported
	case deltaDrive:
		if since.After(FromStart) {
			add("token=", since, "")
		}
	}
	if selects != "" {
		options = append(options, selects)
	}
	return "/v1.0" + path + "/delta?" + strings.Join(options, "&")
}

// listFolders reads one page of the folders of a mailbox.
func (d *Delta) listFolders(ctx context.Context, p position) (DeltaPage, error) {
	link := p.Folders
	if link == "" {
		link = "/v1.0" + d.path[:strings.LastIndexByte(d.path, '/')] + "/mailFolders/delta?$select=id"
	}
	page, err := d.get(ctx, link)
	if err == nil && page.Next == "" && page.Delta == "" {
		err = errNoLink
	}
	if err != nil {
		return DeltaPage{}, err
	}
	for _, it := range page.items() {
		if !it.Removed && !slices.Contains(p.Todo, it.ID) {
			p.Todo = append(p.Todo, it.ID)
		}
	}
	if len(p.Todo) > maxFolders {
		return DeltaPage{}, &provider.APIError{Kind: provider.APIInvalid, Message: "the mailbox has more than 500 " +
			"folders"}
	}
	p.Folders, p.Listed = page.Next, page.Next == ""
	if p.Listed {
		for folder := range p.Links { // of folders that are gone
			if !slices.Contains(p.Todo, folder) {
				delete(p.Links, folder)
			}
		}
	}
	return DeltaPage{Cursor: p.text(), Wait: page.wait}, nil
}

// restart returns the page of a position that Graph does not know any more. A drive is walked from the Location of the
// answer, if that is of the host that was asked; the directory goes on at now, because a first round lists all of it;
// all others begin anew.
func (d *Delta) restart(ctx context.Context, p position, folder, link string, why error) (DeltaPage, error) {
	out := DeltaPage{Lost: "Graph does not know the position any more: " + why.Error(), Unseen: unseenDeleted}
	delete(p.Links, folder)
	d.anew, p.Listing = true, true
	var e *lostError
	switch {
	case d.kind == deltaDirectory:
		cursor, err := d.latest(ctx)
		out.Cursor, out.Last, out.Unseen = cursor, true, unseenBefore
		return out, err
	case d.kind == deltaDrive:
		p.Links[""] = "/v1.0" + d.path + "/delta"
		if errors.As(why, &e) && sameHost(e.location, link) {
			p.Links[""] = e.location
		}
	}
	out.Cursor = p.text()
	if d.kind == deltaCalendar {
		out.Cursor = "" // its window is laid anew
	}
	return out, nil
}

func sameHost(a, b string) bool {
	u, err := url.Parse(a)
	v, bad := url.Parse(b)
	return err == nil && bad == nil && u.Host != "" && u.Scheme == v.Scheme && strings.EqualFold(u.Host, v.Host)
}

// A deltaAnswer is a page in Graph's JSON.
type deltaAnswer struct {
	Value []json.RawMessage `json:"value"`
	Next  string            `json:"@odata.nextLink"`
	Delta string            `json:"@odata.deltaLink"`
	wait  time.Duration
}

// get asks for one page. The error of a position that is lost is a *lostError.
func (d *Delta) get(ctx context.Context, link string) (page deltaAnswer, err error) {
	prefer := deltaPageSize
	if d.immutable && d.kind != deltaDrive && d.kind != deltaDirectory {
		prefer += ", " + preferImmutable
	}
	call := provider.Call{Method: http.MethodGet, Path: link, Header: http.Header{"Prefer": {prefer}},
		MaxBytes: deltaPageBytes}
	answer, err := microsoft.Ask(ctx, d.api, d.now, call, nil, &page)
	if err == nil && page.Value == nil {
		err = microsoft.Lacks(answer, call.Method, "value")
	}
	page.wait = microsoft.Pause(answer)
	err = refine(err, provider.Registration{Resource: d.path})
	var e *provider.APIError
	if errors.As(err, &e) && isLost(e) {
		return page, &lostError{APIError: e, location: answer.Header.Get("Location")}
	}
	return page, err
}

// A lostError says that a position is lost.
type lostError struct {
	*provider.APIError
	location string // where to begin anew, as Graph says; may be "" or of any host
}

// Unwrap returns the failure that Graph told.
func (e *lostError) Unwrap() error { return e.APIError }

// lostCodes are the codes of a lost position, in lower case.
var lostCodes = []string{"resyncrequired", "resyncchangesapplydifferences", "resyncchangesuploaddifferences",
	"syncstatenotfound", "syncstateinvalid", "errorinvalidsyncstatedata"}

func isLost(e *provider.APIError) bool {
	return e.Status == http.StatusGone || e.Status >= 400 && e.Status < 500 &&
		slices.Contains(lostCodes, strings.ToLower(e.Code))
}

// lost reports whether err says that a position is lost. A link that Graph calls a bad request is one of another
// resource, or too old.
func lost(err error) bool {
	var e *lostError
	var refused *provider.APIError
	return errors.As(err, &e) || errors.As(err, &refused) && refused.Status == http.StatusBadRequest
}

func kindOfError(err error) provider.APIErrorKind {
	var e *provider.APIError
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// items reads the items of a page, without the root of a drive, which is in each page, and without what has no id.
func (a *deltaAnswer) items() []DeltaItem {
	var list []DeltaItem
	for _, raw := range a.Value {
		var in struct {
			ID       string          `json:"id"`
			ETag     string          `json:"@odata.etag"`
			FileETag string          `json:"eTag"`
			Created  string          `json:"createdDateTime"`
			Modified string          `json:"lastModifiedDateTime"`
			Removed  json.RawMessage `json:"@removed"`
			Deleted  json.RawMessage `json:"deleted"`
			Root     json.RawMessage `json:"root"`
			Series   string          `json:"seriesMasterId"`
			Start    json.RawMessage `json:"start"`
		}
		if json.Unmarshal(raw, &in) != nil || in.ID == "" || in.Root != nil {
			continue
		}
		it := DeltaItem{ID: in.ID, ETag: in.ETag, Removed: in.Removed != nil || in.Deleted != nil, Body: raw,
			CreatedAt: microsoft.ParseTime(in.Created), ModifiedAt: microsoft.ParseTime(in.Modified),
			StartsAt: calendarTime(in.Start), Series: in.Series}
		if it.ETag == "" {
			it.ETag = in.FileETag
		}
		list = append(list, it)
	}
	return list
}

// calendarTime reads a time of an event, which delta queries tell in UTC. It returns the zero time for anything else.
func calendarTime(raw json.RawMessage) time.Time {
	var at struct {
		Time string `json:"dateTime"`
		Zone string `json:"timeZone"`
	}
	if json.Unmarshal(raw, &at) != nil || at.Zone != "UTC" {
		return time.Time{}
	}
	return microsoft.ParseTime(at.Time)
}
