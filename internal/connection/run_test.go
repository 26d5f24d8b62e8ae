package connection

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// A memory is a store of connections in memory, for tests in which time stands still.
type memory struct {
	mu     sync.Mutex
	nouns  map[string]bellhop.Connection // by id
	tokens map[string][]byte
}

func (s *memory) Connections(context.Context, bellhop.ConnectionFilter,
	bellhop.Page) (list []bellhop.Connection, next string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.nouns {
		list = append(list, c)
	}
	return list, "", nil
}

func (s *memory) Connection(_ context.Context, id string) (bellhop.Connection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.nouns[id]
	if !ok {
		return c, bellhop.NotFound("connection", id)
	}
	return c, nil
}

func (s *memory) ConnectionTokens(_ context.Context, id string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[id], nil
}

func (s *memory) SettleConnection(_ context.Context, o bellhop.ConnectionOutcome) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.nouns[o.ID]
	c.State, c.Reason, c.Account, c.ExpiresAt = o.State, o.Reason, o.Account, o.ExpiresAt
	s.nouns[o.ID] = c
	if o.Tokens != nil {
		s.tokens[o.ID] = o.Tokens
	}
	return true, nil
}

func (s *memory) UseConnections(context.Context, map[string]time.Time) error { return nil }

// An authority grants tokens for an hour. One answer in ten is an error, and one in twenty asks to wait.
type authority struct {
	mu       sync.Mutex
	requests map[string][]time.Time // by client
	count    int
}

// RoundTrip makes it the transport of a client: no connection is made.
func (a *authority) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_, client, _ := strings.Cut(string(body), "client_id=")
	client, _, _ = strings.Cut(client, "&")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests[client] = append(a.requests[client], time.Now())
	a.count++
	status, text := http.StatusOK, fmt.Sprintf(
		`{"access_token":"t%d","token_type":"Bearer","expires_in":3600}`,
		a.count,
	)
	header := http.Header{"Content-Type": {"application/json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}
	switch {
	case a.count%20 == 0:
		status, text = http.StatusTooManyRequests, "{}"
		header.Set("Retry-After", "60")
	case a.count%10 == 5:
		status, text = http.StatusServiceUnavailable, "busy"
	}
	return &http.Response{
		StatusCode: status,
		Header:     header,
		Body:       io.NopCloser(strings.NewReader(text)),
		Request:    r,
	}, nil
}

// TestRunForDays shows that tokens are refreshed in time for days, although the authority fails now and then. No
// caller ever waits in vain or gets a token that has ended, and the authority is not asked in a storm.
func TestRunForDays(t *testing.T) {
	t.Parallel()
	const connections, days = 20, 3
	synctest.Test(t, func(t *testing.T) {
		server := &authority{requests: map[string][]time.Time{}}
		s := &memory{nouns: map[string]bellhop.Connection{}, tokens: map[string][]byte{}}
		var ids []string
		for i := range connections {
			settings, err := json.Marshal(map[string]any{"token_url": "https://id.example/token",
				"client_id": fmt.Sprintf("client-%d", i), "client_secret": "a-long-secret",
				"api_url": "https://api.example"})
			if err != nil {
				t.Fatal(err)
			}
			id := bellhop.NewID(bellhop.PrefixConnection, rand.Reader)
			ids = append(ids, id)
			s.nouns[id] = bellhop.Connection{
				ID:        id,
				Name:      fmt.Sprintf("c%d", i),
				Provider:  "oauth2",
				Settings:  settings,
				State:     bellhop.ConnectionFailing,
				UpdatedAt: time.Now(),
			}
		}
		m := New(Options{Store: s, Connectors: all.Connectors(), Env: provider.Env{Now: time.Now, Rand: rand.Reader,
			Client: &http.Client{Transport: server}, Logger: slog.New(slog.DiscardHandler)}})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		time.Sleep(10 * time.Minute) // of the test's own time: until each has its first token
		for range days * 24 * 4 {
			for _, id := range ids {
				got, err := m.session(ctx, id, need{})
				if err != nil || !got.tokens.usable(time.Now()) {
					t.Fatalf("%v: %v", time.Now(), err)
				}
			}
			time.Sleep(15 * time.Minute)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := m.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		for client, requests := range server.requests {
			if n := len(requests); n < days*24 || n > days*24*3/2 {
				t.Errorf("%s: %d requests in %d days", client, n, days)
			}
			for i, at := range requests[1:] {
				if wait := at.Sub(requests[i]); wait < time.Second {
					t.Errorf("%s: two requests within %v", client, wait)
				}
			}
		}
	})
}
