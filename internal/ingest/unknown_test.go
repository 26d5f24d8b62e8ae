package ingest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// TestUnknownSourceOnRecord: a request at a name that is no source's is on record with the name, and without anything
// that may be a secret. The sender gets the same answer in every case.
func TestUnknownSourceOnRecord(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, name, recorded, reason, detail string }{
		{"/in/medai", "medai", "/in/medai", "unknown_source", "there is no source with this name"},
		{"/in/medai/", "medai", "/in/medai/", "unknown_source", "there is no source with this name"},
		{"/in/SRC?code=s3cret&s3cret", "SRC", "/in/SRC?…", "unknown_source", "upper and lower case differ"},
		{"/in/src/s3cret", "src", "/in/src/…", "unknown_source", "remove what follows the name"},
		{"/in/medai/s3cret/s3cret", "medai", "/in/medai/…", "unknown_source", "there is no source with this name"},
		{"/in/", "", "/in/", "unknown_source", "there is no source"},
		{"/in/%73rc", "%73rc", "/in/%73rc", "unknown_source", "there is no source"},
		{"/in/a%00b", "a%00b", "/in/a%00b", "unknown_source", "there is no source"},
		{"/in/" + strings.Repeat("x", 5000), strings.Repeat("x", 128), "/in/" + strings.Repeat("x", 128),
			"unknown_source", "there is no source"},
		{"/in/off", "", "/in/off", "disabled", "the source is disabled"},
		{"/in/src_off", "", "/in/src_off", "disabled", "the source is disabled"},
	} {
		r := newRig(t)
		w := r.send("POST", c.target, strings.NewReader("s3cret"), "X-Token", "s3cret", "Authorization", "s3cret")
		if w.Code != 404 || w.Body.String() != "{\"error\":\"no such source\"}\n" {
			t.Errorf("%.40s: answered %d %s", c.target, w.Code, w.Body)
		}
		got := r.onlyRequest()
		if got.RequestName != c.name || got.Target != c.recorded || got.Reason != c.reason ||
			!strings.Contains(got.Detail, c.detail) || got.Outcome != bellhop.RequestRefused || got.Status != 404 ||
			got.Method != "POST" || got.RemoteAddr == "" {
			t.Errorf("%.40s: on record: %+v", c.target, got)
		}
		if (got.SourceID == "src_off") != (c.reason == "disabled") {
			t.Errorf("%.40s: on record at %q", c.target, got.SourceID)
		}
		if strings.Contains(fmt.Sprintf("%+v", got), "s3cret") || len(got.Header) > 0 || got.BodyBytes != 0 {
			t.Errorf("%.40s: on record: %+v", c.target, got)
		}
		if stats, err := r.store.Stats(t.Context()); err != nil || stats.RequestsRefused != 1 {
			t.Errorf("%.40s: counted: %+v %v", c.target, stats, err)
		}
	}
}

// TestUncleanElsewhere: the door answers unclean paths that are not below its prefix. They name no source, and are not
// on record.
func TestUncleanElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, target := range []string{"//wp-login.php", "/in", "//in/src", "/%69n/src"} {
		if w := r.send("GET", target, nil); w.Code != 404 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if n := len(r.requests()); n != 0 {
		t.Errorf("%d on record", n)
	}
}

// FuzzClean: a name on record is bounded text without control characters, whatever a stranger sent, and is its own
// clean form.
func FuzzClean(f *testing.F) {
	for _, name := range []string{"", "media", "a\x00b\x1b[31m\u0085", "\xff\xfe", strings.Repeat("é", 100)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := clean(name)
		if len(got) > maxNameBytes || strings.ContainsAny(got, "\x00\n\r\x1b\u0085") || got != clean(got) {
			t.Errorf("%q became %q", name, got)
		}
	})
}
