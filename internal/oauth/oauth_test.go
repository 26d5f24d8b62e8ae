package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress"
)

// A tokenServer answers requests for tokens, through pipes, so that it works where time stands still.
type tokenServer struct {
	conns chan net.Conn
	ended chan struct{}
	asked atomic.Int64 // requests so far
}

// newTokenServer starts a token server, and returns it with a source of its tokens. members replace those of
// its replies.
func newTokenServer(t *testing.T, members map[string]any) (*tokenServer, *Source) {
	s := &tokenServer{conns: make(chan net.Conn), ended: make(chan struct{})}
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			reply := map[string]any{"access_token": fmt.Sprintf("token-%d", s.asked.Add(1)), "token_type": "bearer"}
			for name, value := range members {
				reply[name] = value
			}
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(reply)
		})}
	go server.Serve(s)
	client := egress.New(egress.Config{AllowPrivate: true,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			s.conns <- theirs
			return ours, nil
		}})
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	source, err := New(client, ClientCredentials{TokenURL: "http://10.0.0.7/token", ClientID: "me",
		ClientSecret: "hush-hush"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s, source
}

// Accept, Close and Addr make it a net.Listener.
func (s *tokenServer) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.ended:
		return nil, net.ErrClosed
	}
}

func (s *tokenServer) Close() error {
	close(s.ended)
	return nil
}

func (s *tokenServer) Addr() net.Addr { return &net.TCPAddr{} }

// TestRefused: a token that was refused is fetched again, but not within Rest; a refusal of an older token
// changes nothing.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, source := newTokenServer(t, nil)
		want := func(want string) {
			t.Helper()
			if got, err := source.Token(t.Context(), time.Second); err != nil || got != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
		want("token-1")
		source.Refused("token-1")
		want("token-1") // it is younger than Rest
		time.Sleep(Rest)
		source.Refused("token-0")
		want("token-1")
		source.Refused("token-1")
		want("token-2")
	})
}

// TestRace: callers that ask at the same time, tokens that expire at once, and refusals cause few requests.
func TestRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, source := newTokenServer(t, map[string]any{"expires_in": 1})
		var running sync.WaitGroup
		for i := range 64 {
			running.Go(func() {
				for range 20 {
					text, err := source.Token(t.Context(), time.Second)
					if err != nil {
						t.Error(err)
					}
					if i%8 == 0 {
						source.Refused(text)
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		running.Wait()
		if n := server.asked.Load(); n > 4 {
			t.Errorf("%d tokens were fetched in two seconds", n)
		}
	})
}

// TestGuard: the address of a token server is checked when it is dialled, like any other address.
func TestGuard(t *testing.T) {
	inside := resolver(func(string) []netip.Addr { return []netip.Addr{netip.MustParseAddr("10.0.0.7")} })
	client := egress.New(egress.Config{Resolver: inside,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			t.Error("dialled")
			return nil, net.ErrClosed
		}})
	defer client.Close()
	source, err := New(client, ClientCredentials{TokenURL: "https://id.example/token", ClientID: "me",
		ClientSecret: "hush-hush"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = source.Token(t.Context(), time.Second)
	if err == nil || !strings.HasPrefix(err.Error(), "the token server id.example cannot be reached: "+
		"blocked_address: ") {
		t.Errorf("got %v", err)
	}
}

type resolver func(host string) []netip.Addr

func (r resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return r(host), nil
}
