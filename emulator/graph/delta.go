package graph

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// The answers to a delta token that is too old differ: the directory and calendars say 400 with a code, others 410
// with the URL to begin again at.

func lostByDefault(link string) *apiError {
	return &apiError{status: http.StatusGone, code: "resyncRequired", message: "Resync required.",
		location: link + "?$deltatoken="}
}

func lostDrive(link string) *apiError {
	return &apiError{status: http.StatusGone, code: "resyncRequired", message: "Resync required.",
		location: link + "?token=", inner: "resyncChangesApplyDifferences"}
}

func lostCalendar(string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "SyncStateNotFound",
		message: "The sync state generation is not found."}
}

func lostDirectory(string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "syncStateNotFound",
		message: "The sync state generation is not found. Please start the full synchronization."}
}

// errNoDelta is the answer for a collection without changes of its own: messages of all folders, and events outside a
// calendar view.
var errNoDelta = &apiError{status: http.StatusBadRequest, code: "ErrorInvalidUrlQuery",
	message: "Change tracking is not supported for this resource. Use the messages of one folder, or calendarView."}

// A deltaToken is the version of the stand-in up to which its owner has the changes. In a link it is "v" and a number.
type deltaToken int

func (t deltaToken) String() string { return "v" + strconv.Itoa(int(t)) }

// parseDeltaToken reads a token. ok is false if text is none.
func parseDeltaToken(text string) (t deltaToken, ok bool) {
	digits, ok := strings.CutPrefix(text, "v")
	n, err := strconv.ParseUint(digits, 10, 31)
	return deltaToken(n), ok && err == nil && digits == strconv.FormatUint(n, 10)
}

// delta answers the changes of a collection since a token. A token is the version up to which its owner has them; the
// next link has that of the last item of the page.
func (s *System) delta(w http.ResponseWriter, r *http.Request, path string, k kind) error {
	if user, ok := strings.CutSuffix(path, "/messages"); ok && strings.Count(user, "/") == 1 {
		return errNoDelta
	} else if k.name == "events" && !strings.HasPrefix(strings.ToLower(r.URL.Path), "/beta/") {
		return errNoDelta
	}
	q := r.URL.Query()
	link := emulator.BaseURL(r) + r.URL.Path
	parameter := "$deltatoken"
	if k.rootOnly {
		parameter = "token"
	}
	span, err := spanOf(r, k)
	if err != nil {
		return err
	}
	kept := "" // of the query, in links
	if span != nil {
		kept = span.Query() + "&"
	}
	lost := k.lost
	if lost == nil {
		lost = lostByDefault
	}
	received, err := receivedSince(q, k)
	if err != nil {
		return err
	}
	if received != "" {
		kept += "$filter=" + url.QueryEscape(q.Get("$filter")) + "&"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.name == "mailfolders" {
		s.addFolder(path, "inbox")
	}
	after, first := 0, false
	text := q.Get(parameter) + q.Get("$skiptoken")
	at, notTime := time.Parse(time.RFC3339, text)
	if strings.EqualFold(text, "latest") {
		after = s.version
	} else if k.rootOnly && notTime == nil {
		after = s.versionBefore(home(path), at)
	} else if text == "" {
		first = true
	} else {
		token, ok := parseDeltaToken(text)
		switch after = int(token); {
		case !ok || after > s.version:
			return lostDirectory(link)
		case after < s.oldest:
			return lost(link)
		}
	}
	size := emulator.PageSize(r, s.opts.PageSize)
	changed := s.collections[home(path)].sorted(after)
	changed = slices.DeleteFunc(changed, func(it *item) bool {
		at, _ := it.data["receivedDateTime"].(string)
		return it.deleted && first || // at first there is nothing to remove
			!it.deleted && span != nil && !it.within(*span) || received != "" && at < received
	})
	page := []map[string]any{}
	for _, it := range changed[:min(size, len(changed))] {
		page = append(page, withIDs(r, k, it.changed(k, q)))
	}
	out := map[string]any{"@odata.context": s.context(r, "Collection("+k.typeName()+")"), "value": page}
	if size < len(changed) {
		out["@odata.nextLink"] = fmt.Sprintf("%s?%s$skiptoken=%v", link, kept, deltaToken(changed[size-1].version))
	} else {
		out["@odata.deltaLink"] = fmt.Sprintf("%s?%s%s=%v", link, kept, parameter, deltaToken(s.version))
	}
	emulator.WriteJSON(w, http.StatusOK, out)
	return nil
}

// receivedSince returns the time of a filter by receivedDateTime, as items have it; "" without a filter. Delta queries
// of messages know no other filter, and all others none.
func receivedSince(q url.Values, k kind) (string, error) {
	filter := q.Get("$filter")
	if filter == "" {
		return "", nil
	}
	text, ok := strings.CutPrefix(filter, "receivedDateTime ge ")
	at, err := time.Parse(time.RFC3339Nano, text)
	if !ok || err != nil || k.name != "messages" {
		return "", &apiError{status: http.StatusBadRequest, code: "ErrorInvalidUrlQuery",
			message: "The filter is not supported for change tracking. Use receivedDateTime ge TIME."}
	}
	return formatTime(at), nil
}

// versionBefore returns the version at which everything in a collection had happened that happened before a time. The
// caller holds s.mu.
func (s *System) versionBefore(collection string, at time.Time) (version int) {
	for _, it := range s.collections[collection].sorted(0) {
		if modified, _ := it.data["lastModifiedDateTime"].(string); modified < formatTime(at) {
			version = it.version
		}
	}
	return version
}

// spanOf returns the span of time that a calendar view is asked for, and nil for other kinds.
func spanOf(r *http.Request, k kind) (*emulator.Span, error) {
	if k.name != "calendarview" {
		return nil, nil
	}
	span, ok := emulator.ParseSpan(r.URL.Query())
	if !ok {
		return nil, &apiError{status: http.StatusBadRequest, code: "ErrorInvalidParameter", message: emulator.NoSpan}
	}
	return &span, nil
}

// within reports whether an event is in a span of time.
func (it *item) within(span emulator.Span) bool {
	at := func(name string) string {
		member, _ := it.data[name].(map[string]any)
		text, _ := member["dateTime"].(string)
		return text
	}
	return span.Has(at("start"), at("end"))
}

// typeName is the name of the kind's type without its namespace: "message".
func (k kind) typeName() string {
	name := k.odataType[strings.LastIndexByte(k.odataType, '.')+1:]
	return strings.ToLower(name[:1]) + name[1:]
}

// changed is the item as a delta query shows it.
func (it *item) changed(k kind, q url.Values) map[string]any {
	if it.deleted && k.rootOnly {
		return map[string]any{"id": it.id, "deleted": map[string]any{"state": "deleted"}}
	}
	shown := selected(it.data, q)
	if it.deleted {
		shown = map[string]any{"id": it.id, "@removed": map[string]any{"reason": "deleted"}}
	}
	shown["@odata.type"] = "#microsoft.graph." + k.typeName()
	return shown
}
