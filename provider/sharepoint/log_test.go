package sharepoint

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
)

const testList = "8b2f64d1-0c9a-4a57-9d3e-6f5b1e7a2c40"

var logEnv = provider.Env{Now: func() time.Time { return time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC) }}

// An answering is an API whose every answer is the same.
type answering struct {
	answer provider.Answer
	bodies []string
}

func (a *answering) Do(_ context.Context, call provider.Call) (provider.Answer, error) {
	a.bodies = append(a.bodies, string(call.Body))
	return a.answer, nil
}

func openTestLog(t testing.TB, status int, body string) (*Log, *answering) {
	api := &answering{answer: provider.Answer{Status: status, Header: http.Header{"Sprequestguid": {"1"}},
		Body: []byte(body)}}
	l, err := OpenLog(logEnv, api, testList, "")
	if err != nil {
		t.Fatal(err)
	}
	return l, api
}

// TestToken shows that a token and a time are converted into each other, and which tokens are none of a list.
func TestToken(t *testing.T) {
	t.Parallel()
	at, err := readToken("1;3;"+testList+";639315396000000000;4711", testList)
	if want := time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC); err != nil || !at.Equal(want) ||
		ticksAt(want) != 639315396000000000 {
		t.Errorf("%v, %v, %d", at, err, ticksAt(want))
	}
	for _, token := range []string{"", "1", "1;2;" + testList + ";639315396000000000;1", "1;3;" + testList +
		";1764405000000;1",
		"1;3;" + testList + ";9223372036854775807;1", "1;3;" + testList + ";x;1", "1;3;" + testList +
			";639315396000000000;x",
		"1;3;8b2f64d1-0c9a-4a57-9d3e-000000000000;639315396000000000;1"} {
		if at, err := readToken(token, testList); err == nil {
			t.Errorf("%q is a token of %v", token, at)
		}
	}
}

// TestNextLost shows that a token which is of no use leads to a new start and a reason: one that is too old is not
// even sent, because SharePoint answers it with silence.
func TestNextLost(t *testing.T) {
	t.Parallel()
	l, api := openTestLog(t, 200, `{"value":[]}`)
	old := l.tokenAt(logEnv.Now().Add(-61 * 24 * time.Hour))
	page, err := l.Next(t.Context(), old)
	if err != nil || !strings.Contains(page.Lost, "61 days old") || page.Last || len(api.bodies) != 0 {
		t.Errorf("%+v, %v, %v", page, err, api.bodies)
	}
	page, err = l.Next(t.Context(), page.Token)
	if err != nil || page.Lost != "" || !page.Last || len(api.bodies) != 1 ||
		!strings.Contains(api.bodies[0], `"Item":true`) {
		t.Errorf("%+v, %v, %v", page, err, api.bodies)
	}
	l, _ = openTestLog(t, 500,
		`{"odata.error":{"code":"-2146232060, Microsoft.SharePoint.SPException","message":{"value":`+
			`"The changeToken refers to a time before the start of the current change log."}}}`)
	page, err = l.Next(t.Context(), l.tokenAt(logEnv.Now()))
	if err != nil || !strings.Contains(page.Lost, "refuses the change token") {
		t.Errorf("%+v, %v", page, err)
	}
	var again *provider.APIError
	if page, err = l.Next(t.Context(), page.Token); !errors.As(err, &again) || page.Lost != "" {
		t.Errorf("a new token that is refused, too: %+v, %v", page, err)
	}
	l, _ = openTestLog(t, 500,
		`{"odata.error":{"code":"-1, System.Exception","message":{"value":"An unexpected error."}}}`)
	page, err = l.Next(t.Context(), l.tokenAt(logEnv.Now()))
	var refused *provider.APIError
	if !errors.As(err, &refused) || refused.Kind != provider.APITemporary || page.Lost != "" {
		t.Errorf("%+v, %v", page, err)
	}
}

// TestNextEndless shows that changes which come again and again are noticed.
func TestNextEndless(t *testing.T) {
	t.Parallel()
	token := "1;3;" + testList + ";639315414000000000;4712"
	l, _ := openTestLog(t, 200, `{"value":[{"ChangeToken":{"StringValue":"`+token+`"},"ChangeType":1,"ItemId":3}]}`)
	page, err := l.Next(t.Context(), l.tokenAt(logEnv.Now()))
	if err != nil || page.Token != token || len(page.Changes) != 1 || page.Changes[0].Kind != Added {
		t.Fatalf("%+v, %v", page, err)
	}
	_, err = l.Next(t.Context(), page.Token)
	var refused *provider.APIError
	if !errors.As(err, &refused) || refused.Kind != provider.APIEndless {
		t.Errorf("%v", err)
	}
}

// FuzzLog reads pages and tokens that anybody may have written: it never panics, and each failure is an APIError.
func FuzzLog(f *testing.F) {
	f.Add("1;3;"+testList+";639315396000000000;4711", `{"value":[{"ChangeToken":{"StringValue":"1;3;`+testList+
		`;639315414000000000;4712"},"ChangeType":1,"Time":"2026-11-29T09:30:00Z","ItemId":31}]}`, 200)
	f.Add("1;3;x;-1;-1", `{"value":null}`, 200)
	f.Add("", `{"odata.error":{"code":"","message":{"value":"changeToken"}}}`, 400)
	f.Fuzz(func(t *testing.T, token, body string, status int) {
		l, _ := openTestLog(t, status, body)
		page, err := l.Next(t.Context(), token)
		var refused *provider.APIError
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("%v is no APIError", err)
		}
		if err == nil && page.Token != "" && page.Lost == "" && page.Token != token {
			if _, err := readToken(page.Token, testList); err != nil {
				t.Fatalf("the next token is %q: %v", page.Token, err)
			}
		}
	})
}
