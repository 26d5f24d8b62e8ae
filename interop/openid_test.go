package interop

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/oauth2-proxy/mockoidc"
)

const signsIn = "issuer signs people in"

// TestGoMockOIDC signs people in to the pages by an OpenID issuer that others wrote.
func TestGoMockOIDC(t *testing.T) {
	issuer, err := mockoidc.Run()
	if err != nil {
		t.Fatal(err)
	}
	defer issuer.Shutdown()
	client := moduleVersion(t, "github.com/oauth2-proxy/mockoidc")
	config := issuer.Config()
	g := &gateway{env: []string{"BELLHOP_UI_OIDC_ISSUER=" + config.Issuer, "BELLHOP_UI_OIDC_CLIENT_ID=" +
		config.ClientID,
		"BELLHOP_UI_OIDC_CLIENT_SECRET=" + config.ClientSecret, "BELLHOP_UI_OIDC_SCOPES=profile,email,groups",
		"BELLHOP_UI_ROLES=admin:groups=bosses,viewer:email=" + mockoidc.DefaultUser().Email}}
	if err := g.start(); err != nil {
		t.Fatalf("start the gateway: %v", err)
	}
	defer g.stop()
	// signIn follows the link of the sign-in as a browser does, and returns the browser and where it came to.
	signIn := func(t *testing.T, user mockoidc.User) (*http.Client, *http.Response) {
		t.Helper()
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		browser := &http.Client{Jar: jar}
		issuer.QueueUser(user)
		resp, err := browser.Get(g.url + "/ui/openid?" + url.Values{"back": {"/ui/requests"}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return browser, resp
	}
	check(t, client, signsIn, "by a group: an admin, at the page that was asked for", func(t *testing.T) {
		browser, resp := signIn(t, &mockoidc.MockUser{Subject: "1", PreferredUsername: "ada",
			Groups: []string{"bosses"}})
		if resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/ui/requests" {
			t.Fatalf("%s at %s", resp.Status, resp.Request.URL)
		}
		resp, err := browser.Get(g.url + "/ui/sources/new")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("a page for admins: %s", resp.Status)
		}
	})
	check(t, client, signsIn, "by a verified address: a viewer", func(t *testing.T) {
		browser, resp := signIn(t, mockoidc.DefaultUser())
		if resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/ui/requests" {
			t.Fatalf("%s at %s", resp.Status, resp.Request.URL)
		}
		resp, err := browser.Get(g.url + "/ui/sources/new")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("a page for admins: %s", resp.Status)
		}
	})
	check(t, client, signsIn, "nobody else: an address that is not verified, another group", func(t *testing.T) {
		unverified := mockoidc.DefaultUser()
		unverified.EmailVerified = false
		for _, user := range []mockoidc.User{
			unverified, &mockoidc.MockUser{Subject: "2", Groups: []string{"bosses2"}}} {
			if _, resp := signIn(t, user); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s at %s", resp.Status, resp.Request.URL)
			}
		}
	})
	check(t, client, signsIn, "an issuer that refuses", func(t *testing.T) {
		issuer.QueueError(&mockoidc.ServerError{Code: http.StatusInternalServerError,
			Error: mockoidc.InternalServerError})
		_, resp := signIn(t, mockoidc.DefaultUser())
		if resp.StatusCode < 400 || !strings.HasPrefix(resp.Request.URL.String(), config.Issuer) {
			t.Errorf("%s at %s", resp.Status, resp.Request.URL)
		}
	})
}
