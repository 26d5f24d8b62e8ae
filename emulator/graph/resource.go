package graph

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
)

// defaultUser is the user that "me" means before somebody has subscribed.
var defaultUser = entra.UserID(entra.DefaultTenant)

// A collection holds the items at one path, such as "users/ID/events".
type collection struct {
	kind  kind
	items map[string]*item
}

// An item is a resource: a message, an event, a file.
type item struct {
	id      string
	data    map[string]any
	version int // of the stand-in, at the latest change
	deleted bool
}

// home returns the canonical collection in which the items of a resource are: messages are in the folder Inbox, and a
// calendar view shows the events.
func home(resource string) string {
	if user, ok := strings.CutSuffix(resource, "/messages"); ok && strings.Count(user, "/") == 1 {
		return user + "/mailfolders/inbox/messages"
	}
	if user, ok := strings.CutSuffix(resource, "/calendarview"); ok {
		return user + "/events"
	}
	return resource
}

// change stores what happened to an item, and returns it. The caller holds s.mu.
func (s *System) change(resource string, k kind, e emulator.Event) item {
	resource = home(resource)
	c := s.collections[resource]
	if c == nil {
		c = &collection{kind: k, items: map[string]*item{}}
		s.collections[resource] = c
		if user, folder, ok := strings.Cut(resource, "/mailfolders/"); ok {
			s.addFolder(user+"/mailfolders", strings.TrimSuffix(folder, "/messages"))
		}
	}
	id, _ := e.Data["id"].(string)
	if id == "" && e.ChangeType != "created" {
		for _, it := range c.items {
			if latest := c.items[id]; latest == nil || it.version > latest.version {
				id = it.id
			}
		}
	}
	s.version++
	if id == "" {
		s.itemNumber++
		id = fmt.Sprintf("AAMkAGE0-%06d=", s.itemNumber)
	}
	it := c.items[id]
	if it == nil || it.deleted {
		it = &item{id: id, data: newData(k, id, s.now())}
		c.items[id] = it
	}
	maps.Copy(it.data, e.Data)
	it.version, it.deleted = s.version, e.ChangeType == "deleted"
	it.data["id"] = id
	it.data["@odata.etag"] = fmt.Sprintf(`W/"CQAAABYAAAB%06d"`, s.version)
	it.data["lastModifiedDateTime"] = formatTime(s.now())
	return item{id: id, data: maps.Clone(it.data), version: it.version, deleted: it.deleted}
}

// addFolder adds a folder to those of a mailbox, unless it is there. The caller holds s.mu.
func (s *System) addFolder(folders, name string) {
	c := s.collections[folders]
	if c == nil {
		k, _ := s.kindOf(folders)
		c = &collection{kind: k, items: map[string]*item{}}
		s.collections[folders] = c
	}
	if c.items[name] == nil {
		s.version++
		c.items[name] = &item{id: name, data: map[string]any{"id": name, "displayName": name}, version: s.version}
	}
}

// newData returns a new item with the members that every item of its kind has.
func newData(k kind, id string, at time.Time) map[string]any {
	now, tomorrow := formatTime(at), at.UTC().Truncate(time.Hour).Add(24*time.Hour)
	data := map[string]any{"id": id, "createdDateTime": now}
	switch k.name {
	case "events", "calendarview":
		maps.Copy(data, map[string]any{"subject": "Lens review", "bodyPreview": "Bring the samples.",
			"body":  map[string]any{"contentType": "text", "content": "Bring the samples."},
			"start": map[string]any{"dateTime": tomorrow.Format(emulator.CalendarTime), "timeZone": "UTC"},
			"end": map[string]any{"dateTime": tomorrow.Add(30 * time.Minute).Format(emulator.CalendarTime),
				"timeZone": "UTC"},
			"type": "singleInstance", "showAs": "busy", "isAllDay": false, "isCancelled": false})
	case "messages":
		maps.Copy(data, map[string]any{"subject": "Quarry photos", "bodyPreview": "See below.", "isRead": false,
			"receivedDateTime": now, "from": map[string]any{"emailAddress": map[string]any{"name": "Bo Lind",
				"address": "bo@example.com"}}})
	case "root":
		maps.Copy(data, map[string]any{"name": "plan.docx", "size": 18231, "file": map[string]any{
			"mimeType": "application/vnd.openxmlformats-officedocument.wordprocessingml.document"}})
	}
	return data
}

// titled writes a collection as notifications do: "Users/ID/Messages". Messages are named without their folder.
func titled(collection string) string {
	if user, rest, ok := strings.Cut(collection, "/mailfolders/"); ok {
		_, name, _ := strings.Cut(rest, "/")
		collection = user + "/" + name
	}
	parts := strings.Split(collection, "/")
	for i := 0; i < len(parts); i += 2 {
		if parts[i] != "" {
			parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
		}
	}
	return strings.Join(parts, "/")
}

// immutablePrefix is what the immutable id of an item has before the ordinary one.
const immutablePrefix = "AAkALg-"

// wantsImmutable reports whether a call asks for immutable ids.
func wantsImmutable(r *http.Request) bool {
	return strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Prefer"), ",")), `idtype="immutableid"`)
}

// withIDs returns an item with the id that the call asks for.
func withIDs(r *http.Request, k kind, data map[string]any) map[string]any {
	if id, ok := data["id"].(string); ok && k.outlook && wantsImmutable(r) {
		data["id"] = immutablePrefix + id
	}
	return data
}

// serveResource answers a call about an item, a collection or its changes.
func (s *System) serveResource(w http.ResponseWriter, r *http.Request, claims entra.Claims, resource string) error {
	if r.Method != http.MethodGet {
		return &apiError{status: http.StatusMethodNotAllowed, code: "BadRequest",
			message: "The stand-in only reads resources; let one change by POST /_control/event."}
	}
	if strings.EqualFold(resource, "me") {
		emulator.WriteJSON(w, http.StatusOK, map[string]any{"@odata.context": s.context(r, "users/$entity"),
			"id": mailbox(claims), "displayName": "Ada Example", "userPrincipalName": entra.UserName,
			"mail": entra.UserName})
		return nil
	}
	path := canonical(resource, mailbox(claims))
	of, delta := strings.CutSuffix(path, "/delta")
	k, known := s.kindOf(of)
	if !known {
		return &apiError{status: http.StatusBadRequest, code: "BadRequest", message: "Resource not found for the " +
			"segment."}
	}
	if !claims.Permits(k.permissions...) {
		return &apiError{status: http.StatusForbidden, code: "ErrorAccessDenied",
			message: "Access is denied. Check credentials and try again. It needs " +
				strings.Join(k.permissions, " or ") + "."}
	}
	if delta {
		return s.delta(w, r, of, k)
	}
	if wantsImmutable(r) {
		path = strings.ReplaceAll(path, "/"+strings.ToLower(immutablePrefix), "/")
	}
	s.mu.Lock()
	it, isItem := s.item(path)
	c := s.collections[home(path)]
	s.mu.Unlock()
	switch {
	case isItem && (it == nil || it.deleted):
		return &apiError{status: http.StatusNotFound, code: "ErrorItemNotFound",
			message: "The specified object was not found in the store."}
	case isItem:
		s.mu.Lock()
		data := withIDs(r, k, selected(it.data, r.URL.Query()))
		s.mu.Unlock()
		data["@odata.context"] = s.context(r, url.PathEscape(titled(path))+"/$entity")
		emulator.WriteJSON(w, http.StatusOK, data)
		return nil
	}
	return s.listItems(w, r, path, k, c)
}

// item returns the item at a canonical path; isItem is false if the path is that of a collection. The caller holds
// s.mu.
func (s *System) item(path string) (it *item, isItem bool) {
	i := strings.LastIndexByte(path, '/')
	parent, id := path[:max(i, 0)], path[i+1:]
	if i < 0 || s.isCollection(path) {
		return nil, false
	}
	for name, c := range s.collections {
		user, _, _ := strings.Cut(name, "/mailfolders/")
		if name != home(parent) && user+"/messages" != parent {
			continue
		}
		for _, it := range c.items { // ids are compared exactly in Graph; the path has lost its case here
			if strings.EqualFold(it.id, id) {
				return it, true
			}
		}
	}
	return nil, true
}

// isCollection reports whether a canonical path ends in the name of a collection.
func (s *System) isCollection(path string) bool {
	last := path[strings.LastIndexByte(path, '/')+1:]
	return slices.ContainsFunc(s.kinds(), func(k kind) bool { return k.name == last }) || last == "children" ||
		last == "items"
}

// selected returns the members of data that $select names, with those that are always there.
func selected(data map[string]any, q url.Values) map[string]any {
	names := q.Get("$select")
	if names == "" {
		return maps.Clone(data)
	}
	wanted := append(strings.Split(names, ","), "id", "@odata.etag")
	shown := map[string]any{}
	for name, value := range data {
		if slices.Contains(wanted, name) {
			shown[name] = value
		}
	}
	return shown
}

// sorted returns the items that were changed after a version, oldest change first.
func (c *collection) sorted(after int) []*item {
	var list []*item
	if c != nil {
		for _, it := range c.items {
			if it.version > after {
				list = append(list, it)
			}
		}
	}
	slices.SortFunc(list, func(a, b *item) int { return a.version - b.version })
	return list
}

// listItems answers the items of a collection, in pages.
func (s *System) listItems(w http.ResponseWriter, r *http.Request, path string, k kind, c *collection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	span, err := spanOf(r, k)
	if err != nil {
		return err
	}
	all := slices.DeleteFunc(c.sorted(0), func(it *item) bool {
		return it.deleted || span != nil && !it.within(*span)
	})
	from, _ := strconv.Atoi(r.URL.Query().Get("$skip"))
	from = min(max(from, 0), len(all))
	to := min(from+s.opts.PageSize, len(all))
	page := []map[string]any{}
	for _, it := range all[from:to] {
		page = append(page, withIDs(r, k, selected(it.data, r.URL.Query())))
	}
	out := map[string]any{"@odata.context": s.context(r, url.PathEscape(titled(path))), "value": page}
	if to < len(all) {
		q := r.URL.Query()
		q.Set("$skip", strconv.Itoa(to))
		out["@odata.nextLink"] = emulator.BaseURL(r) + r.URL.Path + "?" + q.Encode()
	}
	emulator.WriteJSON(w, http.StatusOK, out)
	return nil
}
