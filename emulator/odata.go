package emulator

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What the OData dialects of several systems have in common.

// CalendarTime is the form of the times of calendar events, which have a zone beside them.
const CalendarTime = "2006-01-02T15:04:05.0000000"

// A Span is the span of time of a calendar view.
type Span struct{ Start, End time.Time }

// NoSpan is what a service says if a query names no span.
const NoSpan = "This request requires a time window specified by the query string parameters StartDateTime and " +
	"EndDateTime."

// ParseSpan returns the span that the parameters startDateTime and endDateTime of a query name, in any case. ok is
// false if it lacks one of them, or it is no time.
func ParseSpan(q url.Values) (s Span, ok bool) {
	found := 0
	for name, values := range q {
		at, err := parseTime(values[0])
		switch {
		case err != nil:
		case strings.EqualFold(name, "startDateTime"):
			s.Start = at
			found++
		case strings.EqualFold(name, "endDateTime"):
			s.End = at
			found++
		}
	}
	return s, found == 2
}

// parseTime reads a time or a date, which are UTC if they have no zone.
func parseTime(text string) (at time.Time, err error) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly} {
		if at, err = time.Parse(form, text); err == nil {
			return at, nil
		}
	}
	return at, err
}

// Has reports whether an event from start until end is in the span. A text that is no time is no bound.
func (s Span) Has(start, end string) bool {
	from, noStart := parseTime(start)
	until, noEnd := parseTime(end)
	return (noStart != nil || from.Before(s.End)) && (noEnd != nil || until.After(s.Start))
}

// Query returns the span as parameters of a link.
func (s Span) Query() string {
	return "startDateTime=" + s.Start.UTC().Format(time.RFC3339) + "&endDateTime=" + s.End.UTC().Format(time.RFC3339)
}

// PageSize returns the preference odata.maxpagesize of a request, or otherwise if it has none.
func PageSize(r *http.Request, otherwise int) int {
	_, text, _ := strings.Cut(strings.ToLower(strings.Join(r.Header.Values("Prefer"), ",")), "odata.maxpagesize=")
	digits, _, _ := strings.Cut(text, ",")
	n, err := strconv.Atoi(strings.TrimSpace(digits))
	if err != nil || n < 1 {
		return otherwise
	}
	return n
}
