package acs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/acs"
)

// A rig is a stand-in with eventgrid beside it, and a receiver that repeats validation codes.
type rig struct {
	*emulatortest.Rig
	*System
	t    *testing.T
	hook *httptest.Server

	bodies chan string // of notifications

	mu     sync.Mutex
	shakes map[string]int // handshakes by path; mu guards it. The receiver does not agree at /deaf
}

func newRig(t *testing.T, opts Options) *rig {
	t.Helper()
	r := &rig{t: t, bodies: make(chan string, 100), shakes: map[string]int{}}
	r.Rig = emulatortest.Start(t, func(host *emulator.Host) []emulator.System {
		tokens := entra.New(host, entra.Options{Key: emulatortest.Key()})
		grid := eventgrid.New(host, tokens, eventgrid.Options{AnyToken: true})
		r.System = New(host, grid, opts)
		return []emulator.System{tokens, grid, r.System}
	})
	r.hook = httptest.NewServer(http.HandlerFunc(r.receive))
	t.Cleanup(r.hook.Close)
	return r
}

func (r *rig) receive(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	var events []struct {
		Data struct{ ValidationCode string }
	}
	isShake := q.Method == http.MethodOptions ||
		json.Unmarshal(body, &events) == nil && len(events) == 1 && events[0].Data.ValidationCode != ""
	if !isShake {
		r.bodies <- string(body)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shakes[q.URL.Path]++
	switch {
	case q.URL.Path == "/deaf":
		w.WriteHeader(http.StatusForbidden)
	case q.Method == http.MethodOptions:
		w.Header().Set("Webhook-Allowed-Origin", q.Header.Get("Webhook-Request-Origin"))
	default:
		fmt.Fprintf(w, `{"validationResponse":%q}`, events[0].Data.ValidationCode)
	}
}

// next returns the recording of the next notification, and the notification.
func (r *rig) next() (acs.Recording, string) {
	r.t.Helper()
	select {
	case body := <-r.bodies:
		one := strings.TrimSuffix(strings.TrimPrefix(body, "["), "]")
		recording, err := acs.ParseRecording([]byte(one))
		if err != nil {
			r.t.Fatalf("%v: %s", err, body)
		}
		return recording, body
	case <-time.After(time.Minute):
		r.t.Fatal("no notification came")
	}
	return acs.Recording{}, ""
}

// record lets a call be recorded and returns its event.
func (r *rig) record(data string) acs.Recording {
	r.t.Helper()
	answer := r.Call("POST", "/_control/event", map[string]any{"to": r.hook.URL, "data": json.RawMessage(data)})
	if answer.Text != "{\"notified\":1}\n" {
		r.t.Fatalf("%d %s", answer.Status, answer.Text)
	}
	recording, _ := r.next()
	return recording
}

// A request is a signed one, with changes.
type request struct {
	method, url string
	key         []byte
	byDate      bool   // the date is in the header Date
	host        string // that is signed, also in x-ms-host; "" is the wire's
	signed      string // the target that is signed; "" is that of the URL
	header      []string
	at          time.Time
}

// get makes a request that is signed by the default key.
func (r *rig) get(at string, header ...string) emulatortest.Answer {
	r.t.Helper()
	return r.send(request{url: at, header: header})
}

func (r *rig) send(q request) emulatortest.Answer {
	r.t.Helper()
	if !strings.Contains(q.url, "://") {
		q.url = r.URL + q.url
	}
	u, err := url.Parse(q.url)
	if err != nil {
		r.t.Fatal(err)
	}
	if q.method == "" {
		q.method = http.MethodGet
	}
	if q.key == nil {
		q.key = []byte(DefaultSecret)
	}
	if q.at.IsZero() {
		q.at = r.Now()
	}
	h := http.Header{}
	signed := acs.Request{Method: q.method, Target: u.RequestURI(), Host: u.Host, Header: h}
	if q.host != "" {
		signed.Host = q.host
		h.Set(acs.HostHeader, q.host)
	}
	if q.signed != "" {
		signed.Target = q.signed
	}
	sign := acs.Sign
	if q.byDate {
		sign = acs.SignWithDate
	}
	if err := sign(signed, q.key, q.at); err != nil {
		r.t.Fatal(err)
	}
	list := []string{"Content-Type", ""}
	for name := range h {
		list = append(list, name, h.Get(name))
	}
	return r.Call(q.method, q.url, nil, append(list, q.header...)...)
}

func (r *rig) wants(what string, a emulatortest.Answer, status int, text string) {
	r.t.Helper()
	if a.Status != status || !strings.Contains(a.Text, text) {
		r.t.Errorf("%s: %d %.300s, want %d and %q", what, a.Status, a.Text, status, text)
	}
}

// bodyOf returns the content of a chunk.
func bodyOf(seed uint64, size int64, format string) string {
	text, err := io.ReadAll(Content{seed, size, format}.Reader())
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestRecording shows a recording of two chunks, from its event to the deletion of a file.
func TestRecording(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	recording := r.record(`{"bytes":2000001,"chunks":2,"seed":7}`)
	if len(recording.Chunks) != 2 || recording.FormatType != "Mp4" || recording.RecordingID == "" {
		t.Fatalf("%+v", recording)
	}
	for i, want := range []int64{1_000_000, 1_000_001} {
		c := recording.Chunks[i]
		got := r.get(c.ContentLocation)
		if got.Text != bodyOf(7+uint64(i), want, "Mp4") || got.Text[4:8] != "ftyp" {
			t.Errorf("chunk %d: %d, %d bytes", i, got.Status, len(got.Text))
		}
		if got.Header.Get("Content-Type") != "video/mp4" || got.Header.Get("Etag") == "" {
			t.Errorf("%v", got.Header)
		}
		old := r.get("/recording/download/" + c.DocumentID + "?api-version=2021-04-15-preview1")
		if old.Text != got.Text {
			t.Errorf("at the resource: %d, %d bytes", old.Status, len(old.Text))
		}
		r.wants("metadata", r.get(c.MetadataLocation), 200, fmt.Sprintf(`"chunkDocumentId":%q,"chunkIndex":%d`,
			c.DocumentID, i))
		r.wants("metadata at the resource", r.get("/recording/download/"+c.DocumentID+"/metadata?api-version=1"), 200,
			`"format":"mp4"`)
	}
	first := recording.Chunks[0]
	r.wants("without a version", r.get("/recording/download/"+first.DocumentID), 400, `"code":"MissingApiVersion"`)
	r.wants("a deletion", r.send(request{method: "DELETE", url: first.DeleteLocation}), 200, "")
	gone := r.get(first.ContentLocation)
	r.wants("after it", gone, 404, `{"status":404,"code":"NotFound","message":`)
	if !strings.Contains(gone.Text, `"details":[]`) {
		t.Errorf("the error is not flat: %s", gone.Text)
	}
	r.wants("a deletion at the resource", r.send(request{method: "DELETE",
		url: "/recording/download/x?api-version=1"}), 405, "MethodNotAllowed")
	r.wants("nothing", r.get("/v1/objects/x/y"), 400, `"code":"BadRequest"`)
	r.Pass(24*time.Hour - time.Second)
	r.wants("before the end of a day", r.get(recording.Chunks[1].MetadataLocation), 200, "")
	r.Pass(time.Second)
	r.wants("after a day", r.get(recording.Chunks[1].MetadataLocation), 404, "retention")
}

// TestEvents shows the forms of the event, and that a URL is validated once for each schema, or anew after it was not
// agreed to.
func TestEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	for deadline, shakes := time.Now().Add(time.Minute), 0; shakes <= 3; { // a validation tries three times
		r.Call("POST", "/_control/event", map[string]any{"to": r.hook.URL + "/deaf"})
		r.mu.Lock()
		shakes = r.shakes["/deaf"]
		r.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatalf("%d handshakes", shakes)
		}
		time.Sleep(time.Millisecond)
	}
	older := r.record(`{"locations":false,"format":"wav"}`)
	if older.RecordingID != "" || older.FormatType != "" || older.CallID == "" ||
		older.Chunks[0].ContentLocation != "" {
		t.Errorf("%+v", older)
	}
	r.record(`{"format":"Mp3"}`)
	answer := r.Call("POST", "/_control/event", map[string]any{"to": r.hook.URL,
		"data": map[string]any{"schema": "cloudevents", "reversed": true, "chunks": 3}})
	r.wants("an event", answer, 200, `"notified":1`)
	recording, body := r.next()
	if !strings.Contains(body, `"specversion":"1.0"`) ||
		strings.Index(body, `"index":2`) > strings.Index(body, `"index":0`) ||
		len(recording.Chunks) != 3 {
		t.Errorf("%s", body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shakes["/"] != 2 {
		t.Errorf("%d handshakes", r.shakes["/"])
	}
	for data, want := range map[string]string{`{"bytes":-1}`: "negative", `{"chunks":1001}`: "1 to 1000",
		`{"format":"avi"}`: "Mp4, Mp3, Wav", `{"schema":"x"}`: "eventgrid or cloudevents",
		`{"size":1}`: "unknown field"} {
		r.wants(data,
			r.Call("POST", "/_control/event", map[string]any{"to": r.hook.URL, "data": json.RawMessage(data)}),
			400, want)
	}
	r.wants("no URL", r.Call("POST", "/_control/event", map[string]any{"to": "ftp://x"}), 400, "not notified")
	r.wants("another resource", r.Call("POST", "/_control/event", map[string]any{"system": "acs", "resource": "/me"}),
		404, "recordings")
	r.wants("without subscribers", r.Call("POST", "/_control/event", map[string]any{"system": "acs"}), 200,
		`"notified":0`)
}

// TestSubscribed shows that the event goes to the event subscriptions of the resource, too.
func TestSubscribed(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	made := r.Call("PUT", DefaultResource+
		"/providers/Microsoft.EventGrid/eventSubscriptions/calls?api-version=2022-06-15",
		map[string]any{"properties": map[string]any{"destination": map[string]any{"endpointType": "WebHook",
			"properties": map[string]any{"endpointUrl": r.hook.URL}}}})
	r.wants("a subscription", made, 201, "")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) { // until it is validated
		n, err := r.System.Happen(emulator.Event{})
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d, %v", n, err)
		}
		if n == 1 {
			break
		}
	}
	if recording, _ := r.next(); recording.Chunks[0].ContentLocation != "" {
		t.Errorf("without a base URL there are locations: %+v", recording)
	}
}

// TestSignatures shows which signatures are taken, and the code that names the check which failed.
func TestSignatures(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Keys: [][]byte{[]byte("first"), []byte("second")}})
	c := r.record(`{"bytes":100}`).Chunks[0]
	resource := r.URL + "/recording/download/" + c.DocumentID + "?api-version=2021-04-15-preview1"
	quoted := r.URL + "/recording/download/" + c.DocumentID + "?api-version=a%20b"
	path := strings.TrimPrefix(c.ContentLocation, r.URL)
	for name, s := range map[string]struct {
		request
		status int
		code   string
	}{
		"x-ms-date":        {request{url: resource, key: []byte("first")}, 200, ""},
		"Date, second key": {request{url: resource, key: []byte("second"), byDate: true}, 200, ""},
		"the query encoded again": {request{url: quoted, key: []byte("first"),
			signed: strings.TrimPrefix(strings.Replace(quoted, "%20", "+", 1), r.URL)}, 200, ""},
		"storage": {request{url: c.ContentLocation, key: []byte("first"),
			host: "contoso.communication.azure.com"}, 200, ""},
		"storage, its own host": {request{url: c.ContentLocation, key: []byte("first"), byDate: true}, 200, ""},
		"storage with a query": {request{url: c.ContentLocation + "?a=1", key: []byte("first"), signed: path,
			host: "contoso.communication.azure.com"}, 200, ""},
		"storage, query signed": {request{url: c.ContentLocation + "?a=1", key: []byte("first")}, 401,
			"SignatureMismatch"},
		"another key": {request{url: resource, key: []byte("third")}, 401, "SignatureMismatch"},
		"early": {request{url: resource, key: []byte("first"), at: r.Now().Add(16 * time.Minute)}, 401,
			"DateOutOfRange"},
		"late": {request{url: resource, key: []byte("first"), at: r.Now().Add(-16 * time.Minute)}, 401,
			"DateOutOfRange"},
		"another hash": {request{url: resource, key: []byte("first"), header: []string{acs.ContentHashHeader, "AAAA"}},
			401, "ContentHashMismatch"},
		"no signature": {request{url: resource, key: []byte("first"), header: []string{"Authorization", ""}}, 401,
			"Header"},
		"query not signed": {request{url: resource, key: []byte("first"),
			signed: "/recording/download/" + c.DocumentID}, 401, "SignatureMismatch"},
	} {
		got := r.send(s.request)
		if got.Status != s.status || !strings.Contains(got.Text, s.code) {
			t.Errorf("%s: %d %s, want %d %s", name, got.Status, got.Text, s.status, s.code)
		}
		if got.Status == 401 && (got.Header.Get("Www-Authenticate") != "HMAC-SHA256" ||
			got.Header.Get("Date") != r.Now().Format(http.TimeFormat)) {
			t.Errorf("%s: %v", name, got.Header)
		}
	}
	bare := r.Call("GET", resource, nil)
	r.wants("unsigned", bare, 401, `"code":"MissingHeader"`)
	any := newRig(t, Options{AnyKey: true})
	c = any.record(`{"bytes":100}`).Chunks[0]
	any.wants("unsigned with AnyKey", any.Call("GET", c.ContentLocation, nil), 200, "ftyp")
}

// TestRanges shows ranges, also in the odd forms of published clients.
func TestRanges(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	c := r.record(`{"bytes":1000,"seed":3,"format":"wav"}`).Chunks[0]
	all := bodyOf(3, 1000, "Wav")
	etag := r.get(c.ContentLocation).Header.Get("Etag")
	for _, s := range []struct {
		header []string
		status int
		from   int
		to     int
		span   string
	}{
		{[]string{"Range", "bytes=5-"}, 206, 5, 1000, "bytes 5-999/1000"},
		{[]string{"Range", "bytes=5-7"}, 206, 5, 8, "bytes 5-7/1000"},
		{[]string{"Range", "bytes=-10"}, 206, 990, 1000, "bytes 990-999/1000"},
		{[]string{"Range", "bytes=5-", "If-Range", etag}, 206, 5, 1000, "bytes 5-999/1000"},
		{[]string{"Range", "bytes=5-", "If-Range", `"other"`}, 200, 0, 1000, ""},
		{[]string{"Range", "bytes=undefined"}, 200, 0, 1000, ""},
		{[]string{"Range", "bytes=5"}, 200, 0, 1000, ""},
		{[]string{"Range", "bytes=0"}, 200, 0, 1000, ""},
		{[]string{"Range", "bytes=7-5"}, 200, 0, 1000, ""},
		{[]string{"Range", "bytes=1000-"}, 416, -1, 0, "bytes */1000"},
		{[]string{"If-Match", `"other"`}, 412, -1, 0, ""},
	} {
		got := r.get(c.ContentLocation, s.header...)
		if got.Status != s.status || got.Header.Get("Content-Range") != s.span || s.from >= 0 &&
			got.Text != all[s.from:s.to] {
			t.Errorf("%v: %d, %q, %d bytes", s.header, got.Status, got.Header.Get("Content-Range"), len(got.Text))
		}
	}
}

// TestFaults shows the ways in which a download goes wrong.
func TestFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	c := r.record(`{"bytes":100000,"seed":3}`).Chunks[0]
	fault := func(text string) {
		t.Helper()
		f, err := emulator.ParseFault(text)
		if err == nil {
			err = r.Host.Fault(f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// fetch returns how many bytes come, and whether they come to a clean end.
	fetch := func(header ...string) (http.Header, int, error) {
		t.Helper()
		req, err := http.NewRequest("GET", c.ContentLocation, nil)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(c.ContentLocation)
		acs.Sign(acs.Request{Method: "GET", Target: u.Path, Host: u.Host, Header: req.Header}, []byte(DefaultSecret),
			r.Now())
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		n, err := io.Copy(io.Discard, res.Body)
		return res.Header, int(n), err
	}
	fault("cut=1:70000")
	if _, n, err := fetch(); n != 70000 || err == nil {
		t.Errorf("cut: %d bytes, %v", n, err)
	}
	fault("length=1:5")
	if h, n, err := fetch(); n != 100000 || err == nil || h.Get("Content-Length") != "100005" {
		t.Errorf("length: %d bytes, %v, %v", n, err, h)
	}
	fault("length=1:-5")
	if _, n, err := fetch(); n != 99995 || err != nil {
		t.Errorf("length: %d bytes, %v", n, err)
	}
	fault("ignore-range")
	if h, n, _ := fetch(); n != 100000 || h.Get("Content-Range") != "" {
		t.Errorf("a call without a range meets no fault of ranges: %d, %v", n, h)
	}
	if h, n, _ := fetch("Range", "bytes=5-"); n != 100000 || h.Get("Content-Range") != "" {
		t.Errorf("ignore-range: %d bytes, %v", n, h)
	}
	fault("content-range")
	if h, n, _ := fetch("Range", "bytes=5-"); n != 99995 || h.Get("Content-Range") != "bytes 6-99999/100000" {
		t.Errorf("content-range: %d bytes, %v", n, h)
	}
	before, _, _ := fetch()
	fault("change=1:200")
	after, n, _ := fetch("Range", "bytes=5-", "If-Range", before.Get("Etag"))
	if n != 200 || after.Get("Etag") == before.Get("Etag") ||
		after.Get("Last-Modified") == before.Get("Last-Modified") {
		t.Errorf("change: %d bytes, %v, before %v", n, after, before)
	}
	fault("weak-etag")
	if h, _, _ := fetch(); !strings.HasPrefix(h.Get("Etag"), `W/"`) {
		t.Errorf("weak-etag: %v", h)
	}
	fault("no-etag=1:all")
	if h, _, _ := fetch(); h.Get("Etag") != "" || h.Get("Last-Modified") != "" {
		t.Errorf("no-etag: %v", h)
	}
	fault("throttle=1:7")
	if a := r.get(c.ContentLocation); a.Status != 429 || a.Header.Get("Retry-After") != "7" ||
		a.JSON["code"] != "TooManyRequests" {
		t.Errorf("throttle: %d %v %s", a.Status, a.Header, a.Text)
	}
	fault("error=1:DateOutOfRange")
	r.wants("a code", r.get(c.ContentLocation), 401, "DateOutOfRange")
	fault("error=1:503")
	r.wants("a status", r.get(c.ContentLocation), 503, `"code":"ServiceUnavailable"`)
	fault("error=1:418")
	r.wants("a status of no code", r.get(c.ContentLocation), 418, `"status":418`)
	fault("error=1:html")
	r.wants("a page", r.get(c.ContentLocation), 200, "Sign in")
	fault("expire=1:" + c.DocumentID)
	r.wants("expired", r.get(c.ContentLocation), 404, "retention")
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultMissed}); err == nil {
		t.Error("a fault of other systems is taken")
	}
	for _, text := range []string{"cut", "cut=1:x", "change=1:-1", "length=1:x", "no-etag=1:x"} {
		if _, err := emulator.ParseFault(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
	var seen []string
	for _, call := range r.Host.Calls() {
		if call.Direction == emulator.CallIn && call.Fault != "" {
			seen = append(seen, fmt.Sprint(call.Fault, " ", call.AnswerBytes > 0, " ", len(call.AnswerBody)))
		}
	}
	if len(seen) < 12 || seen[0] != "cut true 0" {
		t.Errorf("the log has %q", seen)
	}
}

// TestContent shows that a file of any size is made as it is read, the same from any place.
func TestContent(t *testing.T) {
	t.Parallel()
	whole := bodyOf(5, 300, "Mp3")
	for from := range 40 {
		for _, n := range []int{1, 7, 8, 9, 33} {
			p := make([]byte, n)
			Content{5, 300, "Mp3"}.ReadAt(p, int64(from))
			if string(p) != whole[from:from+n] {
				t.Fatalf("%d bytes at %d differ", n, from)
			}
		}
	}
	large := Content{5, 1_500_000_000, "Wav"}.Reader()
	large.Seek(-20, io.SeekEnd)
	if end, err := io.ReadAll(large); len(end) != 20 || err != nil {
		t.Errorf("%d bytes, %v", len(end), err)
	}
	if n, err := (Content{Size: 10}).ReadAt(make([]byte, 1), 10); n != 0 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := (Content{Size: 10}).ReadAt(make([]byte, 1), -1); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
	sum := sha256.Sum256([]byte(whole))
	if hex.EncodeToString(sum[:4]) == "" || bodyOf(6, 300, "Mp3") == whole {
		t.Error("another seed has the same content")
	}
}
