package certificate

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/certificate/certtest"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// open opens the files of a pair, with a log that the test reads.
func open(t *testing.T, p certtest.Pair) (f *Files, dir string, log *bytes.Buffer) {
	t.Helper()
	dir, log = t.TempDir(), &bytes.Buffer{}
	cert, key := p.Write(t, dir)
	f, err := OpenFiles(t.Context(), cert, key, time.Now, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return f, dir, log
}

// served returns the name of the certificate that is served.
func (f *Files) served(t *testing.T) string {
	t.Helper()
	cert, err := f.Config().GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf.DNSNames[0]
}

// TestFilesAreRefusedAtTheStart: the error says which files, and what each has to hold.
func TestFilesAreRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	good, other := certtest.New(t, "a.example", later), certtest.New(t, "b.example", later)
	for name, test := range map[string]struct {
		pair certtest.Pair
		want string
	}{
		"the key of another":    {certtest.Pair{Cert: good.Cert, Key: other.Key}, "does not match"},
		"no certificate":        {certtest.Pair{Cert: []byte("hello"), Key: good.Key}, "failed to find any PEM data"},
		"the wrong way around":  {certtest.Pair{Cert: good.Key, Key: good.Cert}, "cert.pem"},
		"an empty key":          {certtest.Pair{Cert: good.Cert}, "key.pem"},
		"a file of a mebibyte+": {certtest.Pair{Cert: make([]byte, maxFileBytes+1), Key: good.Key}, "is larger than"},
	} {
		cert, key := test.pair.Write(t, t.TempDir())
		_, err := OpenFiles(t.Context(), cert, key, time.Now, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir() // neither a pipe nor a folder is read
	_, err := OpenFiles(t.Context(), dir, dir, time.Now, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "is no regular file") {
		t.Errorf("a folder: %v", err)
	}
	cert, key := good.Write(t, t.TempDir())
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	_, err = OpenFiles(t.Context(), cert, key, time.Now, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "--tls-key") ||
		!strings.Contains(err.Error(), "there is no file") {
		t.Errorf("no key: %v", err)
	}
}

var later = time.Now().Add(90 * 24 * time.Hour)

// TestFilesChange: a new pair is served once both files are there; a bad one never is, and is said once.
func TestFilesChange(t *testing.T) {
	t.Parallel()
	f, dir, log := open(t, certtest.New(t, "a.example", later))
	next := certtest.New(t, "b.example", later)

	if err := os.WriteFile(dir+"/cert.pem", next.Cert, 0o600); err != nil { // half of a change
		t.Fatal(err)
	}
	f.look(t.Context(), false)
	if f.served(t) != "a.example" || f.Status()[0].Fault != "" || log.Len() > 0 {
		t.Errorf("half of a change: %s %+v %s", f.served(t), f.Status(), log)
	}
	next.Write(t, dir)
	f.look(t.Context(), false)
	if f.served(t) != "b.example" || strings.Count(log.String(), "certificate.loaded") != 1 {
		t.Errorf("the whole change: %s %s", f.served(t), log)
	}

	if err := os.WriteFile(dir+"/key.pem", []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		f.look(t.Context(), false)
	}
	status := f.Status()[0]
	if f.served(t) != "b.example" || !strings.Contains(status.Fault, "key.pem") || status.FaultAt.IsZero() ||
		strings.Count(log.String(), "certificate.refused") != 1 ||
		!status.NotAfter.Equal(later.Truncate(time.Second)) {
		t.Errorf("a bad pair: %s %+v %s", f.served(t), status, log)
	}
	next.Write(t, dir)
	f.look(t.Context(), false)
	if status := f.Status()[0]; status.Fault != "" {
		t.Errorf("back as it was: %+v", status)
	}
}

// TestFilesReload: whoever asks for it says that the files are whole, so a fault is told at once.
func TestFilesReload(t *testing.T) {
	t.Parallel()
	f, dir, log := open(t, certtest.New(t, "a.example", later))
	if err := os.Remove(dir + "/key.pem"); err != nil {
		t.Fatal(err)
	}
	f.Reload(t.Context())
	if f.Status()[0].Fault == "" || !strings.Contains(log.String(), "certificate.refused") {
		t.Errorf("%+v %s", f.Status(), log)
	}
	ended := certtest.New(t, "b.example", time.Now().Add(-time.Hour))
	ended.Write(t, dir)
	f.Reload(t.Context())
	if f.served(t) != "a.example" || !strings.Contains(f.Status()[0].Fault, "ended on") {
		t.Errorf("one that has ended: %s %+v", f.served(t), f.Status())
	}
}

// TestCollector: the metrics say until when, and whether the last try was good.
func TestCollector(t *testing.T) {
	t.Parallel()
	f, dir, _ := open(t, certtest.New(t, "a.example", time.Unix(4_000_000_000, 0)))
	registry := prometheus.NewRegistry()
	now := time.Now()
	registry.MustRegister(Collector{f, func() time.Time { return now }})
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	shown := func() string {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, family := range families {
			text.WriteString(family.String())
		}
		return text.String()
	}
	if text := shown(); !strings.Contains(text, "value:4e+09") || !strings.Contains(text, "value:1}") {
		t.Error(text)
	}
	for _, at := range []time.Time{now.Add(-48 * time.Hour), time.Unix(4_000_000_001, 0)} { // not its time
		now = at
		if text := shown(); !strings.Contains(text, "value:0}") {
			t.Errorf("%s: %s", at, text)
		}
	}
	now = time.Now()
	if err := os.Remove(dir + "/key.pem"); err != nil {
		t.Fatal(err)
	}
	f.Reload(t.Context())
	if text := shown(); !strings.Contains(text, "value:4e+09") || !strings.Contains(text, "value:0}") {
		t.Error(text)
	}
}

// TestReadDoesNotReturn: on a disk that does not answer, a look gives up, and at most one read is left running. What
// is said of the certificate does not wait for it, nor does a stop. Once the disk answers, the files are read anew.
func TestReadDoesNotReturn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, dir, log := open(t, certtest.New(t, "a.example", later))
		answers := make(chan struct{})
		var reads atomic.Int64
		f.read = func() content {
			reads.Add(1)
			<-answers
			return f.readBoth()
		}
		stopped, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { f.Run(stopped) })
		time.Sleep(lookEvery + readTimeout/2)
		if !f.mu.TryLock() {
			t.Fatal("a read holds the lock of Status")
		}
		f.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if status := f.Status()[0]; !strings.Contains(status.Fault, "does not answer within 5s") ||
			reads.Load() != 1 || strings.Count(log.String(), "certificate.refused") != 1 {
			t.Errorf("%d reads, %+v, %s", reads.Load(), status, log)
		}
		stop()
		running.Wait()
		certtest.New(t, "b.example", later).Write(t, dir)
		close(answers)
		f.Reload(t.Context())
		if f.served(t) != "b.example" || f.Status()[0].Fault != "" || reads.Load() != 2 {
			t.Errorf("after the disk answers: %s %+v, %d reads", f.served(t), f.Status(), reads.Load())
		}
	})
}

// TestEarly: a certificate that begins later takes no place of a good one before its time, and does so then by itself.
// At the start it is served, with a warning.
func TestEarly(t *testing.T) {
	t.Parallel()
	f, dir, log := open(t, certtest.New(t, "a.example", later))
	begins := time.Now().Add(time.Hour).Truncate(time.Second)
	next := certtest.NewFrom(t, "b.example", begins, later)
	next.Write(t, dir)
	for range 4 {
		f.look(t.Context(), false)
	}
	f.Reload(t.Context())
	status := f.Status()[0]
	if f.served(t) != "a.example" || !strings.Contains(status.Fault, "begins on "+begins.UTC().Format(time.RFC3339)) ||
		strings.Count(log.String(), "certificate.refused") != 2 {
		t.Errorf("%s %+v %s", f.served(t), status, log)
	}
	f.now = func() time.Time { return begins.Add(time.Second) }
	f.look(t.Context(), false)
	if f.served(t) != "b.example" || f.Status()[0].Fault != "" {
		t.Errorf("at its time: %s %+v", f.served(t), f.Status())
	}

	f, _, log = open(t, next)
	if f.served(t) != "b.example" || !strings.Contains(log.String(), "certificate.early") ||
		!f.Status()[0].NotBefore.Equal(begins) {
		t.Errorf("at the start: %s", log)
	}
}

// TestExposedKey: a key that every user can read is used, and said once in the log and in Status until that is mended.
func TestExposedKey(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes do not show who can read a file")
	}
	f, dir, log := open(t, certtest.New(t, "a.example", later))
	for mode, exposed := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o604: true} {
		log.Reset()
		if err := os.Chmod(dir+"/key.pem", mode); err != nil {
			t.Fatal(err)
		}
		f.look(t.Context(), false)
		f.look(t.Context(), false)
		lines := strings.Count(log.String(), "certificate.exposed")
		if status := f.Status()[0]; strings.Contains(status.Exposed, "key.pem (mode 06") != exposed ||
			status.Fault != "" || (lines == 1) != exposed {
			t.Errorf("%o: %+v %s", mode, status, log)
		}
	}
	if err := os.Chmod(dir+"/key.pem", 0o644); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	_, err := OpenFiles(t.Context(), dir+"/cert.pem", dir+"/key.pem", time.Now,
		slog.New(slog.NewTextHandler(log, nil)))
	if err != nil || !strings.Contains(log.String(), "certificate.exposed") {
		t.Errorf("at the start: %v %s", err, log)
	}
}
