package api

import (
	"slices"
	"testing"
)

// TestProviders: what a form needs to make a source, a destination, a connection or a subscription is there.
func TestProviders(t *testing.T) {
	r := newRig(t)
	got := r.do("GET", "/api/v1/providers", "").is(200)["data"].([]any)
	same(t, got[0], `{"name":"lock","title":"Lock","summary":"","links":[],"setup":[],"sends":true,"subscribes":false,
		"settings":[{
			"name":"key","title":"","doc":"","example":"","kind":"text","secret":true,"required":true,"choices":[],"many":true,"make":"hex"},
			{
				"name":"account_id","title":"","doc":"","example":"","kind":"text","secret":false,"required":false,"choices":[],"many":false,"make":""}],
		"send_settings":[
			{"name":"key","title":"","doc":"","example":"","kind":"text","secret":true,"required":true,"choices":[],"many":true,"make":"hex"}],
		"subscription_settings":[],"resource":"","change_types":[],"connector":"","paste":[],
		"samples":[{"type":"lock.sample","title":"A sample"},{"type":"handshake","title":"The handshake"}]}`)

	types := map[string]map[string]any{}
	var names []string
	for _, each := range r.do("GET", "/api/v1/destination-types", "").is(200)["data"].([]any) {
		kind := each.(map[string]any)
		types[kind["name"].(string)] = kind
		names = append(names, kind["name"].(string))
	}
	for _, name := range []string{"http", "pull", "lock"} {
		if !slices.Contains(names, name) {
			t.Errorf("no type %s: %q", name, names)
		}
	}
	secret := types["http"]["settings"].([]any)[0].(map[string]any)
	if types["http"]["needs_url"] != true || types["pull"]["needs_url"] != false ||
		len(types["http"]["access"].([]any)) < 10 ||
		secret["name"] != r.handler.(*server).HTTPSettings[0].Name {
		t.Errorf("%v", types["http"])
	}
	if got := r.do("GET", "/api/v1/connectors",
		"").is(200)["data"].([]any); len(got) != len(r.handler.(*server).Connectors) {
		t.Errorf("%v", got)
	}
}
