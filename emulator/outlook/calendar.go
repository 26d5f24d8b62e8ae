package outlook

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// within reports whether an event is in a span of time.
func (it *item) within(span emulator.Span) bool {
	at := func(name string) string {
		member, _ := it.data[name].(map[string]any)
		text, _ := member["DateTime"].(string)
		return text
	}
	return span.Has(at("Start"), at("End"))
}

// calendarView answers the events in a span of time. With Prefer: odata.track-changes, pages lead by next links to a
// delta link, which answers what has changed since.
func (s *System) calendarView(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	span, ok := emulator.ParseSpan(q)
	if !ok {
		return &apiError{http.StatusBadRequest, "ErrorInvalidParameter", emulator.NoSpan}
	}
	prefer := strings.ToLower(strings.Join(r.Header.Values("Prefer"), ","))
	token := q.Get("$deltatoken") + q.Get("$skiptoken")
	tracks := token != "" || strings.Contains(prefer, "odata.track-changes")
	s.mu.Lock()
	defer s.mu.Unlock()
	after := 0
	if token != "" {
		var err error
		after, err = strconv.Atoi(token)
		if err != nil || after < 0 || after > s.number {
			return &apiError{http.StatusGone, "SyncStateNotFound", "The sync state generation is not found."}
		}
	}
	var found []*item
	for _, it := range s.items {
		removed := it.deleted && tracks && after > 0
		if it.collection == "events" && it.number > after && (removed || !it.deleted && it.within(span)) {
			found = append(found, it)
		}
	}
	slices.SortFunc(found, func(a, b *item) int { return a.number - b.number })
	size := emulator.PageSize(r, s.opts.PageSize)
	page := []map[string]any{}
	for _, it := range found[:min(size, len(found))] {
		if it.deleted {
			page = append(page, map[string]any{"Id": it.id, "@removed": map[string]any{"reason": "deleted"}})
		} else {
			page = append(page, it.data)
		}
	}
	base := emulator.BaseURL(r)
	out := map[string]any{"@odata.context": base + "/api/v2.0/$metadata#Me/CalendarView", "value": page}
	link := base + r.URL.Path + "?" + span.Query()
	switch {
	case size < len(found):
		out["@odata.nextLink"] = fmt.Sprintf("%s&$skiptoken=%d", link, found[size-1].number)
	case tracks:
		out["@odata.deltaLink"] = fmt.Sprintf("%s&$deltatoken=%d", link, s.number)
	}
	emulator.WriteJSON(w, http.StatusOK, out)
	return nil
}
