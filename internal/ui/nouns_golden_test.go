package ui

import (
	"net/url"

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
}
