package action

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// TestDownloadHostileNames: whatever a recording, its call and its file are called, the files are in the folder, for
// their owner alone, and nothing is beside it.
func TestDownloadHostileNames(t *testing.T) {
	t.Parallel()
	r, kept := newRemote(t), newFilesRig(t)
	d := r.open(`{"connection":"calls","path":"{{recording}}/{{call}}/{{index}}.{{ext}}"}`)
	d.env.Files, d.destination.ID = kept.Files, kept.destination
	for _, name := range hostile {
		if provider.Visible(name) {
			r.header = http.Header{"Content-Disposition": {`attachment; filename="` + name + `"`}}
		}
		subject, err := json.Marshal("/recording/call/" + name + "/serverCallId/s/recordingId/" + name)
		if err != nil {
			t.Fatal(err)
		}
		ev := r.recorded()
		ev.ID = kept.newEvent()
		ev.Body = bytes.Replace(ev.Body, []byte(`"/recording/call/c1/serverCallId/s/recordingId/rec1"`), subject, 1)
		if done := d.Perform(t.Context(), ev, attempt); done.Error != "" || !done.Continue.IsZero() {
			t.Errorf("%q: %+v %s", name, done, done.Reply)
		}
	}
	files := 0
	err := filepath.WalkDir(filepath.Dir(kept.dir), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		inside, err := filepath.Rel(kept.dir, path)
		if err != nil || !filepath.IsLocal(inside) || !e.Type().IsRegular() {
			t.Errorf("%s: %v", path, err)
		}
		info, err := e.Info()
		if err == nil && runtime.GOOS != "windows" && info.Mode() != 0o600 {
			t.Errorf("%s has the mode %v", inside, info.Mode())
		}
		files++
		return err
	})
	if err != nil || files != 2*len(hostile) {
		t.Errorf("%d files: %v", files, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(kept.dir)); err != nil || len(entries) != 1 {
		t.Errorf("beside the folder: %v %v", entries, err)
	}
}

// TestDownloadChunks: chunks that are listed in any order and twice are downloaded once, in their order. One that
// contradicts another is refused without a call.
func TestDownloadChunks(t *testing.T) {
	t.Parallel()
	r := newRemote(t)
	ev := r.recorded() // lists b, a
	chunks := string(ev.Body[bytes.Index(ev.Body, []byte(`{"documentId"`)):bytes.LastIndexByte(ev.Body, ']')])
	ev.Body = bytes.Replace(ev.Body, []byte(chunks), []byte(chunks+","+chunks), 1)
	r.wants(r.open(keepSettings).Perform(t.Context(), ev, attempt))
	want := []string{"GET a metadata", "GET a content", "GET b metadata", "GET b content"}
	if !slices.Equal(r.requests, want) {
		t.Errorf("%q", r.requests)
	}
	for _, index := range []string{`"documentId":"b","index":0`, `"documentId":"a","index":1`} {
		r = newRemote(t)
		ev = r.recorded()
		ev.Body = bytes.Replace(ev.Body, []byte(`"documentId":"b","index":1`), []byte(index), 1)
		done := r.open(keepSettings).Perform(t.Context(), ev, attempt)
		if done.Error != "invalid" || !done.Final || len(r.requests) != 0 {
			t.Errorf("%s: %+v, %q", index, done, r.requests)
		}
	}
}

// TestDownloadOtherBytes: a file that does not begin as the metadata says is not kept, whether or not the event names
// a format.
func TestDownloadOtherBytes(t *testing.T) {
	t.Parallel()
	for event, metadata := range map[string]string{`"recordingFormatType":"Wav",`: "wav", ``: "mp3"} {
		r := newRemote(t)
		r.metadata = func(string) (int, string) {
			return http.StatusOK, `{"chunkDocumentId":"a","chunkIndex":0,"recordingInfo":{"format":"` + metadata +
				`"}}`
		}
		ev := r.recorded()
		ev.Body = bytes.Replace(ev.Body, []byte(`"recordingFormatType":"Mp4",`), []byte(event), 1)
		done := r.open(keepSettings).Perform(t.Context(), ev, attempt)
		if done.Error != "mismatch" || !done.Final || !strings.Contains(done.Detail, "of format "+metadata) {
			t.Errorf("%s: %+v", metadata, done)
		}
		for name, f := range r.files.list() {
			if f.State == bellhop.FileWhole || len(f.bytes) > 0 {
				t.Errorf("%s has %d bytes", name, len(f.bytes))
			}
		}
	}
}
