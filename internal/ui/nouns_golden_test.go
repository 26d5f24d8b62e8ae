package ui

import (
	"net/url"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// refuses answers a call with errors of the API at fields.
func refuses(call string, fields ...client.FieldError) func(r *rig) {
	return func(r *rig) {
		r.api.set(call, &client.Error{Status: 422, Code: "invalid", Detail: "some values are not accepted",
			Errors: fields})
	}
}

// conflicts answers a call with a conflict.
func conflicts(call, detail string) func(r *rig) {
	return func(r *rig) { r.api.set(call, &client.Error{Status: 409, Code: "conflict", Detail: detail}) }
}

// pagesOfNouns are those of the nouns that a person makes.
var pagesOfNouns = []pageCase{
	{name: "sources", path: "/ui/sources", token: "admin"},
	{name: "sources_viewer", path: "/ui/sources?provider=ams", token: "viewer"},
	{name: "sources_empty", path: "/ui/sources", token: "admin", change: (*rig).empty},
	{name: "source", path: "/ui/sources/src_1?did=created", token: "admin"},
	{name: "source_viewer", path: "/ui/sources/src_2", token: "viewer", change: func(r *rig) {
		r.api.set("GET /events", listOf{Data: []client.Event{}})
		r.api.set("GET /requests", listOf{Data: []client.Request{}})
	}},
	{name: "source_choose", path: "/ui/sources/new", token: "admin"},
	{name: "source_new", path: "/ui/sources/new?provider=ams", token: "admin"},
	{name: "source_wrong", path: "/ui/sources/new", token: "admin", status: 422, form: url.Values{"provider": {"ams"},
		"name": {"a b"}, "settings.signing_key": {"a-secret-that-is-not-shown"}, "settings.account_id": {"<acc>"},
		"settings.levels": {"critical\r\nmajor"}, "settings.limit": {"5"}},
		change: refuses("POST /sources", client.FieldError{Path: "name", Message: "use letters and digits"},
			client.FieldError{Path: "settings.levels[1]", Message: "there is no such level"},
			client.FieldError{Path: "settings.signing_key", Message: "this is not Base64"})},
	{name: "source_made", path: "/ui/sources/new", token: "admin", status: 201, form: url.Values{"provider": {"ams"},
		"name": {"media"}, "make:settings.signing_key": {"1"}},
		change: func(r *rig) { r.api.set("POST /sources", testSource) }},
	{name: "source_setup", path: "/ui/sources/src_1/setup?did=created", token: "operator"},
	{name: "source_setup_viewer", path: "/ui/sources/src_2/setup", token: "viewer", change: func(r *rig) {
		r.api.set("GET /events", listOf{Data: []client.Event{}})
		r.api.set("GET /requests", listOf{Data: []client.Request{}})
	}},
	{name: "source_sampled", path: "/ui/sources/src_1/sample", token: "operator", form: url.Values{
		"type": {"ams.JobStateChange"}}},
	{name: "source_sample_refused", path: "/ui/sources/src_1/sample", token: "operator",
		form: url.Values{"type": {"handshake"}}, change: func(r *rig) {
			r.api.set("POST /sources/src_1/sample", testSampleRefused)
		}},
	{name: "source_not_sampled", path: "/ui/sources/src_1/sample", token: "operator", status: 409, form: url.Values{},
		change: conflicts("POST /sources/src_1/sample", "only Amazon itself can sign")},
	{name: "source_rotated", path: "/ui/sources/src_1/rotate", token: "admin",
		form: url.Values{"setting": {"signing_key"}}},
	{name: "source_not_rotated", path: "/ui/sources/src_1/rotate", token: "admin", status: 422,
		form: url.Values{"setting": {"signing_key"}, "secret:signing_key": {"a-secret-that-is-not-shown"}},
		change: refuses("POST /sources/src_1/rotate-secret", client.FieldError{Path: "secret",
			Message: "the source has it already"})},
	{name: "source_not_dropped", path: "/ui/sources/src_1/drop", token: "admin", status: 409, form: url.Values{},
		change: conflicts("POST /sources/src_1/drop-secret", "the source has no old secret")},
	{name: "source_taken", path: "/ui/sources/new", token: "admin", status: 409, form: url.Values{"provider": {"ams"},
		"name": {"media"}}, change: conflicts("POST /sources", "the name media is taken")},
	{name: "source_edit", path: "/ui/sources/src_1/edit", token: "admin"},
	{name: "source_overtaken", path: "/ui/sources/src_1/edit", token: "admin", status: 412, form: url.Values{
		"name": {"media2"}, "etag": {"old"}, "settings.headers": {"X-Site: south"}}, change: func(r *rig) {
		r.api.set("PATCH /sources/src_1", &client.Error{Status: 412, Code: "changed",
			Detail: "the source has changed"})
	}},
	{name: "source_delete", path: "/ui/sources/src_1/delete", token: "admin"},
	{name: "source_not_deleted", path: "/ui/sources/src_1/delete", token: "admin", status: 409, form: url.Values{},
		change: conflicts("DELETE /sources/src_1", "2 deliveries of its events are pending")},

	{name: "destinations", path: "/ui/destinations?state=active", token: "admin"},
	{name: "destinations_empty", path: "/ui/destinations", token: "admin", change: (*rig).empty},
	{name: "destination", path: "/ui/destinations/dst_1?did=saved", token: "admin"},
	{name: "destination_operator", path: "/ui/destinations/dst_3", token: "operator", change: func(r *rig) {
		r.api.set("GET /deliveries", listOf{Data: []client.Delivery{}})
	}},
	{name: "destination_viewer", path: "/ui/destinations/dst_1", token: "viewer"},
	{name: "destination_not_tested", path: "/ui/destinations/dst_1/test", token: "operator", status: 409,
		form: url.Values{}, change: conflicts("POST /destinations/dst_1/test", "the destination is disabled")},
	{name: "destination_rotating", path: "/ui/destinations/dst_1", token: "admin", change: func(r *rig) {
		d := testWhole
		d.Settings = client.Settings{"secret": testSecret, "secret_until": "2026-12-01T15:30:00Z"}
		d.HeldBack = &client.HeldBack{Reason: "answered 503", NextAt: at(-time.Minute)}
		r.api.set("GET /destinations/dst_1", d)
	}},
	{name: "destination_rotate", path: "/ui/destinations/dst_1/rotate", token: "admin"},
	{name: "destination_not_rotated", path: "/ui/destinations/dst_1/rotate", token: "admin", status: 422,
		form: url.Values{"secret": {"a-secret-that-is-not-shown"}, "grace": {"99d"}},
		change: refuses("POST /destinations/dst_1/rotate-secret",
			client.FieldError{Path: "secret", Message: "is not Base64"},
			client.FieldError{Path: "grace", Message: "use a length of time up to 720h"})},
	{name: "destination_rotated", path: "/ui/destinations/dst_1/rotate", token: "admin",
		form: url.Values{"grace": {"24h"}}, change: func(r *rig) {
			d := testWhole
			d.Settings = client.Settings{"secret": testSecret, "secret_until": "2026-12-01T15:30:00Z"}
			r.api.set("POST /destinations/dst_1/rotate-secret",
				client.RotatedDestination{Destination: d, Secret: "whsec_shown_once"})
		}},
	{name: "destination_match", path: "/ui/destinations/dst_1/match", token: "operator"},
	{name: "destination_choose", path: "/ui/destinations/new", token: "admin"},
	{name: "destination_new", path: "/ui/destinations/new?type=http", token: "admin"},
	{name: "destination_new_slack", path: "/ui/destinations/new?type=slack", token: "admin"},
	{name: "destination_wrong", path: "/ui/destinations/new", token: "admin", status: 422, form: url.Values{
		"type": {"http"}, "name": {"b"}, "url": {"ftp://x"}, "match.where": {"data.("}, "settings.secret": {"whsec_x"},
		"timeout": {"1h"}}, change: refuses("POST /destinations", client.FieldError{Path: "url", Message: "use http"},
		client.FieldError{Path: "match.where", Message: "unexpected token"},
		client.FieldError{Path: "retry.outcomes.700", Message: "use a status such as 404"},
		client.FieldError{Path: "granted_rate", Message: "there is no field for this"},
		client.FieldError{Path: "timeout", Message: "use 10ms to 5m"})},
	{name: "destination_mistyped", path: "/ui/destinations/new", token: "admin", status: 422, form: url.Values{
		"type": {"http"}, "name": {"b"}, "concurrency": {"many"}, "expires_at": {"soon"}, "batch.max_wait": {"1s"}}},
	{name: "destination_tried", path: "/ui/destinations/new", token: "admin", form: url.Values{"type": {"http"},
		"name": {"b"}, "url": {"https://billing.example.com/hooks"}, "make:settings.secret": {"1"}, "do": {"try"}},
		change: func(r *rig) { r.api.set("POST /destinations/try", testTry) }},
	{name: "destination_not_tried", path: "/ui/destinations/new", token: "admin", status: 422, form: url.Values{
		"type": {"http"}, "name": {"b"}, "url": {"x"}, "do": {"try"}}, change: refuses("POST /destinations/try",
		client.FieldError{Path: "destination.url", Message: "use an http URL"})},
	{name: "destination_matched", path: "/ui/destinations/new", token: "admin", form: url.Values{"type": {"http"},
		"name": {"b"}, "match.types": {"invoice.*"}, "do": {"match"}}},
	{name: "destination_edit", path: "/ui/destinations/dst_1/edit", token: "admin"},
	{name: "destination_change_not_tried", path: "/ui/destinations/dst_1/edit", token: "admin", status: 422,
		form: url.Values{"name": {"billing"}, "url": {"https://other.example/"}, "do": {"try"}},
		change: refuses("POST /destinations/try", client.FieldError{Path: "changes.url",
			Message: "has another scheme, host or port, and would be sent stored secrets"})},
	{name: "destination_delete", path: "/ui/destinations/dst_1/delete", token: "admin"},

	{name: "repairs", path: "/ui/repairs", token: "operator"},
	{name: "repairs_empty", path: "/ui/repairs", token: "viewer", change: (*rig).empty},
	{name: "repairs_bad_time", path: "/ui/repairs?since=then", token: "viewer", status: 422},
	{name: "repair", path: "/ui/repairs/rpr_1?did=begun", token: "operator"},
	{name: "repair_of_counted", path: "/ui/repairs/rpr_1?of=1204", token: "viewer"},
	{name: "repair_waiting", path: "/ui/repairs/rpr_3?of=1204", token: "operator"},
	{name: "repair_done", path: "/ui/repairs/rpr_1", token: "operator", change: func(r *rig) {
		done := testRepair
		done.State, done.Reason = "done", ""
		done.Filter.EventID, done.Filter.Tenant = "", ""
		r.api.set("GET /repairs/rpr_1", done)
	}},
	{name: "file_not_fetched", path: "/ui/files/fil_1/again", token: "operator", status: 409, form: url.Values{},
		change: conflicts("POST /events/evt_1/replay", "recordings is disabled")},
	{name: "repair_not_stopped", path: "/ui/repairs/rpr_1/cancel", token: "operator", status: 409, form: url.Values{},
		change: conflicts("POST /repairs/rpr_1/cancel", "the repair is done")},
	{name: "replay", path: "/ui/events/replay?source=media&since=2h", token: "operator"},
	{name: "replay_wrong", path: "/ui/events/replay?where=data.(&rate=fast", token: "operator", status: 422},
	{name: "replay_refused", path: "/ui/events/replay", token: "operator", status: 422,
		form:   url.Values{"where": {"data.("}},
		change: refuses("POST /events/replay", client.FieldError{Path: "where", Message: "unexpected token"})},
	{name: "retry", path: "/ui/deliveries/many?kind=retry&state=dead&destination=billing", token: "operator"},
	{name: "cancel", path: "/ui/deliveries/many?kind=cancel", token: "operator"},
	{name: "request_checked", path: "/ui/requests/req_1/verify", token: "operator",
		form: url.Values{"secret": {"a-secret-that-is-not-shown"}, "setting": {"signing_key"}}},
	{name: "request_not_checked", path: "/ui/requests/req_1/verify", token: "operator", status: 409,
		form:   url.Values{},
		change: conflicts("POST /requests/req_1/verify", "the source was deleted")},

	{name: "connections", path: "/ui/connections", token: "admin"},
	{name: "connections_empty", path: "/ui/connections", token: "viewer", change: (*rig).empty},
	{name: "connection", path: "/ui/connections/con_1", token: "admin"},
	{name: "connection_viewer", path: "/ui/connections/con_1", token: "viewer"},
	{name: "connection_login", path: "/ui/connections/con_1/login", token: "admin", form: url.Values{},
		change: func(r *rig) {
			r.api.set("POST /connections/con_1/login", client.Login{Kind: "browser", State: "waiting",
				URL: "https://hooks.example.com/connect/work?ticket=x", ExpiresAt: at(0)})
		}},
	{name: "connection_device", path: "/ui/connections/con_1/login", token: "admin", form: url.Values{"device": {"1"}},
		change: func(r *rig) {
			r.api.set("POST /connections/con_1/login", client.Login{Kind: "device", State: "waiting", UserCode: "F7KQ",
				VerificationURI: "https://microsoft.com/devicelogin", ExpiresAt: at(0)})
		}},
	{name: "connection_tested", path: "/ui/connections/con_1/test", token: "operator", form: url.Values{},
		change: func(r *rig) {
			r.api.set("POST /connections/con_1/test", client.ConnectionTest{Reason: "Calendars.Read is missing",
				Account: "ada", Duration: "9ms", Permissions: []client.Permission{{Name: "Calendars.Read",
					For: "events"}}})
		}},
	{name: "connection_choose", path: "/ui/connections/new", token: "admin"},
	{name: "connection_new", path: "/ui/connections/new?provider=graph", token: "admin"},
	{name: "connection_wrong", path: "/ui/connections/new", token: "admin", status: 422, form: url.Values{
		"kind": {"graph"}, "name": {"a b"}, "settings.client_secret": {"a-secret-that-is-not-shown"}},
		change: refuses("POST /connections", client.FieldError{Path: "settings.tenant", Message: "required"})},
	{name: "connection_edit", path: "/ui/connections/con_1/edit", token: "admin"},
	{name: "connection_not_deleted", path: "/ui/connections/con_1/delete", token: "admin", status: 409,
		form: url.Values{}, change: conflicts("DELETE /connections/con_1", "1 subscription uses it")},
	{name: "subscriptions", path: "/ui/subscriptions", token: "operator"},
	{name: "subscriptions_empty", path: "/ui/subscriptions", token: "viewer", change: (*rig).empty},
	{name: "subscriptions_synced", path: "/ui/subscriptions/sync", token: "operator", form: url.Values{},
		change: func(r *rig) {
			r.api.set("POST /subscriptions/sync", client.SubscriptionSync{Checked: 4, Found: 3, Strays: 1,
				Doubted: []string{"calendar"}, Errors: []string{"work: signed out"}})
		}},
	{name: "subscription", path: "/ui/subscriptions/sub_1?did=renewed", token: "operator"},
	{name: "subscription_viewer", path: "/ui/subscriptions/sub_1", token: "viewer"},
	{name: "subscription_filled", path: "/ui/subscriptions/sub_1/fill", token: "operator", form: url.Values{},
		change: func(r *rig) { r.api.set("POST /subscriptions/sub_1/fill", client.SubscriptionFill{Done: true}) }},
	{name: "subscription_not_renewed", path: "/ui/subscriptions/sub_1/renew", token: "operator", status: 409,
		form: url.Values{}, change: conflicts("POST /subscriptions/sub_1/renew", "it is paused")},
	{name: "subscription_choose", path: "/ui/subscriptions/new", token: "operator"},
	{name: "subscription_new", path: "/ui/subscriptions/new?provider=ams", token: "operator"},
	{name: "subscription_wrong", path: "/ui/subscriptions/new", token: "operator", status: 422, form: url.Values{
		"kind": {"ams"}, "name": {"s"}, "source": {"media"}, "change_types": {"created, moved"}},
		change: refuses("POST /subscriptions", client.FieldError{Path: "change_types[1]", Message: "unknown"},
			client.FieldError{Path: "resource", Message: "required"})},
	{name: "subscription_new_lacks", path: "/ui/subscriptions/new?provider=ams", token: "admin", change: (*rig).empty},
	{name: "subscription_edit", path: "/ui/subscriptions/sub_1/edit", token: "operator"},
	{name: "subscription_not_changed", path: "/ui/subscriptions/sub_1/edit", token: "operator", status: 422,
		form:   url.Values{"name": {"calendar"}, "resource": {"me"}, "change_types": {"created"}},
		change: refuses("PATCH /subscriptions/sub_1", client.FieldError{Path: "resource", Message: "begin with /"})},
	{name: "subscription_fill_wrong", path: "/ui/subscriptions/sub_1/fill", token: "operator", status: 422,
		form: url.Values{"since": {"then"}}},
	{name: "subscription_delete", path: "/ui/subscriptions/sub_1/delete", token: "operator"},

	{name: "files", path: "/ui/files", token: "viewer"},
	{name: "files_empty", path: "/ui/files", token: "viewer", change: (*rig).empty},
	{name: "files_bad_time", path: "/ui/files?since=then", token: "viewer", status: 422},
	{name: "file", path: "/ui/files/fil_1", token: "operator"},
	{name: "file_partial", path: "/ui/files/fil_2", token: "viewer"},
	{name: "file_not_sent", path: "/ui/files/fil_2/content", token: "viewer", status: 409},
	{name: "file_delete", path: "/ui/files/fil_1/delete", token: "operator"},
	{name: "keys", path: "/ui/keys?did=revoked", token: "admin"},
	{name: "keys_empty", path: "/ui/keys", token: "admin", change: (*rig).empty},
	{name: "key_new", path: "/ui/keys/new", token: "admin"},
	{name: "key_wrong", path: "/ui/keys/new", token: "admin", status: 422,
		form: url.Values{"name": {"a"}, "scope": {"read"}, "expires_at": {"soon"}}},
	{name: "key_made", path: "/ui/keys/new", token: "admin", status: 201,
		form: url.Values{"name": {"ada"}, "scope": {"read"}, "expires_at": {"30d"}}, change: func(r *rig) {
			r.api.set("POST /keys", client.CreatedKey{Key: testKey, Text: "bhk_shown_once"})
		}},
	{name: "key_delete", path: "/ui/keys/key_1/delete", token: "admin"},
	{name: "tenants", path: "/ui/tenants", token: "admin"},
	{name: "tenants_viewer", path: "/ui/tenants", token: "acme"},
	{name: "tenants_empty", path: "/ui/tenants", token: "admin", change: (*rig).empty},
	{name: "tenant_new", path: "/ui/tenants/new", token: "admin"},
	{name: "tenant_wrong", path: "/ui/tenants/new", token: "admin", status: 422,
		form: url.Values{"name": {"a"}, "limits.events.per_second": {"-1"}, "limits.stored_bytes": {"much"}}},
	{name: "tenant_edit", path: "/ui/tenants/ten_1/edit", token: "admin"},
	{name: "tenant_overtaken", path: "/ui/tenants/ten_1/edit", token: "admin", status: 412,
		form: url.Values{"limits.destinations": {"7"}, "etag": {"old"}}, change: func(r *rig) {
			r.api.set("PATCH /tenants/ten_1", &client.Error{Status: 412, Code: "changed", Detail: "it has changed"})
		}},
	{name: "tenant_not_deleted", path: "/ui/tenants/ten_1/delete", token: "admin", status: 409, form: url.Values{},
		change: conflicts("DELETE /tenants/ten_1", "tenant acme still has 1 destination")},

	{name: "profiles", path: "/ui/profiles", token: "admin", change: func(r *rig) {
		r.api.set("GET /destinations?limit=250&type=boro",
			listOf{Data: []client.Destination{testProfile}, Next: &next})
		r.api.set("GET /destinations?limit=250&type=slack", listOf{Data: []client.Destination{testSlack}})
	}},
	{name: "profile_choose", path: "/ui/profiles/new", token: "admin"},
	{name: "profile_new", path: "/ui/profiles/new?kind=boro", token: "admin"},
	{name: "profile_new_slack", path: "/ui/profiles/new?kind=slack", token: "admin"},
	{name: "profile_new_unknown", path: "/ui/profiles/new?kind=http", token: "admin", status: 404},
	{name: "profile", path: "/ui/profiles/dst_4?did=saved", token: "admin"},
	{name: "profile_slack", path: "/ui/profiles/dst_3", token: "admin"},
	{name: "profile_operator", path: "/ui/profiles/dst_4", token: "operator"},
	{name: "profile_tried", path: "/ui/profiles/new", token: "admin", form: url.Values{"kind": {"boro"}, "name": {"n"},
		"enabled": {"1"}, "sign": {"1"}, "url": {"https://n.example/"}, "make:settings.secret_key": {"1"},
		"header-name-2": {"X-Site"}, "header-value-2": {"north"}, "do": {"try"}},
		change: func(r *rig) { r.api.set("POST /destinations/try", testTry) }},
	{name: "profile_changed_tried", path: "/ui/profiles/dst_4", token: "admin", form: url.Values{"name": {"north"},
		"sign": {"1"}, "url": {"https://n.example/"}, "settings.profile_id": {"265"}, "do": {"try"}},
		change: func(r *rig) { r.api.set("POST /destinations/try", testTry) }},
	{name: "profile_wrong", path: "/ui/profiles/new", token: "admin", status: 422, form: url.Values{"kind": {"boro"},
		"name": {"n"}, "sign": {"1"}, "url": {"x"}, "settings.secret_key": {"a-secret-that-is-not-shown"},
		"header-name-1": {"Host"}, "header-value-1": {"h"}, "do": {"try"}},
		change: refuses("POST /destinations/try", client.FieldError{Path: "destination.url", Message: "use http"},
			client.FieldError{Path: "destination.settings.secret_key", Message: "is not hex"},
			client.FieldError{Path: "destination.settings.headers.Host", Message: "is reserved"},
			client.FieldError{Path: "destination.settings.headers", Message: "has 90 headers; at most 64"})},
	{name: "profile_headers_wrong", path: "/ui/profiles/dst_4", token: "admin", status: 422, form: url.Values{
		"name": {"north"}, "url": {"https://n.example/"}, "header-name-1": {"X-A"}, "header-value-1": {"1"},
		"header-name-2": {"x-a"}, "header-value-2": {"2"}, "header-value-3": {"3"}, "header-name-4": {"X-B"},
		"make:settings.secret_key": {"1"}}},
	{name: "profile_made", path: "/ui/profiles/new", token: "admin", status: 201, form: url.Values{"kind": {"boro"},
		"name": {"north"}, "enabled": {"1"}, "sign": {"1"}, "url": {"https://n.example/"},
		"make:settings.secret_key": {"1"}}, change: func(r *rig) { r.api.set("POST /destinations", testProfile) }},
	{name: "profile_overtaken", path: "/ui/profiles/dst_4", token: "admin", status: 412, form: url.Values{
		"name": {"north2"}, "etag": {"old"}}, change: func(r *rig) {
		r.api.set("PATCH /destinations/dst_4", &client.Error{Status: 412, Code: "changed", Detail: "it has changed"})
	}},
	{name: "profile_not_enabled", path: "/ui/profiles/dst_3/enable", token: "operator", status: 409,
		form: url.Values{}, change: conflicts("POST /destinations/dst_3/resume", "the destination has expired")},
	{name: "profiles_empty", path: "/ui/profiles", token: "viewer", change: (*rig).empty},
}
