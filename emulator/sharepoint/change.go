package sharepoint

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// A change is one entry of a list's log.
type change struct {
	kind     int // ChangeType
	item     int
	at       time.Time
	position int // in the log of the site
}

// The kinds of changes, by the numbers of ChangeType, with the member of a query that asks for each.
const (
	changeAdd     = 1
	changeUpdate  = 2
	changeDelete  = 3
	changeRename  = 4
	changeMove    = 5
	changeRestore = 7
)

var asked = map[int]string{changeAdd: "add", changeUpdate: "update", changeDelete: "deleteobject",
	changeRename: "rename", changeMove: "move", changeRestore: "restore"}

// logLife is how long the log keeps a change.
const logLife = 60 * 24 * time.Hour

// ticksAt returns a time as a change token has it: in steps of 100 ns since the year 1.
func ticksAt(t time.Time) int64 {
	const unixEpoch = 621355968000000000
	return unixEpoch + t.UnixNano()/100
}

// formatToken writes a change token of a list.
func formatToken(list string, at time.Time, position int) string {
	return fmt.Sprintf("1;3;%s;%d;%d", list, ticksAt(at), position)
}

// A token is a change token of a list.
type token struct {
	ticks    int64
	position int // -1: only the time counts
}

// parseToken reads a change token, which must be of the list.
func parseToken(list, text string) (token, error) {
	parts := strings.Split(text, ";")
	bad := &apiError{http.StatusInternalServerError, "-2146232060, Microsoft.SharePoint.SPException",
		"The changeToken refers to a time before the start of the current change log, or is not valid."}
	if len(parts) != 5 || parts[0] != "1" || parts[1] != "3" {
		return token{}, bad
	}
	ticks, err := strconv.ParseInt(parts[3], 10, 64)
	position, notNumber := strconv.Atoi(parts[4])
	switch {
	case err != nil || notNumber != nil || position < -1:
		return token{}, bad
	case !strings.EqualFold(parts[2], list):
		return token{}, badRequest("-2130575172, Microsoft.SharePoint.SPException",
			"The changeToken is for another list than the one that is asked.")
	}
	return token{ticks, position}, nil
}

// before reports whether the token is of a point before the change.
func (t token) before(c change) bool {
	if t.position >= 0 {
		return c.position > t.position
	}
	return ticksAt(c.at) > t.ticks
}

// A flag is a truth value in JSON, or in the text "True" or "False".
type flag bool

func (f *flag) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseBool(strings.Trim(string(b), `"`))
	*f = flag(v)
	return err
}

// getChanges answers the changes since a token.
func (s *System) getChanges(w http.ResponseWriter, r *http.Request, l *list) error {
	invalid := badRequest("-1, Microsoft.SharePoint.Client.InvalidClientQueryException", "The query is not valid.")
	var in struct {
		Query map[string]json.RawMessage `json:"query"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Query == nil {
		return invalid
	}
	wanted := map[string]bool{}
	var start, end struct{ StringValue string }
	limit := s.opts.FetchLimit
	for name, value := range in.Query {
		var err error
		switch name = strings.ToLower(name); name {
		case "changetokenstart":
			err = json.Unmarshal(value, &start)
		case "changetokenend":
			err = json.Unmarshal(value, &end)
		case "fetchlimit":
			err = json.Unmarshal(value, &limit)
		case "__metadata":
		default:
			var f flag
			err = json.Unmarshal(value, &f)
			wanted[name] = bool(f)
		}
		if err != nil {
			return invalid
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	from := token{position: 0}
	if start.StringValue != "" {
		var err error
		if from, err = parseToken(l.id, start.StringValue); err != nil {
			return err
		}
		if from.ticks < ticksAt(s.now().Add(-logLife)) {
			if s.opts.ExpiredFails {
				return &apiError{http.StatusInternalServerError, "-2146232060, Microsoft.SharePoint.SPException",
					"The changeToken refers to a time before the start of the current change log."}
			}
			return s.answerMany(w, r, "SP.ChangeItem", nil)
		}
	}
	until := token{position: s.position}
	if end.StringValue != "" {
		var err error
		if until, err = parseToken(l.id, end.StringValue); err != nil {
			return err
		}
	}
	var found []map[string]any
	for _, c := range l.changes {
		if !from.before(c) || until.before(c) || !wanted["item"] || !wanted[asked[c.kind]] || len(found) >= limit ||
			c.at.Before(s.now().Add(-logLife)) {
			continue
		}
		token := map[string]any{"StringValue": formatToken(l.id, c.at, c.position)}
		if formOf(r) == formVerbose {
			token["__metadata"] = map[string]any{"type": "SP.ChangeToken"}
		}
		found = append(found, map[string]any{"ChangeToken": token, "ChangeType": c.kind, "SiteId": siteID,
			"WebId": webID, "ListId": l.id, "ItemId": c.item, "Time": formatTime(c.at)})
	}
	return s.answerMany(w, r, "SP.ChangeItem", found)
}

// showList answers the properties of a list.
func (s *System) showList(w http.ResponseWriter, r *http.Request, l *list) error {
	s.mu.Lock()
	o := map[string]any{"Id": l.id, "Title": l.title, "ItemCount": len(l.items), "BaseTemplate": 101,
		"CurrentChangeToken": map[string]any{"StringValue": formatToken(l.id, s.now(), s.position)}}
	s.mu.Unlock()
	return s.answer(w, r, http.StatusOK, "SP.List", o)
}

// showItems answers the items of a list, or one of them.
func (s *System) showItems(w http.ResponseWriter, r *http.Request, l *list, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key != "" {
		n, _ := strconv.Atoi(key)
		it := l.items[n]
		if it == nil {
			return &apiError{http.StatusNotFound, "-2130575338, System.ArgumentException",
				"Item does not exist. It may have been deleted by another user."}
		}
		return s.answer(w, r, http.StatusOK, "SP.Data.DocumentsItem", it)
	}
	var all []map[string]any
	for _, n := range slices.Sorted(maps.Keys(l.items)) {
		all = append(all, l.items[n])
	}
	return s.answerMany(w, r, "SP.Data.DocumentsItem", all)
}

// Happen lets an item of a list be created, updated, deleted, renamed, moved or restored. Resource is the list's
// title, or its id, or its path in the API; a title that is not known makes the list. Data is the item, whose "Id"
// chooses it; without one a created item is new, and another is the latest one.
func (s *System) Happen(e emulator.Event) (int, error) {
	kinds := map[string]int{"created": changeAdd, "updated": changeUpdate, "deleted": changeDelete,
		"renamed": changeRename, "moved": changeMove, "restored": changeRestore}
	kind, known := kinds[e.ChangeType]
	if !known {
		return 0, fmt.Errorf("change type %q %w", e.ChangeType, emulator.ErrUnknown)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.listOf(e.Resource)
	if l == nil {
		return 0, fmt.Errorf("resource %q %w", e.Resource, emulator.ErrUnknown)
	}
	id := 0
	if n, ok := e.Data["Id"].(float64); ok {
		id = int(n)
	}
	switch {
	case id == 0 && kind == changeAdd:
		id = l.nextItem
	case id == 0:
		id = max(l.nextItem-1, 1)
	}
	l.nextItem = max(l.nextItem, id+1)
	now := s.now()
	s.position++
	if kind == changeDelete {
		delete(l.items, id)
	} else {
		it := l.items[id]
		if it == nil {
			it = map[string]any{"Id": id, "Title": fmt.Sprintf("Item %d", id), "Created": formatTime(now)}
		}
		it = maps.Clone(it)
		maps.Copy(it, e.Data)
		it["Id"], it["Modified"], it["odata.etag"] = id, formatTime(now), fmt.Sprintf(`"%d"`, s.position)
		l.items[id] = it
	}
	l.changes = append(l.changes, change{kind: kind, item: id, at: now, position: s.position})
	s.dropExpired()
	return s.notify(l), nil
}

// listOf returns the list that a resource names. The caller holds s.mu.
func (s *System) listOf(resource string) *list {
	if _, rest, ok := apiPath(resource); ok {
		if m := listPath.FindStringSubmatch(rest); m != nil {
			return s.find(m[1]+m[3], strings.ReplaceAll(m[2], "''", "'"))
		}
		return nil
	}
	if l := s.find(resource, resource); l != nil {
		return l
	}
	if resource == "" || strings.ContainsAny(resource, "/'") {
		return nil
	}
	l := newList(emulator.NewID(), resource)
	s.lists = append(s.lists, l)
	return l
}

// Fault takes expire and revoke: webhooks end silently, since SharePoint says nothing. The value is the id of one;
// "" is all. The value "changes" of expire empties the change logs, as 60 quiet days do.
func (s *System) Fault(f emulator.Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Kind == emulator.FaultMissed {
		return fmt.Errorf("fault %s %w", f.Kind, emulator.ErrUnknown)
	}
	found := f.Value == "" || f.Value == "changes"
	for _, l := range s.lists {
		if f.Value == "changes" {
			l.changes = nil
			continue
		}
		for _, sub := range l.subscriptions {
			if f.Value == "" || f.Value == sub.id {
				sub.expiresAt, found = s.now(), true
			}
		}
	}
	if !found {
		return fmt.Errorf("subscription %q %w", f.Value, emulator.ErrUnknown)
	}
	s.dropExpired()
	return nil
}

var _ emulator.System = (*System)(nil)
