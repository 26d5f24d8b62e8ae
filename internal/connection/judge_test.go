package connection

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/provider"
)

// TestRefusedByAPI shows that a connection whose API refuses good tokens is failing, that neither a refresh nor a
// restart makes it ready, and that a call or a test that succeeds does.
func TestRefusedByAPI(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	var status atomic.Int64
	system := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, `{"value":[]}`)
	}))
	defer system.Close()
	call := func(answered int) {
		t.Helper()
		status.Store(int64(answered))
		got, err := r.call("work")
		if err != nil || got != answered {
			t.Fatalf("a call is answered %d, %v, want %d", got, err, answered)
		}
	}
	refresh := func() {
		t.Helper()
		before := r.tokenRequests()
		r.clock.pass(2 * time.Hour)
		_, err := r.session(t.Context(), r.read("work").ID, need{ahead: true})
		if err != nil || r.tokenRequests() != before+1 {
			t.Fatalf("the refresh: %v, %d requests", err, r.tokenRequests()-before)
		}
	}
	const reason = "answers 401 to the tokens that the authority grants"

	r.want(r.create("work", "graph", map[string]any{"api_url": system.URL}), bellhop.ConnectionReady, "")
	for _, harmless := range []int{200, 403, 404, 500} {
		call(harmless)
	}
	r.want(r.read("work"), bellhop.ConnectionReady, "")
	call(http.StatusUnauthorized)
	r.want(r.read("work"), bellhop.ConnectionFailing, reason)
	refresh()
	r.want(r.read("work"), bellhop.ConnectionFailing, reason)
	r.start()
	backs := 0
	r.opts.Back = func(string) { backs++ }
	refresh()
	r.want(r.read("work"), bellhop.ConnectionFailing, reason)
	for _, unproven := range []int{403, 404, 429, 500} { // of a proxy, perhaps
		call(unproven)
	}
	r.want(r.read("work"), bellhop.ConnectionFailing, reason)
	call(http.StatusOK)
	r.want(r.read("work"), bellhop.ConnectionReady, "")
	if r.stored("work").Refused != "" || backs != 1 {
		t.Errorf("the tokens still count as refused, or %d were told that the connection is back", backs)
	}

	test := func(answered int, ok bool) {
		t.Helper()
		status.Store(int64(answered))
		check, err := r.Test(t.Context(), "work")
		if err != nil || check.OK != ok {
			t.Fatalf("the test: %+v, %v", check, err)
		}
	}
	r.clock.pass(2 * renewalWindow)
	test(http.StatusUnauthorized, false)
	r.want(r.read("work"), bellhop.ConnectionFailing, "401")
	refresh()
	r.want(r.read("work"), bellhop.ConnectionFailing, "401")
	test(http.StatusOK, true)
	r.want(r.read("work"), bellhop.ConnectionReady, "")

	// Other settings make the refusal forgotten; a failure of the authority in between does not.
	r.clock.pass(2 * renewalWindow)
	call(http.StatusUnauthorized)
	status.Store(http.StatusOK)
	r.update("work", map[string]any{"scopes": []string{"Mail.Read"}})
	r.want(r.read("work"), bellhop.ConnectionReady, "")
	call(http.StatusUnauthorized)
	fail := emulator.Fault{Kind: emulator.FaultError, Times: 1, Value: "503", System: "entra"}
	if err := r.host.Fault(fail); err != nil {
		t.Fatal(err)
	}
	r.clock.pass(2 * time.Hour)
	r.refused("work", provider.APITemporary, "503")
	r.want(r.read("work"), bellhop.ConnectionFailing, "503")
	r.clock.pass(longestRest)
	refresh()
	r.want(r.read("work"), bellhop.ConnectionFailing, reason)
	if strings.Contains(r.logged.String(), r.stored("work").Access) {
		t.Error("a token is logged")
	}
	if n := r.signedOutEvents(); n != 0 {
		t.Errorf("%d events say that it was signed out", n)
	}
}

// TestRefusedAndUnstored shows that a mark which the store does not take is made by a later call.
func TestRefusedAndUnstored(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	system := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer system.Close()
	r.create("work", "graph", map[string]any{"api_url": system.URL})
	id := r.read("work").ID
	r.store.fail(context.DeadlineExceeded)
	r.judge(t.Context(), id, "", "the API does not take it")
	r.want(r.read("work"), bellhop.ConnectionReady, "")
	r.store.fail(nil)
	r.judge(t.Context(), id, "another token", "the API does not take it")
	r.want(r.read("work"), bellhop.ConnectionReady, "")
	if _, err := r.call("work"); err != nil {
		t.Fatal(err)
	}
	r.want(r.read("work"), bellhop.ConnectionFailing, "answers 401")
}
