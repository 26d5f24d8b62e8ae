package blob

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"
)

const testPrefix = "kept/here"

// testSecret must be in no error.
const testSecret = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"

// A bucketPlace is a bucket of a service in this process.
type bucketPlace struct {
	place
	service *service
	backend *s3mem.Backend
	options BucketOptions
}

// A service passes requests on to a stand-in for an S3-compatible service, except those that it answers itself.
type service struct {
	next http.Handler

	mu     sync.Mutex // guards the fields below
	answer func(r *http.Request) (status int, code string)
	calls  []string // method and operation of each request
}

// fail sets which requests are answered with an error; code "" is none.
func (s *service) fail(answer func(r *http.Request) (status int, code string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	answer := s.answer
	s.calls = append(s.calls, r.Method+" "+operation(r))
	s.mu.Unlock()
	if answer != nil {
		status, code := answer(r)
		if code != "" {
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
			xml.NewEncoder(w).Encode(minio.ErrorResponse{Code: code, Message: "about " +
				r.Header.Get("Authorization") +
				testSecret})
			return
		}
	}
	s.next.ServeHTTP(w, r)
}

// operation returns the operation of a request: "parts", "uploads", "object" or "list".
func operation(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case q.Has("uploadId"):
		return "parts"
	case q.Has("uploads"):
		return "uploads"
	case q.Has("list-type"):
		return "list"
	}
	return "object"
}

// count returns how many requests there were of that method and operation.
func (s *service) count(call string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c == call {
			n++
		}
	}
	return n
}

func newBucket(t *testing.T) bucketPlace {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("media"); err != nil {
		t.Fatal(err)
	}
	s := &service{next: gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	p := bucketPlace{service: s, backend: backend, options: BucketOptions{
		Bucket: "media", Prefix: testPrefix + "/", Endpoint: server.URL, AccessKey: "AKIAIOSFODNN7EXAMPLE",
		SecretKey: testSecret, Transport: server.Client().Transport, Scratch: filepath.Join(t.TempDir(), "scratch"),
	}}
	b := p.open(t)
	p.place = place{b, func(name, text string) {
		_, err := b.core.PutObject(t.Context(), "media", testPrefix+"/"+name, strings.NewReader(text),
			int64(len(text)), "", "", minio.PutObjectOptions{})
		if err != nil {
			t.Error(err)
		}
	}, func() []string { return p.keys(t) }}
	return p
}

// open opens the bucket, as another start of the server does.
func (p bucketPlace) open(t *testing.T) *Bucket {
	t.Helper()
	b, err := OpenBucket(p.options)
	if err != nil {
		t.Fatal(err)
	}
	b.part = testPart
	t.Cleanup(func() {
		b.Close()
		if list, err := os.ReadDir(p.options.Scratch); len(list) > 0 || err != nil {
			t.Errorf("scratch files are left: %v %v", list, err)
		}
	})
	return b
}

// keys lists the objects, and the uploads under the ids of their files.
func (p bucketPlace) keys(t *testing.T) (names []string) {
	t.Helper()
	list, err := p.backend.ListBucket("media", nil, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Contents {
		name, ok := strings.CutPrefix(o.Key, testPrefix+"/")
		if !ok {
			t.Errorf("%s is outside of the prefix", o.Key)
		}
		names = append(names, strings.TrimPrefix(name, "."))
	}
	return names
}

// uploads lists the uploads that are not complete.
func (p bucketPlace) uploads(t *testing.T) (list []minio.ObjectMultipartInfo) {
	t.Helper()
	found, err := p.Storage.(*Bucket).core.ListMultipartUploads(t.Context(), "media", "", "", "", "", 1000)
	if err != nil && !is(err, "NoSuchUpload") {
		t.Fatal(err)
	}
	return found.Uploads
}

// TestResumeUpload: a file goes on with its upload after a restart, no part is uploaded twice, and nothing is left.
func TestResumeUpload(t *testing.T) {
	t.Parallel()
	p := newBucket(t)
	whole := someBytes(3*testPart + 1000)
	f := p.add(t, newFile("a"), whole[:2*testPart+500])
	if f.Upload == "" || len(p.uploads(t)) != 1 {
		t.Fatalf("the upload is %q, there are %v", f.Upload, p.uploads(t))
	}
	p.Storage = p.open(t)
	f = p.add(t, f, whole[2*testPart+500:])
	if n := p.service.count("PUT parts"); n != 3 {
		t.Errorf("%d parts were uploaded, want 3", n)
	}
	p.Storage = p.open(t)
	f = p.finish(t, f)
	if got := p.read(t, f, 0); got != whole {
		t.Errorf("read %d other bytes", len(got))
	}
	p.has(t, "finished", "a")
	info, ok, err := p.Storage.(*Bucket).stat(t.Context(), testPrefix+"/a")
	if !ok || err != nil || info.ContentType != "video/mp4" || !isOf(info, "fil_1") {
		t.Errorf("the object is %+v %v", info, err)
	}
	if left := p.uploads(t); len(left) > 0 {
		t.Errorf("uploads are left: %v", left)
	}
}

// manyParts answers the list of the parts of an upload, page by page: so many parts of one byte.
func manyParts(n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.Atoi(r.URL.Query().Get("part-number-marker"))
		last := min(after+1000, n)
		fmt.Fprintf(w, "<ListPartsResult><NextPartNumberMarker>%d</NextPartNumberMarker><IsTruncated>%t</IsTruncated>",
			last, last < n)
		for part := after + 1; part <= last; part++ {
			fmt.Fprintf(w, `<Part><PartNumber>%d</PartNumber><ETag>"%[1]d"</ETag><Size>1</Size></Part>`, part)
		}
		io.WriteString(w, "</ListPartsResult>")
	})
}

// TestManyParts: the parts of an upload are read over several pages, and must all be there.
func TestManyParts(t *testing.T) {
	t.Parallel()
	p := newBucket(t)
	p.service.next = manyParts(1100)
	b := p.Storage.(*Bucket)
	f := newFile("a")
	f.Upload = "u"
	list, err := b.parts(t.Context(), f, 1100, 0)
	if err != nil || len(list) != 1100 || list[1099].PartNumber != 1100 {
		t.Errorf("%d parts: %v", len(list), err)
	}
	if _, err := b.parts(t.Context(), f, 1101, 0); !errors.Is(err, ErrLost) {
		t.Errorf("a part that is not there: %v", err)
	}
	if _, err := b.parts(t.Context(), f, 3, 1); !errors.Is(err, ErrLost) {
		t.Errorf("a part that is too short: %v", err)
	}
}

// TestAbandonedUploads: uploads of a file that a crash left are aborted before another begins, and with the file;
// those of other keys stay.
func TestAbandonedUploads(t *testing.T) {
	t.Parallel()
	p := newBucket(t)
	b := p.Storage.(*Bucket)
	stray := func(name string) {
		t.Helper()
		if _, err := b.core.NewMultipartUpload(t.Context(), "media", b.key(name),
			minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "a", "ab", "b"} {
		stray(name)
	}
	f := p.add(t, newFile("a"), someBytes(testPart+1))
	if got := p.uploads(t); len(got) != 3 {
		t.Errorf("with the upload of the file there are %v", got)
	}
	stray("a")
	if err := p.Remove(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	for _, u := range p.uploads(t) {
		if u.Key == b.key("a") {
			t.Error("an upload of the file is left")
		}
	}
	if got := p.uploads(t); len(got) != 2 {
		t.Errorf("of others there are %v", got)
	}
	f = p.add(t, newFile("c"), someBytes(testPart+1))
	if err := b.abort(t.Context(), "c"); err != nil { // as a rule of the bucket does
		t.Fatal(err)
	}
	if _, err := p.Append(t.Context(), f); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "aborted") {
		t.Errorf("append to an aborted upload: %v", err)
	}
}

// TestBucketFails: a part, or the rest, that could not be uploaded is uploaded by the next Sync, or the file goes on
// from before.
func TestBucketFails(t *testing.T) {
	t.Parallel()
	p := newBucket(t)
	whole := someBytes(2*testPart + 10)
	f := p.add(t, newFile("a"), whole[:testPart-1])
	w, err := p.Append(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	down := func(r *http.Request) (int, string) {
		if r.Method == "PUT" {
			return http.StatusInsufficientStorage, "XMinioStorageFull"
		}
		return 0, ""
	}
	p.service.fail(down)
	if n, err := io.WriteString(w, whole[testPart-1:]); n != 1 || !errors.Is(err, ErrFull) {
		t.Errorf("a full service: wrote %d: %v", n, err)
	}
	if _, err := w.Sync(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("a full service at the sync: %v", err)
	}
	p.service.fail(nil)
	if f.Upload, err = w.Sync(t.Context()); f.Upload == "" || err != nil {
		t.Errorf("with room again: %v", err)
	}
	f.Size = testPart
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f = p.finish(t, p.add(t, f, whole[testPart:]))
	if got := p.read(t, f, 0); got != whole {
		t.Errorf("read %d other bytes", len(got))
	}
}

// TestFinishCutOff: a crash at any call of Finish leaves a file that can be finished.
func TestFinishCutOff(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, testPart, testPart + 100} {
		for n := 0; ; n++ {
			p := newBucket(t)
			whole := someBytes(size)
			f := p.add(t, newFile("a"), whole)
			left := n
			p.service.fail(func(*http.Request) (int, string) {
				if left--; left < 0 {
					return http.StatusForbidden, "AccessDenied"
				}
				return 0, ""
			})
			err := p.Finish(t.Context(), f)
			p.service.fail(nil)
			f = p.finish(t, f)
			if got := p.read(t, f, 0); got != whole {
				t.Errorf("%d bytes, cut off after %d calls: read %d other bytes", size, n, len(got))
			}
			p.has(t, fmt.Sprintf("%d bytes, cut off after %d calls", size, n), "a")
			if left := p.uploads(t); len(left) > 0 {
				t.Errorf("uploads are left: %v", left)
			}
			if err == nil {
				break
			}
			if n > 20 {
				t.Fatal("it never succeeds")
			}
		}
	}
}

// TestBucketRefused: each way in which a bucket cannot be used is refused with what to do, and without the keys.
func TestBucketRefused(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"InvalidAccessKeyId": "--files-access-key", "SignatureDoesNotMatch": "--files-secret-key",
		"AccessDenied": "s3:PutObject", "NoSuchBucket": "make it", "AuthorizationHeaderMalformed": "--files-region",
		"RequestTimeTooSkewed": "set the clock", "SomethingElse": "400 SomethingElse",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			p := newBucket(t)
			p.service.fail(func(*http.Request) (int, string) { return http.StatusBadRequest, code })
			err := p.Check(t.Context())
			if err == nil || errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(), "bucket media at 127.0.0.1") {
				t.Errorf("%v", err)
			}
			noKeys(t, err)
		})
	}
	t.Run("no bucket", func(t *testing.T) {
		t.Parallel()
		p := newBucket(t)
		p.options.Bucket = "other"
		err := p.open(t).Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), "there is no such bucket: make it") {
			t.Errorf("%v", err)
		}
	})
	t.Run("unreachable", func(t *testing.T) {
		t.Parallel()
		p := newBucket(t)
		p.options.Transport = failing{}
		err := p.open(t).Check(t.Context())
		if !errors.Is(err, ErrUnreachable) || strings.Contains(err.Error(), testPrefix) ||
			!strings.Contains(err.Error(), "no route") {
			t.Errorf("%v", err)
		}
		noKeys(t, err)
	})
}

// failing is a transport without a network.
type failing struct{}

func (failing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route to host")
}

func noKeys(t *testing.T, err error) {
	t.Helper()
	if err != nil && (strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), "AKIA")) {
		t.Errorf("an error has a key: %v", err)
	}
}

// TestBucketOptions: settings that cannot be right are refused before any call.
func TestBucketOptions(t *testing.T) {
	t.Parallel()
	good := BucketOptions{Bucket: "media", Region: "eu-central-1", AccessKey: "a", SecretKey: "s",
		Transport: failing{},
		Scratch:   t.TempDir()}
	b, err := OpenBucket(good)
	if err != nil || b.String() != "bucket media at s3.amazonaws.com" {
		t.Errorf("%v %v", b, err)
	}
	for name, change := range map[string]func(o *BucketOptions){
		"files-access-key": func(o *BucketOptions) { o.AccessKey = "" },
		"files-secret-key": func(o *BucketOptions) { o.SecretKey = "" },
		"files-region":     func(o *BucketOptions) { o.Region = "" },
		"files-endpoint":   func(o *BucketOptions) { o.Endpoint = "ftp://" + testSecret },
		"prefix":           func(o *BucketOptions) { o.Prefix = "a/../b" },
		"at most 123":      func(o *BucketOptions) { o.Prefix = strings.Repeat("p", maxPrefix+1) },
	} {
		o := good
		change(&o)
		if _, err := OpenBucket(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		} else {
			noKeys(t, err)
		}
	}
}

// TestPartialOfBucket: the bytes of a partial file cannot be read in a bucket, and that is told from other errors.
func TestPartialOfBucket(t *testing.T) {
	t.Parallel()
	p := newBucket(t)
	if _, err := p.Open(t.Context(), p.add(t, newFile("a"), "x")); !errors.Is(err, ErrPartial) {
		t.Error(err)
	}
}

// TestReplacedObject: an object that somebody put in the place of a file is not removed with it.
func TestReplacedObject(t *testing.T) {
	t.Parallel()
	p := newBucket(t)
	f := p.finish(t, p.add(t, newFile("a"), "ours"))
	err := p.Storage.(*Bucket).core.RemoveObject(t.Context(), "media", testPrefix+"/a", minio.RemoveObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.put("a", "theirs")
	if err := p.Remove(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	p.has(t, "after the removal", "a")
}

// TestReadsBySection: a seek asks for no more bytes than there are from there on, and a section that ends early is an
// error.
func TestReadsBySection(t *testing.T) {
	t.Parallel()
	p := newBucket(t)
	f := p.finish(t, p.add(t, newFile("a"), "0123456789"))
	b := p.Storage.(*Bucket)
	r := &bucketReader{b: b, ctx: t.Context(), key: b.key("a"), size: f.Size + 5}
	var got bytes.Buffer
	if _, err := io.Copy(&got, r); err == nil || got.Len() > 10 {
		t.Errorf("read %q of an object that is shorter: %v", &got, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
