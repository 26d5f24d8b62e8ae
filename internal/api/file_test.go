package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func TestListFiles(t *testing.T) {
	r := newRig(t)
	r.fill()
	for query, want := range map[string]int{"": 2, "?state=whole": 1, "?state=partial": 1, "?event=evt_1": 2,
		"?event=evt_2": 0, "?source=media": 2, "?destination=billing": 2, "?destination=dst_9": 0} {
		list := r.do("GET", "/api/v1/files"+query, "").is(200)["data"].([]any)
		if len(list) != want {
			t.Errorf("%s: %d files, want %d", query, len(list), want)
		}
	}
	r.do("GET", "/api/v1/files?state=open", "").refused(422, bellhop.CodeInvalid, "state")
	r.do("GET", "/api/v1/files?source=nobody", "").refused(422, bellhop.CodeInvalid, "source")
}

func TestShowFile(t *testing.T) {
	r := newRig(t)
	r.fill()
	for _, path := range []string{"/api/v1/files/fil_1", "/api/v1/files/call-1%2F0.mp4"} {
		f := r.do("GET", path, "").is(200)
		if f["name"] != "call-1/0.mp4" || f["state"] != "whole" || f["size"] != 10.0 || f["total"] != nil ||
			f["sha256"] != strings.Repeat("0a", 32) || f["event_id"] != "evt_1" || f["destination"] != "billing" ||
			f["source"] != "media" || f["expires_at"] != nil {
			t.Errorf("%s: %v", path, f)
		}
	}
	if f := r.do("GET", "/api/v1/files/fil_2", "").is(200); f["total"] != 9.0 || f["sha256"] != "" ||
		f["due_at"] == nil {
		t.Errorf("%v", f)
	}
	r.do("GET", "/api/v1/files/fil_9", "").refused(404, bellhop.CodeNotFound)
}

func TestDeleteFile(t *testing.T) {
	r := newRig(t)
	r.fill()
	if a := r.do("DELETE", "/api/v1/files/fil_1", ""); a.status != 204 {
		t.Error(a.status)
	}
	r.do("GET", "/api/v1/files/fil_1", "").refused(404, bellhop.CodeNotFound)
	r.do("DELETE", "/api/v1/files/fil_1", "").refused(404, bellhop.CodeNotFound)
}

// TestFileContent: the bytes of a file are answered whole or by ranges, and a browser runs nothing in them.
func TestFileContent(t *testing.T) {
	r := newRig(t)
	r.fill()
	const path = "/api/v1/files/fil_1/content"
	etag := `"` + strings.Repeat("0a", 32) + `"`
	for _, c := range []struct {
		what   string
		header []string
		status int
		body   string
		ranged string
	}{
		{"whole", nil, 200, "0123456789", ""},
		{"from an offset on", []string{"Range: bytes=4-"}, 206, "456789", "bytes 4-9/10"},
		{"a part", []string{"Range: bytes=2-3"}, 206, "23", "bytes 2-3/10"},
		{"the end", []string{"Range: bytes=-1"}, 206, "9", "bytes 9-9/10"},
		{"the same file", []string{"Range: bytes=4-", "If-Range: " + etag}, 206, "456789", "bytes 4-9/10"},
		{"another file", []string{"Range: bytes=4-", `If-Range: "other"`}, 200, "0123456789", ""},
		{"not changed", []string{"If-None-Match: " + etag}, 304, "", ""},
		{"changed", []string{`If-Match: "other"`}, 412, "", ""},
	} {
		a := r.do("GET", path, "", c.header...)
		if a.status != c.status || a.body != c.body || a.header.Get("Content-Range") != c.ranged ||
			a.header.Get("ETag") != etag {
			t.Errorf("%s: %d %q %v", c.what, a.status, a.body, a.header)
		}
	}
	a := r.do("GET", path, "")
	for name, want := range map[string]string{
		"Content-Type": "video/mp4", "Content-Disposition": "attachment; filename=0.mp4", "Accept-Ranges": "bytes",
		"Content-Length": "10", "Last-Modified": testNow.UTC().Format(http.TimeFormat),
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	head := r.do("HEAD", path, "")
	if head.status != 200 || head.body != "" || head.header.Get("Content-Length") != "10" {
		t.Errorf("HEAD: %d %q %v", head.status, head.body, head.header)
	}
	a = r.do("GET", path, "", "Range: bytes=10-")
	a.refused(416, bellhop.CodeMalformed)
	if a.header.Get("Content-Range") != "bytes */10" || a.header.Get("Content-Disposition") != "" {
		t.Errorf("%v", a.header)
	}
}

// TestFileContentRefused: a file that is not whole, or not what it was, has no content.
func TestFileContentRefused(t *testing.T) {
	r := newRig(t)
	r.fill()
	a := r.do("GET", "/api/v1/files/fil_2/content", "")
	a.refused(409, bellhop.CodeConflict)
	if !strings.Contains(a.body, "partial, with 4 of 9 bytes so far") {
		t.Error(a.body)
	}
	r.files[1].Total, r.files[1].Size = -1, 1
	if a := r.do("GET", "/api/v1/files/fil_2/content", ""); !strings.Contains(a.body, "partial, with 1 byte so far") {
		t.Error(a.body)
	}
	r.content = "changed"
	r.do("GET", "/api/v1/files/fil_1/content", "").refused(409, bellhop.CodeConflict)
	r.do("GET", "/api/v1/files/fil_9/content", "").refused(404, bellhop.CodeNotFound)
}

// TestFileNames: whatever the name and the content type of a file, the answer's headers are well formed.
func TestFileNames(t *testing.T) {
	r := newRig(t)
	r.fill()
	for name, want := range map[string]string{
		"a/b c.mp4":       `attachment; filename="b c.mp4"`,
		"a/\"q\";x=y.mp4": `attachment; filename="\"q\";x=y.mp4"`,
		"a/größe.mp4":     "attachment; filename*=utf-8''gr%C3%B6%C3%9Fe.mp4",
		"a/x\r\nSet: 1":   "attachment; filename*=utf-8''x%0D%0ASet%3A%201",
	} {
		r.files[0].Name, r.files[0].ContentType = name, "text/html\r\nSet-Cookie: a=b"
		a := r.do("GET", "/api/v1/files/fil_1/content", "")
		if got := a.header.Get("Content-Disposition"); got != want ||
			a.header.Get("Content-Type") != "application/octet-stream" ||
			a.header.Get("Set") != "" || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%q: %v", name, a.header)
		}
	}
}

// A slowClient is a client whose connection has deadlines.
type slowClient struct {
	*httptest.ResponseRecorder
	reading []time.Time
	writing []time.Time
}

func (c *slowClient) SetReadDeadline(at time.Time) error {
	c.reading = append(c.reading, at)
	return nil
}

func (c *slowClient) SetWriteDeadline(at time.Time) error {
	c.writing = append(c.writing, at)
	return nil
}

// TestSlowDownload: the time limits of the server do not end a download that takes longer: each write has one of its
// own, and that of the request is lifted.
func TestSlowDownload(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.content = strings.Repeat("x", 1<<20)
	r.files[0].Size = 1 << 20
	c := &slowClient{ResponseRecorder: httptest.NewRecorder()}
	req := httptest.NewRequest("GET", "/api/v1/files/fil_1/content", nil)
	req.Header.Set("Authorization", "Bearer "+testKey)
	begun := time.Now()
	r.handler.ServeHTTP(c, req)
	if c.Code != 200 || c.Body.Len() != 1<<20 {
		t.Errorf("%d, %d bytes", c.Code, c.Body.Len())
	}
	if len(c.reading) != 1 || !c.reading[0].IsZero() {
		t.Errorf("the deadline of reading is %v", c.reading)
	}
	if len(c.writing) < 10 || c.writing[len(c.writing)-1].Before(begun.Add(contentTimeout)) {
		t.Errorf("%d deadlines of writing", len(c.writing))
	}
}
