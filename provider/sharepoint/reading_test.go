package sharepoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A listAPI answers calls by the end of their paths.
type listAPI struct {
	answers map[string]string // bodies by a part of the path; one that is not there is 404
	asked   []string
}

func (a *listAPI) Do(_ context.Context, call provider.Call) (provider.Answer, error) {
	a.asked = append(a.asked, call.Path+" "+string(call.Body))
	for part, body := range a.answers {
		if strings.Contains(call.Path, part) {
			return provider.Answer{Status: 200, Header: http.Header{}, Body: []byte(body)}, nil
		}
	}
	return provider.Answer{Status: 404, Header: http.Header{"Sprequestguid": {"1"}}, Body: []byte(`{}`)}, nil
}

// find opens a destination and finds the log of a notification of the list testList.
func (a *listAPI) find(t *testing.T, settings string) (provider.FoundLog, error) {
	t.Helper()
	r, err := Provider{}.OpenReading([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	return r.Find(t.Context(), logEnv, func(string) provider.API { return a },
		&bellhop.Event{Type: TypeChanged, Body: []byte(`{"resource":"` + testList + `","siteUrl":"/sites/lab"}`)})
}

// change is an entry in the answer of GetChanges.
func change(kind, item, n int) string {
	return fmt.Sprintf(`{"ChangeToken":{"StringValue":"1;3;%s;639315414000000000;%d"},"ChangeType":%d,"ItemId":%d,`+
		`"Time":"2026-11-29T09:30:00Z"}`, testList, n, kind, item)
}

// TestReadingFields: each changed item is fetched if the destination wants its fields, and one that was deleted since
// has none.
func TestReadingFields(t *testing.T) {
	t.Parallel()
	a := &listAPI{answers: map[string]string{"/items(1)": `{"Title":"Lens"}`,
		"/getchanges": `{"value":[` + change(1, 1, 1) + "," + change(2, 2, 2) + "," + change(3, 3, 3) + `]}`}}
	found, err := a.find(t, `{"connection":"c","fields":true}`)
	if err != nil {
		t.Fatal(err)
	}
	page, err := found.Log.Next(t.Context(), "", provider.Span{Since: logEnv.Now().Add(-time.Hour)})
	if err != nil || len(page.Changes) != 3 || page.Last || len(a.asked) != 3 {
		t.Fatalf("%+v, %v, asked %q", page, err, a.asked)
	}
	for i, want := range []string{`"item_id":1,"change":"added","fields":{"Title":"Lens"}}`,
		`"item_id":2,"change":"updated"}`,
		`"item_id":3,"change":"deleted"}`} {
		ev := page.Changes[i].Event
		if body := string(ev.Body); !strings.HasSuffix(body, want) || !strings.HasPrefix(body, `{"list":"`+testList) ||
			ev.Subject != fmt.Sprintf("%s/items/%d", testList, i+1) ||
			!strings.HasSuffix(page.Changes[i].Key, fmt.Sprint(i+1)) {
			t.Errorf("%+v %s", page.Changes[i], body)
		}
	}
	if !strings.Contains(a.asked[0], `"FetchLimit":100`) || !strings.Contains(a.asked[0],
		fmt.Sprintf(";%d;-1", ticksAt(logEnv.Now().Add(-time.Hour)))) {
		t.Errorf("asked %s", a.asked[0])
	}
}

// TestReadingStart: a log that is read from its start begins with a token that is good, and one whose token is lost
// begins when the token was saved.
func TestReadingStart(t *testing.T) {
	t.Parallel()
	a := &listAPI{answers: map[string]string{"/getchanges": `{"value":[]}`}}
	found, err := a.find(t, `{"connection":"c","from_start":true}`)
	if err != nil || !found.FromStart || found.Key != testList {
		t.Fatal(found, err)
	}
	page, err := found.Log.Next(t.Context(), "", provider.Span{})
	if err != nil || page.Lost != "" || !page.Last {
		t.Errorf("%+v, %v", page, err)
	}
	since := logEnv.Now().Add(-time.Hour)
	page, err = found.Log.Next(t.Context(), "1;3;00000000-0c9a-4a57-9d3e-6f5b1e7a2c40;639315414000000000;9",
		provider.Span{Since: since})
	if at, bad := readToken(page.Cursor, testList); err != nil || bad != nil || !at.Equal(since) || page.Last ||
		!strings.Contains(page.Lost, "another list") {
		t.Errorf("%+v, %v", page, err)
	}
}

// TestReadingList: a destination with a list reads that one alone, whatever it is called.
func TestReadingList(t *testing.T) {
	t.Parallel()
	for id, skipped := range map[string]bool{testList: false, "00000000-0c9a-4a57-9d3e-6f5b1e7a2c40": true} {
		a := &listAPI{answers: map[string]string{"/lists/getByTitle('Documents')": `{"Id":"` + id + `"}`}}
		found, err := a.find(t, `{"connection":"c","list":"Documents","site":"/sites/two"}`)
		if err != nil || (found.Skip != "") != skipped ||
			!strings.HasPrefix(a.asked[0], "/sites/two/_api/web/lists/") {
			t.Errorf("%s: %+v, %v, asked %q", id, found, err, a.asked)
		}
	}
}

// FuzzReading reads notifications that anybody may have written: each failure is an APIError, and no path climbs.
func FuzzReading(f *testing.F) {
	f.Add(`{"resource":"`+testList+`","siteUrl":"/sites/lab"}`, `{"value":[`+change(1, 1, 1)+`]}`)
	f.Add(`{"resource":"{`+testList+`}","siteUrl":"//evil.example"}`, `{"value":[]}`)
	f.Add(`{"resource":1}`, ``)
	f.Fuzz(func(t *testing.T, notification, body string) {
		a := &listAPI{answers: map[string]string{"": body}}
		r, err := Provider{}.OpenReading(json.RawMessage(`{"connection":"c","fields":true}`))
		if err != nil {
			t.Fatal(err)
		}
		var failed *provider.APIError
		found, err := r.Find(t.Context(), logEnv, func(string) provider.API { return a },
			&bellhop.Event{Type: TypeChanged, Body: []byte(notification)})
		if err == nil && found.Skip == "" {
			_, err = found.Log.Next(t.Context(), "", provider.Span{})
		}
		if err != nil && !errors.As(err, &failed) {
			t.Fatalf("%v is no APIError", err)
		}
		for _, path := range a.asked {
			if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, "/../") {
				t.Fatalf("asked %q", path)
			}
		}
	})
}
