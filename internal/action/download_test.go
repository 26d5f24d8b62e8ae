package action

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/acs"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// memoryFiles are files in memory, all of whose bytes are durable at once.
type memoryFiles struct {
	mu     sync.Mutex // guards all fields
	files  map[string]*memoryFile
	room   int   // bytes that can still be written; below 0 is any number
	broken error // of the next Append
	hidden bool  // bytes of partial files cannot be read
}

type memoryFile struct {
	bellhop.File
	bytes []byte
}

func newMemoryFiles() *memoryFiles {
	return &memoryFiles{files: map[string]*memoryFile{}, room: -1}
}

func (m *memoryFiles) Begin(_ context.Context, f bellhop.File) (bellhop.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.files {
		switch {
		case other.Name != f.Name:
			continue
		case other.EventID != f.EventID || other.DestinationID != f.DestinationID:
			return f, bellhop.Conflict("the name is taken")
		case f.Total >= 0 && other.State == bellhop.FilePartial:
			other.Total = f.Total
		}
		return other.File, nil
	}
	f.ID, f.State, f.Size = fmt.Sprintf("fil_%d", len(m.files)+1), bellhop.FilePartial, 0
	m.files[f.ID] = &memoryFile{File: f}
	return f, nil
}

func (m *memoryFiles) Append(_ context.Context, id string, offset int64, r io.Reader) (int64, error) {
	m.mu.Lock()
	f, broken := m.files[id], m.broken
	m.broken = nil
	if offset == 0 {
		f.bytes, f.Size = nil, 0
	}
	m.mu.Unlock()
	if broken != nil {
		return f.Size, broken
	}
	if offset != f.Size {
		return f.Size, bellhop.Conflict("the offset is not the size")
	}
	buffer := make([]byte, 1000)
	for {
		n, err := r.Read(buffer)
		m.mu.Lock()
		full := m.room >= 0 && n > m.room
		if full {
			n = m.room
		}
		if m.room >= 0 {
			m.room -= n
		}
		f.bytes = append(f.bytes, buffer[:n]...)
		f.Size = int64(len(f.bytes))
		m.mu.Unlock()
		switch {
		case full:
			return f.Size, fmt.Errorf("write: %w", provider.ErrStorageFull)
		case err == io.EOF:
			return f.Size, nil
		case err != nil:
			return f.Size, err
		}
	}
}

func (m *memoryFiles) Finish(_ context.Context, id string) (bellhop.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[id]
	if f.Total >= 0 && f.Total != f.Size {
		return f.File, bellhop.Conflict("the size is not the total")
	}
	sum := sha256.Sum256(f.bytes)
	f.State, f.SHA256 = bellhop.FileWhole, hex.EncodeToString(sum[:])
	return f.File, nil
}

func (m *memoryFiles) Open(_ context.Context, id string, offset int64) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hidden {
		return nil, bellhop.Conflict("it is partial")
	}
	return io.NopCloser(bytes.NewReader(m.files[id].bytes[offset:])), nil
}

func (m *memoryFiles) Remove(_ context.Context, id string) error { return nil }

// list returns the files by their names.
func (m *memoryFiles) list() map[string]*memoryFile {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := map[string]*memoryFile{}
	for _, f := range m.files {
		list[f.Name] = f
	}
	return list
}

// A remote is a system with one recording of two files, "a" and "b". The next requests for contents meet the faults.
type remote struct {
	*bench
	files   *memoryFiles
	calls   *Calls
	server  *httptest.Server
	allowed func(provider.Call) error

	mu       sync.Mutex // guards all that follows
	contents map[string][]byte
	etag     string
	modified string
	header   http.Header // of contents
	faults   []http.HandlerFunc
	metadata func(document string) (int, string)
	deleted  []string
	deletion int // status
	requests []string
}

func newRemote(t testing.TB) *remote {
	r := &remote{bench: newBench(t), files: newMemoryFiles(), etag: `"1"`, modified: "Sun, 22 Nov 2026 09:00:00 GMT",
		contents: map[string][]byte{"a": video(20_000, 1), "b": video(9_000, 2)}, deletion: 200,
		allowed: func(provider.Call) error { return nil }}
	r.metadata = func(document string) (int, string) {
		return 200, fmt.Sprintf(`{"chunkDocumentId":%q,"chunkIndex":%d,"recordingInfo":{"format":"mp4"}}`, document,
			document[0]-'a')
	}
	r.calls = r.newCalls()
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	return r
}

// video returns a file that begins as an mp4 does.
func video(size int, seed byte) []byte {
	b := append([]byte("\x00\x00\x00\x18ftypmp42"), bytes.Repeat([]byte{seed, 2, 3, 5, 7, 11, 13}, size/7+1)...)
	for i := 12; i < len(b); i++ {
		b[i] += byte(i >> 8)
	}
	return b[:size]
}

func (r *remote) serve(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	document, what, _ := strings.Cut(strings.TrimPrefix(q.URL.Path, "/"), "/")
	r.requests = append(r.requests, strings.TrimSpace(q.Method+" "+document+" "+what+" "+q.Header.Get("Range")+" "+
		q.Header.Get("If-Range")))
	switch {
	case q.Method == http.MethodDelete:
		r.deleted = append(r.deleted, document)
		w.WriteHeader(r.deletion)
	case what == "metadata":
		status, body := r.metadata(document)
		w.WriteHeader(status)
		io.WriteString(w, body)
	case q.Header.Get("Accept-Encoding") != "identity":
		r.Errorf("Accept-Encoding is %q", q.Header.Get("Accept-Encoding"))
	case len(r.faults) > 0:
		fault := r.faults[0]
		r.faults = r.faults[1:]
		if fault != nil {
			fault(w, q)
			return
		}
		r.serveContent(w, q, document)
	default:
		r.serveContent(w, q, document)
	}
}

func (r *remote) serveContent(w http.ResponseWriter, q *http.Request, document string) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	if r.etag != "" {
		w.Header().Set("Etag", r.etag)
	}
	w.Header().Set("Content-Type", "video/mp4")
	modified, _ := http.ParseTime(r.modified)
	http.ServeContent(w, q, "", modified, bytes.NewReader(r.contents[document]))
}

// cut returns a fault that closes the connection after n bytes of the answer.
func (r *remote) cut(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		rec := httptest.NewRecorder()
		r.serveContent(rec, q, strings.TrimPrefix(q.URL.Path[:2], "/"))
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes()[:min(n, rec.Body.Len())])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// answer returns a fault that answers with a status, a body and headers: names and values.
func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func (r *remote) open(settings string) *downloader {
	r.Helper()
	env := r.env()
	env.Files, env.PublicURL = r.files, "https://hooks.example.com"
	api := providertest.HTTPAPI{Base: r.server.URL}
	env.Connection = func(_ context.Context, name string) (provider.Connection, error) {
		return provider.Connection{ID: "con_" + name, Name: name, Provider: "acs", API: api, Open: r.stream,
			Allows: func(_ context.Context, call provider.Call) error { return r.allowed(call) },
			BaseURL: func(context.Context) (*url.URL, error) {
				return url.Parse(r.server.URL)
			}}, nil
	}
	actions := Downloads([]provider.Provider{acs.Provider{}}, r.calls)
	p, err := actions[0].OpenAction(env, bellhop.Destination{ID: "dst_1", Name: "keep", Settings: []byte(settings)})
	if err != nil {
		r.Fatal(err)
	}
	return p.(*downloader)
}

// stream is provider.Connection.Open.
func (r *remote) stream(ctx context.Context, call provider.Call) (provider.Stream, error) {
	q, err := http.NewRequestWithContext(ctx, call.Method, call.Path, nil)
	if err != nil {
		return provider.Stream{}, err
	}
	q.Header = call.Header
	res, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		return provider.Stream{}, &provider.APIError{Kind: provider.APITemporary, Message: "no answer"}
	}
	return provider.Stream{Status: res.StatusCode, Header: res.Header, Length: res.ContentLength, Body: res.Body}, nil
}

// recorded returns the event that announces the files, a second ago.
func (r *remote) recorded() *bellhop.Event {
	chunk := func(document string, index int) string {
		at := r.server.URL + "/" + document
		return fmt.Sprintf(
			`{"documentId":%q,"index":%d,"contentLocation":"%s/content","metadataLocation":"%s/metadata",`+
				`"deleteLocation":"%s"}`, document, index, at, at, at)
	}
	return &bellhop.Event{ID: "evt_1", Source: "calls", Type: acs.RecordingType, ReceivedAt: r.now(),
		Time: r.now().Add(-time.Second), Body: []byte(`{"eventType":"` + acs.RecordingType +
			`","subject":"/recording/call/c1/serverCallId/s/recordingId/rec1","data":{"recordingFormatType":"Mp4",` +
			`"recordingStorageInfo":{"recordingChunks":[` + chunk("b", 1) + `,` + chunk("a", 0) + `]}}}`)}
}

const keepSettings = `{"connection":"calls"}`

// wants checks that both files are here and were announced once.
func (r *remote) wants(done provider.ActionResult) {
	r.Helper()
	if done.Error != "" || !done.Continue.IsZero() || done.Short {
		r.Fatalf("%+v %s", done, done.Reply)
	}
	files := r.files.list()
	for i, document := range []string{"a", "b"} {
		f := files["rec1/"+strconv.Itoa(i)+".mp4"]
		if f == nil || f.State != bellhop.FileWhole || !bytes.Equal(f.bytes, r.contents[document]) {
			r.Fatalf("file %d is not whole: %+v", i, files)
		}
	}
	if len(r.published) != 1 || r.published[0].Type != "acs.recording.downloaded" {
		r.Fatalf("published %+v", r.published)
	}
}

// asked returns the requests for the content of a file, without what they have in common.
func (r *remote) asked(document string) (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range r.requests {
		if rest, ok := strings.CutPrefix(q, "GET "+document+" content"); ok {
			list = append(list, strings.TrimSpace(rest))
		}
	}
	return list
}

// TestDownload: the files of an event are downloaded in their order, and announced once.
func TestDownload(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	d := r.open(keepSettings)
	ev := r.recorded()
	done := d.Perform(t.Context(), ev, attempt)
	r.wants(done)
	if want := []string{"GET a metadata", "GET a content", "GET b metadata", "GET b content"}; !slices.Equal(
		r.requests, want) {
		t.Errorf("%q", r.requests)
	}
	var body downloadedBody
	if err := json.Unmarshal(r.published[0].Body, &body); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(r.contents["b"])
	want := downloadedFile{ID: "fil_2", Name: "rec1/1.mp4", Index: 1, Size: 9000, SHA256: hex.EncodeToString(sum[:]),
		ContentType: "video/mp4", URL: "https://hooks.example.com/api/v1/files/fil_2/content"}
	if body.Recording != "rec1" || body.Chunks != 2 || body.Bytes != 29_000 || body.Files[1] != want ||
		r.published[0].Subject != "rec1" {
		t.Errorf("%s", r.published[0].Body)
	}
	if text := string(done.Reply); text !=
		`{"event":"evt_made0","type":"acs.recording.downloaded","chunks":2,"whole":2,"fetched":29000}` {
		t.Errorf("the reply is %s", text)
	}
	due := r.files.list()["rec1/0.mp4"].DueAt
	if !due.Equal(ev.Time.Add(24 * time.Hour)) {
		t.Errorf("due at %v", due)
	}
	before := len(r.requests)
	r.wants(d.Perform(t.Context(), ev, provider.AttemptInfo{Progress: done.Progress})) // a repeat after a crash
	if len(r.requests) != before {
		t.Errorf("a repeat asks again: %q", r.requests)
	}
	for _, part := range []string{"action=acs.download", "fetched_bytes=29000", "event_id=evt_1", "whole=2"} {
		if !strings.Contains(r.log.String(), part) {
			t.Errorf("the log has no %s: %s", part, r.log.String())
		}
	}
	if strings.Contains(r.log.String(), r.server.URL) || strings.Contains(r.log.String(), "rec1") {
		t.Errorf("the log has a location, or an id of a recording: %s", r.log.String())
	}
}

// TestDownloadSkips: an event that names no files, or that an action made, is skipped; one that cannot be right is
// refused without a call.
func TestDownloadSkips(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	d := r.open(keepSettings)
	other := &bellhop.Event{ID: "evt_2", Type: "acs.recording.downloaded"}
	made := r.recorded()
	made.Header = bellhop.NewHeader(http.Header{bellhop.CauseHeader: {"evt_0"}}, nil)
	for _, ev := range []*bellhop.Event{other, made} {
		if done := d.Perform(t.Context(), ev, attempt); !done.Skip {
			t.Errorf("%+v", done)
		}
	}
	if !leftOut(d, made) {
		t.Error("there is a delivery of an event that an action made")
	}
	bad := r.recorded()
	bad.Body = []byte(`{"eventType":"` + acs.RecordingType + `","data":{}}`)
	if done := d.Perform(t.Context(), bad, attempt); done.Error != "invalid" || !done.Final {
		t.Errorf("%+v", done)
	}
	r.allowed = func(call provider.Call) error {
		if strings.Contains(call.Path, "/b/content") {
			return &provider.APIError{Kind: provider.APIInvalid, Message: "a host that the connection does not allow"}
		}
		return nil
	}
	if done := d.Perform(t.Context(), r.recorded(), attempt); done.Error != "invalid" || !done.Final ||
		!strings.Contains(done.Detail, "does not allow") || len(r.requests) != 0 {
		t.Errorf("%+v, %q", done, r.requests)
	}
}

// TestDownloadResumes: whatever comes in place of the rest of a file, the file is right in the end, and no byte is
// fetched twice if that can be avoided.
func TestDownloadResumes(t *testing.T) {
	t.Parallel()
	const tag = `"1"`
	for name, c := range map[string]struct {
		set    func(r *remote)
		faults func(r *remote) []http.HandlerFunc
		asked  []string // of the file a
	}{
		"cut off": {nil, func(r *remote) []http.HandlerFunc { return []http.HandlerFunc{r.cut(5000), r.cut(5000)} },
			[]string{"", "bytes=5000- " + tag, "bytes=10000- " + tag}},
		"cut off at once": {nil, func(r *remote) []http.HandlerFunc { return []http.HandlerFunc{r.cut(0), r.cut(3)} },
			[]string{"", "", ""}},
		"a weak tag": {func(r *remote) { r.etag = `W/"1"` }, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000)}
		}, []string{"", "bytes=5000- Sun, 22 Nov 2026 09:00:00 GMT"}},
		"nothing to compare": {func(r *remote) { r.etag, r.modified = "", "" }, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000)}
		}, []string{"", "bytes=904-"}},
		"nothing to compare, short": {func(r *remote) {
			r.etag, r.modified = "", ""
		}, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(4000)}
		}, []string{"", ""}},
		"nothing to compare, and hidden": {func(r *remote) { r.etag, r.modified, r.files.hidden = "", "", true },
			func(r *remote) []http.HandlerFunc { return []http.HandlerFunc{r.cut(5000)} }, []string{"", ""}},
		"nothing to compare, and changed": {func(r *remote) { r.etag, r.modified = "", "" },
			func(r *remote) []http.HandlerFunc {
				return []http.HandlerFunc{r.cut(5000), func(w http.ResponseWriter, q *http.Request) {
					r.contents["a"] = video(20_000, 9)
					r.serveContent(w, q, "a")
				}}
			}, []string{"", "bytes=904-", ""}},
		"changed": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000), func(w http.ResponseWriter, q *http.Request) {
				r.contents["a"], r.etag = video(12_000, 9), `"2"`
				r.serveContent(w, q, "a")
			}}
		}, []string{"", "bytes=5000- " + tag}},
		"Range is ignored": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000), func(w http.ResponseWriter, q *http.Request) {
				q.Header.Del("Range")
				r.serveContent(w, q, "a")
			}}
		}, []string{"", "bytes=5000- " + tag}},
		"200 with Content-Range": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000), func(w http.ResponseWriter, q *http.Request) {
				answer(200, string(r.contents["a"][5000:]), "Content-Range", "bytes 5000-19999/20000")(w, q)
			}}
		}, []string{"", "bytes=5000- " + tag}},
		"another start": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000), answer(206, "x", "Content-Range", "bytes 5001-5001/20000")}
		}, []string{"", "bytes=5000- " + tag, ""}},
		"another total": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000), answer(206, "x", "Content-Range", "bytes 5000-5000/20001")}
		}, []string{"", "bytes=5000- " + tag, ""}},
		"another tag": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000), answer(206, "x", "Content-Range", "bytes 5000-5000/20000",
				"Etag", `"2"`)}
		}, []string{"", "bytes=5000- " + tag, ""}},
		"206 without Content-Range": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000), answer(206, "x")}
		}, []string{"", "bytes=5000- " + tag, ""}},
		"a part of the rest": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000), func(w http.ResponseWriter, q *http.Request) {
				answer(206, string(r.contents["a"][5000:6000]), "Content-Range", "bytes 5000-5999/20000")(w, q)
			}}
		}, []string{"", "bytes=5000- " + tag, "bytes=6000- " + tag}},
		"a total that is not told": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000), func(w http.ResponseWriter, q *http.Request) {
				answer(206, string(r.contents["a"][5000:]), "Content-Range", "bytes 5000-19999/*")(w, q)
			}}
		}, []string{"", "bytes=5000- " + tag}},
		"412": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000), answer(412, "")}
		}, []string{"", "bytes=5000- " + tag, ""}},
		"416, and it is shorter": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000), func(w http.ResponseWriter, q *http.Request) {
				r.contents["a"] = video(3000, 1)
				answer(416, "", "Content-Range", "bytes */3000")(w, q)
			}}
		}, []string{"", "bytes=5000- " + tag, ""}},
		"416, and it is whole": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{
				func(w http.ResponseWriter, q *http.Request) { // a longer file was announced, and is cut off
					w.Header().Set("Etag", tag)
					w.Header().Set("Content-Length", "20001")
					w.Write(r.contents["a"])
					http.NewResponseController(w).Flush()
					panic(http.ErrAbortHandler)
				}}
		}, []string{"", "bytes=20000- " + tag}},
		"without a length": {nil, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{func(w http.ResponseWriter, q *http.Request) {
				w.Write(r.contents["a"][:10])
				http.NewResponseController(w).Flush()
				w.Write(r.contents["a"][10:])
			}}
		}, []string{""}},
		"the right MD5": {func(r *remote) {
			sum := md5.Sum(r.contents["a"])
			r.header = http.Header{"X-Ms-Blob-Content-Md5": {base64.StdEncoding.EncodeToString(sum[:])}}
		}, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{r.cut(5000), func(w http.ResponseWriter, q *http.Request) {
				r.serveContent(w, q, "a")
				r.header = nil
			}}
		}, []string{"", "bytes=5000- " + tag}},
		"bytes that are not those of the MD5": {func(r *remote) {
			sum := md5.Sum(r.contents["a"])
			r.header = http.Header{"Content-Md5": {base64.StdEncoding.EncodeToString(sum[:])}}
		}, func(r *remote) []http.HandlerFunc {
			return []http.HandlerFunc{func(w http.ResponseWriter, q *http.Request) {
				right := r.contents["a"]
				r.contents["a"] = video(20_000, 9)
				r.serveContent(w, q, "a")
				r.contents["a"], r.header = right, nil
			}}
		}, []string{"", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t)
			if c.set != nil {
				c.set(r)
			}
			r.faults = c.faults(r)
			done := r.open(keepSettings).Perform(t.Context(), r.recorded(), attempt)
			r.wants(done)
			if got := r.asked("a"); !slices.Equal(got, c.asked) {
				t.Errorf("asked %q, want %q", got, c.asked)
			}
		})
	}
}

// TestDownloadContradictions: a system whose answers never agree ends the attempt.
func TestDownloadContradictions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  func(r *remote) http.HandlerFunc
		error  string
		final  bool
		detail string
	}{
		"no whole file": {func(*remote) http.HandlerFunc {
			return answer(206, "x", "Content-Range", "bytes 5-5/20000")
		}, "foreign", false, "contradict each other"},
		"416 for ever": {func(*remote) http.HandlerFunc { return answer(416, "") }, "foreign", false, "contradict"},
		"more than announced": {func(r *remote) http.HandlerFunc {
			return answer(200, string(r.contents["a"]), "Content-Range", "bytes 0-99/100")
		}, "foreign", false, "contradict"},
		"several ranges": {func(*remote) http.HandlerFunc {
			return answer(206, "--x--", "Content-Type", "multipart/byteranges; boundary=x")
		}, "foreign", false, "several ranges"},
		"cut off at once": {func(r *remote) http.HandlerFunc {
			return r.cut(0)
		}, "temporary", false, "again and again"},
		"another format": {func(*remote) http.HandlerFunc {
			return answer(200, "RIFF____WAVEfmt ", "Content-Type", "video/mp4")
		}, "mismatch", true, "does not begin as one of format mp4"},
		"a page": {func(*remote) http.HandlerFunc { return answer(200, "<html>", "Content-Type", "text/html") },
			"foreign", false, "a page or a text"},
		"nothing": {func(*remote) http.HandlerFunc {
			return answer(200, "", "Content-Type", "video/mp4")
		}, "mismatch", true,
			"does not begin"},
		"a redirect": {func(*remote) http.HandlerFunc { return answer(302, "", "Location", "http://127.0.0.1:1/") },
			"foreign", false, "redirect"},
		"401": {func(*remote) http.HandlerFunc {
			return answer(401, `{"status":401,"code":"SignatureMismatch","message":"No."}`)
		}, "refused", true, "401 SignatureMismatch: No: set access_key"},
		"403": {func(*remote) http.HandlerFunc { return answer(403, ``) }, "forbidden", true, "403"},
		"400": {func(*remote) http.HandlerFunc { return answer(400, `{"code":"BadRequest"}`) }, "invalid", true,
			"400 BadRequest"},
		"500": {func(*remote) http.HandlerFunc { return answer(500, `oops`) }, "temporary", false, "500"},
		"no answer": {func(*remote) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, "temporary", false, "no answer"},
		"wrong MD5": {func(r *remote) http.HandlerFunc {
			return answer(200, string(r.contents["a"]), "X-Ms-Blob-Content-Md5", "AAAAAAAAAAAAAAAAAAAAAA==")
		}, "foreign", false, "contradict"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t)
			for range 20 {
				r.faults = append(r.faults, c.fault(r))
			}
			done := r.open(keepSettings).Perform(t.Context(), r.recorded(), attempt)
			if done.Error != c.error || done.Final != c.final || !strings.Contains(done.Detail, c.detail) ||
				len(r.published) != 0 {
				t.Errorf("%+v", done)
			}
			for name, f := range r.files.list() {
				if f.State == bellhop.FileWhole {
					t.Errorf("%s is whole", name)
				}
			}
		})
	}
}

// TestDownloadMetadata: metadata that is wrong keeps the file from being asked for.
func TestDownloadMetadata(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		error  string
		final  bool
		wait   time.Duration
	}{
		"another document": {200, `{"chunkDocumentId":"x","chunkIndex":0}`, "mismatch", true, 0},
		"another format":   {200, `{"chunkDocumentId":"a","recordingInfo":{"format":"wav"}}`, "mismatch", true, 0},
		"a page":           {200, `<html>`, "foreign", false, 0},
		"a wrong key":      {401, `{"code":"SignatureMismatch"}`, "refused", true, 0},
		"throttled":        {429, ``, "", false, 2 * time.Second},
		"not there yet":    {404, ``, "", false, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t)
			r.metadata = func(string) (int, string) { return c.status, c.body }
			done := r.open(keepSettings).Perform(t.Context(), r.recorded(), attempt)
			wait := time.Duration(0)
			if !done.Continue.IsZero() {
				wait = done.Continue.Sub(r.now())
			}
			if done.Error != c.error || done.Final != c.final || wait != c.wait || len(r.requests) != 1 {
				t.Errorf("%+v %s, %q", done, done.Reply, r.requests)
			}
		})
	}
}

// TestDownloadAbsent: a file that is not there is waited for, and given up ten minutes after its event.
func TestDownloadAbsent(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.metadata = func(string) (int, string) { return 404, `{"code":"NotFound","message":"It is gone."}` }
	d, ev, at := r.open(keepSettings), r.recorded(), attempt
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		done := d.Perform(t.Context(), ev, at)
		if wait := done.Continue.Sub(r.now()); wait != want || !strings.Contains(string(done.Reply), "not there yet") {
			t.Fatalf("waits %v, %+v", wait, done)
		}
		at.Progress = done.Progress
		r.clock.pass(want)
	}
	r.clock.pass(3 * time.Minute)
	done := d.Perform(t.Context(), ev, at)
	if done.Error != "expired" || !done.Final ||
		!strings.Contains(done.Detail, "expired or deleted: 404 NotFound: It is gone") {
		t.Errorf("%+v", done)
	}
	// A file of which a part is here was there: it has been deleted.
	r = newRemote(t)
	r.faults = []http.HandlerFunc{r.cut(5000), answer(404, ``)}
	if done := r.open(keepSettings).Perform(t.Context(), r.recorded(), attempt); done.Error != "expired" ||
		!done.Final {
		t.Errorf("%+v", done)
	}
}

// TestDownloadContinues: an attempt ends before its timeout, and the next one goes on; so it does after this machine
// had no room, after another delivery of the event, and for a large file once its validators are known.
func TestDownloadContinues(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.files.room = 12_000
	d, ev, at := r.open(keepSettings), r.recorded(), attempt
	done := d.Perform(t.Context(), ev, at)
	if !done.Short || !strings.Contains(done.Detail, "is full") || done.Progress == nil {
		t.Fatalf("%+v", done)
	}
	if want := `"whole":0,"chunk":0,"file":"fil_1","size":12000,"total":20000,"fetched":12000`; !strings.Contains(
		string(done.Reply), want) {
		t.Errorf("the reply is %s", done.Reply)
	}
	r.files.room = -1
	at.Progress = done.Progress
	r.wants(d.Perform(t.Context(), ev, at))
	if got := r.asked("a"); !slices.Equal(got, []string{"", `bytes=12000- "1"`}) {
		t.Errorf("%q", got)
	}

	r = newRemote(t)
	d, ev, at = r.open(keepSettings), r.recorded(), attempt
	d.large, d.checkpoint = 10_000, 8000
	done = d.Perform(t.Context(), ev, at)
	if !done.Continue.Equal(r.now()) || !strings.Contains(string(done.Reply), `"size":8000`) {
		t.Fatalf("%+v %s", done, done.Reply)
	}
	at.Progress = done.Progress
	r.wants(d.Perform(t.Context(), ev, at))

	r = newRemote(t)
	d, ev = r.open(keepSettings), r.recorded()
	r.faults = []http.HandlerFunc{r.cut(5000), answer(500, "")}
	d.Perform(t.Context(), ev, attempt)
	r.wants(d.Perform(t.Context(), ev, attempt)) // as after a kill: there is no progress
	if got := r.asked("a"); !slices.Equal(got, []string{"", `bytes=5000- "1"`, "bytes=904-"}) {
		t.Errorf("%q", got)
	}

	r = newRemote(t)
	d, ev = r.open(keepSettings), r.recorded()
	r.faults = []http.HandlerFunc{func(w http.ResponseWriter, q *http.Request) {
		done := d.Perform(t.Context(), ev, attempt)
		if done.Continue.Sub(r.now()) != claimPause {
			t.Errorf("another delivery of the event: %+v", done)
		}
		r.serveContent(w, q, "a")
	}}
	r.wants(d.Perform(t.Context(), ev, attempt))
}

// TestDownloadStorage: what the storage of files says is what becomes of the attempt.
func TestDownloadStorage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		error string
		wait  time.Duration
	}{
		"a writer":      {bellhop.Conflict("it has a writer"), "", claimPause},
		"lost bytes":    {&bellhop.Error{Code: bellhop.CodeUnavailable, Message: "bytes were lost"}, "storage", 0},
		"another error": {errors.New("secret detail"), "storage", 0},
	} {
		r := newRemote(t)
		r.files.broken = c.err
		done := r.open(keepSettings).Perform(t.Context(), r.recorded(), attempt)
		wait := time.Duration(0)
		if !done.Continue.IsZero() {
			wait = done.Continue.Sub(r.now())
		}
		if done.Error != c.error || done.Final || wait != c.wait || strings.Contains(done.Detail, "secret") {
			t.Errorf("%s: %+v", name, done)
		}
	}
	r := newRemote(t)
	r.refusal = errors.New("disk full")
	done := r.open(keepSettings).Perform(t.Context(), r.recorded(), attempt)
	if done.Error != "publish" || done.Final {
		t.Errorf("%+v", done)
	}
}

// TestDownloadAlarm: an alarm is published once when four fifths of the time are over, and the delivery is dead when
// all of it is.
func TestDownloadAlarm(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	d, ev, at := r.open(keepSettings), r.recorded(), attempt
	r.faults = []http.HandlerFunc{nil, answer(500, ""), answer(500, ""), answer(500, ""), answer(500, "")}
	try := func(events int, final bool) provider.ActionResult {
		t.Helper()
		done := d.Perform(t.Context(), ev, at)
		if done.Error == "" || done.Final != final || len(r.published) != events {
			t.Fatalf("%+v, %d events", done, len(r.published))
		}
		at.Progress = done.Progress
		return done
	}
	r.clock.pass(19*time.Hour + 11*time.Minute)
	try(0, false)
	r.clock.pass(time.Minute)
	try(1, false)
	alarm := r.published[0]
	var body expiringBody
	if err := json.Unmarshal(alarm.Body, &body); err != nil || alarm.Type != "acs.recording.expiring" ||
		body.Recording != "rec1" || body.Chunks != 2 || body.Whole != 1 || body.Bytes != 20_000 ||
		body.Reason != "500" || !body.DueAt.Equal(ev.Time.Add(24*time.Hour)) {
		t.Errorf("%s: %v", alarm.Body, err)
	}
	r.clock.pass(time.Hour)
	try(1, false)
	r.clock.pass(4 * time.Hour)
	if done := try(1, true); done.Error != "expired" || !strings.Contains(done.Detail, "expired or deleted: 500") {
		t.Errorf("%+v", done)
	}
}

// TestDownloadDeletes: the files are deleted at the system once all are here, and what hinders that is told.
func TestDownloadDeletes(t *testing.T) {
	t.Parallel()
	const settings = `{"connection":"calls","delete":"after_download"}`
	for status, c := range map[int]struct {
		error string
		final bool
	}{200: {}, 202: {}, 204: {}, 404: {}, 500: {"temporary", false}, 403: {"forbidden", true}} {
		r := newRemote(t)
		r.deletion = status
		done := r.open(settings).Perform(t.Context(), r.recorded(), attempt)
		if done.Error != c.error || done.Final != c.final || len(r.published) != 1 ||
			c.error != "" && !strings.Contains(done.Detail, "the files are here, and are not deleted") {
			t.Errorf("%d: %+v", status, done)
		}
		if want := []string{"a", "b"}[:map[bool]int{true: 2, false: 1}[c.error == ""]]; !slices.Equal(
			r.deleted, want) {
			t.Errorf("%d: deleted %q", status, r.deleted)
		}
	}
	r := newRemote(t)
	r.faults = []http.HandlerFunc{nil, answer(500, "")}
	r.open(settings).Perform(t.Context(), r.recorded(), attempt)
	missing := r.recorded()
	missing.Body = bytes.Replace(missing.Body, []byte(`"index":1`), []byte(`"index":2`), 1)
	r.metadata = func(document string) (int, string) { return 200, fmt.Sprintf(`{"chunkDocumentId":%q}`, document) }
	done := r.open(settings).Perform(t.Context(), missing, attempt)
	if done.Error != "" || len(r.deleted) != 0 || !strings.Contains(string(r.published[0].Body), `"missing":[1]`) {
		t.Errorf("%+v, deleted %q, %s", done, r.deleted, r.published[0].Body)
	}
	r = newRemote(t)
	r.open(keepSettings).Perform(t.Context(), r.recorded(), attempt)
	if len(r.deleted) != 0 {
		t.Errorf("deleted %q unasked", r.deleted)
	}
}

// TestDownloadNames: a name that another event has taken is made different, and settings choose the names.
func TestDownloadNames(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	r.files.Begin(t.Context(), bellhop.File{Name: "rec1/0.mp4", EventID: "evt_0", DestinationID: "dst_1"})
	d, ev := r.open(keepSettings), r.recorded()
	for range 2 {
		if done := d.Perform(t.Context(), ev, attempt); done.Error != "" {
			t.Fatalf("%+v", done)
		}
	}
	names := r.files.list()
	if len(names) != 3 {
		t.Errorf("%v", names)
	}
	for name := range names {
		if !strings.HasPrefix(name, "rec1/0") && name != "rec1/1.mp4" || !strings.HasSuffix(name, ".mp4") {
			t.Errorf("the name is %s", name)
		}
	}
	r = newRemote(t)
	r.open(`{"connection":"calls","path":"calls/{{date}}/{{ source }}/{{call}}-{{event}}/{{document}}.x"}`).
		Perform(t.Context(), r.recorded(), attempt)
	if f := r.files.list()["calls/2026-11-22/calls/c1-evt_5F1/a.x"]; f == nil {
		t.Errorf("%v", r.files.list())
	}
	for settings, path := range map[string]string{
		`{}`:                                       "settings.connection",
		`{"connection":"calls","delete":"yes"}`:    "settings.delete",
		`{"connection":"calls","path":"x"}`:        "settings.path",
		`{"connection":"calls","api_version":"x"}`: "settings.api_version",
	} {
		_, err := Downloads([]provider.Provider{acs.Provider{}}, r.calls)[0].OpenAction(d.env,
			bellhop.Destination{Settings: []byte(settings)})
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", settings, err)
		}
	}
	env := d.env
	env.Files = nil
	_, err := Downloads([]provider.Provider{acs.Provider{}}, r.calls)[0].OpenAction(env, bellhop.Destination{})
	if err == nil || !strings.Contains(err.Error(), "keeps no files") {
		t.Errorf("%v", err)
	}
}

// A slowBody sends a byte a second, behind the beginning of a file, until its request is given up.
type slowBody struct {
	ctx  context.Context
	head []byte
}

func (s *slowBody) Read(p []byte) (int, error) {
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	select {
	case <-time.After(time.Second):
		p[0] = 'x'
		return 1, nil
	case <-s.ctx.Done():
		return 0, &provider.APIError{Kind: provider.APITemporary, Message: "given up"}
	}
}

func (s *slowBody) Close() error { return nil }

// TestDownloadSlices: an attempt ends before its timeout with all bytes saved, and one that a stop cuts off says so.
func TestDownloadSlices(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	d, ev := r.open(keepSettings), r.recorded()
	d.conn.API = &bench{TB: t, clock: r.clock, answer: provider.Answer{Status: 200, Body: []byte(
		`{"chunkDocumentId":"a","chunkIndex":0,"recordingInfo":{"format":"mp4"}}`)}}
	synctest.Test(t, func(t *testing.T) {
		d.conn.Open = func(ctx context.Context, call provider.Call) (provider.Stream, error) {
			return provider.Stream{Status: 200, Length: 1000,
				Header: http.Header{"Etag": {`"1"`}, "Content-Type": {"video/mp4"}},
				Body:   &slowBody{ctx, video(100, 1)}}, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		done := d.Perform(ctx, ev, attempt)
		if took := time.Since(begun); took != 50*time.Second || !done.Continue.Equal(r.now()) || done.Cut ||
			!strings.Contains(string(done.Progress), `"etag":"\"1\""`) || r.files.list()["rec1/0.mp4"].Size < 140 {
			t.Errorf("after %v: %+v %s", took, done, done.Reply)
		}
		stopped, stop := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, stop)
		if done := d.Perform(stopped, ev, attempt); !done.Cut || done.Error != "" {
			t.Errorf("%+v", done)
		}
	})
}
