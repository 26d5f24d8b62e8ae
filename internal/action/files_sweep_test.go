package action

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/blob"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestSweepFiles: files whose time is over are deleted with their bytes, however many there are, and others stay.
func TestSweepFiles(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t, func(o *FilesOptions) { o.Retention = time.Hour })
	for i := range 2*filesStep + 5 {
		r.keep(fmt.Sprintf("old/%d", i), "x")
	}
	abandoned := r.begin("abandoned")
	r.append(abandoned, "x")
	r.pass(30 * time.Minute)
	r.keep("young", "x")
	r.sweep(t.Context())
	if n := strings.Count(r.names(), "old/"); n != 2*filesStep+5 {
		t.Errorf("of the old ones %d are left before their time", n)
	}
	r.pass(30 * time.Minute)
	r.sweep(t.Context())
	if got := r.names(); got != "young partial" && got != "partial young" {
		t.Errorf("after an hour there are %s", got)
	}
	r.pass(24 * time.Hour)
	r.sweep(t.Context())
	if got := r.names(); got != "" {
		t.Errorf("after a day there are %s", got)
	}
	for reason, want := range map[string]float64{"expired": 2*filesStep + 6, "abandoned": 1, "asked": 0} {
		if got := testutil.ToFloat64(r.metrics.deleted.WithLabelValues(reason)); got != want {
			t.Errorf("deleted because %s: %v, want %v", reason, got, want)
		}
	}
}

// TestSweepGoesOn: a file that cannot be removed does not keep the others, and is tried again.
func TestSweepGoesOn(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t, func(o *FilesOptions) { o.Retention = time.Hour })
	r.keep("a", "x")
	r.keep("b", "x")
	r.pass(2 * time.Hour)
	left := 1
	r.restart(func(o *FilesOptions) {
		o.Storage = faulty{r.folder, &left, func() error { return fmt.Errorf("input/output error") }}
	})
	r.sweep(t.Context())
	if r.names() != "a" || strings.Count(r.logged.String(), "file.undeleted") != 1 {
		t.Errorf("there are %s; %s", r.names(), r.logged)
	}
	r.sweep(t.Context())
	if r.names() != "" {
		t.Errorf("there are %s", r.names())
	}
}

// TestInspect: at the start, files without their bytes are reported, bytes of partial files without a record are
// removed after a day, and bytes of others are counted and left alone.
func TestInspect(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t)
	good := r.keep("good", "1234")
	r.append(r.begin("partial"), "x")
	for _, name := range []string{"gone", "changed"} {
		r.keep(name, "1234")
	}
	old, young := filepath.Join(r.dir, ".partial", "fil_old"), filepath.Join(r.dir, ".partial", "fil_young")
	for path, text := range map[string]string{filepath.Join(r.dir, "changed"): "12345",
		filepath.Join(r.dir, "theirs"): "x",
		old:                            "x", young: "x"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(r.dir, "gone")); err != nil {
		t.Fatal(err)
	}
	longAgo := r.now().Add(-25 * time.Hour)
	justNow := r.now().Add(-time.Hour)
	for path, at := range map[string]time.Time{old: longAgo, young: justNow} {
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	r.logged.Reset()
	r.inspect(t.Context())
	log := r.logged.String()
	for want, n := range map[string]int{"file.damaged": 2, "file=gone": 1, "file=changed": 1,
		"5 bytes are there instead of 4": 1,
		"files.strange":                  1, "count=1 example=theirs": 1, "reason=unknown": 1, "file_id=fil_old": 1,
		"fil_young": 0,
		"good":      0} {
		if strings.Count(log, want) != n {
			t.Errorf("the log has %q %d times, want %d: %s", want, strings.Count(log, want), n, log)
		}
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("bytes without a record are left")
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("bytes that may be of another server are gone: %v", err)
	}
	for _, name := range []string{"gone", "changed"} {
		f, err := r.store.File(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.OpenWhole(t.Context(), f)
		r.refused("opened "+name, err, bellhop.CodeConflict, "not the bytes that were kept")
	}
	if body, err := r.OpenWhole(t.Context(), good); err != nil || body.Close() != nil {
		t.Error(err)
	}
	if got := testutil.ToFloat64(r.metrics.damaged); got != 4 {
		t.Errorf("%v were found damaged", got)
	}
}

// TestFileMetrics: the totals are those of the store.
func TestFileMetrics(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t)
	r.keep("a", "1234")
	r.append(r.begin("b"), "56")
	want := `# HELP bellhop_files Files that actions keep, by state (partial, whole).
# TYPE bellhop_files gauge
bellhop_files{state="partial"} 1
bellhop_files{state="whole"} 1
# HELP bellhop_files_bytes Durable bytes of the files that actions keep.
# TYPE bellhop_files_bytes gauge
bellhop_files_bytes 6
# HELP bellhop_files_written_bytes_total Bytes of files that were made durable.
# TYPE bellhop_files_written_bytes_total counter
bellhop_files_written_bytes_total 6
`
	err := testutil.GatherAndCompare(r.registry, strings.NewReader(want), "bellhop_files", "bellhop_files_bytes",
		"bellhop_files_written_bytes_total")
	if err != nil {
		t.Error(err)
	}
}

// noFiles is a store without files.
type noFiles struct{ FileStore }

func (noFiles) DoomFiles(context.Context, int) (int, error) { return 0, nil }
func (noFiles) DoomedFiles(context.Context, int64, int) ([]bellhop.FileRecord, int64, error) {
	return nil, 0, nil
}
func (noFiles) FilesAfter(context.Context, int64, int) ([]bellhop.FileRecord, int64, error) {
	return nil, 0, nil
}

// noBytes is a storage without bytes.
type noBytes struct{ blob.Storage }

func (noBytes) Walk(context.Context, func([]blob.Entry) error) error { return nil }

// TestRunEnds: Run ends with its context, whatever it waits for.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := NewFiles(FilesOptions{Store: noFiles{}, Storage: noBytes{}, Now: time.Now,
			Logger: slog.New(slog.DiscardHandler)})
		const after = 3*time.Hour + time.Second
		ctx, cancel := context.WithTimeout(t.Context(), after)
		defer cancel()
		begun := time.Now()
		if err := k.Run(ctx); err != nil || time.Since(begun) != after {
			t.Errorf("it ended after %v: %v", time.Since(begun), err)
		}
	})
}
