package api

import (
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/danielgtaylor/huma/v2"
)

// changes are the nouns that a PATCH changes, with a body that does so.
var changes = []struct{ path, body string }{
	{"/sources/src_1", `{"disabled":true}`},
	{"/destinations/dst_1", `{"timeout":"2s"}`},
	{"/connections/con_1", `{"name":"home"}`},
	{"/subscriptions/sub_1", `{"name":"home"}`},
}

// TestIfMatch: a change or a deletion with the tag of an earlier version does nothing, and says so.
func TestIfMatch(t *testing.T) {
	for _, c := range changes {
		r := newRig(t)
		r.fill()
		r.deliveries = nil // so that the source can be deleted
		path := Prefix + c.path
		first := r.do("GET", path, "").header.Get("ETag")
		if len(first) < 5 || first[0] != '"' || first[len(first)-1] != '"' {
			t.Fatalf("%s: the tag is %q", path, first)
		}
		for _, wrong := range []string{`"0"`, `"x-y"`, "W/" + first, `"` + first[2:], `"a", "b"`} {
			for _, method := range []string{"PATCH", "DELETE"} {
				body := map[string]string{"PATCH": c.body}[method]
				a := r.do(method, path, body, "If-Match: "+wrong)
				a.refused(412, bellhop.CodeChanged)
				if !strings.Contains(a.body, "read it again") {
					t.Errorf("%s %s: %s", method, path, a.body)
				}
			}
		}
		r.do("PATCH", path, c.body, "If-Match: abc").refused(422, bellhop.CodeInvalid, "If-Match")
		r.do("PATCH", path, c.body, `If-Match: "abc`).refused(422, bellhop.CodeInvalid, "If-Match")
		if again := r.do("GET", path, "").header.Get("ETag"); again != first {
			t.Errorf("%s: a change that was refused changed the tag: %s, %s", path, first, again)
		}

		changed := r.do("PATCH", path, c.body, `If-Match: "other", `+first)
		changed.is(200)
		second := changed.header.Get("ETag")
		if second == first || second == "" {
			t.Errorf("%s: the tag after a change is %q", path, second)
		}
		r.do("PATCH", path, c.body, "If-Match: "+first).refused(412, bellhop.CodeChanged)
		r.do("DELETE", path, "", "If-Match: "+first).refused(412, bellhop.CodeChanged)
		r.do("PATCH", path, c.body, "If-Match: *").is(200)
		third := r.do("PATCH", path, c.body).header.Get("ETag")
		if third == "" {
			t.Errorf("%s: no tag", path)
		}
		if a := r.do("DELETE", path, "", "If-Match: "+third); a.status != 204 {
			t.Errorf("%s: DELETE with the present tag: %d %s", path, a.status, a.body)
		}
	}
}

// TestIfMatchOfWhatNobodyEdits: a file or a key is deleted only if it is the one that the tag was read from, and not a
// later one of the same name.
func TestIfMatchOfWhatNobodyEdits(t *testing.T) {
	for _, noun := range []string{"files/fil_1", "keys/key_1"} {
		r := newRig(t)
		r.fill()
		path := Prefix + "/" + noun
		tag := r.do("GET", path, "").header.Get("ETag")
		r.do("DELETE", path, "", `If-Match: "0-0"`).refused(412, bellhop.CodeChanged)
		r.do("GET", path, "").is(200)
		if a := r.do("DELETE", path, "", "If-Match: "+tag); a.status != 204 {
			t.Errorf("%s: DELETE with the present tag: %d %s", path, a.status, a.body)
		}
		r.do("DELETE", path, "", "If-Match: "+tag).refused(404, bellhop.CodeNotFound)
	}
}

// TestTagOfWhatChangesByItself: what changes by itself changes the tag, but does not spoil a change that is based on
// it.
func TestTagOfWhatChangesByItself(t *testing.T) {
	r := newRig(t)
	r.fill()
	const path = Prefix + "/destinations/dst_1"
	first := r.do("GET", path, "").header.Get("ETag")
	r.matchError = bellhop.MatchError{At: testNow, Message: "no such member", Count: 1}
	second := r.do("GET", path, "")
	if second.header.Get("ETag") == first {
		t.Error("another answer has the same tag")
	}
	if a := r.do("GET", path, "", "If-None-Match: "+first); a.status != 200 {
		t.Errorf("the answer was another: %d", a.status)
	}
	r.do("PATCH", path, `{"timeout":"2s"}`, "If-Match: "+first).is(200)
}

// TestNotModified: an answer that the client has already is 304 without a body.
func TestNotModified(t *testing.T) {
	r := newRig(t)
	r.fill()
	for _, noun := range []string{"sources/src_1", "destinations/dst_1", "connections/con_1", "subscriptions/sub_1",
		"events/evt_1", "deliveries/dlv_1", "requests/req_1", "repairs/rpr_1", "files/fil_1", "keys/key_1"} {
		path := Prefix + "/" + noun
		whole := r.do("GET", path, "")
		tag := whole.header.Get("ETag")
		for header, status := range map[string]int{tag: 304, "W/" + tag: 304, `"a", ` + tag: 304, "*": 304, `"a"`: 200,
			strings.Trim(tag, `"`): 200} {
			a := r.do("GET", path, "", "If-None-Match: "+header)
			if a.status != status || a.header.Get("ETag") != tag {
				t.Errorf("%s, If-None-Match %s: %d %v", path, header, a.status, a.header)
			}
			if status == 304 && (a.body != "" || a.header.Get("Content-Type") != "") ||
				status == 200 && a.body != whole.body {
				t.Errorf("%s, If-None-Match %s: %s", path, header, a.body)
			}
		}
	}
	if a := r.do("GET", Prefix+"/sources/none", "", "If-None-Match: *"); a.status != 404 {
		t.Errorf("an error was taken for an answer that is known: %d", a.status)
	}
	if a := r.do("PATCH", Prefix+"/sources/src_1", `{"disabled":true}`, "If-None-Match: *"); a.status != 200 {
		t.Errorf("a change: %d %s", a.status, a.body)
	}
}

// TestClientIfMatch: a client that is bound to a version changes no other.
func TestClientIfMatch(t *testing.T) {
	r, c := newClient(t)
	r.fill()
	r.deliveries = nil // so that the source can be deleted
	ctx := t.Context()
	src, err := c.Source(ctx, "media")
	if err != nil || src.ETag == "" {
		t.Fatal(src.ETag, err)
	}
	bound := c.IfMatch(src.ETag)
	changed, err := bound.UpdateSource(ctx, "media", map[string]any{"disabled": true})
	if err != nil || changed.ETag == src.ETag {
		t.Fatal(changed.ETag, err)
	}
	for what, err := range map[string]error{
		"update": func() error {
			_, err := bound.UpdateSource(ctx, "media", map[string]any{"disabled": false})
			return err
		}(),
		"delete": bound.DeleteSource(ctx, "media"),
	} {
		refused, ok := err.(*client.Error)
		if !ok || refused.Code != bellhop.CodeChanged || refused.Status != 412 {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := c.IfMatch(strings.Trim(src.ETag, `"`)).UpdateSource(ctx, "media", map[string]any{}); err == nil {
		t.Error("a tag without quotes is not compared")
	}
	if _, err := bound.Source(ctx, "media"); err != nil {
		t.Errorf("a read: %v", err)
	}
	if err := c.IfMatch(changed.ETag).DeleteSource(ctx, "media"); err != nil {
		t.Error(err)
	}
}

// TestTagsAreDocumented: the document shows the tag of each noun, and what the two headers do.
func TestTagsAreDocumented(t *testing.T) {
	document := newRig(t).handler.(*server).huma.OpenAPI()
	for _, noun := range []string{"sources", "destinations", "connections", "subscriptions", "events", "deliveries",
		"requests", "repairs", "files", "keys"} {
		item := document.Paths[Prefix+"/"+noun+"/{id}"]
		if item.Get.Responses["200"].Headers["ETag"] == nil || item.Get.Responses["304"] == nil ||
			!hasParameter(item.Get, "If-None-Match") {
			t.Errorf("GET of %s: the tag is not documented", noun)
		}
		for _, o := range []*huma.Operation{item.Patch, item.Delete} {
			if o != nil && (o.Responses["412"] == nil || !hasParameter(o, "If-Match")) {
				t.Errorf("%s of %s: If-Match is not documented", o.Method, noun)
			}
		}
	}
}

func FuzzIfMatch(f *testing.F) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, header := range []string{"*", `"a-b"`, `W/"a"`, `"a", "b"`, `"`, "", `""`, etag(at, 1)} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		err := Precondition{IfMatch: header}.check("source", at)
		if err == nil && header != "" && strings.TrimSpace(header) != "*" &&
			!strings.Contains(header, versionText(at)) {
			t.Errorf("%q matches", header)
		}
	})
}
