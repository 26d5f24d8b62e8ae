package sharepoint

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file finds what notifications have missed, in the change log of a list.

var _ provider.CatchUpper = Provider{}

// OpenChanges implements [provider.CatchUpper].
func (Provider) OpenChanges(env provider.Env, api provider.API, r provider.Registration) (provider.Changes, error) {
	s := subscriptions{now: env.Now, api: api}
	list := ""
	if provider.IsGUID(r.RemoteResource) {
		list = r.RemoteResource
	}
	path := strings.TrimSuffix(s.path(r, ""), "/subscriptions")
	return &changes{log: openLog(env, api, path, list), registration: r}, nil
}

type changes struct {
	log          *Log
	registration provider.Registration
}

// Begin implements [provider.Changes].
func (c *changes) Begin(ctx context.Context, _ string) (string, error) { return c.log.Latest(ctx) }

// Next implements [provider.Changes]. A notification of SharePoint names no item, so all changes are one event. A
// token from before the span is replaced by that of the time at which the span begins: what changed before has been
// told.
func (c *changes) Next(ctx context.Context, cursor string, span provider.Span) (page provider.ChangePage, err error) {
	list, err := c.log.List(ctx)
	if err != nil {
		return page, err
	}
	at, err := readToken(cursor, list)
	if cursor == "" || err == nil && at.Before(span.Since) {
		since := span.Since
		cursor, err = c.log.TokenAt(ctx, since)
		if oldest := c.log.now().Add(-maxTokenAge); err == nil && since.Before(oldest) {
			page.Lost = "the change log keeps 60 days"
		}
		if err != nil {
			return page, err
		}
	}
	got, err := c.log.Next(ctx, cursor)
	if err != nil {
		return page, err
	}
	page.Cursor, page.Last, page.Wait = got.Token, got.Last, got.Wait
	if got.Lost != "" {
		page.Lost = got.Lost
	}
	count := 0
	for _, change := range got.Changes {
		if span.Has(change.At) {
			count++
		}
	}
	if count > 0 {
		page.Changes = []provider.Change{{Event: c.event(list), Count: count,
			Key: "list|" + strconv.FormatInt(span.Since.Unix(), 10)}}
	}
	return page, nil
}

// Key implements [provider.Changes]: no notification tells which change it is about.
func (c *changes) Key(*bellhop.Event) string { return "" }

// event returns the event of a notification that was missed. It has no client state.
func (c *changes) event(list string) bellhop.Event {
	site := "/"
	if at := strings.Index(provider.LowerASCII(c.log.path), apiLists); at > 0 && c.log.path[0] == '/' {
		site = c.log.path[:at]
	}
	body, err := json.Marshal(struct {
		Subscription string `json:"subscriptionId"`
		Resource     string `json:"resource"`
		Site         string `json:"siteUrl"`
	}{c.registration.RemoteID, list, site})
	if err != nil {
		panic(err) // it is made of texts
	}
	return bellhop.Event{Type: TypeChanged, Subject: provider.Subject(list), ContentType: "application/json",
		Body: body}
}
