package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// A fileServer answers for one file as a gateway does. What it answers to a call for the content can be changed.
type fileServer struct {
	*httptest.Server
	file client.File
	text string

	mu     sync.Mutex                                        // guards the fields below
	ranges []string                                          // of the calls for the content
	answer func(w http.ResponseWriter, r *http.Request) bool // reports whether it has answered; nil never does
}

func newFileServer(t *testing.T, text string) *fileServer {
	sum := sha256.Sum256([]byte(text))
	s := &fileServer{text: text, file: client.File{ID: "fil_1", Name: "call-1/0.mp4", State: "whole",
		Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(client.Header, client.APIVersion)
		if !strings.HasSuffix(r.URL.Path, "/content") {
			json.NewEncoder(w).Encode(s.file)
			return
		}
		s.mu.Lock()
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		answer := s.answer
		s.mu.Unlock()
		if answer != nil && answer(w, r) {
			return
		}
		w.Header().Set("ETag", `"`+s.file.SHA256+`"`)
		http.ServeContent(w, r, "", s.file.CreatedAt.Time, strings.NewReader(s.text))
	}))
	t.Cleanup(s.Close)
	return s
}

// get runs 'bellhop files get' in a folder.
func (s *fileServer) get(dir string, args ...string) (stdout, stderr string, err error) {
	var out, talk bytes.Buffer
	e := &env{getenv: noEnv, stdin: strings.NewReader(""), stdout: &out, stderr: &talk, dir: dir}
	err = run(context.Background(), e, append([]string{"files", "get", "fil_1", "--server", s.URL, "--api-key", "k"},
		args...))
	return out.String(), talk.String(), err
}

// asked returns the ranges that were asked for.
func (s *fileServer) asked() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.ranges, ",")
}

// set changes the answer to the next calls for the content, and forgets those before.
func (s *fileServer) set(answer func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer, s.ranges = answer, nil
}

// cutAfter answers the next calls with so many bytes of what is asked for, and ends the connection then.
func (s *fileServer) cutAfter(n, calls int) {
	s.set(func(w http.ResponseWriter, r *http.Request) bool {
		s.mu.Lock()
		calls--
		left := calls
		s.mu.Unlock()
		if left < 0 {
			return false
		}
		from := 0
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		w.Header().Set("Content-Length", fmt.Sprint(len(s.text)-from))
		if from > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(s.text)-1, len(s.text)))
			w.WriteHeader(http.StatusPartialContent)
		}
		io.WriteString(w, s.text[from:from+n])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
}

const getText = "0123456789abcdef"

// readGot returns a file of a folder, and fails the test if there is another one that ends in .part.
func readGot(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	return string(b)
}

// TestGetFileCut: a download that is cut off goes on by itself as long as bytes come.
func TestGetFileCut(t *testing.T) {
	s := newFileServer(t, getText)
	s.cutAfter(4, 3)
	dir := t.TempDir()
	out, talk, err := s.get(dir)
	if err != nil || out != "0.mp4\n" {
		t.Errorf("%q %q %v", out, talk, err)
	}
	if got := readGot(t, dir, "0.mp4"); got != getText {
		t.Error(got)
	}
	if got := s.asked(); got != ",bytes=4-,bytes=8-,bytes=12-" {
		t.Errorf("asked for %s", got)
	}
	info, err := os.Stat(filepath.Join(dir, "0.mp4"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	s.cutAfter(4, 2)
	if out, _, err := s.get(dir, "--output", "-"); out != getText || err != nil {
		t.Errorf("to stdout: %q %v", out, err)
	}
}

// TestGetFileGivesUp: a download that brings nothing is given up, says where its bytes are, and the next one goes on.
func TestGetFileGivesUp(t *testing.T) {
	s := newFileServer(t, getText)
	dir := t.TempDir()
	first := true
	s.set(func(w http.ResponseWriter, _ *http.Request) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if first {
			first = false
			w.Header().Set("Content-Length", "16")
			io.WriteString(w, getText[:6])
			w.(http.Flusher).Flush()
		}
		panic(http.ErrAbortHandler)
	})
	_, talk, err := s.get(dir, "--output", "call.mp4")
	part := fmt.Sprintf("call.mp4.%.12s.part", s.file.SHA256)
	if err == nil || !strings.Contains(talk, "6 of 16 bytes are in "+part+": the same command goes on from there") {
		t.Errorf("%q %v", talk, err)
	}
	s.set(nil)
	_, talk, err = s.get(dir, "--output", "call.mp4")
	if err != nil || !strings.Contains(talk, "going on after 6 bytes") || s.asked() != "bytes=6-" {
		t.Errorf("%q %s %v", talk, s.asked(), err)
	}
	if got := readGot(t, dir, "call.mp4"); got != getText {
		t.Error(got)
	}
}

// TestGetFileWrong: bytes with another hash are not given out under the name, and are not gone on with.
func TestGetFileWrong(t *testing.T) {
	s := newFileServer(t, getText)
	dir := t.TempDir()
	part := filepath.Join(dir, fmt.Sprintf("0.mp4.%.12s.part", s.file.SHA256))
	if err := os.WriteFile(part, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, talk, err := s.get(dir)
	if err == nil || !strings.Contains(talk, "and that of the file is "+s.file.SHA256) {
		t.Errorf("%q %v", talk, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "0.mp4")); err == nil {
		t.Error("it is there")
	}
	if _, _, err := s.get(dir); err != nil || readGot(t, dir, "0.mp4") != getText {
		t.Errorf("again: %v", err)
	}
	s.text = "fedcba9876543210"
	if out, talk, err := s.get(dir, "--output", "-"); err == nil || !strings.Contains(talk, "SHA-256") {
		t.Errorf("to stdout: %q %q %v", out, talk, err)
	}
}

// TestGetFileRefused: an error of the server ends the download at once, and so does an answer without ranges.
func TestGetFileRefused(t *testing.T) {
	s := newFileServer(t, getText)
	dir := t.TempDir()
	s.set(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusConflict)
		json.NewEncoder(w).Encode(client.Problem{Status: 409, Code: "conflict", Detail: "not the bytes that " +
			"were kept"})
		return true
	})
	_, talk, err := s.get(dir)
	if err == nil || !strings.Contains(talk, "not the bytes that were kept") || s.asked() != "" {
		t.Errorf("%q %v", talk, err)
	}
	part := filepath.Join(dir, fmt.Sprintf("0.mp4.%.12s.part", s.file.SHA256))
	if err := os.WriteFile(part, []byte(getText[:3]), 0o600); err != nil {
		t.Fatal(err)
	}
	s.set(func(w http.ResponseWriter, _ *http.Request) bool {
		io.WriteString(w, getText)
		return true
	})
	_, talk, err = s.get(dir)
	if err == nil || !strings.Contains(talk, "a proxy before it may not know ranges") {
		t.Errorf("%q %v", talk, err)
	}
	if b, err := os.ReadFile(part); string(b) != getText[:3] {
		t.Errorf("the part has %q: %v", b, err)
	}
}

// TestGetEmptyFile: a file without bytes is fetched without a call.
func TestGetEmptyFile(t *testing.T) {
	s := newFileServer(t, "")
	dir := t.TempDir()
	if _, talk, err := s.get(dir); err != nil || readGot(t, dir, "0.mp4") != "" || s.asked() != "" {
		t.Errorf("%q %v", talk, err)
	}
}
