package bellhop

import "time"

// A SeriesStep is a length of the spans in which is counted what happens, and how long their counts are kept.
type SeriesStep struct{ Length, Kept time.Duration }

// SeriesSteps are the steps, the shortest first. Each longer one is a whole multiple of the shorter ones. Days are in
// no series: the sums of a month are made of them.
var SeriesSteps = [...]SeriesStep{
	{time.Minute, 3 * time.Hour}, {10 * time.Minute, 48 * time.Hour}, {time.Hour, 30 * 24 * time.Hour},
	{24 * time.Hour, 31 * 24 * time.Hour},
}

// Bounds of a series.
const (
	MinSeries = time.Minute
	MaxSeries = 30 * 24 * time.Hour
	// MaxSeriesNouns is how many sources, and how many destinations, are counted one by one in a minute. Further ones
	// are in the total alone.
	MaxSeriesNouns = 1000
)

// StepOf returns the shortest step whose counts are kept for a period.
func StepOf(period time.Duration) time.Duration {
	for _, step := range SeriesSteps {
		if period <= step.Kept {
			return step.Length
		}
	}
	return SeriesSteps[len(SeriesSteps)-1].Length
}

// A SeriesQuery asks for the counts of a period. Zero fields do not narrow it.
type SeriesQuery struct {
	Step         time.Duration // one of SeriesSteps
	Since, Until time.Time     // Since is the beginning of a span
	Tenant       string        // of the sources and destinations, or of the events of a source that has none
	// With only one of these, nothing is counted on the other side.
	SourceIDs, DestinationIDs []string
}

// Counts are how often something happened.
type Counts struct {
	Accepted  int64 // events that were stored; a repeat is none
	Refused   int64 // requests that were refused
	Delivered int64 // deliveries that a receiver took
	Failed    int64 // attempts that failed
}

// A Span is a length of time with its counts.
type Span struct {
	At time.Time // the beginning
	Counts
}

// NounCounts are the counts of one source or destination in the whole of a period.
type NounCounts struct {
	ID, Name string
	Counts
}

// A Series is how much happened in each span of a period.
type Series struct {
	Spans        []Span       // each of the period, in order, with zeros where nothing happened
	Sources      []NounCounts // those with the most events and refused requests first
	Destinations []NounCounts // those with the most deliveries and failed attempts first
}
