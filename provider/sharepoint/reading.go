package sharepoint

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file is what the action sharepoint.changes needs of SharePoint: which list a notification is about, and what
// its log tells, as events about items.

var _ provider.ChangeReader = Provider{}

// typeItem begins the types of events about items.
const typeItem = "sharepoint.item."

// fieldsLimit is how many changes one page has at most if each item is fetched.
const fieldsLimit = 100

// ReadingInfo implements [provider.ChangeReader].
func (Provider) ReadingInfo() provider.ReadingInfo {
	return provider.ReadingInfo{Name: "sharepoint.changes", Title: "Changes of a SharePoint list",
		Summary: "Asks SharePoint which items of a list have changed, and publishes an event for each.",
		Links: []string{
			"https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/overview-sharepoint-webhooks"},
		Settings: []provider.Setting{
			{Name: "list", Title: "List", Example: "Documents",
				Doc: "The only list that is read: its title, its id or its URL below `/_api/web/lists`. " +
					"Notifications of other lists are skipped. Default: the list that the notification names."},
			{Name: "site", Title: "Site", Example: "/sites/lab",
				Doc: "The path of the site of `list`. Default: the root site; without `list`, " +
					"that of the notification."},
			{Name: "fields", Title: "Fields", Kind: provider.KindFlag, Example: "true",
				Doc: "Fetch each changed item, and add its fields to the event. Default: false."},
			{Name: "from_start", Title: "From the start", Kind: provider.KindFlag, Example: "true",
				Doc: "The first run of a list reads its whole log, of the last 55 days. Default: it begins 10 " +
					"minutes before the notification."},
		}}
}

// A reading is the Reading of one destination, and its settings.
type reading struct {
	provider.FetchSettings
	List      string `json:"list"`
	Site      string `json:"site"`
	Fields    bool   `json:"fields"`
	FromStart bool   `json:"from_start"`
}

// OpenReading implements [provider.ChangeReader].
func (Provider) OpenReading(settings json.RawMessage) (provider.Reading, error) {
	r := &reading{}
	decodeErr := provider.DecodeSettings(settings, r)
	var listErr error
	if r.List != "" {
		if _, err := listPath(r.List, r.Site); err != nil {
			listErr = bellhop.Invalid("list", "use the title, the id or the URL of a list")
		}
	}
	if err := bellhop.Join("", decodeErr, listErr, checkSite(r.Site)); err != nil {
		return nil, err
	}
	return r, nil
}

// Common implements [provider.Reading].
func (r *reading) Common() provider.FetchSettings { return r.FetchSettings }

// Find implements [provider.Reading].
func (r *reading) Find(ctx context.Context, env provider.Env, calls func(share string) provider.API,
	ev *bellhop.Event) (found provider.FoundLog, err error) {
	if ev.Type != TypeChanged {
		return provider.FoundLog{Skip: "it is not a notification of SharePoint"}, nil
	}
	var n struct {
		Resource string `json:"resource"`
		Site     string `json:"siteUrl"`
	}
	if json.Unmarshal(ev.Body, &n) != nil || !provider.IsGUID(strings.Trim(n.Resource, "{}")) {
		return found, &provider.APIError{Kind: provider.APIInvalid, Message: "the notification names no list"}
	}
	list, site := n.Resource, strings.TrimSuffix(n.Site, "/")
	if r.List != "" {
		list, site = r.List, r.Site
	}
	if !isSite(site) {
		return found, &provider.APIError{Kind: provider.APIInvalid,
			Message: "the notification names a site that is never called"}
	}
	log, err := OpenLog(env, calls(""), list, site)
	if err != nil {
		return found, &provider.APIError{Kind: provider.APIInvalid, Message: err.Error()}
	}
	id, err := log.List(ctx)
	if err != nil {
		return found, err
	}
	if !strings.EqualFold(id, strings.Trim(n.Resource, "{}")) {
		return provider.FoundLog{Skip: "it is of another list"}, nil
	}
	if r.Fields {
		log.limit = fieldsLimit
	}
	return provider.FoundLog{Key: id, FromStart: r.FromStart, Log: &itemLog{log: log, id: id, site: site,
		fields: r.Fields}}, nil
}

// An itemLog tells what has changed in a list as events about its items.
type itemLog struct {
	log      *Log
	id, site string // of the list
	fields   bool   // each item is fetched
}

// Next implements [provider.ChangeLog].
func (l *itemLog) Next(ctx context.Context, cursor string, span provider.Span) (page provider.ChangePage, err error) {
	if cursor == "" {
		if cursor, err = l.log.TokenAt(ctx, span.Since); err != nil {
			return page, err
		}
	}
	got, err := l.log.Next(ctx, cursor)
	if err != nil {
		return page, err
	}
	page.Cursor, page.Last, page.Wait, page.Lost = got.Token, got.Last, got.Wait, got.Lost
	if got.Lost != "" {
		page.Cursor, err = l.log.TokenAt(ctx, span.Since)
		return page, err
	}
	for _, change := range foldChanges(got.Changes) {
		ev, err := l.event(ctx, change)
		if err != nil {
			return provider.ChangePage{}, err
		}
		page.Changes = append(page.Changes, provider.Change{Event: ev, Key: "item|" + change.Token})
	}
	return page, nil
}

// foldChanges returns one change for each item: the last one, unless the item was added on the same page and is still
// there.
func foldChanges(changes []Change) []Change {
	var folded []Change
	for _, change := range changes {
		i := slices.IndexFunc(folded, func(other Change) bool { return other.ItemID == change.ItemID })
		if i >= 0 {
			if folded[i].Kind == Added && change.Kind != Deleted {
				change.Kind = Added
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

// event returns the event of one change.
func (l *itemLog) event(ctx context.Context, change Change) (ev bellhop.Event, err error) {
	body := changedItem{List: l.id, Site: l.site, ItemID: change.ItemID, Change: string(change.Kind)}
	if l.fields && change.Kind != Deleted {
		fields, err := l.log.Item(ctx, change.ItemID)
		var e *provider.APIError
		gone := errors.As(err, &e) && e.Kind == provider.APIGone // deleted since: the log tells it next
		if err != nil && !gone {
			return ev, err
		}
		if !gone {
			body.Fields = fields
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return ev, &provider.APIError{Kind: provider.APIForeign, Message: "the item is no JSON"}
	}
	return bellhop.Event{Type: typeItem + string(change.Kind), Time: change.At, ContentType: "application/json",
		Subject: l.id + "/items/" + strconv.Itoa(change.ItemID), Body: text}, nil
}
