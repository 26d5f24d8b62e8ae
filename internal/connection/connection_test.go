package connection

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/acs"
)

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pemOf := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	r := newRig(t, entra.Options{Clients: []entra.Client{{ID: "by-certificate",
		Certificates: []*x509.Certificate{certificate}}}})
	for name, members := range map[string]map[string]any{
		"secret": nil,
		"v1":     {"version": "v1"},
		"certificate": {"client_id": "by-certificate", "client_secret": nil, "certificate": pemOf("CERTIFICATE", der),
			"private_key": pemOf("PRIVATE KEY", pkcs8)},
		"certificate-v1": {"client_id": "by-certificate", "client_secret": nil, "version": "v1",
			"certificate": pemOf("CERTIFICATE", der), "private_key": pemOf("PRIVATE KEY", pkcs8)},
	} {
		c := r.create(name, "graph", members)
		r.want(c, bellhop.ConnectionReady, "")
		if !strings.HasPrefix(c.Account, "application b") || c.ExpiresAt.Sub(r.clock.now()) != 3599*time.Second {
			t.Errorf("%s: account %q until %v", name, c.Account, c.ExpiresAt)
		}
		r.works(name)
		check, err := r.Test(t.Context(), name)
		if err != nil || !check.OK || check.ByUser || !check.ByToken || len(check.Permissions) == 0 {
			t.Errorf("%s: %+v, %v", name, check, err)
		}
	}
	if n := r.tokenRequests(); n != 4 {
		t.Errorf("%d requests for the tokens of 4 connections", n)
	}
}

// TestRefusals shows what a connection says whose settings the authority refuses for good, and that it is not asked
// again by itself.
func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	for name, c := range map[string]struct {
		members map[string]any
		reason  string
	}{
		"secret": {map[string]any{"client_secret": "no-such-secret"}, "AADSTS7000215: the client secret is wrong"},
		"client": {map[string]any{"client_id": "nobody"}, "AADSTS700016: the application is not known in this tenant"},
		"tenant": {map[string]any{"tenant": "common"}, "AADSTS90002: there is no such tenant"},
	} {
		made := r.create(name, "graph", c.members)
		r.want(made, bellhop.ConnectionSignedOut, c.reason)
		before := r.tokenRequests()
		r.refused(name, provider.APISignedOut, c.reason)
		r.clock.pass(time.Hour)
		r.refused(name, provider.APISignedOut, c.reason)
		if n := r.tokenRequests() - before; n != 0 {
			t.Errorf("%s: asked %d times after the refusal", name, n)
		}
		check, err := r.Test(t.Context(), name) // a person asks
		if err != nil || check.OK || !strings.Contains(check.Reason, c.reason) || r.tokenRequests() != before+1 {
			t.Errorf("%s: %+v, %v, %d requests", name, check, err, r.tokenRequests()-before)
		}
	}
	if n := r.signedOutEvents(); n != 0 {
		t.Errorf("%d events about connections that were never signed in", n)
	}
	r.want(r.update("secret", map[string]any{"client_secret": entra.DefaultSecret}), bellhop.ConnectionReady, "")
	r.works("secret")
	if err := r.host.Fault(emulator.Fault{Kind: emulator.FaultClock, Value: "1h"}); err != nil {
		t.Fatal(err)
	}
}

// TestExpiredSecret shows that a secret which expires signs the connection out, with an event.
func TestExpiredSecret(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("work", "graph", nil)
	if _, err := r.entra.Happen(
		emulator.Event{Resource: "clients/bellhop/secret", ChangeType: "deleted"}); err != nil {
		t.Fatal(err)
	}
	r.works("work") // the token is still good
	r.clock.pass(2 * time.Hour)
	r.refused("work", provider.APISignedOut, "AADSTS7000222: the client secret has expired")
	r.want(r.read("work"), bellhop.ConnectionSignedOut, "make a new one in the app registration")
	if n := r.signedOutEvents(); n != 1 {
		t.Fatalf("%d events", n)
	}
	ev := r.announce[0]
	var body struct {
		Connection struct{ Name, Provider string }
		Reason     string
	}
	if ev.Type != bellhop.TypeConnectionSignedOut || ev.Subject != "work" || ev.ProviderID == "" ||
		json.Unmarshal(ev.Body, &body) != nil || body.Connection.Name != "work" ||
		body.Connection.Provider != "graph" ||
		!strings.Contains(body.Reason, "AADSTS7000222") {
		t.Errorf("%+v %s", ev, ev.Body)
	}
}

// TestOneRefresh shows that callers that need a token at the same time cause one request.
func TestOneRefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{ReuseDetection: true})
	r.create("work", "graph", map[string]any{"grant": "user"})
	r.browser().signIn("work")
	for range 3 {
		r.clock.pass(2 * time.Hour)
		before := r.tokenRequests()
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() { r.works("work") })
		}
		callers.Wait()
		if n := r.tokenRequests() - before; n != 1 {
			t.Errorf("%d requests for tokens", n)
		}
	}
	r.want(r.read("work"), bellhop.ConnectionReady, "")
}

// TestRotation shows that a refresh token is used once, that the one before it is kept until the new one has worked,
// and that it is tried if the new one is refused.
func TestRotation(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("work", "graph", map[string]any{"grant": "user"})
	r.browser().signIn("work")
	first := r.stored("work")
	if first.Refresh == "" || first.Previous != "" || !first.ByUser {
		t.Fatal("the first tokens are not those of a sign-in")
	}
	r.clock.pass(2 * time.Hour)
	r.works("work")
	second := r.stored("work")
	if second.Refresh == first.Refresh || second.Previous != first.Refresh || second.Access == first.Access {
		t.Error("the tokens after a refresh do not follow those before it")
	}
	r.replace("work", func(t *tokens) { t.Refresh = "1.lost-by-the-authority" })
	r.start()
	r.clock.pass(2 * time.Hour)
	r.works("work")
	if third := r.stored("work"); third.Previous != first.Refresh || third.Refresh == second.Refresh {
		t.Error("the refresh token before the refused one was not used")
	}
}

// TestReuse shows that an authority which detects that a refresh token is used twice signs the connection out once.
func TestReuse(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{ReuseDetection: true})
	r.create("work", "graph", map[string]any{"grant": "user"})
	r.browser().signIn("work")
	old := r.stored("work")
	r.clock.pass(2 * time.Hour)
	r.works("work")
	r.replace("work", func(t *tokens) { *t = old }) // as from a backup
	r.start()
	r.clock.pass(2 * time.Hour)
	for range 3 {
		r.refused("work", provider.APISignedOut, "sign in again")
	}
	c := r.read("work")
	r.want(c, bellhop.ConnectionSignedOut, "(invalid_grant)")
	if t2 := r.stored("work"); t2.Refresh != "" || t2.Access != "" || !t2.ByUser || !c.ExpiresAt.IsZero() {
		t.Error("tokens that the authority refused are kept")
	}
	if n := r.signedOutEvents(); n != 1 {
		t.Errorf("%d events", n)
	}
	// A new sign-in is all that it takes.
	r.browser().signIn("work")
	r.want(r.read("work"), bellhop.ConnectionReady, "")
	r.works("work")
}

// TestStoredBeforeUsed shows that tokens which could not be stored are not used, and that they are stored before
// the authority is asked again.
func TestStoredBeforeUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{ReuseDetection: true})
	r.create("work", "graph", map[string]any{"grant": "user"})
	r.browser().signIn("work")
	r.clock.pass(2 * time.Hour)
	r.store.fail(&bellhop.Error{Code: bellhop.CodeUnavailable, Message: "storage is full"})
	before, api := r.tokenRequests(), len(r.calls("/v1.0/"))
	for range 3 {
		r.refused("work", provider.APITemporary, "storage is full")
	}
	if n := r.tokenRequests() - before; n != 1 || len(r.calls("/v1.0/")) != api {
		t.Errorf("%d requests for tokens, %d calls", n, len(r.calls("/v1.0/"))-api)
	}
	r.store.fail(nil)
	r.works("work")
	if n := r.tokenRequests() - before; n != 1 {
		t.Errorf("%d requests for tokens", n)
	}
	r.start() // the tokens are those on disk
	r.works("work")
	r.clock.pass(2 * time.Hour)
	r.works("work")
	r.want(r.read("work"), bellhop.ConnectionReady, "")
}

// TestCrash shows what a crash does between the answer of the authority and its storage: the refresh token on disk has
// been used, and an authority that keeps such tokens takes it again, while one that detects reuse does not.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, detects := range []bool{false, true} {
		r := newRig(t, entra.Options{ReuseDetection: detects})
		r.create("work", "graph", map[string]any{"grant": "user"})
		r.browser().signIn("work")
		r.clock.pass(2 * time.Hour)
		r.store.fail(&bellhop.Error{Code: bellhop.CodeUnavailable, Message: "storage is full"})
		r.refused("work", provider.APITemporary, "storage is full")
		r.start() // without the tokens that were in memory alone
		r.store.fail(nil)
		if !detects {
			r.works("work")
			r.want(r.read("work"), bellhop.ConnectionReady, "")
			continue
		}
		r.refused("work", provider.APISignedOut, "sign in again")
		r.want(r.read("work"), bellhop.ConnectionSignedOut, "(invalid_grant)")
		if n := r.signedOutEvents(); n != 1 {
			t.Errorf("%d events", n)
		}
	}
}

// TestGuard shows that neither an authority nor an API is called at an address that the server may not reach.
func TestGuard(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	guarded := egress.New(egress.Config{})
	t.Cleanup(guarded.Close)
	allowed := r.opts.Env.Client
	r.opts.Env.Client = guarded.HTTP()
	r.want(r.create("token", "graph", nil), bellhop.ConnectionFailing, "is a loopback address")
	r.want(r.create("discovery", "oauth2", map[string]any{"issuer": r.base + "/" + entra.DefaultTenant + "/v2.0",
		"client_id": "me", "client_secret": "a-long-secret", "api_url": r.base}), bellhop.ConnectionFailing,
		"is a loopback address")
	r.create("device", "graph", map[string]any{"grant": "user"})
	var e *bellhop.Error
	if _, err := r.Begin(t.Context(), "device", true); !errors.As(err, &e) ||
		!strings.Contains(e.Message, "is a loopback address") {
		t.Errorf("a device code: %v", err)
	}
	r.opts.Env.Client = allowed
	r.create("api", "graph", nil)
	r.opts.Env.Client = guarded.HTTP()
	r.refused("api", provider.APIInvalid, "is a loopback address")
	if n := len(r.calls("")); n != 1 { // the token of the last one
		t.Errorf("%d calls arrived", n)
	}
}

// TestRestart shows that stored tokens are used after a restart, without asking the authority.
func TestRestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("work", "graph", nil)
	r.start()
	r.works("work")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Manager.Run(ctx) }()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := r.tokenRequests(); n != 1 {
		t.Errorf("%d requests for tokens", n)
	}
	if at := r.read("work").UsedAt; at.IsZero() || r.clock.now().Sub(at) > time.Minute {
		t.Errorf("used at %v", at)
	}
}

// TestAhead shows that tokens are refreshed before callers would have to wait for that.
func TestAhead(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("work", "graph", nil)
	places := make(chan struct{}, 1)
	due := func() int {
		before := r.tokenRequests()
		r.refreshDue(places)
		places <- struct{}{} // waits for the refresh
		<-places
		return r.tokenRequests() - before
	}
	r.clock.pass(45 * time.Minute)
	if n := due(); n != 0 {
		t.Errorf("%d requests after 45 minutes", n)
	}
	r.clock.pass(9*time.Minute + 59*time.Second) // when callers would begin to wait
	if n := due(); n != 1 {
		t.Errorf("%d requests after nearly 55 minutes", n)
	}
	if n := due(); n != 0 {
		t.Errorf("%d requests just after a refresh", n)
	}
}

// TestClockJumps shows that a clock that is set forward or back causes few requests, and no call without a token.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("work", "graph", nil)
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 24 * 365 * time.Hour, -24 * 365 * time.Hour,
		-24 * 365 * time.Hour, time.Hour} {
		before := r.tokenRequests()
		r.clock.pass(jump)
		for range 20 {
			r.works("work")
		}
		if n := r.tokenRequests() - before; n > 1 {
			t.Errorf("after a jump by %v: %d requests for tokens", jump, n)
		}
	}
}

// TestRequestEnds shows that a request for tokens is over when its caller has the result: the next caller does not
// take it for one under way, during which an old token serves.
func TestRequestEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	c := r.create("work", "graph", nil)
	for range 100 {
		if _, err := r.session(t.Context(), c.ID, need{force: true, renew: true}); err != nil {
			t.Fatal(err)
		}
		if n := len(r.link(c.ID).busy); n != 0 {
			t.Fatalf("%d requests under way", n)
		}
	}
}

// TestBackoff shows how often an authority with a passing trouble is asked, and that the token that is left is used.
func TestBackoff(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("work", "graph", nil)
	fault := emulator.Fault{Kind: emulator.FaultError, Times: -1, Value: "503", System: "entra"}
	if err := r.host.Fault(fault); err != nil {
		t.Fatal(err)
	}
	r.clock.pass(57 * time.Minute)
	r.works("work")
	r.want(r.read("work"), bellhop.ConnectionFailing, "answered 503 Service Unavailable (temporarily_unavailable)")
	r.clock.pass(3 * time.Minute)
	before := r.tokenRequests()
	for range 3600 {
		r.clock.pass(time.Second)
		r.refused("work", provider.APITemporary, "503")
	}
	if n := r.tokenRequests() - before; n < 10 || n > 25 {
		t.Errorf("%d requests in an hour of failures", n)
	}
	r.host.Reset()
	r.clock.pass(longestRest)
	r.works("work")
	r.want(r.read("work"), bellhop.ConnectionReady, "")
	if n := r.signedOutEvents(); n != 0 {
		t.Errorf("%d events about a passing trouble", n)
	}
}

// TestThrottled shows that Retry-After is honoured.
func TestThrottled(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("work", "graph", nil)
	r.clock.pass(2 * time.Hour)
	if err := r.host.Fault(emulator.Fault{Kind: emulator.FaultThrottle, Value: "600", System: "entra"}); err != nil {
		t.Fatal(err)
	}
	if e := r.refused("work", provider.APITemporary, "429 Too Many Requests"); e.RetryAfter != 600*time.Second {
		t.Errorf("try again after %v", e.RetryAfter)
	}
	before := r.tokenRequests()
	r.clock.pass(599 * time.Second)
	r.refused("work", provider.APITemporary, "AADSTS90055")
	if n := r.tokenRequests() - before; n != 0 {
		t.Errorf("asked %d times before", n)
	}
	r.clock.pass(time.Second)
	r.works("work")
}

// TestSkew shows that clocks that differ are named.
func TestSkew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ by, want string }{
		{"100s", ""}, {"10m", "the clock of this machine is 10m0s behind that of 127.0.0.1"},
		{"-7m", "the clock of this machine is 7m0s ahead of that of 127.0.0.1"},
	} {
		r := newRig(t, entra.Options{})
		if err := r.host.Fault(emulator.Fault{Kind: emulator.FaultClock, Value: c.by}); err != nil {
			t.Fatal(err)
		}
		r.want(r.create("work", "graph", nil), bellhop.ConnectionReady, c.want)
		check, err := r.Test(t.Context(), "work")
		if err != nil || !check.OK || !strings.Contains(check.Reason, c.want) {
			t.Errorf("%s: %+v, %v", c.by, check, err)
		}
		// A refused secret may be right once the clock is.
		state := bellhop.ConnectionFailing
		if c.want == "" {
			state = bellhop.ConnectionSignedOut
		}
		r.want(r.create("bad", "graph", map[string]any{"client_secret": "no-such-secret"}), state, "AADSTS7000215")
	}
}

// TestRenewal shows that a token that the API refuses is renewed once, and that an API which refuses every token does
// not cause a request for each call.
func TestRenewal(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("work", "graph", nil)
	r.works("work")
	r.clock.pass(time.Second)
	if err := r.entra.Fault(emulator.Fault{Kind: emulator.FaultExpire}); err != nil {
		t.Fatal(err)
	}
	r.clock.pass(time.Second)
	before, api := r.tokenRequests(), len(r.calls("/v1.0/"))
	r.works("work")
	if n := r.tokenRequests() - before; n != 1 || len(r.calls("/v1.0/"))-api != 2 {
		t.Errorf("%d requests for tokens, %d calls", n, len(r.calls("/v1.0/"))-api)
	}
	if err := r.host.Fault(emulator.Fault{Kind: emulator.FaultError, Times: -1, Value: "401",
		System: "graph"}); err != nil {
		t.Fatal(err)
	}
	before = r.tokenRequests()
	for range 50 {
		if status, err := r.call("work"); status != http.StatusUnauthorized || err != nil {
			t.Fatalf("%d, %v", status, err)
		}
	}
	if n := r.tokenRequests() - before; n > renewalsPerMinute {
		t.Errorf("%d requests for tokens that the API refuses", n)
	}
}

// TestChanged shows which changes end a sign-in.
func TestChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{Clients: []entra.Client{{ID: "other", Secret: "other-secret"}}})
	c := r.create("work", "graph", nil)
	r.want(c, bellhop.ConnectionReady, "")
	r.browser().signIn("work") // neither grant is set: from now on it is a user's
	if c = r.read("work"); c.Account != entra.UserName {
		t.Errorf("account %q", c.Account)
	}
	r.want(r.update("work", map[string]any{"client_secret": "wrong-wrong-wrong"}), bellhop.ConnectionSignedOut,
		"AADSTS7000215")
	r.want(r.update("work", map[string]any{"client_secret": entra.DefaultSecret}), bellhop.ConnectionReady, "")
	if c = r.read("work"); c.Account != entra.UserName {
		t.Errorf("after another secret it is %q", c.Account)
	}
	r.want(r.update("work", map[string]any{"grant": "user"}), bellhop.ConnectionReady, "")
	r.want(r.update("work", map[string]any{"scopes": []string{"Mail.Read"}}), bellhop.ConnectionSignedOut,
		"bellhop connections login work")
	r.browser().signIn("work")
	r.want(r.update("work", map[string]any{"client_id": "other", "client_secret": "other-secret"}),
		bellhop.ConnectionSignedOut, "bellhop connections login work")
	r.refused("work", provider.APISignedOut, "bellhop connections login work")
}

// TestLogout shows that nothing is asked for after a sign-out on request.
func TestLogout(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("work", "graph", nil)
	r.browser().signIn("work")
	if err := r.Logout(t.Context(), "work"); err != nil {
		t.Fatal(err)
	}
	before := r.tokenRequests()
	r.refused("work", provider.APISignedOut, "signed out on request")
	if check, err := r.Test(t.Context(), "work"); err != nil || check.OK || !check.ByUser {
		t.Errorf("%+v, %v", check, err)
	}
	if n := r.tokenRequests() - before; n != 0 || r.stored("work").Refresh != "" || r.signedOutEvents() != 0 {
		t.Errorf("%d requests, %d events", n, r.signedOutEvents())
	}
	r.Deleted(r.read("work").ID)
	err := r.Logout(t.Context(), "nobody")
	var e *bellhop.Error
	if !errors.As(err, &e) || e.Code != bellhop.CodeNotFound {
		t.Errorf("%v", err)
	}
}

// TestKeys shows that calls are signed by the access key that the resource accepts.
func TestKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	var mu sync.Mutex
	seen, good := 0, "c2Vjb25k"
	resource := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen++
		key := []byte("second")
		if good == "" {
			key = []byte("third")
		}
		err := acs.Verifier{Keys: [][]byte{key}}.Verify(acs.Request{Method: q.Method, Target: q.URL.RequestURI(),
			Host: q.Host, Header: q.Header}, r.clock.now())
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer resource.Close()
	c := r.create("calls", "acs", map[string]any{"endpoint": resource.URL, "access_key": []string{"Zmlyc3Q=", good}})
	r.want(c, bellhop.ConnectionReady, "")
	for i, want := range []int{2, 1, 1} {
		mu.Lock()
		seen = 0
		mu.Unlock()
		check, err := r.Test(t.Context(), "calls")
		if err != nil || !check.OK || check.ByToken || seen != want {
			t.Errorf("test %d: %+v, %v, %d requests", i, check, err, seen)
		}
	}
	mu.Lock()
	good = ""
	mu.Unlock()
	check, err := r.Test(t.Context(), "calls")
	if err != nil || check.OK || !strings.Contains(check.Reason, "does not accept the access key") {
		t.Errorf("%+v, %v", check, err)
	}
	r.want(r.read("calls"), bellhop.ConnectionSignedOut, "set access_key ")
	var e *bellhop.Error
	if _, err := r.Begin(t.Context(), "calls", false); !errors.As(err, &e) || e.Code != bellhop.CodeConflict {
		t.Errorf("a sign-in: %v", err)
	}
	if err := r.Logout(t.Context(), "calls"); !errors.As(err, &e) || e.Code != bellhop.CodeConflict {
		t.Errorf("a sign-out: %v", err)
	}
}

// TestNoSecretShown shows that neither logs nor events nor the stored texts have a token or a secret in them.
func TestNoSecretShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{Clients: []entra.Client{{ID: "app", Secret: "canary-of-the-secret"}}})
	r.create("work", "graph", map[string]any{"client_id": "app", "client_secret": "canary-of-the-secret"})
	r.browser().signIn("work")
	secrets := []string{"canary-of-the-secret", r.stored("work").Access, r.stored("work").Refresh}
	r.clock.pass(2 * time.Hour)
	r.works("work")
	secrets = append(secrets, r.stored("work").Access, r.stored("work").Refresh)
	if err := r.entra.Fault(emulator.Fault{Kind: emulator.FaultRevoke}); err != nil {
		t.Fatal(err)
	}
	r.clock.pass(2 * time.Hour)
	refused := r.refused("work", provider.APISignedOut, "AADSTS50173")
	for _, c := range r.calls("/connect/") {
		secrets = append(secrets, c.URL)
	}
	c := r.read("work")
	texts := r.logged.String() + c.Reason + c.Account + refused.Error()
	for _, ev := range r.announce {
		texts += string(ev.Body) + ev.ProviderID
	}
	for i, secret := range secrets {
		if secret == "" || strings.Contains(texts, secret) {
			t.Errorf("secret %d is shown", i)
		}
	}
	hidden := tokens{Access: "canary"}
	if text := fmt.Sprintf("%v %+v %#v", hidden, hidden, hidden); strings.Contains(text, "canary") {
		t.Errorf("tokens are printed: %s", text)
	}
}

// TestStopAfterItsTime: a stop whose time is over before it begins says so only if a request for tokens is under way.
func TestStopAfterItsTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for range 100 {
		if err := r.Stop(over); err != nil {
			t.Fatalf("nothing is under way: %v", err)
		}
	}
	r.start()
	if !r.begin() {
		t.Fatal("stopped already")
	}
	if err := r.Stop(over); err == nil {
		t.Error("a request is under way")
	}
	r.end()
}

// TestBack: whoever waits for a connection is told once when it can be used again: after a sign-in, after new
// settings, and after a failure that passed. A call that follows at once succeeds. A refresh of a good token says
// nothing.
func TestBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	var back []string
	var called sync.WaitGroup
	r.opts.Back = func(id string) {
		c, err := r.Connection(t.Context(), id)
		if err != nil || c.ID != id || c.Provider != "graph" {
			t.Errorf("connection %+v, %v", c, err)
		}
		back = append(back, c.Name)
		called.Go(func() { r.works(c.Name) }) // as Back must not wait
	}
	want := func(when string, names ...string) {
		t.Helper()
		called.Wait()
		if !slices.Equal(back, names) {
			t.Errorf("%s: told of %q, want %q", when, back, names)
		}
		back = nil
	}
	r.create("app", "graph", nil)
	want("a new connection", "app")
	r.clock.pass(2 * time.Hour)
	r.works("app")
	want("a refresh")
	r.update("app", map[string]any{"client_secret": "wrong"})
	r.refused("app", provider.APISignedOut, "app")
	want("refused")
	r.update("app", map[string]any{"client_secret": entra.DefaultSecret})
	want("good settings again", "app")

	r.create("user", "graph", map[string]any{"grant": "user"})
	want("nobody signed in")
	r.browser().signIn("user")
	want("a sign-in", "user")
	if _, err := r.Connection(t.Context(), "none"); err == nil {
		t.Error("there is a connection that does not exist")
	}
}
