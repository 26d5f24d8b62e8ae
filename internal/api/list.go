package api

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// A List is one page of a list, newest first, as it is written. client.List is the same page for a caller.
type List[T any] struct {
	Data []T     `json:"data"`
	Next *string `json:"next" doc:"The cursor of the next page; null on the last one"`

	// Of a page that is not full because no index serves the filter and the time of the search was over.
	Incomplete bool        `json:"incomplete,omitempty"`
	SearchedTo client.Time `json:"searched_to,omitzero"`
}

// Paging is the part of the input of a list that chooses the page.
type Paging struct {
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"250" doc:"Entries at most"`
	Cursor string `query:"cursor" doc:"next of the previous page"`
}

func (p *Paging) page() bellhop.Page { return bellhop.Page{Limit: p.Limit, Cursor: p.Cursor} }

// Period is the part of the input of a list that bounds it in time.
type Period struct {
	Since time.Time `query:"since" doc:"Only entries of this time or later, RFC 3339"`
	Until time.Time `query:"until" doc:"Only entries before this time, RFC 3339"`
}

type listOutput[T any] struct{ Body List[T] }

// searched returns the page out of the list of that name, and says how far its search is if that ended before the page
// was full. limit is that of the page.
func searched[T any](s *server, name string, limit int, out *listOutput[T]) *listOutput[T] {
	if out.Body.Next != nil && len(out.Body.Data) < limit {
		out.Body.Incomplete = true
		out.Body.SearchedTo.Time = s.Store.CursorAt(name, *out.Body.Next)
	}
	return out
}

// listOf returns the page that shows each noun of list.
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

// Owned is the part of the input of a list that chooses a tenant.
type Owned struct {
	Tenant string `query:"tenant" maxLength:"255" doc:"Only those of this tenant"`
}

// one is the input of an operation on one noun.
type one struct {
	ID string `path:"id" doc:"Its id, or the name of a source or destination" example:"media"`
}

// oneToDelete is the input of an operation that deletes one noun.
type oneToDelete struct {
	ID string `path:"id" doc:"Its id or name" example:"media"`
	Precondition
}

// none is the output of an operation without an answer.
type none struct{}

// bodyOf is the output of an operation that shows one noun.
type bodyOf[T any] struct{ Body T }

// createdOutput shows a new noun and its path.
type createdOutput[T any] struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     T
}

// created returns the answer about a new noun with that id, among nouns ("sources").
func created[T any](nouns, id string, createdAt time.Time, body T) *createdOutput[T] {
	return &createdOutput[T]{Prefix + "/" + nouns + "/" + id, etag(createdAt, body), body}
}
