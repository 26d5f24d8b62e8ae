package acs

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/provider/acs"
	"github.com/bellhop-gateway/bellhop/signature"
)

// The prefixes of paths: of the resource's own, and of its storage.
const (
	resourcePrefix = "/recording/download/"
	storagePrefix  = "/v1/objects/"
)

// What a path names of a file.
const (
	content = iota
	meta
	whole // the file itself, which can be deleted
)

// A target is what a path names.
type target struct {
	document string
	what     int
	storage  bool
}

// targetOf reads an escaped path; ok is false if it names nothing.
func targetOf(path string) (t target, ok bool) {
	rest, ok := strings.CutPrefix(path, resourcePrefix)
	if !ok {
		rest, t.storage = strings.CutPrefix(path, storagePrefix)
	}
	parts := strings.Split(rest, "/")
	document, err := url.PathUnescape(parts[0])
	t.document = document
	switch {
	case err != nil || document == "" || !ok && !t.storage:
		return t, false
	case !t.storage && len(parts) == 1:
		t.what = content
	case !t.storage && len(parts) == 2 && parts[1] == "metadata":
		t.what = meta
	case t.storage && len(parts) == 1:
		t.what = whole
	case t.storage && len(parts) == 3 && parts[1] == "content" && parts[2] == "acsmetadata":
		t.what = meta
	case t.storage && len(parts) == 3 && parts[1] == "content" && parts[2] != "":
		t.what = content
	default:
		return t, false
	}
	return t, true
}

// codeOf returns the code of the error of a signature that was refused.
func codeOf(err error) string {
	switch {
	case errors.Is(err, signature.ErrMissing):
		return "MissingHeader"
	case errors.Is(err, signature.ErrExpired):
		return "DateOutOfRange"
	case errors.Is(err, acs.ErrContentHash):
		return "ContentHashMismatch"
	case errors.Is(err, signature.ErrMismatch):
		return "SignatureMismatch"
	}
	return "MalformedHeader"
}

// serve answers a call, or returns the error to answer.
func (s *System) serve(w http.ResponseWriter, r *http.Request) error {
	t, ok := targetOf(r.URL.EscapedPath())
	if !ok {
		return named("BadRequest")
	}
	if err := s.authenticate(r, t); err != nil {
		return err
	}
	if !t.storage && r.URL.Query().Get("api-version") == "" {
		return named("MissingApiVersion")
	}
	if allowed := map[bool]string{true: http.MethodDelete,
		false: http.MethodGet}[t.what == whole]; r.Method != allowed {
		w.Header().Set("Allow", allowed)
		return named("MethodNotAllowed")
	}
	f, ok := s.find(t.document)
	switch {
	case !ok:
		return named("NotFound")
	case t.what == whole:
		s.mu.Lock()
		delete(s.files, f.id)
		s.mu.Unlock()
		w.WriteHeader(http.StatusOK) // a published client takes no other status for success
	case t.what == meta:
		emulator.WriteJSON(w, http.StatusOK, f.metadata)
	default:
		s.serveContent(w, r, f)
	}
	return nil
}

// find returns a copy of a file, unless its retention is over.
func (s *System) find(document string) (file, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[document]
	if f == nil || s.now().Sub(f.createdAt) >= s.opts.Retention {
		return file{}, false
	}
	return *f, true
}

// change makes a file another one, of that size; -1 keeps the size. It returns the changed file.
func (s *System) change(f file, size int64) file {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept := s.files[f.id]; kept != nil {
		kept.version++
		kept.content.Seed += 1 << 32 // none of another chunk
		if size >= 0 {
			kept.content.Size = size
		}
		return *kept
	}
	return f
}

// readableRange is the form of a Range that [http.ServeContent] reads. It answers 416 to another one, where the
// service answers with the whole file: published clients send "bytes=undefined" and "bytes=5".
var readableRange = regexp.MustCompile(`^bytes=\s*(\d+-\d*|-\d+)\s*(,\s*(\d+-\d*|-\d+)\s*)*$`)

// ordered reports whether no range ends before it begins.
func ordered(text string) bool {
	for one := range strings.SplitSeq(strings.TrimPrefix(text, "bytes="), ",") {
		from, to, _ := strings.Cut(strings.TrimSpace(one), "-")
		first, err := strconv.ParseInt(from, 10, 64)
		last, lastErr := strconv.ParseInt(to, 10, 64)
		if err == nil && lastErr == nil && last < first {
			return false
		}
	}
	return true
}

// serveContent answers with a file or a part of it, and makes the faults of downloads.
func (s *System) serveContent(w http.ResponseWriter, r *http.Request, f file) {
	meet := func(kind string) (emulator.Fault, bool) {
		fault := s.host.Meet(w, r, s.Name(), kind)
		return fault, fault.Kind != ""
	}
	wanted := r.Header.Get("Range")
	ranged := readableRange.MatchString(wanted) && ordered(wanted)
	header := w.Header()
	out := &fileWriter{ResponseWriter: w, left: -1, told: -1}
	if ranged {
		if fault, ok := meet(emulator.FaultChange); ok {
			f = s.change(f, fault.Bytes(-1))
		}
		if _, ok := meet(emulator.FaultIgnoreRange); ok {
			ranged = false
		}
		if _, ok := meet(emulator.FaultContentRange); ok {
			out.shift = true
		}
	}
	if fault, ok := meet(emulator.FaultCut); ok {
		out.left = fault.Bytes(0)
	}
	if fault, ok := meet(emulator.FaultLength); ok {
		out.lie = fault.Bytes(1000)
	}
	modified := f.createdAt.Add(time.Duration(f.version) * time.Second)
	etag := f.etag()
	if _, ok := meet(emulator.FaultWeakETag); ok {
		etag = "W/" + etag
	}
	if fault, ok := meet(emulator.FaultNoETag); ok {
		etag = ""
		if fault.Value == "all" {
			modified = time.Time{}
		}
	}
	if etag != "" {
		header.Set("Etag", etag)
	}
	header.Set("Content-Type", map[string]string{"Mp4": "video/mp4", "Mp3": "audio/mp3",
		"Wav": "audio/wav"}[f.content.Format])
	if !ranged {
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	}
	http.ServeContent(out, r, "", modified, f.content.Reader())
	if out.cut {
		emulator.Abort(w)
	}
}

// A fileWriter makes the faults of an answer that http.ServeContent writes.
type fileWriter struct {
	http.ResponseWriter
	left  int64 // bytes of the body until the connection is closed; -1 is any number
	cut   bool  // the connection is to be closed
	lie   int64 // added to Content-Length
	told  int64 // bytes that are still told of by a Content-Length that is too small; -1 is all
	shift bool  // Content-Range begins a byte later
}

var errCut = errors.New("cut by a fault")

// WriteHeader changes the header before it is sent.
func (f *fileWriter) WriteHeader(status int) {
	h := f.Header()
	length, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err == nil && f.lie != 0 {
		h.Set("Content-Length", strconv.FormatInt(max(0, length+f.lie), 10))
		if f.lie < 0 {
			f.told = max(0, length+f.lie)
		}
	}
	var from, to, total int64
	n, _ := fmt.Sscanf(h.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &total)
	if f.shift && n == 3 {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from+1, to, total))
	}
	f.ResponseWriter.WriteHeader(status)
}

// Write writes the body, as far as it is sent.
func (f *fileWriter) Write(p []byte) (int, error) {
	if f.told >= 0 {
		p = p[:min(int64(len(p)), f.told)]
		f.told -= int64(len(p))
		if len(p) == 0 {
			return 0, http.ErrContentLength
		}
	}
	if f.left < 0 {
		return f.ResponseWriter.Write(p)
	}
	if int64(len(p)) <= f.left {
		f.left -= int64(len(p))
		return f.ResponseWriter.Write(p)
	}
	f.cut = true
	n, err := f.ResponseWriter.Write(p[:f.left])
	f.left = 0
	if err == nil {
		err = errCut
	}
	return n, err
}
