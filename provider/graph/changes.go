package graph

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// This file finds what notifications have missed, by delta queries.

var _ provider.CatchUpper = Provider{}

// OpenChanges implements [provider.CatchUpper].
func (Provider) OpenChanges(env provider.Env, api provider.API, r provider.Registration) (provider.Changes, error) {
	var own registrationSettings
	if err := provider.DecodeSettings(r.Settings, &own); err != nil {
		return nil, &provider.APIError{Kind: provider.APIInvalid, Message: err.Error()}
	}
	if own.QueryOptions != "" {
		return nil, &provider.APIError{Kind: provider.APIInvalid,
			Message: "the subscription has query_options, which Graph does not apply to what changed"}
	}
	d, err := OpenDelta(env, api, r.Resource, own.ImmutableIDs, own.IncludeResourceData)
	if err != nil {
		return nil, err
	}
	return &changes{delta: d, registration: r, rich: own.IncludeResourceData}, nil
}

type changes struct {
	delta        *Delta
	registration provider.Registration
	rich         bool   // notifications have the resource
	owner        string // of the resource in notifications: "Users/ID/"; "" while it is not known
}

// Begin implements [provider.Changes].
func (c *changes) Begin(ctx context.Context, before string) (string, error) {
	return c.delta.Begin(ctx, before)
}

// Next implements [provider.Changes].
func (c *changes) Next(ctx context.Context, cursor string, span provider.Span) (provider.ChangePage, error) {
	got, err := c.delta.Next(ctx, cursor, span.Since)
	if err != nil {
		return provider.ChangePage{}, err
	}
	page := provider.ChangePage{Cursor: got.Cursor, Last: got.Last, Wait: got.Wait, Lost: got.Lost}
	if c.wants("deleted") {
		page.Unseen = got.Unseen
	}
	if !got.Watched.IsZero() && (c.wants("deleted") || c.wants("updated")) {
		old := "what happened to messages received before " + got.Watched.Format(time.DateOnly)
		page.Unseen = strings.TrimPrefix(page.Unseen+", "+old, ", ")
	}
	if c.delta.kind == deltaDrive {
		page.Changes = c.ofDrive(got.Items, span)
		return page, nil
	}
	for _, it := range got.Items {
		changes, err := c.ofItem(ctx, it, span)
		if err != nil {
			return provider.ChangePage{}, err
		}
		page.Changes = append(page.Changes, changes...)
	}
	return page, nil
}

// wants reports whether the subscription is to changes of that type.
func (c *changes) wants(change string) bool {
	return slices.ContainsFunc(c.registration.ChangeTypes,
		func(wanted string) bool { return strings.EqualFold(wanted, change) })
}

// ofDrive returns the one change of a drive: its notifications name no item.
func (c *changes) ofDrive(items []DeltaItem, span provider.Span) []provider.Change {
	count := 0
	for _, it := range items {
		if it.Removed || span.Has(it.ModifiedAt) {
			count++
		}
	}
	if count == 0 {
		return nil
	}
	resource := c.registration.RemoteResource
	if resource == "" {
		resource = strings.TrimPrefix(c.registration.Resource, "/")
	}
	return []provider.Change{{Event: c.event("updated", resource, nil), Count: count,
		Key: "drive|" + strconv.FormatInt(span.Since.Unix(), 10)}}
}

// ofItem returns the changes of an item of which notifications would have told. A new item that was updated since has
// two.
func (c *changes) ofItem(ctx context.Context, it DeltaItem, span provider.Span) (list []provider.Change, err error) {
	created := !it.Removed && !it.CreatedAt.IsZero() && span.Has(it.CreatedAt)
	updated := !it.Removed && span.Has(it.ModifiedAt) && !(created && it.ModifiedAt.Sub(it.CreatedAt) < time.Second)
	for change, happened := range map[string]bool{"created": created, "updated": updated, "deleted": it.Removed} {
		if !happened || !c.wants(change) {
			continue
		}
		resource, err := c.resourceOf(ctx, it.ID)
		if err != nil {
			return nil, err
		}
		list = append(list, provider.Change{Event: c.event(change, resource, &it), Key: it.key(change)})
	}
	slices.SortFunc(list, func(a, b provider.Change) int { return strings.Compare(a.Event.Type, b.Event.Type) })
	return list, nil
}

// key returns the key of a change. An item is created and deleted once; it is updated once for each etag or, where
// there is none, for each content.
func (it *DeltaItem) key(change string) string {
	switch {
	case change != "updated":
		return it.ID + "|" + change
	case it.ETag == "":
		sum := sha256.Sum256(it.Body)
		return it.ID + "|" + fmt.Sprintf("%x", sum[:8])
	}
	return it.ID + "|" + it.ETag
}

// Key implements [provider.Changes]. The path of the resource does not count, since its letter case is free.
func (c *changes) Key(ev *bellhop.Event) string {
	it := readItem(ev.Body)
	if it.err != nil || strings.HasPrefix(it.change, lifecyclePrefix) || it.resource == "" {
		return ""
	}
	id := it.resource[strings.LastIndexByte(it.resource, '/')+1:]
	_, inQuotes, quoted := strings.Cut(id, "('")
	if quoted {
		id = strings.TrimSuffix(inQuotes, "')")
	}
	if parts := strings.Split(it.resource, "/"); c.owner == "" && len(parts) == 4 &&
		it.subscription == c.registration.RemoteID {
		c.owner = parts[0] + "/" + parts[1] + "/" // by id, where the subscription names an address
	}
	if it.change == "updated" && it.etag == "" {
		return ""
	}
	found := DeltaItem{ID: id, ETag: it.etag}
	return found.key(it.change)
}

// resourceOf returns an item's resource as notifications name it: "Users/ID/Messages/ID".
func (c *changes) resourceOf(ctx context.Context, id string) (string, error) {
	parts := strings.Split(strings.Trim(c.delta.path, "/"), "/")
	if c.delta.kind == deltaDirectory {
		return strings.ToUpper(parts[0][:1]) + strings.ToLower(parts[0][1:]) + "/" + id, nil
	}
	if c.owner == "" {
		c.owner = "me/"
		if len(parts) > 1 && !strings.EqualFold(parts[0], "me") {
			c.owner = "Users/" + parts[1] + "/"
		} else if user, err := c.me(ctx); err != nil {
			return "", err
		} else if user != "" {
			c.owner = "Users/" + user + "/"
		}
	}
	if c.delta.kind == deltaCalendar {
		return c.owner + "Events/" + id, nil
	}
	return c.owner + "Messages/" + id, nil
}

// me returns the id of the user whose token the connection has; "" if it may not know.
func (c *changes) me(ctx context.Context) (string, error) {
	var out struct {
		ID string `json:"id"`
	}
	call := provider.Call{Method: http.MethodGet, Path: "/v1.0/me?$select=id"}
	_, err := microsoft.Ask(ctx, c.delta.api, c.delta.now, call, nil, &out)
	switch kindOfError(err) {
	case provider.APITemporary, provider.APISignedOut, provider.APIForeign:
		return "", err
	}
	return out.ID, nil
}

// event returns the event of a notification that was missed. It has no client state.
func (c *changes) event(change, resource string, it *DeltaItem) bellhop.Event {
	n := struct {
		Subscription string          `json:"subscriptionId"`
		Change       string          `json:"changeType"`
		Resource     string          `json:"resource"`
		Data         map[string]any  `json:"resourceData"`
		Content      json.RawMessage `json:"content,omitempty"`
	}{c.registration.RemoteID, change, resource, map[string]any{"@odata.type": "#Microsoft.Graph.DriveItem"}, nil}
	if it != nil {
		n.Data = map[string]any{"@odata.type": "#Microsoft.Graph." + itemType(c.delta), "@odata.id": resource,
			"id": it.ID}
		if it.ETag != "" {
			n.Data["@odata.etag"] = it.ETag
		}
		if c.rich && !it.Removed {
			n.Content = it.Body
		}
	}
	body, err := json.Marshal(n)
	if err != nil {
		panic(err) // it is made of texts and of JSON that was read
	}
	return bellhop.Event{Type: typePrefix + change, Subject: provider.Subject(resource),
		ContentType: "application/json",
		Body:        body}
}

// itemType returns the name of the type of a walk's items.
func itemType(d *Delta) string {
	switch {
	case d.kind == deltaCalendar:
		return "Event"
	case d.kind != deltaDirectory:
		return "Message"
	case strings.HasPrefix(strings.ToLower(d.path), "/groups"):
		return "Group"
	}
	return "User"
}
