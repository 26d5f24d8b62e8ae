package api

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/danielgtaylor/huma/v2"
)

// A List is one page of a list, newest first.
type List[T any] struct {
	Data []T     `json:"data"`
	Next *string `json:"next" doc:"The cursor of the next page; null on the last one"`
}

// Paging is the part of a list's input that says which page is wanted.
type Paging struct {
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"250" doc:"How many at most"`
	Cursor string `query:"cursor" doc:"The next of the page before"`
}

func (p *Paging) page() bellhop.Page { return bellhop.Page{Limit: p.Limit, Cursor: p.Cursor} }

// Period is the part of a list's input that bounds it in time.
type Period struct {
	Since time.Time `query:"since" doc:"Only those of this moment or later, RFC 3339"`
	Until time.Time `query:"until" doc:"Only those before this moment, RFC 3339"`
}

type listOutput[T any] struct{ Body List[T] }

// listOf shows each of list.
func listOf[T, S any](list []S, next string, show func(S) T) *listOutput[T] {
	out := &listOutput[T]{Body: List[T]{Data: make([]T, len(list))}}
	for i := range list {
		out.Body.Data[i] = show(list[i])
	}
	if next != "" {
		out.Body.Next = &next
	}
	return out
}

// Time is a moment in an answer: UTC, RFC 3339 with milliseconds, null where there is none.
type Time time.Time

// MarshalJSON writes t.
func (t Time) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return []byte(time.Time(t).UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

// UnmarshalJSON reads t, RFC 3339 or null.
func (t *Time) UnmarshalJSON(b []byte) error { return (*time.Time)(t).UnmarshalJSON(b) }

// time is t, to the microsecond, as it is stored; none is the zero time.
func (t *Time) time() time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.Time(*t).UTC().Truncate(time.Microsecond)
}

// Schema describes t.
func (Time) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Nullable: true}
}

// one is the input of an operation on one noun.
type one struct {
	ID string `path:"id" doc:"Its id, or the name of a source or destination" example:"media"`
}

// none is the output of an operation that has nothing to show.
type none struct{}

// bodyOf is the output of an operation that shows one noun.
type bodyOf[T any] struct{ Body T }

// createdOutput shows a noun that was just made, and where it is.
type createdOutput[T any] struct {
	Location string `header:"Location"`
	Body     T
}
