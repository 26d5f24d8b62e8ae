package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// keepFile makes a whole file, as an action does, and returns it.
func keepFile(t *testing.T, r *running, name, text string) bellhop.File {
	t.Helper()
	r.source("media")
	code, event := r.call("POST", "/api/v1/events", `{"type":"t","data":1}`)
	if code != 202 {
		t.Fatalf("%d %s", code, event)
	}
	id, _, _ := strings.Cut(event[strings.Index(event, "evt_"):], `"`)
	code, destination := r.call("POST", "/api/v1/destinations",
		`{"name":"d","url":"https://d.example.com","settings":{"format":"raw"}}`)
	if code != 201 {
		t.Fatalf("%d %s", code, destination)
	}
	d, err := r.store.Destination(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.files.Begin(t.Context(), bellhop.File{Name: name, EventID: id, DestinationID: d.ID, Total: -1})
	if err == nil {
		_, err = r.files.Append(t.Context(), f.ID, 0, strings.NewReader(text))
	}
	if err == nil {
		f, err = r.files.Finish(t.Context(), f.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// checkFile reads a file by the API.
func checkFile(t *testing.T, r *running, f bellhop.File, text string) {
	t.Helper()
	if code, body := r.call("GET", "/api/v1/files/"+f.ID, ""); code != 200 ||
		!strings.Contains(body, `"source":"api"`) {
		t.Errorf("%d %s", code, body)
	}
	if code, body := r.call("GET", "/api/v1/files/"+f.ID+"/content", ""); code != 200 || body != text {
		t.Errorf("%d %s", code, body)
	}
	if code, body := r.call("GET", "/api/v1/files/"+strings.ReplaceAll(f.Name, "/", "%2F"), ""); code != 200 {
		t.Errorf("by name: %d %s", code, body)
	}
}

// TestFilesFolder: files are in the data folder unless another folder is named, and are deleted by the API.
func TestFilesFolder(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		opts := options(t)
		dir := filepath.Join(opts.Config.Data, "files")
		if own {
			dir = filepath.Join(t.TempDir(), "own")
			opts.Config.Files = dir
		}
		r := run(t, opts)
		f := keepFile(t, r, "call-1/0.mp4", "hello")
		checkFile(t, r, f, "hello")
		path := filepath.Join(dir, "call-1", "0.mp4")
		if b, err := os.ReadFile(path); string(b) != "hello" {
			t.Errorf("%q %v", b, err)
		}
		if code, body := r.call("DELETE", "/api/v1/files/"+f.ID, ""); code != 204 {
			t.Errorf("%d %s", code, body)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("after it was deleted: %v", err)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestFilesBucket: files are in a bucket if the settings name one, and their content is read from there by ranges.
func TestFilesBucket(t *testing.T) {
	t.Parallel()
	backend := s3mem.New()
	if err := backend.CreateBucket("media"); err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(service.Close)
	logged := new(bytes.Buffer)
	opts := options(t, func(o *Options) {
		o.Config.Files, o.Config.FilesEndpoint = "s3://media/kept", service.URL
		o.Config.FilesAccessKey, o.Config.FilesSecretKey = "AKIA", "s3cret"
		o.Logger = slog.New(slog.NewTextHandler(logged, nil))
	})
	r := run(t, opts)
	text := strings.Repeat("0123456789", 1<<20)
	f := keepFile(t, r, "call-1/0.mp4", text)
	checkFile(t, r, f, text)
	if o, err := backend.HeadObject("media", "kept/call-1/0.mp4"); err != nil || o.Size != int64(len(text)) {
		t.Errorf("%+v %v", o, err)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if log := logged.String(); !strings.Contains(log, "files.plain") || strings.Contains(log, "s3cret") {
		t.Error(log)
	}
}

// TestFilesRefused: a storage that cannot be used is refused at the start, and one that cannot be reached is not.
func TestFilesRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(t.Context(), options(t, func(o *Options) { o.Config.Files = file }))
	if err == nil || !strings.Contains(err.Error(), "name another folder with --files") {
		t.Errorf("a file: %v", err)
	}
	service := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(service.Close)
	bucket := func(o *Options) {
		o.Config.Files, o.Config.FilesEndpoint = "s3://media", service.URL
		o.Config.FilesAccessKey, o.Config.FilesSecretKey = "AKIA", "s3cret"
	}
	_, err = New(t.Context(), options(t, bucket))
	if err == nil || !strings.Contains(err.Error(), "there is no such bucket: make it") ||
		strings.Contains(err.Error(), "s3cret") {
		t.Errorf("no bucket: %v", err)
	}
	service.Close()
	a, err := New(t.Context(), options(t, bucket))
	if err != nil {
		t.Fatalf("unreachable: %v", err)
	}
	if err := a.undo(context.Background()); err != nil {
		t.Error(err)
	}
}
