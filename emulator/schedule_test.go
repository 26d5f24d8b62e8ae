package emulator_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/graph"
	"github.com/bellhop-gateway/bellhop/emulator/outlook"
	"github.com/bellhop-gateway/bellhop/emulator/sharepoint"
)

// A slowReceiver echoes the tokens of handshakes, and takes longer over each notification than any system waits.
type slowReceiver struct {
	start time.Time

	mu       sync.Mutex
	attempts []string // when, and how long the system waited
}

func (s *slowReceiver) RoundTrip(r *http.Request) (*http.Response, error) {
	for name, values := range r.URL.Query() {
		if strings.EqualFold(name, "validationtoken") {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(values[0]))}, nil
		}
	}
	began := time.Now()
	<-r.Context().Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, fmt.Sprintf("%v+%v", began.Sub(s.start), time.Since(began)))
	return nil, context.Cause(r.Context())
}

// TestSchedules shows how often and when each system calls a receiver that takes too long: SharePoint after 5 s, then
// five times more with pauses of 5 minutes.
func TestSchedules(t *testing.T) {
	t.Parallel()
	expiry := emulatortest.StartTime.Add(time.Hour).Format(time.RFC3339)
	for _, tt := range []struct {
		system, path, body, resource string
		speed                        float64
		attempts                     int
		first                        []string
	}{
		{"sharepoint", "/_api/web/lists/getByTitle('Documents')/subscriptions",
			`{"notificationUrl":"http://hooks/in"}`,
			"Documents", 1, 6, []string{"0s+5s", "5m5s+5s", "10m10s+5s", "15m15s+5s", "20m20s+5s", "25m25s+5s"}},
		{"sharepoint", "/_api/web/lists/getByTitle('Documents')/subscriptions",
			`{"notificationUrl":"http://hooks/in"}`,
			"Documents", 300, 6, []string{"0s+5s", "6s+5s", "12s+5s", "18s+5s", "24s+5s", "30s+5s"}},
		{"graph", "/v1.0/subscriptions", `{"notificationUrl":"http://hooks/in","resource":"me/events",` +
			`"changeType":"updated","expirationDateTime":"` + expiry + `"}`, "me/events", 1, 11,
			[]string{"0s+10s", "20s+10s", "50s+10s", "1m40s+10s", "3m10s+10s"}},
		{"outlook", "/api/v2.0/me/subscriptions", `{"@odata.type":"#Microsoft.OutlookServices.PushSubscription",` +
			`"Resource":"me/events","ChangeType":"Updated","NotificationURL":"http://hooks/in"}`, "me/events", 1, 7,
			[]string{"0s+5s", "20s+5s", "55s+5s", "2m0s+5s"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			receiver := &slowReceiver{start: time.Now()}
			host := emulator.New(emulator.Options{Client: &http.Client{Transport: receiver}, Speed: tt.speed,
				Now: func() time.Time { return emulatortest.StartTime }})
			tokens := entra.New(host, entra.Options{Key: emulatortest.Key()})
			host.Add(tokens, graph.New(host, tokens, graph.Options{AnyToken: true}),
				outlook.New(host, tokens, outlook.Options{AnyToken: true}),
				sharepoint.New(host, tokens, sharepoint.Options{AnyToken: true}))
			defer host.Close()
			made := httptest.NewRecorder()
			host.ServeHTTP(made, httptest.NewRequest("POST", tt.path, strings.NewReader(tt.body)))
			if made.Code != http.StatusCreated {
				t.Fatalf("%s: subscribing answered %d %s", tt.system, made.Code, made.Body)
			}
			n, err := host.Happen(emulator.Event{System: tt.system, Resource: tt.resource, ChangeType: "updated"})
			if n != 1 || err != nil {
				t.Fatalf("%s: %d notifications, %v", tt.system, n, err)
			}
			time.Sleep(24 * time.Hour) // of the bubble's clock
			synctest.Wait()
			receiver.mu.Lock()
			defer receiver.mu.Unlock()
			got := receiver.attempts
			calls := host.Calls()
			if last := calls[len(calls)-1]; last.Attempt != tt.attempts ||
				!strings.HasPrefix(last.Error, "no answer within ") {
				t.Errorf("%s: the last call is attempt %d: %s", tt.system, last.Attempt, last.Error)
			}
			if len(got) != tt.attempts || !slices.Equal(got[:len(tt.first)], tt.first) {
				t.Errorf("%s: the attempts are %d: %v; want %d: %v", tt.system, len(got), got, tt.attempts, tt.first)
			}
		})
	}
}
