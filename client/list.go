package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A Page says which part of a list is wanted. Lists are newest first. The zero Page is the first 50.
type Page struct {
	Limit  int    // at most 250
	Cursor string // the Next of the page before
}

// A List is one page of a list.
type List[T any] struct {
	Data []T
	Next string // the cursor of the next page; "" on the last one
}

// list gets one page. Empty values of query are left out.
func list[T any](ctx context.Context, c *Client, path string, page Page, query url.Values) (List[T], error) {
	if query == nil {
		query = make(url.Values)
	}
	for name := range query {
		if query.Get(name) == "" {
			query.Del(name)
		}
	}
	if page.Limit != 0 {
		query.Set("limit", strconv.Itoa(page.Limit))
	}
	if page.Cursor != "" {
		query.Set("cursor", page.Cursor)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var answer struct {
		Data []T     `json:"data"`
		Next *string `json:"next"`
	}
	err := c.call(ctx, http.MethodGet, path, nil, &answer)
	l := List[T]{Data: answer.Data}
	if answer.Next != nil {
		l.Next = *answer.Next
	}
	return l, err
}

// moment is t as a parameter; "" is none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// get returns what is at path.
func get[T any](ctx context.Context, c *Client, path string) (v T, err error) {
	err = c.call(ctx, http.MethodGet, path, nil, &v)
	return v, err
}

// post returns what came of sending in to path.
func post[T any](ctx context.Context, c *Client, path string, in any) (v T, err error) {
	err = c.call(ctx, http.MethodPost, path, in, &v)
	return v, err
}

// patch returns what came of the merge patch in.
func patch[T any](ctx context.Context, c *Client, path string, in map[string]any) (v T, err error) {
	err = c.call(ctx, http.MethodPatch, path, in, &v)
	return v, err
}
