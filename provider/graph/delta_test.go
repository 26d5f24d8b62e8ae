package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// An answering is an API whose every answer is the same.
type answering struct {
	answer provider.Answer
	paths  []string
}

func (a *answering) Do(_ context.Context, call provider.Call) (provider.Answer, error) {
	a.paths = append(a.paths, call.Path)
	return a.answer, nil
}

var deltaEnv = provider.Env{Now: func() time.Time { return time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC) }}

// TestLostPosition shows that each answer for a lost position is known as one, and where the walk goes on.
func TestLostPosition(t *testing.T) {
	t.Parallel()
	link := "https://graph.example/v1.0/drives/b1/root/delta?token=old"
	cursor := (&position{Links: map[string]string{"": link}}).text()
	for _, tt := range []struct {
		name, body, location string
		status               int
		lost                 bool
		next                 string // the next link
	}{
		{"410 with a location", `{"error":{"code":"resyncRequired"}}`, "https://graph.example/v1.0/x?token=",
			410, true, "https://graph.example/v1.0/x?token="},
		{"410 with a location elsewhere", `{"error":{"code":"resyncRequired"}}`, "https://evil.example/x?token=",
			410, true, "/v1.0/drives/b1/root/delta"},
		{"410 without one", ``, "", 410, true, "/v1.0/drives/b1/root/delta"},
		{"404 with a code", `{"error":{"code":"SyncStateNotFound"}}`, "", 404, true, "/v1.0/drives/b1/root/delta"},
		{"an inner code", `{"error":{"code":"x","innerError":{"code":"resyncChangesUploadDifferences"}}}`, "",
			409, true, "/v1.0/drives/b1/root/delta"},
		{"a bad request", `{"error":{"code":"BadRequest"}}`, "", 400, true, "/v1.0/drives/b1/root/delta"},
		{"no permission", `{"error":{"code":"accessDenied"}}`, "", 403, false, ""},
		{"away", `{"error":{"code":"serviceNotAvailable"}}`, "", 503, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{"Request-Id": {"1"}}
			if tt.location != "" {
				header.Set("Location", tt.location)
			}
			api := &answering{answer: provider.Answer{Status: tt.status, Header: header, Body: []byte(tt.body)}}
			d, err := OpenDelta(deltaEnv, api, "/drives/b1/root", false, false)
			if err != nil {
				t.Fatal(err)
			}
			page, err := d.Next(t.Context(), cursor, deltaEnv.Now().Add(-time.Hour))
			if !tt.lost {
				var refused *provider.APIError
				if !errors.As(err, &refused) || tt.status == 403 && refused.Permission != "Files.ReadWrite.All" {
					t.Errorf("%+v", err)
				}
				return
			}
			p, bad := parsePosition(page.Cursor)
			if err != nil || bad != nil || page.Lost == "" || page.Last || p.Links[""] != tt.next {
				t.Errorf("%+v, %v", page, err)
			}
			if strings.Contains(page.Lost, "token=") {
				t.Errorf("the reason has a link: %s", page.Lost)
			}
		})
	}
}

// TestOpenDelta shows which resources have a delta query, and why others have none.
func TestOpenDelta(t *testing.T) {
	t.Parallel()
	for resource, want := range map[string]string{
		"me/messages": "", "/Users/ada@example.com/Messages": "", "me/mailFolders('Inbox')/messages": "",
		"me/mailFolders/AAMk=/messages?$select=subject": "", "me/events": "", "users/1/calendar/events": "",
		"drives/b!1/root": "", "me/drive/root": "", "users": "", "groups": "",
		"me/calendars/1/events":                "afterwards only",
		"chats/getAllMessages":                 "afterwards only",
		"users/1":                              "afterwards only",
		"me/messages?$filter=isRead eq false":  "$filter",
		"me/../users/2/messages":               "cannot be read",
		"me//messages":                         "cannot be read",
		"me/mailFolders('a/../b')/messages":    "cannot be read",
		"https://evil.example/v1.0/me/message": "cannot be read",
	} {
		_, err := OpenDelta(deltaEnv, nil, resource, false, false)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", resource, err)
		}
	}
}

// FuzzDelta reads pages that anybody may have written, and goes on from their positions: it never panics, and each
// failure is an APIError.
func FuzzDelta(f *testing.F) {
	for _, resource := range []string{"me/messages", "me/events", "drives/b1/root", "users"} {
		f.Add(resource,
			`{"value":[{"id":"a","@removed":{}}],"@odata.deltaLink":"https://graph.example/x?$deltatoken=1"}`, "", 200)
		f.Add(resource, `{"value":[{"id":"a"}],"@odata.nextLink":"https://graph.example/x"}`,
			`{"links":{"":"x"},"todo":["a"]}`, 200)
		f.Add(resource, `{"error":{"code":"resyncRequired"}}`,
			`{"links":{"":"https://graph.example/x"},"listed":true}`, 410)
	}
	f.Fuzz(func(t *testing.T, resource, body, cursor string, status int) {
		api := &answering{answer: provider.Answer{Status: status, Header: http.Header{}, Body: []byte(body)}}
		r := provider.Registration{Resource: resource, ChangeTypes: changeTypes, RemoteID: "r1"}
		c, err := Provider{}.OpenChanges(deltaEnv, api, r)
		if err != nil {
			return
		}
		span := provider.Span{Since: deltaEnv.Now().Add(-time.Hour), Until: deltaEnv.Now()}
		page, err := c.Next(t.Context(), cursor, span)
		var refused *provider.APIError
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("%v is no APIError", err)
		}
		for _, change := range page.Changes {
			if !json.Valid(change.Event.Body) || change.Key == "" ||
				len(change.Event.Subject) > bellhop.MaxSubjectLength {
				t.Fatalf("%+v", change)
			}
			c.Key(&change.Event)
		}
		if err == nil && !page.Last {
			c.Next(t.Context(), page.Cursor, span) // must not panic
		}
	})
}
