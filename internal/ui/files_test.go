package ui

import (
	"strings"
	"testing"
)

// TestDownload: a whole file leaves as bytes to be saved, under a name without surprises, and goes on where a browser
// has stopped. What a stranger says of its kind changes nothing.
func TestDownload(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	content := strings.Repeat("abcd", 512)
	file := testFile
	file.Name, file.ContentType = "../a b\"/..évil<.html", "text/html"
	r.api.set("GET /files/fil_1", file)
	r.api.set("GET /files/fil_1/content", ranged(content))
	for _, c := range []struct {
		asked, ifRange string
		status, from   int
	}{
		{"", "", 200, 0}, {"bytes=0-", "", 200, 0}, {"bytes=1000-", "", 206, 1000}, {"bytes=1000-", `"9f86d081"`, 206,
			1000},
		{"bytes=1000-", `"other"`, 200, 0}, {"bytes=2048-", "", 200, 0}, {"bytes=-5", "", 200, 0},
		{"bytes=1-2,5-", "", 200, 0}, {"bytes=x-", "", 200, 0},
	} {
		w := r.do("GET", "/ui/files/fil_1/content", "viewer", nil, "Range: "+c.asked, "If-Range: "+c.ifRange)
		h := w.Header()
		if w.Code != c.status || w.Body.String() != content[c.from:] ||
			h.Get("Content-Disposition") != `attachment; filename="_vil_.html"` ||
			h.Get("Content-Type") != "application/octet-stream" || h.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasSuffix(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s %s: %d, %d bytes, %v", c.asked, c.ifRange, w.Code, w.Body.Len(), h)
		}
		if want := "bytes 1000-2047/2048"; c.status == 206 && h.Get("Content-Range") != want {
			t.Errorf("%s: %s, want %s", c.asked, h.Get("Content-Range"), want)
		}
	}
	if w := r.do("GET", "/ui/files/fil_9/content", "viewer", nil); w.Code != 404 {
		t.Errorf("an unknown file: %d", w.Code)
	}
}
