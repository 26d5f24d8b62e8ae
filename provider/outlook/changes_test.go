package outlook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
)

var changesEnv = provider.Env{Now: func() time.Time { return time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC) }}

// A mailbox is an API whose items are modified while they are listed.
type mailbox struct {
	items []time.Time // when each was modified
	pages int
}

func (m *mailbox) Do(_ context.Context, call provider.Call) (provider.Answer, error) {
	u, err := url.Parse(call.Path)
	if err != nil {
		return provider.Answer{}, err
	}
	q := u.Query()
	since, err := time.Parse(time.RFC3339Nano, strings.TrimPrefix(q.Get("$filter"), "LastModifiedDateTime ge "))
	if err != nil {
		return provider.Answer{}, err
	}
	skip := 0
	fmt.Sscan(q.Get("$skip"), &skip)
	page := []map[string]string{}
	more := false
	for i, at := range m.items {
		switch {
		case at.Before(since):
		case skip > 0:
			skip--
		case len(page) == 3: // fewer than asked for
			more = true
		default:
			text := at.Format(time.RFC3339Nano)
			page = append(page, map[string]string{"Id": fmt.Sprint("i", i), "CreatedDateTime": text,
				"LastModifiedDateTime": text})
		}
	}
	out := map[string]any{"value": page}
	if more {
		out["@odata.nextLink"] = "https://outlook.example/next"
	}
	m.pages++
	m.items = append(m.items, m.items[len(m.items)-1].Add(time.Millisecond)) // somebody goes on working
	if m.pages > 20 {
		delete(out, "@odata.nextLink")
	}
	body, err := json.Marshal(out)
	return provider.Answer{Status: 200, Body: body, Header: http.Header{}}, err
}

// TestWalkOverTime shows that no item is passed over, though the list changes between its pages and many items have
// one time.
func TestWalkOverTime(t *testing.T) {
	t.Parallel()
	begin := changesEnv.Now().Add(-time.Hour)
	m := &mailbox{}
	for i := range 20 {
		m.items = append(m.items, begin.Add(time.Duration(max(0, i-8))*time.Second))
	}
	c, err := Provider{}.OpenChanges(changesEnv, m, provider.Registration{Resource: "/me/events",
		ChangeTypes: []string{"created"}})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	var walk provider.Walk
	for cursor := ""; ; {
		page, err := c.Next(t.Context(), cursor, provider.Span{Since: begin, Until: changesEnv.Now()})
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range page.Changes {
			found[change.Key] = true
		}
		if page.Last {
			break
		}
		if err := walk.Step(page.Cursor); err != nil {
			t.Fatal(err)
		}
		cursor = page.Cursor
	}
	for i := range 20 {
		if !found[fmt.Sprintf("i%d|Created", i)] {
			t.Errorf("item %d was passed over", i)
		}
	}
}

// An answering is an API whose every answer is the same.
type answering struct{ answer provider.Answer }

func (a answering) Do(context.Context, provider.Call) (provider.Answer, error) { return a.answer, nil }

// FuzzChanges reads pages and positions that anybody may have written: it never panics, and each failure is an
// APIError.
func FuzzChanges(f *testing.F) {
	f.Add(`{"value":[{"Id":"a","LastModifiedDateTime":"2026-11-29T23:30:00Z"}]}`, `{"since":"2026-11-29T23:00:00Z"}`,
		200)
	f.Add(`{"value":[],"@odata.nextLink":"x"}`, `{"since":1}`, 200)
	f.Add(`{"error":{"code":"ErrorAccessDenied"}}`, "", 403)
	f.Fuzz(func(t *testing.T, body, cursor string, status int) {
		api := answering{provider.Answer{Status: status, Header: http.Header{}, Body: []byte(body)}}
		c, err := Provider{}.OpenChanges(changesEnv, api, provider.Registration{Resource: "/me/events",
			ChangeTypes: changeTypes})
		if err != nil {
			t.Fatal(err)
		}
		page, err := c.Next(t.Context(), cursor, provider.Span{Since: changesEnv.Now().Add(-time.Hour),
			Until: changesEnv.Now()})
		var refused *provider.APIError
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("%v is no APIError", err)
		}
		for _, change := range page.Changes {
			if key := c.Key(&change.Event); key != change.Key {
				t.Fatalf("the key is %q, of the event %q", change.Key, key)
			}
		}
	})
}
