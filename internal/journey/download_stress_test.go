//go:build stress && linux

package journey

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/emulator/acs"
)

// A standIn is a running stand-in for recordings.
type standIn struct {
	t   *testing.T
	url string
}

// startRecordings starts a stand-in on a free port, which the end of the test stops.
func startRecordings(t *testing.T) *standIn {
	t.Helper()
	c := exec.Command(program, "emulate", "acs", "--listen", "127.0.0.1:0", "--brief")
	dieWithUs(c)
	said, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
	})
	at := regexp.MustCompile(` at (http://\S+)$`)
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if m := at.FindStringSubmatch(lines.Text()); m != nil {
			return &standIn{t, m[1]}
		}
	}
	t.Fatal("the stand-in does not say where it is")
	return nil
}

// control posts to the control API.
func (s *standIn) control(path string, body map[string]any) {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := probing.Post(s.url+"/_control/"+path, "application/json", bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %d %s", path, res.StatusCode, answer)
	}
}

// A contentCall is a call that was answered with the content of a file, or a part of it.
type contentCall struct {
	URL    string // its path
	Status int
	Answer struct{ Bytes int64 }
}

// calls returns the calls for the content of files, oldest first.
func (s *standIn) calls() []contentCall {
	s.t.Helper()
	res, err := probing.Get(s.url + "/_control/calls")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var calls struct{ Data []contentCall }
	if err := json.NewDecoder(res.Body).Decode(&calls); err != nil {
		s.t.Fatal(err)
	}
	return slices.DeleteFunc(calls.Data, func(c contentCall) bool {
		return !strings.Contains(c.URL, "/content/video") ||
			c.Status != http.StatusOK && c.Status != http.StatusPartialContent
	})
}

// sent returns how many answers with the content of a file the stand-in has sent, and how many bytes they had.
func (s *standIn) sent() (answers int, bytes int64) {
	s.t.Helper()
	calls := s.calls()
	for _, c := range calls {
		bytes += c.Answer.Bytes
	}
	return len(calls), bytes
}

// keepRecordings makes a source, a connection and a destination for recordings, and returns the URL to notify.
func (g *gateway) keepRecordings(s *standIn, concurrency int) (hook string) {
	g.t.Helper()
	source := g.source("calls", "acs", map[string]any{"query_secret": "a-secret-of-calls"})
	_, err := g.client().CreateConnection(context.Background(), client.NewConnection{Name: "calls", Provider: "acs",
		Settings: map[string]any{"endpoint": s.url, "access_key": "c2VjcmV0"}})
	if err != nil {
		g.t.Fatal(err)
	}
	g.destination(client.NewDestination{Name: "keep", Type: "acs.download", Concurrency: concurrency,
		Settings: map[string]any{"connection": "calls"}, Match: &client.Match{Sources: []string{"calls"}}})
	return source.URL + "?code=a-secret-of-calls"
}

// wholeFiles returns the files that are whole; none while the gateway does not answer.
func (g *gateway) wholeFiles() []client.File {
	list, err := g.client().Files(context.Background(), client.FileFilter{State: "whole"}, client.Page{Limit: 250})
	if err != nil {
		return nil
	}
	return list.Data
}

// hashOf returns the SHA-256 of a content in hexadecimal.
func hashOf(t *testing.T, c acs.Content) string {
	t.Helper()
	sum := sha256.New()
	if _, err := io.Copy(sum, c.Reader()); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// TestStressDownload downloads a file whose connection is cut 20 times by a gateway that is killed 5 times. The file
// is right, and for each kill no more than 18 MiB were sent twice: at most 16 MiB that were not durable, and what was
// on its way.
func TestStressDownload(t *testing.T) {
	const (
		size  = 1 << 30
		cuts  = 20
		kills = 5
		twice = 18 << 20 // bytes that a kill may cost
	)
	random := newRandom(t)
	s := startRecordings(t)
	g := newGateway(t)
	hook := g.keepRecordings(s, 4)
	s.control("fault", map[string]any{"fault": "cut", "value": "23456789", "times": cuts})
	s.control("event", map[string]any{"to": hook, "data": map[string]any{"bytes": size, "seed": 7}})
	for kill := range kills {
		eventually(t, patience, "the download goes on", func() bool {
			answers, _ := s.sent()
			return answers > kill*3
		})
		pause(context.Background(), time.Duration(random.Int64N(int64(300*time.Millisecond))))
		g.kill()
		g.start()
	}
	var files []client.File
	eventually(t, 10*time.Minute, "the file is whole", func() bool {
		files = g.wholeFiles()
		return len(files) == 1
	})
	if want := hashOf(t, acs.Content{Seed: 7, Size: size, Format: "Mp4"}); files[0].SHA256 != want ||
		files[0].Size != size {
		t.Errorf("the file is %+v, want the hash %s", files[0], want)
	}
	answers, bytes := s.sent()
	again := bytes - size
	t.Logf("%d answers, %.1f MiB sent twice, for each kill %.1f", answers, float64(again)/(1<<20),
		float64(again)/kills/(1<<20))
	if again > kills*twice {
		t.Errorf("%d bytes were sent twice, want at most %d", again, kills*twice)
	}
	if answers < cuts {
		t.Errorf("only %d answers: the run shows nothing", answers)
	}
}

// TestStressDownloadMemory downloads a file of 1.5 GB with at most 64 MiB of memory more than before, and 100 files at
// a time with at most 256 MiB in all.
func TestStressDownloadMemory(t *testing.T) {
	const size = 1_500_000_000
	s := startRecordings(t)
	g := newGateway(t)
	hook := g.keepRecordings(s, 100)
	base, _, ok := memory(g.pid)
	if !ok {
		skipAloud(t, "the memory of a process cannot be read")
	}
	peakWhile := func(files int) (peak int) {
		t.Helper()
		eventually(t, 10*time.Minute, strconv.Itoa(files)+" files are whole", func() bool {
			_, peak, _ = memory(g.pid)
			return len(g.wholeFiles()) == files
		})
		return peak
	}
	begun := time.Now()
	s.control("event", map[string]any{"to": hook, "data": map[string]any{"bytes": size, "seed": 7}})
	one := peakWhile(1)
	t.Logf("1.5 GB: %.0f MiB/s, %d MiB over %d MiB", size/time.Since(begun).Seconds()/(1<<20), one-base, base)
	if one-base > 64 {
		t.Errorf("%d MiB over the baseline, want at most 64", one-base)
	}
	for i := range 100 {
		s.control("event", map[string]any{"to": hook, "data": map[string]any{"bytes": 20 << 20, "seed": 100 + i}})
	}
	many := peakWhile(101)
	t.Logf("100 at a time: %d MiB", many)
	if many > 256 {
		t.Errorf("%d MiB for 100 downloads, want at most 256", many)
	}
}
