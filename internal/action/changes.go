package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/sharepoint"
)

// Changes is the action sharepoint.changes: it reads the change log of the list that a notification of SharePoint names,
// from where it has read it before, and publishes an event for each item that has changed. See docs/FETCH.md.
type Changes struct {
	Calls *Calls // counts
}

// nameChanges is the type of such destinations, and the beginning of the types of the events.
const (
	nameChanges = "sharepoint.changes"
	typeItem    = "sharepoint.item."
)

// firstMargin is how long before its notification the first run of a list begins.
const firstMargin = 10 * time.Minute

// busyPause is how long a notification waits while the list that it names is being read.
const busyPause = 500 * time.Millisecond

// Info describes the destinations.
func (Changes) Info() provider.Info {
	return provider.Info{Name: nameChanges, Title: "Changes of a SharePoint list",
		Summary: "Asks SharePoint which items of a list have changed, and publishes an event for each.",
		Links:   []string{"https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/overview-sharepoint-webhooks"},
		SendSettings: []provider.Setting{
			{Name: connectionSetting, Title: "Connection", Example: "site", Required: true,
				Doc: "The connection of provider `sharepoint` in whose name the calls are made, by name or id."},
			{Name: "list", Title: "List", Example: "Documents",
				Doc: "The only list that is read: its title, its id or its URL below `/_api/web/lists`. Notifications of other " +
					"lists are skipped. Default: the list that the notification names."},
			{Name: "site", Title: "Site", Example: "/sites/lab",
				Doc: "The path of the site of `list`. Default: the root site; without `list`, that of the notification."},
			{Name: "fields", Title: "Fields", Kind: provider.KindFlag, Example: "true",
				Doc: "Fetch each changed item, and add its fields to the event. Default: false."},
			{Name: "from_start", Title: "From the start", Kind: provider.KindFlag, Example: "true",
				Doc: "The first run of a list reads its whole log, of the last 55 days. Default: it begins 10 minutes before " +
					"the notification."},
		},
		Concurrency: fetchConcurrency, Timeout: time.Minute, Errors: callErrors}
}

// changesSettings are the settings of one destination.
type changesSettings struct {
	Connection string `json:"connection"`
	List       string `json:"list"`
	Site       string `json:"site"`
	Fields     bool   `json:"fields"`
	FromStart  bool   `json:"from_start"`
}

// OpenAction checks the settings of d, and that its connection exists and is one of SharePoint.
func (x Changes) OpenAction(env provider.ActionEnv, d bellhop.Destination) (provider.Performer, error) {
	if env.Publish == nil || env.Cursors == nil {
		return nil, bellhop.Invalid("type", "this server takes no events from actions, or keeps no positions")
	}
	var s changesSettings
	if err := provider.DecodeSettings(d.Settings, &s); err != nil {
		return nil, bellhop.Join("settings", err)
	}
	conn, err := openConnection(env, s.Connection, "sharepoint")
	var listErr error
	if s.List != "" {
		_, listErr = sharepoint.OpenLog(env.Env, conn.API, s.List, s.Site)
		var e *bellhop.Error
		if errors.As(listErr, &e) {
			listErr = bellhop.Invalid("list", "use the title, the id or the URL of a list")
		}
	}
	if err := bellhop.Join("settings", err, listErr); err != nil {
		return nil, err
	}
	return &changesReader{env: env, destination: d, settings: s, conn: conn, metrics: x.Calls.metrics,
		lists: map[string]*listRuns{}}, nil
}

// A changesReader is the Performer of one destination.
type changesReader struct {
	env         provider.ActionEnv
	destination bellhop.Destination
	settings    changesSettings
	conn        provider.Connection
	metrics     *metrics

	mu    sync.Mutex           // guards lists and what is in it
	lists map[string]*listRuns // by the id of the list
}

// listRuns is what is known of the runs of one list: they go one after another.
type listRuns struct {
	running bool
	served  time.Time // when the latest run began that came to the end of the log; zero if none has
}

// maxLists bounds the lists that are remembered. A list that is forgotten costs a call, and no event.
const maxLists = 4096

// Perform reads the log of the list that ev names, unless a run that began after ev came in has done so.
func (c *changesReader) Perform(ctx context.Context, ev *bellhop.Event, _ provider.AttemptInfo) provider.ActionResult {
	var n struct {
		Resource string `json:"resource"`
		Site     string `json:"siteUrl"`
	}
	if ev.Type != sharepoint.TypeChanged || ev.Header.Get(bellhop.CauseHeader) != "" {
		return provider.ActionResult{Skip: true, Detail: "it is not a notification of SharePoint"}
	}
	if json.Unmarshal(ev.Body, &n) != nil || !provider.IsGUID(strings.Trim(n.Resource, "{}")) {
		return provider.ActionResult{Error: errorInvalid, Final: true, Detail: "the notification names no list"}
	}
	list, site := n.Resource, strings.TrimSuffix(n.Site, "/")
	if c.settings.List != "" {
		list, site = c.settings.List, c.settings.Site
	}
	if site != "" && (!strings.HasPrefix(site, "/") || strings.HasPrefix(site, "//") || strings.ContainsAny(site, "?#'\\") ||
		strings.Contains(site, "..")) {
		return provider.ActionResult{Error: errorInvalid, Final: true, Detail: "the path of the site is none"}
	}
	log, err := sharepoint.OpenLog(c.env.Env, c.conn.API, list, site)
	if err != nil {
		return provider.ActionResult{Error: errorInvalid, Final: true, Detail: err.Error()}
	}
	id, err := log.List(ctx)
	if err != nil {
		return c.failed(ctx, err)
	}
	if !strings.EqualFold(id, strings.Trim(n.Resource, "{}")) {
		return provider.ActionResult{Skip: true, Detail: "it is of another list"}
	}
	runs, begins := c.begin(id, ev.ReceivedAt)
	switch {
	case !begins && runs == nil:
		c.metrics.count(nameChanges, outcomeFolded)
		return provider.ActionResult{Reply: []byte(`{"served_by":"a later run"}`)}
	case !begins:
		c.metrics.count(nameChanges, outcomeWaiting)
		return provider.ActionResult{Continue: c.env.Now().Add(busyPause), Reply: []byte("waits for another run of the list")}
	}
	begun, whole := c.env.Now(), false
	defer func() { c.end(runs, begun, whole) }() // after a panic too: the next run of the list can begin
	var done provider.ActionResult
	done, whole = c.run(ctx, log, id, site, ev)
	return done
}

// begin takes the list for a run. It returns no runs if a run has served an event that came in then, and begins is
// false if one is under way.
func (c *changesReader) begin(id string, receivedAt time.Time) (runs *listRuns, begins bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	runs = c.lists[id]
	if runs == nil {
		if len(c.lists) >= maxLists {
			for other, r := range c.lists {
				if !r.running {
					delete(c.lists, other)
				}
			}
		}
		runs = &listRuns{}
		c.lists[id] = runs
	}
	switch {
	case runs.running:
		return runs, false
	case runs.served.After(receivedAt) && !runs.served.After(c.env.Now()): // not if the clock was set back
		return nil, false
	}
	runs.running = true
	return runs, true
}

func (c *changesReader) end(runs *listRuns, begun time.Time, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	runs.running = false
	if whole {
		runs.served = begun
	}
}

// A changesReply is what an attempt keeps, in JSON.
type changesReply struct {
	Published int    `json:"published"`
	Lost      string `json:"lost,omitempty"` // why changes may be missing
}

// run reads the log from the stored position to its end. The position is saved after each page, once its events are
// stored. whole reports that it came to the end.
func (c *changesReader) run(ctx context.Context, log *sharepoint.Log, id, site string,
	ev *bellhop.Event) (done provider.ActionResult, whole bool) {
	stored, err := c.env.Cursors.Cursor(ctx, c.destination.ID, id)
	token := stored.Value
	if err == nil && token == "" {
		since := ev.ReceivedAt.Add(-firstMargin)
		if c.settings.FromStart {
			since = time.Time{}
		}
		token, err = log.TokenAt(ctx, since)
	}
	if err != nil {
		return c.failed(ctx, err), false
	}
	var walk provider.Walk
	var kept changesReply
	for {
		if err := walk.Step(token); err != nil {
			return c.failed(ctx, err), false
		}
		page, err := log.Next(ctx, token)
		if err != nil {
			return c.failed(ctx, err), false
		}
		if page.Lost != "" {
			kept.Lost = page.Lost
			c.env.Logger.Warn("action.position_lost", "component", "action", "action", nameChanges, "destination_id",
				c.destination.ID, "destination", c.destination.Name, "list", id, "reason", page.Lost)
		}
		for _, change := range foldChanges(page.Changes) {
			if failure, ok := c.publish(ctx, log, id, site, ev, change); !ok {
				return failure, false
			}
			kept.Published++
		}
		token = page.Token
		err = c.env.Cursors.SaveCursor(ctx, c.destination.ID, id, bellhop.Cursor{Value: token, SavedAt: c.env.Now()})
		if err != nil {
			return provider.ActionResult{Error: errorPublish, Detail: "the position could not be stored"}, false
		}
		if page.Last {
			c.metrics.count(nameChanges, outcomeFetched)
			text, err := json.Marshal(kept)
			if err != nil {
				panic(fmt.Sprintf("bellhop: write a reply: %v", err)) // of texts
			}
			return provider.ActionResult{Reply: text}, true
		}
		if page.Wait > 0 {
			return provider.ActionResult{Continue: c.env.Now().Add(page.Wait), Reply: []byte("SharePoint asks to wait")}, false
		}
	}
}

// foldChanges returns one change for each item: the last one, unless the item was added on the same page and is still
// there.
func foldChanges(changes []sharepoint.Change) []sharepoint.Change {
	var folded []sharepoint.Change
	for _, change := range changes {
		i := slices.IndexFunc(folded, func(other sharepoint.Change) bool { return other.ItemID == change.ItemID })
		if i >= 0 {
			if folded[i].Kind == sharepoint.Added && change.Kind != sharepoint.Deleted {
				change.Kind = sharepoint.Added
			}
			folded = slices.Delete(folded, i, i+1)
		}
		folded = append(folded, change)
	}
	return folded
}

// A changedItem is the body of an event.
type changedItem struct {
	List   string          `json:"list"`
	Site   string          `json:"site"`
	ItemID int             `json:"item_id"`
	Change string          `json:"change"`
	Fields json.RawMessage `json:"fields,omitempty"`
}

// publish publishes the event of one change. ok is false if that failed.
func (c *changesReader) publish(ctx context.Context, log *sharepoint.Log, id, site string, cause *bellhop.Event,
	change sharepoint.Change) (failure provider.ActionResult, ok bool) {
	body := changedItem{List: id, Site: site, ItemID: change.ItemID, Change: string(change.Kind)}
	if c.settings.Fields && change.Kind != sharepoint.Deleted {
		fields, err := log.Item(ctx, change.ItemID)
		var gone *provider.APIError
		if err != nil && !(errors.As(err, &gone) && gone.Kind == provider.APIGone) { // deleted since: the log tells it next
			return c.failed(ctx, err), false
		}
		if err == nil {
			body.Fields = fields
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return provider.ActionResult{Error: errorForeign, Detail: "the item is no JSON"}, false
	}
	found := bellhop.Event{Type: typeItem + string(change.Kind), Time: change.At, ContentType: "application/json",
		Subject: id + "/items/" + strconv.Itoa(change.ItemID), Body: text}
	_, err = publish(ctx, c.env, c.destination.ID, "item|"+change.Token, cause, found)
	if err != nil {
		return unpublished(ctx, err), false
	}
	return failure, true
}

// failed returns the result of an attempt whose call brought err. It waits for as long as SharePoint asks.
func (c *changesReader) failed(ctx context.Context, err error) provider.ActionResult {
	done := failure(ctx, c.conn, err)
	var e *provider.APIError
	if errors.As(err, &e) && e.Kind == provider.APITemporary && e.RetryAfter > 0 {
		done = provider.ActionResult{Continue: c.env.Now().Add(e.RetryAfter), Reply: []byte("SharePoint asks to wait")}
	}
	c.metrics.count(nameChanges, outcomeOf(done))
	return done
}
