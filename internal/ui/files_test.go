package ui

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
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
		{"", "", 200, 0}, {"bytes=0-", "", 206, 0}, {"bytes=1000-", "", 206, 1000}, {"bytes=1000-", `"9f86d081"`, 206,
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
		if want := "bytes " + strconv.Itoa(c.from) + "-2047/2048"; c.status == 206 && h.Get("Content-Range") != want {
			t.Errorf("%s: %s, want %s", c.asked, h.Get("Content-Range"), want)
		}
	}
	if w := r.do("GET", "/ui/files/fil_9/content", "viewer", nil); w.Code != 404 {
		t.Errorf("an unknown file: %d", w.Code)
	}
}

// TestPlay: a recording is played on its page, in the parts that a player asks for, and with a media type of a strict
// list. A file of any other type is only to be saved, whatever its name is.
func TestPlay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	content := strings.Repeat("abcd", 512)
	r.api.set("GET /files/fil_1/content", ranged(content))
	for _, c := range []struct{ kind, element, sent string }{
		{"video/mp4", "<video", "video/mp4"}, {"Audio/WAV; codecs=1", "<audio", "audio/wav"}, {"text/html", "", ""},
		{"image/svg+xml", "", ""}, {"video/mp4,text/html", "", ""}, {"application/mp4", "", ""}, {"", "", ""},
	} {
		file := testFile
		file.ContentType = c.kind
		r.api.set("GET /files/fil_1", file)
		page := r.do("GET", "/ui/files/fil_1", "viewer", nil)
		allowed := strings.HasSuffix(page.Header().Get("Content-Security-Policy"), "; media-src 'self'")
		player := strings.Contains(page.Body.String(), "<video") || strings.Contains(page.Body.String(), "<audio")
		if player != (c.element != "") || !strings.Contains(page.Body.String(), c.element) || allowed != player {
			t.Errorf("%s: the page has a player: %v; its policy allows media: %v", c.kind, player, allowed)
		}
		w := r.do("GET", "/ui/files/fil_1/play", "viewer", nil, "Range: bytes=4-9")
		h := w.Header()
		if c.element == "" {
			if w.Code != 415 {
				t.Errorf("%s: %d", c.kind, w.Code)
			}
			continue
		}
		if w.Code != 206 || w.Body.String() != content[4:10] || h.Get("Content-Range") != "bytes 4-9/2048" ||
			h.Get("Content-Type") != c.sent || !strings.HasPrefix(h.Get("Content-Disposition"), "inline;") ||
			!strings.HasSuffix(h.Get("Content-Security-Policy"), "sandbox") ||
			h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %q %v", c.kind, w.Code, w.Body, h)
		}
	}
	part := testPart
	part.ContentType = "video/mp4"
	r.api.set("GET /files/fil_2", part)
	if w := r.do("GET", "/ui/files/fil_2/play", "viewer", nil); w.Code != 409 {
		t.Errorf("a part of a file: %d", w.Code)
	}
}

// FuzzRange: whatever range a browser asks for, what is sent lies within the file, and a part is never the whole.
func FuzzRange(f *testing.F) {
	for _, text := range []string{"bytes=0-", "bytes=4-9", "bytes=9-4", "bytes=-5", "bytes=0-99999999999999999999",
		"bytes=1-2,5-", "bytes=+1-2", "bytes= 1-", "BYTES=1-2", "bytes=2048-", ""} {
		f.Add(text, int64(2048))
	}
	f.Add("bytes=0-0", int64(0))
	f.Fuzz(func(t *testing.T, text string, size int64) {
		if size < 0 {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/ui/files/fil_1/play", nil)
		r.Header.Set("Range", text)
		asked, partial := rangeOf(r, client.File{Size: size})
		whole := asked == byteRange{0, size - 1}
		if asked.from < 0 || asked.last >= size || asked.from > asked.last+1 || !partial && !whole {
			t.Errorf("%q of %d bytes: %+v, a part: %t", text, size, asked, partial)
		}
	})
}
