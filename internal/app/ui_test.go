package app

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// A browser visits the pages of a server with the cookies of one person.
type browser struct {
	h       *house
	base    string
	cookies []*http.Cookie
}

// visit makes a request as a page of ours would. It follows no redirect.
func (b *browser) visit(method, path string, form url.Values) (status int, body string, to string) {
	b.h.t.Helper()
	req, err := http.NewRequestWithContext(b.h.t.Context(), method, b.base+path, strings.NewReader(form.Encode()))
	b.h.must(err)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range b.cookies {
		req.AddCookie(c)
	}
	reply, err := http.DefaultTransport.RoundTrip(req)
	b.h.must(err)
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	b.h.must(err)
	if given := reply.Cookies(); len(given) > 0 {
		b.cookies = given
	}
	return reply.StatusCode, string(text), reply.Header.Get("Location")
}

// signIn returns a browser in which the holder of a key has signed in.
func (h *house) signIn(key string) *browser {
	h.t.Helper()
	b := &browser{h: h, base: h.URL()}
	status, body, to := b.visit("POST", "/ui/sign-in", url.Values{"key": {key}, "back": {"/ui/events"}})
	if status != 303 || to != "/ui/events" || len(b.cookies) != 1 {
		h.t.Fatalf("sign in: %d %s %s", status, to, body)
	}
	return b
}

// is checks the status of a page.
func (b *browser) is(what, path string, want int) string {
	b.h.t.Helper()
	status, body, _ := b.visit("GET", path, nil)
	if status != want {
		b.h.t.Errorf("%s: %s: %d, want %d", what, path, status, want)
	}
	return body
}

// TestPagesOfAServer: a person signs in with a key, sees every page, and changes nothing by looking. An operator
// retries and cancels.
func TestPagesOfAServer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	before := h.shown()
	b := h.signIn(h.keys["all"])
	for path, want := range map[string]string{
		"/ui/":                          "It is paused",
		"/ui/events":                    "/ui/events/" + h.ids["events"],
		"/ui/events/" + h.ids["events"]: `<pre class="content pretty"`,
		"/ui/events/" + h.ids["events"] + "/body": `{"n":1}`,
		"/ui/events/" + h.ids["events"] + "/copy": "Publish a changed copy",
		"/ui/deliveries":                              "/ui/deliveries/" + h.ids["deliveries"],
		"/ui/deliveries/" + h.ids["deliveries"]:       "Delivery to billing",
		"/ui/requests":                                "/ui/requests/" + h.ids["requests"],
		"/ui/requests/" + h.ids["requests"]:           "The provider does not use this method.",
		"/ui/requests/" + h.ids["requests"] + "/body": "",
		"/ui/sign-in":                                 "Sign in",
		"/ui/open/x":                                  "Open",
	} {
		if body := b.is("admin", path, 200); !strings.Contains(body, want) {
			t.Errorf("%s does not have %s", path, want)
		}
	}
	if after := h.shown(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	status, _, to := b.visit("POST", "/ui/deliveries/"+h.ids["deliveries"]+"/cancel", nil)
	if status != 303 || to != "/ui/deliveries/"+h.ids["deliveries"]+"?did=cancelled" {
		t.Errorf("cancel: %d %s", status, to)
	}
	if body := b.is("cancelled", to, 200); !strings.Contains(body, "The delivery is cancelled.") {
		t.Error(body)
	}
	status, body, _ := b.visit("POST", "/ui/deliveries/"+h.ids["deliveries"]+"/cancel", nil)
	if status != 409 || !strings.Contains(body, `role="alert"`) {
		t.Errorf("cancel it again: %d %s", status, body)
	}
	status, _, to = b.visit("POST", "/ui/events/"+h.ids["events"]+"/replay", url.Values{"to": {"billing"}})
	deliveries, err := h.admin.Deliveries(t.Context(), client.DeliveryFilter{Event: h.ids["events"]}, client.Page{})
	if err != nil || status != 303 || len(deliveries.Data) != 2 {
		t.Errorf("replay: %d %s %d %v", status, to, len(deliveries.Data), err)
	}
	status, _, _ = b.visit("POST", "/ui/sign-out", nil)
	if status != 303 {
		t.Errorf("sign out: %d", status)
	}
	b.is("after the sign-out", "/ui/", 303)
}

// TestRolesOfKeys: what a person may do is what their key may do, within its tenant, and ends with it.
func TestRolesOfKeys(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	made := map[string]client.CreatedKey{}
	for _, scope := range []string{"read", "operate", "publish"} {
		key, err := h.admin.CreateKey(t.Context(), client.NewKey{Name: "of-" + scope, Scope: scope})
		h.must(err)
		made[scope] = key
	}
	retry := "/ui/deliveries/" + h.ids["deliveries"] + "/retry"
	viewer, operator, globex := h.signIn(made["read"].Text), h.signIn(made["operate"].Text), h.signIn(h.keys["globex"])
	if status, _, _ := viewer.visit("POST", retry, nil); status != 403 {
		t.Errorf("a viewer retries: %d", status)
	}
	if status, _, _ := operator.visit("POST", retry, nil); status != 303 {
		t.Errorf("an operator retries: %d", status)
	}
	nobody := &browser{h: h, base: h.URL()}
	for _, key := range []string{made["publish"].Text, "bhk_wrong", ""} {
		status, body, _ := nobody.visit("POST", "/ui/sign-in", url.Values{"key": {key}})
		if status < 400 || len(nobody.cookies) > 0 || key != "" && strings.Contains(body, key) {
			t.Errorf("signed in with %q: %d", key, status)
		}
	}
	for _, path := range []string{"/ui/events/" + h.ids["events"], "/ui/events/" + h.ids["events"] + "/body",
		"/ui/deliveries/" + h.ids["deliveries"], "/ui/requests/" + h.ids["requests"]} {
		globex.is("another tenant", path, 404)
	}
	if status, _, _ := globex.visit("POST", retry, nil); status != 404 {
		t.Errorf("another tenant retries: %d", status)
	}
	if body := globex.is("another tenant", "/ui/events", 200); strings.Contains(body, h.ids["events"]) {
		t.Error("another tenant sees the event")
	}
	globex.is("another tenant", "/ui/", 200)

	h.must(h.admin.DeleteKey(t.Context(), made["operate"].ID))
	operator.is("after the key was revoked", "/ui/", 303)
	viewer.is("another key was revoked", "/ui/", 200)
	planted := &browser{h: h, base: h.URL(),
		cookies: []*http.Cookie{{Name: "bellhop", Value: strings.Repeat("A", 43)}}}
	planted.is("a planted cookie", "/ui/", 303)
}

// TestSignInLinks: the link that the API makes signs in once, as the holder of the key that made it.
func TestSignInLinks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	link, err := h.acme.CreateSignInLink(t.Context())
	if err != nil || link.URL != link.LocalURL || !strings.HasPrefix(link.URL, h.URL()+"/ui/open/") {
		t.Fatalf("%+v %v", link, err)
	}
	path := strings.TrimPrefix(link.LocalURL, h.URL())
	b := &browser{h: h, base: h.URL()}
	b.is("a look at the link", path, 200)
	status, _, to := b.visit("POST", path, nil)
	if status != 303 || to != "/ui/" {
		t.Fatalf("%d %s", status, to)
	}
	if body := b.is("by the link", "/ui/", 200); !strings.Contains(body, "acme-boss") {
		t.Error("the page does not name the key")
	}
	again := &browser{h: h, base: h.URL()}
	if status, _, _ := again.visit("POST", path, nil); status != 410 || len(again.cookies) > 0 {
		t.Errorf("the link again: %d", status)
	}
}

// TestWhereThePagesAre: at the port of the API, at one of their own, or nowhere.
func TestWhereThePagesAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		change   func(*Options)
		atAPI    int
		separate bool
	}{
		{"by default", func(*Options) {}, 200, false},
		{"switched off", func(o *Options) { o.Config.UI = false }, 404, false},
		{"at their own port", func(o *Options) { o.Config.UIListen = "127.0.0.1:0" }, 404, true},
		{"at their own port, with a name", func(o *Options) {
			o.Config.UIListen, o.Config.UIURL = "127.0.0.1:0", "https://ui.example.com"
		}, 404, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, options(t, c.change))
			h := &house{running: r}
			b := &browser{h: h, base: r.URL()}
			b.is(c.name, "/ui/sign-in", c.atAPI)
			root := 404
			if c.atAPI == 200 {
				root = 303
			}
			b.is(c.name, "/", root)
			code, text := r.call("POST", "/api/v1/sign-in-links", "")
			if !r.opts.Config.UI {
				if code != 409 || r.UIURL() != "" {
					t.Errorf("a link without pages: %d %s", code, text)
				}
				return
			}
			var link client.SignInLink
			h.must(json.Unmarshal([]byte(text), &link))
			if !strings.HasPrefix(link.URL, r.UIURL()) || c.separate == strings.HasPrefix(link.LocalURL, r.URL()) {
				t.Errorf("%+v", link)
			}
			base, path, _ := strings.Cut(link.LocalURL, "/ui/")
			own := &browser{h: h, base: base}
			if status, _, _ := own.visit("POST", "/ui/"+path, nil); status != 303 {
				t.Errorf("by the link: %d", status)
			}
			own.is(c.name, "/ui/", 200)
			if c.separate {
				own.is("the API at the port of the pages", "/api/v1/events", 404)
				own.is("the first page", "/", 303)
			}
		})
	}
}
