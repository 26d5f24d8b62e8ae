package app

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
)

// TestSignInByEntra: a person signs in by the stand-in of Microsoft Entra ID, as somebody whom a rule makes an
// operator. The key of the server has no part in it; a restart ends no session, and one without the rule does.
func TestSignInByEntra(t *testing.T) {
	t.Parallel()
	host := emulator.New(emulator.Options{})
	t.Cleanup(host.Close)
	host.Add(entra.New(host, entra.Options{Key: emulatortest.Key()}))
	issuer := httptest.NewServer(host)
	t.Cleanup(issuer.Close)
	opts := options(t, func(o *Options) {
		o.Config.UIOpenIDIssuer = issuer.URL + "/" + entra.DefaultTenant + "/v2.0"
		o.Config.UIOpenIDClient, o.Config.UIOpenIDSecret = entra.DefaultClient, entra.DefaultSecret
		o.Config.UIRoles = []string{"admin:groups=bosses", "operator:preferred_username=" + entra.UserName}
	})
	r := run(t, opts)
	b := &browser{h: &house{running: r}, base: r.URL()}
	page := b.is("the sign-in", "/ui/sign-in", 200)
	if !strings.Contains(page, "Sign in with "+strings.TrimPrefix(issuer.URL, "http://")) {
		t.Error(page)
	}
	status, body, to := b.visit("GET", "/ui/openid?back=/ui/events", nil)
	if status != 303 || !strings.HasPrefix(to, issuer.URL) {
		t.Fatalf("leave: %d %s %s", status, to, body)
	}
	reply, err := http.DefaultTransport.RoundTrip(httptest.NewRequestWithContext(t.Context(), "GET", to, nil))
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	back, ours := strings.CutPrefix(reply.Header.Get("Location"), r.URL())
	if !ours || !strings.HasPrefix(back, "/ui/openid/back?") {
		t.Fatalf("the issuer: %d %v", reply.StatusCode, reply.Header)
	}
	way := b.cookies
	status, body, to = b.visit("GET", back, nil)
	if status != 303 || to != "/ui/events" {
		t.Fatalf("come back: %d %s %s", status, to, body)
	}
	b.cookies = b.cookies[1:] // without the one that was spent
	if page := b.is("signed in", "/ui/", 200); !strings.Contains(page, entra.UserName) {
		t.Error("the page does not name the person")
	}
	again := &browser{h: b.h, base: b.base, cookies: way}
	if status, _, _ := again.visit("GET", back, nil); status != 401 {
		t.Errorf("the same return again: %d", status)
	}
	for _, c := range []struct {
		change func(*Options)
		want   int
	}{{func(*Options) {}, 200}, {func(o *Options) { o.Config.UIRoles = o.Config.UIRoles[:1] }, 303}} {
		r.stop()
		c.change(&opts)
		r = run(t, opts)
		b.base = r.URL()
		b.is("after a restart", "/ui/", c.want)
	}
}
