package journey

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// visitor returns a browser that has signed in by a link, with all rights.
func (g *gateway) visitor() *http.Client {
	g.t.Helper()
	link, err := g.client().CreateSignInLink(context.Background())
	if err != nil {
		g.t.Fatal(err)
	}
	return g.signedIn(link.LocalURL, nil)
}

// signedIn returns a browser that has signed in by that form.
func (g *gateway) signedIn(at string, form url.Values) *http.Client {
	g.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		g.t.Fatal(err)
	}
	visitor := &http.Client{Jar: jar}
	reply, err := visitor.PostForm(at, form)
	if err != nil || reply.StatusCode != http.StatusOK {
		g.t.Fatalf("sign in: %v %v", reply, err)
	}
	reply.Body.Close()
	return visitor
}

// get returns the body of a page whose status is 200.
func get(visitor *http.Client, to string) ([]byte, error) {
	reply, err := visitor.Get(to)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	page, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", reply.Status)
	}
	return page, err
}

// linked returns the paths of the pages to which links lead from the first page on, and of those to which their forms
// post: of those that differ in ids and in the values of filters alone, one.
func (g *gateway) linked(visitor *http.Client) (pages, actions []string) {
	g.t.Helper()
	links := regexp.MustCompile(`<(?:a|form) [^>]*(?:href|action)="([^"#]*)"[^>]*>`)
	ids := regexp.MustCompile(`[a-z]{3}_[A-Za-z0-9+~.-]+`)
	values := regexp.MustCompile(`(cursor|provider|type|source|destination|back|from|since|until)=[^&]*`)
	seen := map[string]bool{"/ui/": true}
	for next := []string{"/ui/"}; len(next) > 0; next = next[1:] {
		pages = append(pages, next[0])
		page, err := get(visitor, *g.url.Load()+next[0])
		if err != nil {
			g.t.Errorf("%s: %v", next[0], err)
		}
		for _, found := range links.FindAllSubmatch(page, -1) {
			tag, to := string(found[0]), html.UnescapeString(string(found[1]))
			u, err := url.Parse(to)
			if err != nil || !strings.HasPrefix(to, "/ui/") {
				continue
			}
			kind := values.ReplaceAllString(ids.ReplaceAllString(u.RequestURI(), "ID"), "$1")
			isAction := strings.Contains(tag, `method="post"`)
			if isAction {
				kind = "POST " + kind
			}
			if seen[kind] {
				continue
			}
			seen[kind] = true
			switch {
			case isAction:
				actions = append(actions, to)
			case !strings.Contains(tag, " download"):
				next = append(next, to)
			}
		}
	}
	return pages, actions
}

// TestTenantsPages: whatever pages a person of one tenant finds by links, and whatever actions their forms offer,
// somebody of another tenant who has their addresses is told that there is no such thing, and no list and no filter
// shows a name of the other.
func TestTenantsPages(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	visitors, api := map[string]*http.Client{}, map[string]*client.Client{}
	for _, tenant := range []string{"acme", "globex"} {
		_, err := g.client().CreateTenant(t.Context(), client.NewTenant{Name: tenant})
		if err != nil {
			t.Fatal(err)
		}
		n := client.NewKey{Name: tenant + "-key", Scope: "admin", Tenant: tenant}
		key, err := g.client().CreateKey(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		api[tenant] = client.New(*g.url.Load(), key.Text, nil)
		visitors[tenant] = g.signedIn(*g.url.Load()+"/ui/sign-in", url.Values{"key": {key.Text}})
		g.fillTenant(api[tenant], tenant)
	}
	pages, actions := g.linked(visitors["globex"])
	id := regexp.MustCompile(`/[a-z]{3}_[a-z0-9]{8,}`)
	foreign := func(path string) bool { return id.MatchString(path) }
	if own := slices.DeleteFunc(slices.Clone(pages), func(p string) bool { return !foreign(p) }); len(own) < 8 {
		t.Fatalf("globex finds few pages with ids: %q", own)
	}
	for _, path := range pages {
		reply, err := visitors["acme"].Get(*g.url.Load() + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(reply.Body)
		reply.Body.Close()
		if foreign(path) && reply.StatusCode != http.StatusNotFound && !strings.Contains(path, "?") {
			t.Errorf("%s of globex answers acme %s", path, reply.Status)
		}
		for _, noun := range []string{"globex-shop", "globex-billing", "globex-calls", "globex-order"} {
			if strings.Contains(string(text), noun) && !strings.Contains(path, noun) { // a filter says what was typed
				t.Errorf("%s shows %s to acme:\n%s", path, noun, text)
			}
		}
	}
	before := g.nouns(api["globex"])
	for _, path := range actions {
		if !foreign(path) {
			continue
		}
		r, err := http.NewRequest("POST", *g.url.Load()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		reply, err := visitors["acme"].Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		if reply.StatusCode != http.StatusNotFound && reply.StatusCode != http.StatusForbidden {
			t.Errorf("the action %s of globex answers acme %s", path, reply.Status)
		}
	}
	if after := g.nouns(api["globex"]); after != before {
		t.Errorf("acme has changed globex from\n%s\nto\n%s", before, after)
	}
}

// fillTenant gives a tenant one of each noun.
func (g *gateway) fillTenant(api *client.Client, tenant string) {
	g.t.Helper()
	ctx := g.t.Context()
	must := func(err error) {
		g.t.Helper()
		if err != nil {
			g.t.Fatalf("%s: %v", tenant, err)
		}
	}
	_, err := api.CreateSource(ctx, client.NewSource{Name: tenant + "-shop", Provider: "generic",
		Settings: client.Settings{"scheme": "token", "header": "X-Token", "secret": "a-secret-of-" + tenant}})
	must(err)
	_, err = api.CreateDestination(ctx, client.NewDestination{Name: tenant + "-billing", URL: "http://127.0.0.1:9",
		Settings: client.Settings{"format": "raw"}, Retry: &client.Retry{Schedule: client.Schedule{"none"}}})
	must(err)
	_, err = api.CreateConnection(ctx, client.NewConnection{Name: tenant + "-calls", Provider: "acs",
		Settings: client.Settings{"endpoint": "http://127.0.0.1:9", "access_key": "c2VjcmV0"}})
	must(err)
	_, _, err = api.Publish(ctx, client.NewEvent{Type: tenant + "-order", Data: []byte(`{}`), Tenant: tenant}, "")
	must(err)
	reply, err := http.Post(g.in(tenant+"-shop"), "application/json", strings.NewReader(`{}`))
	must(err)
	reply.Body.Close()
	eventually(g.t, patience, "a dead delivery and a refused request of "+tenant, func() bool {
		deliveries, err := api.Deliveries(ctx, client.DeliveryFilter{State: "dead"}, client.Page{})
		requests, err2 := api.Requests(ctx, client.RequestFilter{}, client.Page{})
		return err == nil && err2 == nil && len(deliveries.Data) > 0 && len(requests.Data) > 0
	})
}

// nouns describes what a tenant has, for a comparison.
func (g *gateway) nouns(api *client.Client) string {
	g.t.Helper()
	ctx := g.t.Context()
	sources, err1 := api.Sources(ctx, client.SourceFilter{}, client.Page{})
	destinations, err2 := api.Destinations(ctx, client.DestinationFilter{}, client.Page{})
	connections, err3 := api.Connections(ctx, client.ConnectionFilter{}, client.Page{})
	deliveries, err4 := api.Deliveries(ctx, client.DeliveryFilter{}, client.Page{})
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			g.t.Fatal(err)
		}
	}
	text, err := json.Marshal([]any{sources.Data, destinations.Data, connections.Data, deliveries.Data})
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}
