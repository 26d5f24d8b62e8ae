package emulator

import (
	"net/http/httptest"
	"net/url"
	"testing"
)

func TestSpan(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query string
		ok    bool
		want  string // as a query again
	}{
		{"startDateTime=2026-12-24&endDateTime=2026-12-25", true,
			"startDateTime=2026-12-24T00:00:00Z&endDateTime=2026-12-25T00:00:00Z"},
		{"StartDateTime=2026-12-24T10:00:00%2B01:00&enddatetime=2026-12-24T10:00:00.5", true,
			"startDateTime=2026-12-24T09:00:00Z&endDateTime=2026-12-24T10:00:00Z"},
		{"startDateTime=2026-12-24", false, ""},
		{"startDateTime=2026-12-24&endDateTime=soon", false, ""},
		{"", false, ""},
	} {
		q, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		span, ok := ParseSpan(q)
		if ok != tt.ok || ok && span.Query() != tt.want {
			t.Errorf("%s: %s, %v", tt.query, span.Query(), ok)
		}
	}
	span, _ := ParseSpan(url.Values{"startDateTime": {"2026-12-24T09:00:00Z"},
		"endDateTime": {"2026-12-24T10:00:00Z"}})
	for event, want := range map[[2]string]bool{
		{"2026-12-24T08:00:00", "2026-12-24T09:00:00"}: false,
		{"2026-12-24T08:00:00", "2026-12-24T09:00:01"}: true,
		{"2026-12-24T09:59:59", "2026-12-24T12:00:00"}: true,
		{"2026-12-24T10:00:00", "2026-12-24T12:00:00"}: false,
		{"", ""}: true,
	} {
		if got := span.Has(event[0], event[1]); got != want {
			t.Errorf("%v is in the span: %v", event, got)
		}
	}
}

func TestPageSize(t *testing.T) {
	t.Parallel()
	for prefer, want := range map[string]int{"": 7, "odata.maxpagesize=3": 3, "odata.maxpagesize=0": 7,
		`outlook.timezone="UTC", odata.maxPageSize=12, x=1`: 12, "odata.maxpagesize=": 7} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Prefer", prefer)
		if got := PageSize(r, 7); got != want {
			t.Errorf("%s: %d, want %d", prefer, got, want)
		}
	}
}

func FuzzSpan(f *testing.F) {
	for _, text := range []string{"2026-12-24", "2026-12-24T10:00:00Z", "2026-12-24T10:00:00.1234567", "0000-00-00",
		"x"} {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, start, end string) {
		span, ok := ParseSpan(url.Values{"startDateTime": {start}, "endDateTime": {end}})
		if !ok {
			return
		}
		q, err := url.ParseQuery(span.Query())
		if again, ok := ParseSpan(q); span.Start.Year() < 10000 && span.End.Year() < 10000 && span.Start.Year() >= 0 &&
			span.End.Year() >= 0 && (err != nil || !ok || span.Start.Sub(again.Start).Abs() > 1e9) {
			t.Errorf("%q, %q are %s, which is read as %+v, %v, %v", start, end, span.Query(), again, ok, err)
		}
	})
}
