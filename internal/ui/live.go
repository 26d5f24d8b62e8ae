package ui

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file shows what happens as it happens: the page of the tail, and the stream that pages follow. A page gets four
// messages a second at most, each with a bounded number of rows and how many were left out, so that it stays usable
// whatever happens at the server. Nothing runs here while no page is open.

func (s *server) live() {
	s.page("/live", viewer, s.showLive)
	s.page("/stream", viewer, s.followStream)
}

// Bounds of the streams of pages.
const (
	maxStreams        = 64 // of all people
	maxSessionStreams = 4  // of one session: a browser closes those of hidden tabs
	maxLiveRows       = 50 // of one message, and of the page at first
	liveRate          = 200
	livePause         = 250 * time.Millisecond // between two messages
	liveCheck         = 15 * time.Second       // between two looks at the session, and between two signs of life
	liveTimeout       = 30 * time.Second       // for one write
)

// streams counts the streams that are open.
type streams struct {
	mu        sync.Mutex // guards the fields below
	all       int
	bySession map[string]int // by the token
}

// enter takes a place for a stream of a session; ok is false if there is none. leave gives it back.
func (s *streams) enter(token string) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxStreams || s.bySession[token] >= maxSessionStreams {
		return nil, false
	}
	if s.bySession == nil {
		s.bySession = map[string]int{}
	}
	s.all++
	s.bySession[token]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		s.bySession[token]--
		if s.bySession[token] == 0 {
			delete(s.bySession, token)
		}
	}, true
}

// A liveRow is one thing that happened, as a row of the tail. Its texts are harmless and short.
type liveRow struct {
	Time  client.Time `json:"-"`
	At    string      `json:"at"` // the time for programs, with milliseconds
	Kind  string      `json:"kind"`
	State stateText   `json:"state"`
	Where string      `json:"where"` // the source or the destination
	What  string      `json:"what"`
	More  string      `json:"more"`
	To    link        `json:"to"`
}

// Bounds of the texts of a row, in characters.
const (
	maxRowText = 80
	maxRowMore = 160
)

// newRow returns a row with its texts made visible.
func newRow(at client.Time, kind, state, where, what, more, to string) liveRow {
	short := func(text string, n int) string { return visible(clip(text, n), false) }
	return liveRow{Time: at, At: iso(at), Kind: kind, State: stateOf(state), Where: short(where, maxRowText),
		What: short(what, maxRowText), More: short(more, maxRowMore), To: link(Root + to)}
}

// rowOf returns the row of an item of the stream; ok is false if it is none.
func rowOf(item client.StreamItem) (row liveRow, ok bool) {
	switch {
	case item.Event != nil:
		return eventLine(item.Event.Event, item.Event.Deliveries), true
	case item.Request != nil:
		return requestLine(*item.Request), true
	case item.Attempt != nil:
		a := item.Attempt
		more := a.Detail
		if more == "" {
			more = strconv.Itoa(a.Status) + " in " + took(a.DurationMS)
		}
		return newRow(item.At, "attempt "+strconv.Itoa(a.Number), a.State, a.Destination, a.Type, more,
			"deliveries/"+url.PathEscape(a.DeliveryID)), true
	case item.Change != nil:
		ch := item.Change
		return newRow(item.At, ch.Noun, ch.State, ch.Name, ch.Action, ch.Reason, pathOfNoun(ch)), true
	}
	return row, false
}

// eventLine returns the row of an event with that many deliveries; -1 is an unknown number.
func eventLine(ev client.Event, deliveries int) liveRow {
	more := ev.Subject
	if ev.Sample {
		more = strings.TrimSuffix("sample, "+more, ", ")
	}
	if deliveries >= 0 {
		more = strings.TrimPrefix(more+", to "+strconv.Itoa(deliveries), ", ")
	}
	return newRow(ev.ReceivedAt, "event", "accepted", ev.Source, ev.Type, more, "events/"+url.PathEscape(ev.ID))
}

// requestLine returns the row of a request on record.
func requestLine(r client.Request) liveRow {
	what := strings.TrimSpace(strconv.Itoa(r.Status) + " " + r.Reason)
	return newRow(r.ReceivedAt, "request", r.Outcome, requestPlace(r), what, r.Detail,
		"requests/"+url.PathEscape(r.ID))
}

// pathOfNoun returns where to look at what changed.
func pathOfNoun(c *client.StreamChange) string {
	if c.Noun == "destination" {
		return "deliveries?destination=" + url.QueryEscape(c.Name)
	}
	return "events"
}

// liveKinds are the tabs of the tail.
var liveKinds = []option{{"", "All"}, {"event.accepted", "Events"}, {"delivery.attempted", "Attempts"},
	{"request.refused,request.handshake", "Requests"},
	{"source.changed,destination.changed,connection.changed,subscription.changed", "Changes"}}

// livePage is what the tail shows at first: the newest events and requests. A module adds what happens from then on.
type livePage struct {
	Path    link
	Here    link
	Stream  link
	Tabs    []tab
	Filter  form
	Rows    []liveRow
	Command command
}

func (s *server) showLive(v *visit) error {
	query := v.r.URL.Query()
	query.Del("did")
	f := newForm(query,
		field{Name: "source", Label: "Source", Known: v.sourceNames()},
		field{Name: "destination", Label: "Destination", Known: v.destinationNames()},
		field{Name: "type", Label: "Type", Hint: "Of the event: a whole type, or a beginning and *"},
		field{Name: "kinds", Label: "Kinds", Kind: "hidden"},
		field{Name: "outcome", Label: "Outcome", Kind: "hidden"},
	)
	page := livePage{Path: Root + "live", Here: withQuery(Root+"live", query), Tabs: tabs(query, Root+"live", "kinds",
		liveKinds), Filter: f}
	var err error
	page.Rows, err = v.latest(f)
	err = f.accepts(err)
	if err != nil {
		return err
	}
	flags := []flagValue{{"kinds", "kinds", f.get("kinds")}, {"source", "source", f.get("source")},
		{"destination", "destination", f.get("destination")}, {"type", "type", f.get("type")},
		{"outcome", "outcome", f.get("outcome")}}
	page.Command = s.get("tail", "/stream", flags...)
	if !f.Invalid() {
		page.Stream = v.liveStream(flags...)
	}
	v.show(statusOf(f), "live", "Live", page)
	return nil
}

// liveStream returns the URL of the stream that a page follows. Its fragment, which stays in the browser, differs from
// session to session, so that windows do not share the stream of a session that another one has followed.
func (v *visit) liveStream(parameters ...flagValue) link {
	path, query := Root+"stream", url.Values{}
	if v.portal != nil {
		path = PortalRoot + "stream"
	}
	for _, p := range parameters {
		query.Set(p.Parameter, p.Value)
	}
	of := sha256.Sum256([]byte("stream of " + v.session()))
	return withQuery(path, query) + link("#"+hex.EncodeToString(of[:6]))
}

// latest returns the newest events and requests that the filter of the tail chooses, the newest first. Attempts and
// changes are in no list by their time.
func (v *visit) latest(f form) (rows []liveRow, err error) {
	wants := func(kind string) bool {
		return f.get("destination") == "" && f.get("outcome") == "" &&
			(f.get("kinds") == "" || slices.Contains(strings.Split(f.get("kinds"), ","), kind))
	}
	page := client.Page{Limit: maxLiveRows}
	if wants("event.accepted") {
		filter := client.EventFilter{Source: f.get("source"), Type: f.get("type")}
		l, err := searched(v, func(ctx context.Context) (client.List[client.Event], error) {
			return v.API.Events(ctx, filter, page)
		})
		if err != nil {
			return nil, err
		}
		for _, ev := range l.Data {
			rows = append(rows, eventLine(ev, -1))
		}
	}
	if wants("request.refused") && f.get("type") == "" {
		l, err := searched(v, func(ctx context.Context) (client.List[client.Request], error) {
			return v.API.Requests(ctx, client.RequestFilter{Source: f.get("source")}, page)
		})
		if err != nil {
			return nil, err
		}
		for _, r := range l.Data {
			if r.Outcome != "accepted" {
				rows = append(rows, requestLine(r))
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b liveRow) int { return strings.Compare(b.At, a.At) })
	return rows[:min(len(rows), maxLiveRows)], nil
}

// A liveMessage is what a page gets at a time.
type liveMessage struct {
	Rows []liveRow `json:"rows"` // the oldest first
	Left int       `json:"left"` // how many more happened before the last of them
}

// A liveNote is a message about the stream itself.
type liveNote struct {
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

// errTooManyStreams is the error for a stream that gets no place.
var errTooManyStreams = &client.Error{Status: http.StatusServiceUnavailable,
	Detail: "as many live pages as there may be are open: close one of them"}

// followStream sends a page what happens, until it is closed, the session ends or the server stops.
func (s *server) followStream(v *visit) error {
	places := &s.streams
	if v.portal != nil {
		places = &s.visits // visitors take no places of the people here
	}
	leave, ok := places.enter(v.session())
	if !ok {
		return errTooManyStreams
	}
	defer leave()
	query := v.r.URL.Query()
	list := func(name string) []string {
		return slices.DeleteFunc(strings.Split(query.Get(name), ","), func(word string) bool { return word == "" })
	}
	filter := client.StreamFilter{Kinds: list("kinds"), Source: query.Get("source"),
		Destination: query.Get("destination"), Type: query.Get("type"), Subject: query.Get("subject"),
		Tenant: query.Get("tenant"), Outcomes: list("outcome"), Rate: liveRate}
	// A browser that comes back names the position in a header, and a page that goes on in place of another one in its
	// URL, where the header is newer.
	after := cmp.Or(v.r.Header.Get("Last-Event-ID"), query.Get("after"))
	ctx, stop := context.WithCancel(v.ctx)
	items := make(chan streamed, maxLiveRows)
	go func() {
		defer close(items)
		for item, err := range s.API.StreamOnce(ctx, filter, after) {
			select {
			case items <- streamed{item, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		stop()
		for range items {
		}
	}()
	first := <-items
	if first.err != nil {
		return first.err
	}
	f := &liveFollower{visit: v, control: http.NewResponseController(v.w)}
	f.run(first, items)
	return nil
}

// A streamed is an item of the stream, or its last error.
type streamed struct {
	item client.StreamItem
	err  error
}

// A liveFollower writes the stream to one page.
type liveFollower struct {
	*visit
	control *http.ResponseController
	message liveMessage // that is not written yet
	id      string      // the position after it
	gone    bool        // a write has failed
}

// run writes items until there are no more, the page is closed or the session ends.
func (f *liveFollower) run(first streamed, items <-chan streamed) {
	h := f.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // of a proxy in front, which would keep messages until it has many
	f.control.SetReadDeadline(time.Time{})
	f.write("retry: 2000\n\n")
	f.add(first.item)
	pause, check := time.NewTicker(livePause), time.NewTicker(liveCheck)
	defer pause.Stop()
	defer check.Stop()
	for !f.gone {
		select {
		case got, more := <-items:
			if !more || got.err != nil {
				f.flush()
				return
			}
			f.add(got.item)
		case <-pause.C:
			f.flush()
		case <-check.C:
			err := f.checkSession()
			if err != nil {
				f.flush()
				f.note("end", liveNote{"session", f.farewell()})
				return
			}
			f.write(":\n\n")
		}
	}
}

// farewell says that the session has ended.
func (f *liveFollower) farewell() string {
	if f.portal != nil {
		return "Your visit has ended. Open the page again where you came from."
	}
	return "Your session has ended. Reload the page to sign in again."
}

// add takes an item into the next message. Of too many rows the oldest are left out.
func (f *liveFollower) add(item client.StreamItem) {
	if item.ID != "" && f.portal == nil {
		f.id = item.ID
	}
	row, ok := rowOf(item)
	switch {
	case ok && f.portal != nil: // its lists need to hear that something happened, and its visitor sees no sources
		f.message.Left++
	case ok:
		f.message.Rows = append(f.message.Rows, row)
		if more := len(f.message.Rows) - maxLiveRows; more > 0 {
			f.message.Rows = slices.Delete(f.message.Rows, 0, more)
			f.message.Left += more
		}
	case item.Skipped != nil:
		f.message.Left += item.Skipped.Count
	case item.Gap != nil:
		f.flush()
		f.note("gap", liveNote{item.Gap.Reason, sentence(visible(clip(item.Gap.Detail, maxRowMore), false))})
	case item.End != nil:
		f.flush()
		f.note("end", liveNote{item.End.Reason, sentence(visible(clip(item.End.Detail, maxRowMore), false))})
	}
}

// flush writes the message, unless it is empty.
func (f *liveFollower) flush() {
	if len(f.message.Rows) == 0 && f.message.Left == 0 {
		return
	}
	f.note("rows", f.message)
	f.message.Rows, f.message.Left = f.message.Rows[:0], 0
}

// note writes a message of a kind.
func (f *liveFollower) note(kind string, data any) {
	text, err := json.Marshal(data)
	if err != nil { // which no message gives
		return
	}
	id := ""
	if f.id != "" { // of a portal there is none: it tells how much happens to others
		id = "id: " + f.id + "\n"
	}
	f.write(id + "event: " + kind + "\ndata: " + string(text) + "\n\n")
}

// write sends text at once.
func (f *liveFollower) write(text string) {
	f.control.SetWriteDeadline(time.Now().Add(liveTimeout))
	_, err := f.w.Write([]byte(text))
	if err == nil {
		err = f.control.Flush()
	}
	f.gone = f.gone || err != nil
}
