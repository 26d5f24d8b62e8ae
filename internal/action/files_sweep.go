package action

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/blob"
	"github.com/prometheus/client_golang/prometheus"
)

// This file settles what a crash, or somebody else, has left between the records and the bytes of files, and deletes
// the files whose time is over. It goes in steps, so that it holds up nothing else.

const (
	filesEvery = time.Minute
	filesStep  = 100
	filesPause = 5 * time.Millisecond // between two steps
)

// Run deletes doomed files at once and then each minute, and compares records and bytes once, until ctx ends.
func (k *Files) Run(ctx context.Context) error {
	var both sync.WaitGroup
	both.Go(func() { k.inspect(ctx) })
	both.Go(func() {
		for k.sweep(ctx); pause(ctx, filesEvery); {
			k.sweep(ctx)
		}
	})
	both.Wait()
	return nil
}

// pause waits for d. It reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// sweep dooms the files whose time is over, and removes the doomed ones.
func (k *Files) sweep(ctx context.Context) {
	for {
		n, err := k.o.Store.DoomFiles(ctx, filesStep)
		if err != nil && ctx.Err() == nil {
			k.log.Warn("files.sweep.failed", "error", err)
		}
		if err != nil || n == 0 {
			break
		}
		if !pause(ctx, filesPause) {
			return
		}
	}
	for after := int64(0); ; {
		list, last, err := k.o.Store.DoomedFiles(ctx, after, filesStep)
		if err != nil && ctx.Err() == nil {
			k.log.Warn("files.sweep.failed", "error", err)
		}
		if err != nil || len(list) == 0 {
			return
		}
		for _, rec := range list {
			err := k.removeClaimed(ctx, rec)
			if err != nil && ctx.Err() == nil {
				k.logUndeleted(rec, err)
			}
			if errors.Is(err, blob.ErrUnreachable) || ctx.Err() != nil { // the others would fail as well
				return
			}
		}
		after = last
		if !pause(ctx, filesPause) {
			return
		}
	}
}

// removeDoomed removes the bytes of a doomed file, and then its record.
func (k *Files) removeDoomed(ctx context.Context, rec bellhop.FileRecord) error {
	if err := k.o.Storage.Remove(ctx, bytesOf(rec)); err != nil {
		return err
	}
	if err := k.o.Store.DeleteFile(ctx, rec.ID); err != nil {
		return err
	}
	k.metrics.deleted.WithLabelValues(string(rec.Doom)).Inc()
	k.log.Info("file.deleted", append(fileArgs(rec.File), "bytes", rec.Size, "reason", string(rec.Doom))...)
	return nil
}

func (k *Files) logUndeleted(rec bellhop.FileRecord, err error) {
	k.log.Warn("file.undeleted", append(fileArgs(rec.File), "error", err,
		"meaning", "the file is deleted, but its bytes are still there; their removal is tried again each minute")...)
}

// inspect compares the records with the bytes, and the bytes with the records.
func (k *Files) inspect(ctx context.Context) {
	err := k.inspectRecords(ctx)
	if err == nil {
		err = k.inspectBytes(ctx)
	}
	if err != nil && ctx.Err() == nil {
		k.log.Warn("files.inspect.failed", "error", err,
			"meaning", "whether all files have their bytes is not known; the next start looks again")
	}
}

// inspectRecords reports the whole files that do not have the bytes that were kept. A partial one is found out when it
// is written again.
func (k *Files) inspectRecords(ctx context.Context) error {
	for after := int64(0); ; {
		list, last, err := k.o.Store.FilesAfter(ctx, after, filesStep)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, rec := range list {
			if rec.State != bellhop.FileWhole {
				continue
			}
			err := k.o.Storage.Verify(ctx, bytesOf(rec))
			if errors.Is(err, blob.ErrLost) {
				k.damagedUnlessDeleted(ctx, rec, err)
			} else if err != nil {
				return err
			}
		}
		after = last
		if !pause(ctx, filesPause) {
			return ctx.Err()
		}
	}
}

// damagedUnlessDeleted reports a whole file without its bytes, unless it was deleted meanwhile.
func (k *Files) damagedUnlessDeleted(ctx context.Context, rec bellhop.FileRecord, lost error) {
	_, err := k.o.Store.FileRecord(ctx, rec.ID)
	if err == nil {
		k.reportDamage(rec.File, lost)
	}
}

// inspectBytes removes the bytes of partial files that have no record: the store was replaced by an older copy of
// itself. Those of the last day are left, because they may be of another server. Everything else without a record is
// left alone and counted, because it may be anybody's.
func (k *Files) inspectBytes(ctx context.Context) error {
	strange, example := 0, ""
	err := k.o.Storage.Walk(ctx, func(entries []blob.Entry) error {
		names := make([]string, len(entries))
		for i, e := range entries {
			names[i] = e.Name + e.ID
		}
		known, err := k.o.Store.KnownFiles(ctx, names)
		if err != nil {
			return err
		}
		for i, e := range entries {
			switch {
			case known[names[i]]:
			case e.ID == "":
				strange, example = strange+1, e.Name
			case k.o.Now().Sub(e.ModifiedAt) > bellhop.FileAbandonedAfter:
				if err := k.o.Storage.Remove(ctx, blob.File{ID: e.ID}); err != nil {
					return err
				}
				k.log.Info("file.deleted", "file_id", e.ID, "reason", "unknown")
				k.metrics.deleted.WithLabelValues("unknown").Inc()
			}
		}
		if !pause(ctx, filesPause) {
			return ctx.Err()
		}
		return nil
	})
	if strange > 0 {
		k.log.Warn("files.strange", "count", strange, "example", example, "storage", k.o.Storage.String(),
			"meaning", "there are bytes that are of no file; they are left alone")
	}
	return err
}

// fileMetrics are the metrics of files. The totals are read from the store when they are asked for.
type fileMetrics struct {
	written prometheus.Counter
	deleted *prometheus.CounterVec
	damaged prometheus.Counter
	totals  func(ctx context.Context) (bellhop.FileTotals, error)
	now     func() time.Time

	mu     sync.Mutex // guards the fields below, and makes simultaneous scrapes read once
	last   bellhop.FileTotals
	readAt time.Time
}

var (
	fileCounts = prometheus.NewDesc("bellhop_files", "Files that actions keep, by state (partial, whole).",
		[]string{"state"}, nil)
	fileBytes = prometheus.NewDesc("bellhop_files_bytes", "Durable bytes of the files that actions keep.", nil, nil)
)

func newFileMetrics(to prometheus.Registerer, totals func(ctx context.Context) (bellhop.FileTotals, error),
	now func() time.Time) *fileMetrics {
	m := &fileMetrics{totals: totals, now: now,
		written: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_files_written_bytes_total",
			Help: "Bytes of files that were made durable."}),
		deleted: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_files_deleted_total",
			Help: "Files that were deleted, by reason (asked, expired, event, abandoned, unknown)."},
			[]string{"reason"}),
		damaged: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_files_damaged_total",
			Help: "Files found without the bytes that were kept."}),
	}
	if to != nil {
		to.MustRegister(m.written, m.deleted, m.damaged, m)
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *fileMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- fileCounts
	to <- fileBytes
}

// Bounds of reading the totals: those that were read more recently are used again.
const (
	totalsAge     = 2 * time.Second
	totalsTimeout = 10 * time.Second
)

// Collect implements prometheus.Collector. If the store cannot be read, it reports that in place of the metrics.
func (m *fileMetrics) Collect(to chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	age := m.now().Sub(m.readAt)
	if m.readAt.IsZero() || age < 0 || age >= totalsAge {
		ctx, cancel := context.WithTimeout(context.Background(), totalsTimeout)
		defer cancel()
		t, err := m.totals(ctx)
		if err != nil {
			to <- prometheus.NewInvalidMetric(fileCounts, err)
			return
		}
		m.last, m.readAt = t, m.now()
	}
	for state, n := range map[bellhop.FileState]int64{bellhop.FilePartial: m.last.Partial,
		bellhop.FileWhole: m.last.Whole} {
		to <- prometheus.MustNewConstMetric(fileCounts, prometheus.GaugeValue, float64(n), string(state))
	}
	to <- prometheus.MustNewConstMetric(fileBytes, prometheus.GaugeValue, float64(m.last.Bytes))
}
