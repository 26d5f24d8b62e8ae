package ingest

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Bounds on the log lines that requests cause, so that a flood of forgeries does not fill the disk of the log. Each
// level has bounds of its own: a flood of refusals does not hide a fault.
const (
	linesPerSecond       = 20 // about all sources together, after a burst of as many
	sourceLinesPerSecond = 1  // about one source, after a burst of sourceLinesBurst
	sourceLinesBurst     = 10
	summaryEvery         = 10 * time.Second // one line for each source with lines that were left out
	maxSummaries         = 20               // at a time; one more line counts those of all other sources
)

// A boundedLog writes log lines about requests within the bounds above, and counts the lines that it leaves out.
type boundedLog struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex // guards the fields below
	all     map[slog.Level]*bucket
	topics  map[topic]*lineCount
	timer   *time.Timer // runs summarize; nil if no line was left out since the last summary
	stopped bool
}

// A topic is what the lines of one bound are about.
type topic struct {
	sourceID string // "" is the requests at no source
	level    slog.Level
}

type lineCount struct {
	bucket
	source  string // its name
	leftOut int    // since the last summary
}

func newBoundedLog(log *slog.Logger, now func() time.Time) *boundedLog {
	return &boundedLog{log: log, now: now, all: map[slog.Level]*bucket{}, topics: map[topic]*lineCount{}}
}

// write writes a line about a request at a source, unless there were too many.
func (l *boundedLog) write(level slog.Level, msg, sourceID, source string, args ...any) {
	if !l.log.Enabled(context.Background(), level) || !l.admit(topic{sourceID, level}, source) {
		return
	}
	args = append([]any{"component", "ingest", "source_id", sourceID, "source", source}, args...)
	l.log.Log(context.Background(), level, msg, args...)
}

// admit reports whether one more line is written, and counts it otherwise. source is the name of the source.
func (l *boundedLog) admit(about topic, source string) bool {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	all, count := l.all[about.level], l.topics[about]
	if all == nil {
		all = &bucket{}
		l.all[about.level] = all
	}
	if count == nil {
		count = &lineCount{source: source}
		l.topics[about] = count
	}
	if count.take(now, sourceLinesPerSecond, sourceLinesBurst) && all.take(now, linesPerSecond, linesPerSecond) {
		return true
	}
	count.leftOut++
	if l.timer == nil && !l.stopped {
		l.timer = time.AfterFunc(summaryEvery, l.summarize)
	}
	return false
}

// summarize writes how many lines were left out about each source.
func (l *boundedLog) summarize() {
	l.mu.Lock()
	left := l.topics
	maps.DeleteFunc(left, func(_ topic, count *lineCount) bool { return count.leftOut == 0 })
	l.topics = map[topic]*lineCount{} // after summaryEvery the buckets are full again
	l.timer = nil
	l.mu.Unlock()

	most := slices.SortedFunc(maps.Keys(left), func(a, b topic) int {
		return cmp.Or(cmp.Compare(left[b].leftOut, left[a].leftOut), cmp.Compare(a.sourceID, b.sourceID),
			cmp.Compare(a.level, b.level))
	})
	others := map[slog.Level]int{}
	for i, about := range most {
		if i >= maxSummaries {
			others[about.level] += left[about].leftOut
			continue
		}
		l.log.Log(context.Background(), about.level, "request.unlogged", "component", "ingest", "source_id",
			about.sourceID, "source", left[about].source, "lines", left[about].leftOut, "meaning",
			"so many more lines about this source were left out; the metrics count all requests")
	}
	for level, lines := range others {
		l.log.Log(context.Background(), level, "request.unlogged", "component", "ingest", "lines", lines,
			"meaning", "so many more lines about other sources were left out; the metrics count all requests")
	}
}

// stop writes the last summary.
func (l *boundedLog) stop() {
	l.mu.Lock()
	l.stopped = true
	pending := l.timer != nil && l.timer.Stop()
	l.mu.Unlock()
	if pending {
		l.summarize()
	}
}
