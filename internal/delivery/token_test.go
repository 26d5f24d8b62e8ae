package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/oauth"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
)

// credentials returns an access object with OAuth 2 client credentials.
func credentials(tokenURL string) map[string]any {
	return map[string]any{"token_url": tokenURL, "client_id": "me", "client_secret": "hush-hush",
		"scopes": []string{"a", "b"}, "audience": "them"}
}

// sends returns a token server that answers with these members and a token that has the number of the request.
func sends(asked *receiver, members map[string]any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		answer := map[string]any{"access_token": fmt.Sprintf("token-%d", len(asked.got())), "token_type": "bearer"}
		for name, value := range members {
			answer[name] = value
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer)
	}
}

// tokenRig returns a rig with a destination and its token server.
func tokenRig(t *testing.T, change ...func(*bellhop.Destination)) (r *rig, to, server *receiver,
	d bellhop.Destination) {
	r = newRig(t)
	to, server = r.network.receiver("to"), r.network.receiver("server")
	server.will(sends(server, nil))
	return r, to, server, r.destination(to, append([]func(*bellhop.Destination){withAccess(credentials("http://" +
		server.address + "/token"))}, change...)...)
}

// wantTokens checks how many tokens were fetched, and which tokens the destination got, in order.
func wantTokens(t *testing.T, server, to *receiver, fetched int, want ...string) {
	t.Helper()
	var got []string
	for _, c := range to.got() {
		got = append(got, strings.TrimPrefix(c.header.Get("Authorization"), "Bearer "))
	}
	if len(server.got()) != fetched || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%d tokens were fetched, %q were sent; want %d, %q", len(server.got()), got, fetched, want)
	}
}

// TestTokenOnce: when many attempts wait for a token, it is fetched once, as RFC 6749, section 4.4.2, specifies.
func TestTokenOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, to, server, _ := tokenRig(t)
		server.will(func(w http.ResponseWriter, req *http.Request) {
			time.Sleep(time.Second)
			sends(server, nil)(w, req)
		})
		r.acceptMany(100)
		time.Sleep(time.Minute)
		to.wantOnce(t, 100)
		if len(server.got()) != 1 {
			t.Fatalf("%d tokens were fetched", len(server.got()))
		}
		for _, c := range to.got() {
			if c.header.Get("Authorization") != "Bearer token-1" {
				t.Fatalf("sent %q", c.header.Get("Authorization"))
			}
		}
		c := server.got()[0]
		if c.method != "POST" || c.body != "audience=them&grant_type=client_credentials&scope=a+b" ||
			c.header.Get("Authorization") != "Basic bWU6aHVzaC1odXNo" {
			t.Errorf("asked %+v", c)
		}
	})
}

// TestTokenInBody: a token server that requires the secret in the body gets it there, and from then on at the first
// request.
func TestTokenInBody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, to, server, _ := tokenRig(t)
		server.will(func(w http.ResponseWriter, req *http.Request) {
			if calls := server.got(); strings.Contains(calls[len(calls)-1].body, "client_secret=hush-hush") {
				sends(server, map[string]any{"expires_in": 10})(w, req)
				return
			}
			w.WriteHeader(401)
		})
		r.acceptMany(1)
		time.Sleep(20 * time.Second)
		r.acceptMany(1)
		synctest.Wait()
		wantTokens(t, server, to, 3, "token-2", "token-3")
	})
}

// TestTokenExpires: a token is used until shortly before its end, or for an hour if its server names none.
func TestTokenExpires(t *testing.T) {
	for name, c := range map[string]struct {
		expires any
		use     time.Duration // how long the token is used
	}{
		"an hour":    {3600, time.Hour - 30*time.Second},
		"as a text":  {"60", 54 * time.Second},
		"tiny":       {1, 900 * time.Millisecond},
		"not said":   {nil, time.Hour - 30*time.Second},
		"for ever":   {1 << 40, 1000 * time.Hour},
		"zero seems": {0, time.Hour - 30*time.Second}, // as without a lifetime
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r, to, server, _ := tokenRig(t)
				server.will(sends(server, map[string]any{"expires_in": c.expires}))
				r.acceptMany(1)
				synctest.Wait()
				time.Sleep(c.use - time.Millisecond)
				r.acceptMany(1)
				synctest.Wait()
				wantTokens(t, server, to, 1, "token-1", "token-1")
				if name == "for ever" {
					return
				}
				time.Sleep(2 * time.Millisecond)
				r.acceptMany(1)
				synctest.Wait()
				wantTokens(t, server, to, 2, "token-1", "token-1", "token-2")
			})
		})
	}
}

// TestTokenRefused: after a 401 the next attempt has a new token, but not every 401 causes a request to the token
// server.
func TestTokenRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, to, server, _ := tokenRig(t)
		r.acceptMany(1)
		time.Sleep(time.Minute) // the token is revoked
		to.will(func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Authorization") == "Bearer token-1" {
				w.WriteHeader(401)
			}
		})
		r.acceptMany(1)
		time.Sleep(10 * time.Second)
		wantTokens(t, server, to, 2, "token-1", "token-1", "token-2")
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 2})

		time.Sleep(time.Minute)
		to.will(status(401)) // for every token
		before := time.Now()
		for range 50 {
			r.acceptMany(10)
			time.Sleep(100 * time.Millisecond)
		}
		if fetched, most := len(server.got())-2, 1+int(time.Since(before)/oauth.Rest); fetched < 1 || fetched > most {
			t.Errorf("%d tokens were fetched in %v, at most %d should be", fetched, time.Since(before), most)
		}
	})
}

// tokenFaults are token servers that do not issue a token. The recorded detail describes the fault and does not
// contain the server's text.
var tokenFaults = []struct {
	name   string
	answer http.HandlerFunc
	detail string
}{
	{"500", status(500), "answered 500 Internal Server Error"},
	{"says who we are not", jsonAnswer(400, `{"error":"invalid_client","error_description":"hush-hush is wrong"}`),
		"answered 400 Bad Request (invalid_client)"},
	{"an error of its own", jsonAnswer(400, `{"error":"hush-hush"}`), "answered 400 Bad Request"},
	{"an error with 200", jsonAnswer(200, `{"error":"invalid_scope"}`), "(invalid_scope)"},
	{"redirects", http.RedirectHandler("http://10.0.0.1/hooks", http.StatusFound).ServeHTTP,
		"answered 302: redirects are not followed"},
	{"redirects and keeps the method", http.RedirectHandler("http://10.0.0.1/hooks",
		http.StatusTemporaryRedirect).ServeHTTP, "redirects are not followed"},
	{"garbage", raw("HTTP/1.1 200 OK\r\n\r\n\x00hush-hush"), "sent something that is no token"},
	{"no HTTP", raw("hush-hush\r\n\r\n"), "did not answer as HTTP servers do, or hung up"},
	{"nothing", jsonAnswer(200, `{}`), "sent something that is no token"},
	{"an odd expiry", jsonAnswer(200, `{"access_token":"x","expires_in":"hush-hush"}`),
		"sent something that is no token"},
	{"half an answer", raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "sent something that is no token"},
	{"endless", func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := io.WriteString(w, strings.Repeat(" ", 64<<10)); err != nil {
				return
			}
		}
	}, "sent something that is no token"},
	{"endless headers", raw("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 10_000)),
		"did not answer as HTTP servers do, or hung up"},
	{"is not there", nil, "cannot be reached: connection refused"},
	{"hangs", hang, "did not send a token in time"},
	{"trickles", trickle, "did not send a token in time"},
	{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"did not answer as HTTP servers do, or hung up"},
	{"another type", jsonAnswer(200, `{"access_token":"hush-hush","token_type":"mac"}`), "another type than Bearer"},
	{"expired", jsonAnswer(200, `{"access_token":"hush-hush","token_type":"bearer","expires_in":-5}`),
		"has expired already"},
	{"a line end", jsonAnswer(200, `{"access_token":"a\r\nX-Hush: hush-hush","token_type":"bearer"}`),
		"cannot stand in a header"},
	{"too long", jsonAnswer(200, `{"access_token":"`+strings.Repeat("x", 16<<10+1)+`","token_type":"bearer"}`),
		"cannot stand in a header"},
}

func jsonAnswer(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

// TestTokenFaults: without a token no request is sent. The attempt ends in time, its detail gives the reason, and
// it is retried by the schedule.
func TestTokenFaults(t *testing.T) {
	for _, f := range tokenFaults {
		t.Run(f.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r, to, server, _ := tokenRig(t, func(d *bellhop.Destination) { d.Timeout = 2 * time.Second })
				server.will(f.answer)
				server.refuse(f.answer == nil)
				r.acceptMany(1)
				time.Sleep(3 * time.Second)
				got := r.only()
				if got.State != bellhop.DeliveryPending || got.Last == nil || got.Last.Error != outbound.ErrorToken ||
					got.Last.Duration > 2*time.Second || len(to.got()) > 0 {
					t.Fatalf("recorded %+v, %+v; %d arrived", got, got.Last, len(to.got()))
				}
				if !strings.Contains(got.Last.Detail, f.detail) || !strings.HasPrefix(got.Last.Detail,
					"the token server "+strings.TrimSuffix(server.address, ":80")) {
					t.Errorf("the reason is %q, want %q", got.Last.Detail, f.detail)
				}
				if strings.Contains(got.Last.Detail, "hush") || strings.Contains(got.Last.Detail, "/token") {
					t.Errorf("the reason has a secret: %q", got.Last.Detail)
				}
				server.will(sends(server, nil))
				server.refuse(false)
				time.Sleep(10 * time.Minute)
				r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 1})
				r.wantIdle()
			})
		})
	}
}

// TestTokenServerIsSpared: a backlog does not flood a token server that fails. A fetch makes at most two requests.
func TestTokenServerIsSpared(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, to, server, _ := tokenRig(t)
		server.will(status(503))
		start := time.Now()
		for range 60 {
			r.acceptMany(20)
			time.Sleep(time.Second)
		}
		if n, most := len(server.got()), 2*(1+int(time.Since(start)/oauth.Rest)); n > most || n < 10 {
			t.Errorf("asked %d times in %v; at most %d", n, time.Since(start), most)
		}
		server.will(sends(server, nil))
		time.Sleep(24 * time.Hour)
		if n := len(to.got()); n != 1200 {
			t.Errorf("%d arrived", n)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 1200})
	})
}

// TestTokenOutlivesChanges: a token is kept when the destination changes, unless its access changes.
func TestTokenOutlivesChanges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, to, server, d := tokenRig(t)
		r.acceptMany(1)
		synctest.Wait()
		r.update(d.ID, func(d *bellhop.Destination) { d.Concurrency, d.URL = 3, to.url()+"?new" })
		r.acceptMany(1)
		synctest.Wait()
		wantTokens(t, server, to, 1, "token-1", "token-1")
		r.update(d.ID, func(d *bellhop.Destination) { d.State = bellhop.DestinationPaused })
		r.update(d.ID, func(d *bellhop.Destination) { d.State = bellhop.DestinationActive })
		r.acceptMany(1)
		synctest.Wait()
		wantTokens(t, server, to, 1, "token-1", "token-1", "token-1")
		changed := credentials("http://" + server.address + "/token")
		changed["client_secret"] = "another"
		r.update(d.ID, withAccess(changed))
		r.acceptMany(1)
		synctest.Wait()
		wantTokens(t, server, to, 2, "token-1", "token-1", "token-1", "token-2")
	})
}

// TestTokenAndStop: a stop cuts off the wait for a token, and the attempt does not count.
func TestTokenAndStop(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, _, server, _ := tokenRig(t, func(d *bellhop.Destination) { d.Timeout = time.Minute })
		server.will(hang)
		r.acceptMany(5)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := r.stop(ctx); err == nil {
			t.Error("not reported")
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		r.open()
		for _, d := range r.deliveries() {
			if d.Attempts > 0 {
				t.Errorf("recorded: %+v", d.Last)
			}
		}
	})
}
