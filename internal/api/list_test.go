package api

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestFilters: each parameter of each list reaches the store.
func TestFilters(t *testing.T) {
	since, until := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	const period = "&since=2026-11-22T10:00:00Z&until=2026-11-23T11:00:00%2B01:00"
	for query, want := range map[string]any{
		"sources?provider=lock&tenant=acme": bellhop.SourceFilter{Provider: "lock", Tenant: "acme"},
		"destinations?type=ht*&state=paused&tenant=acme": bellhop.DestinationFilter{Type: "ht*",
			State: bellhop.DestinationPaused, Tenant: "acme"},
		"destinations?troubled=true": bellhop.DestinationFilter{Troubled: true, InTrouble: []string{"dst_1"}},
		"connections?provider=graph&state=ready&tenant=acme": bellhop.ConnectionFilter{Provider: "graph",
			State: bellhop.ConnectionReady, Tenant: "acme"},
		"events?source=media&type=ams.*&subject=s*&provider_id=p&tenant=acme&caused_by=evt_1&contains=a%00b" +
			period: bellhop.
			EventFilter{SourceIDs: []string{"src_1"}, Type: "ams.*", Subject: "s*", ProviderID: "p", Tenant: "acme",
			CausedBy: "evt_1", Contains: "a\x00b", Since: since, Until: until},
		"deliveries?event=evt_1&destination=billing&state=dead&error=timeout&source=media&type=t&subject=s&tenant=a" +
			period: bellhop.DeliveryFilter{EventID: "evt_1", DestinationIDs: []string{"dst_1"},
			State: bellhop.DeliveryDead,
			Error: "timeout", SourceIDs: []string{"src_1"}, Type: "t", Subject: "s", Tenant: "a", Since: since,
			Until: until},
		"requests?source=media&no_source=true&outcome=refused&reason=r&tenant=a&contains=c" +
			period: bellhop.RequestFilter{
			SourceIDs: []string{"src_1"}, NoSource: true, Outcome: bellhop.RequestRefused, Reason: "r", Tenant: "a",
			Contains: "c", Since: since, Until: until},
		"files?source=media&destination=billing&event=evt_1&state=whole&tenant=acme" + period: bellhop.FileFilter{
			Tenant: "acme", SourceIDs: []string{"src_1"}, DestinationIDs: []string{"dst_1"}, EventID: "evt_1",
			State: bellhop.FileWhole,
			Since: since, Until: until},
		"keys?scope=read&tenant=acme": bellhop.KeyFilter{Scope: bellhop.ScopeRead, Tenant: "acme"},
		"repairs?kind=retry&state=running&tenant=acme" + period: bellhop.RepairQuery{Kind: bellhop.RepairRetry,
			Tenant: "acme", State: bellhop.RepairRunning, Since: since, Until: until},
	} {
		r := newRig(t)
		r.fill()
		r.do("GET", "/api/v1/"+query, "").is(200)
		got := reflect.New(reflect.TypeOf(want)).Elem()
		got.Set(reflect.ValueOf(r.filter))
		for i := range got.NumField() { // the same moment in another zone
			if at, ok := got.Field(i).Interface().(time.Time); ok {
				got.Field(i).Set(reflect.ValueOf(at.UTC()))
			}
		}
		if !reflect.DeepEqual(got.Interface(), want) {
			t.Errorf("%s:\n got %+v\nwant %+v", query, got, want)
		}
	}
}

// TestIncompleteList: a page that ended for lack of time says so, how far it is, and how to go on.
func TestIncompleteList(t *testing.T) {
	r := newRig(t)
	r.fill()
	for range 4 {
		r.events = append(r.events, r.events[0])
	}
	r.stops = 2
	got := r.do("GET", "/api/v1/events?limit=4&contains=x", "").is(200)
	if len(got["data"].([]any)) != 2 || got["incomplete"] != true || got["next"] != "2" ||
		got["searched_to"] != "2026-11-22T09:30:02.123Z" {
		t.Errorf("%v", got)
	}
	r.stops = 0
	for _, query := range []string{"?limit=4", "?limit=5"} { // with a next page, and without one
		got = r.do("GET", "/api/v1/events"+query, "").is(200)
		if got["incomplete"] != nil || got["searched_to"] != nil {
			t.Errorf("%s: %v", query, got)
		}
	}
}

// TestUnknownParameters: the answer to a parameter that a list does not have names the one that was meant.
func TestUnknownParameters(t *testing.T) {
	r := newRig(t)
	for query, want := range map[string]string{
		"events?sorce=media":                         "did you mean source?",
		"events?provider-id=x":                       "did you mean provider_id?",
		"deliveries?destinations=x":                  "did you mean destination?",
		"events?Type=x":                              "did you mean type?",
		"deliveries?evnet=x":                         "did you mean event?",
		"deliveries?dest=x":                          "did you mean destination?",
		"repairs?wharrgarbl=1":                       "there are cursor, kind, limit, since, state, tenant, until",
		"sources/media?x=1":                          "this operation has none",
		"events?contains[]=x":                        "did you mean contains?",
		"events?" + strings.Repeat("x", 4000) + "=1": "there are caused_by,",
	} {
		a := r.do("GET", "/api/v1/"+query, "")
		name, _, _ := strings.Cut(query[strings.Index(query, "?")+1:], "=")
		a.refused(422, bellhop.CodeInvalid, name)
		if !strings.Contains(a.body, want) {
			t.Errorf("%.60s: %.300s, want %s", query, a.body, want)
		}
	}
	for query, path := range map[string]string{"events?limit=251": "limit", "events?limit=0": "limit",
		"events?cursor=garbage": "cursor", "events?since=today": "since", "deliveries?state=x": "state",
		"events?contains=" + strings.Repeat("x", bellhop.MaxContainsLength+1): "contains"} {
		r.do("GET", "/api/v1/"+query, "").refused(422, bellhop.CodeInvalid, path)
	}
}
