package outlook

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// This file finds what notifications have missed, by lists of the items that were modified since a time. What was
// deleted is in no list.

var _ provider.CatchUpper = Provider{}

// OpenChanges implements [provider.CatchUpper].
func (Provider) OpenChanges(env provider.Env, api provider.API, r provider.Registration) (provider.Changes, error) {
	path, query, _ := strings.Cut(relative(r.Resource), "?")
	options, err := url.ParseQuery(query)
	if err != nil || strings.Contains(path, "//") || strings.Contains(path, "..") {
		return nil, &provider.APIError{Kind: provider.APIInvalid, Message: "the path of the resource cannot be read"}
	}
	return &changes{now: env.Now, api: api, registration: r, path: prefix + path, filter: options.Get("$filter")}, nil
}

type changes struct {
	now          func() time.Time
	api          provider.API
	registration provider.Registration
	path, filter string // of the resource
}

// A position is a cursor, in JSON: the items modified since a time, but for the first ones, which were read.
type position struct {
	Since time.Time `json:"since"`
	Skip  int       `json:"skip,omitempty"`
}

// Begin implements [provider.Changes]: a list can begin at any time.
func (c *changes) Begin(context.Context, string) (string, error) { return "", nil }

// pageSize is how many items a page has at most.
const pageSize = 100

// Next implements [provider.Changes]. Each page begins at the time of the last item of the page before, because an
// item that is modified meanwhile moves to the end, and all behind it move up.
func (c *changes) Next(ctx context.Context, cursor string, span provider.Span) (page provider.ChangePage, err error) {
	p := position{Since: span.Since}
	if cursor != "" && json.Unmarshal([]byte(cursor), &p) != nil {
		return provider.ChangePage{Lost: "the stored position cannot be read"}, nil
	}
	p.Since = p.Since.UTC()
	filter := "LastModifiedDateTime ge " + p.Since.Format(time.RFC3339Nano)
	if c.filter != "" {
		filter = "(" + c.filter + ") and " + filter
	}
	options := url.Values{"$filter": {filter}, "$orderby": {"LastModifiedDateTime"}, "$top": {strconv.Itoa(pageSize)},
		"$select": {"Id,CreatedDateTime,LastModifiedDateTime"}}
	if p.Skip > 0 {
		options.Set("$skip", strconv.Itoa(p.Skip))
	}
	call := provider.Call{Method: http.MethodGet, Path: c.path + "?" + strings.ReplaceAll(options.Encode(),
		"+", "%20"),
		Header: http.Header{"Accept": {"application/json;odata.metadata=minimal"}}}
	var out struct {
		Value []found `json:"value"`
		Next  string  `json:"@odata.nextLink"`
	}
	answer, err := microsoft.Ask(ctx, c.api, c.now, call, nil, &out)
	if err == nil && out.Value == nil {
		err = microsoft.Lacks(answer, call.Method, "value")
	}
	if err != nil {
		return page, refine(err, c.registration)
	}
	page = provider.ChangePage{Last: out.Next == "" || len(out.Value) == 0, Wait: microsoft.Pause(answer)}
	if slices.Contains(c.registration.ChangeTypes, "deleted") {
		page.Unseen = "what was deleted"
	}
	last := p.Since
	for _, it := range out.Value {
		page.Changes = append(page.Changes, c.of(it, span)...)
		if at := microsoft.ParseTime(it.Modified); at.After(last) {
			last = at
		}
	}
	next := position{Since: last}
	if last.Equal(p.Since) { // all of one time
		next.Skip = p.Skip + len(out.Value)
	}
	text, err := json.Marshal(next)
	page.Cursor = string(text)
	return page, err
}

// A found is an item of a list, as far as it is read here.
type found struct {
	ID       string `json:"Id"`
	URL      string `json:"@odata.id"`
	ETag     string `json:"@odata.etag"`
	Created  string `json:"CreatedDateTime"`
	Modified string `json:"LastModifiedDateTime"`
}

// of returns the changes of an item of which notifications would have told.
func (c *changes) of(it found, span provider.Span) (list []provider.Change) {
	created, modified := microsoft.ParseTime(it.Created), microsoft.ParseTime(it.Modified)
	isNew := !created.IsZero() && span.Has(created)
	wants := func(change string) bool { return slices.Contains(c.registration.ChangeTypes, change) }
	if it.ID == "" {
		return nil
	}
	if isNew && wants("created") {
		list = append(list, provider.Change{Event: c.event("Created", it), Key: keyOf(it.ID, "Created", it.ETag)})
	}
	if span.Has(modified) && wants("updated") && !(isNew && modified.Sub(created) < time.Second) {
		list = append(list, provider.Change{Event: c.event("Updated", it), Key: keyOf(it.ID, "Updated", it.ETag)})
	}
	return list
}

// keyOf returns the key of a change: an item is created and deleted once, and updated once for each etag.
func keyOf(id, change, etag string) string {
	if change != "Updated" {
		return id + "|" + change
	}
	return id + "|" + etag
}

// Key implements [provider.Changes].
func (c *changes) Key(ev *bellhop.Event) string {
	change, ok := strings.CutPrefix(ev.Type, typePrefix)
	data := strictjson.Member{Name: "ResourceData"}
	if !ok || strictjson.FindFold(ev.Body, &data) != nil {
		return ""
	}
	id, etag := strictjson.Member{Name: "Id"}, strictjson.Member{Name: "@odata.etag"}
	if strictjson.FindFold(data.Value, &id, &etag) != nil || id.Text() == "" {
		return ""
	}
	return keyOf(id.Text(), change, etag.Text())
}

// event returns the event of a notification that was missed.
func (c *changes) event(change string, it found) bellhop.Event {
	collection := collectionOf(c.registration.Resource)
	name := strings.ToUpper(collection[:1]) + collection[1:]
	at := it.URL
	if at == "" {
		at = "https://outlook.office.com" + prefix + ownerOf(c.registration.Resource) + "/" + name + "('" + it.ID +
			"')"
	}
	odataType := "#Microsoft.OutlookServices." + strings.TrimSuffix(name, "s")
	body, err := json.Marshal(map[string]any{"@odata.type": "#Microsoft.OutlookServices.Notification", "Id": nil,
		"SubscriptionId": c.registration.RemoteID, "ChangeType": change, "Resource": at,
		"ResourceData": map[string]any{
			"@odata.type": odataType, "@odata.id": at, "@odata.etag": it.ETag, "Id": it.ID}})
	if err != nil {
		panic(err) // it is made of texts
	}
	return bellhop.Event{Type: typePrefix + change, Subject: provider.Subject(at), ContentType: "application/json",
		Body: body}
}
