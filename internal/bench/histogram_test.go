package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantiles(t *testing.T) {
	if got := new(histogram).quantile(.5); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
	var exact histogram
	for i := range 100 {
		exact.add(time.Duration(i+1) * time.Microsecond)
	}
	for q, want := range map[float64]int{0: 1, .01: 1, .5: 50, .501: 51, .99: 99, 1: 100} {
		if got := exact.quantile(q); got != time.Duration(want)*time.Microsecond {
			t.Errorf("%v: %s, not %dµs", q, got, want)
		}
	}
}

// TestQuantilesAreClose compares with the sorted durations, from microseconds to hours.
func TestQuantilesAreClose(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []time.Duration
	for range 10_000 {
		d := time.Duration(math.Exp(random.Float64()*23)) * time.Microsecond
		all = append(all, d)
		h.add(d)
	}
	slices.Sort(all)
	for _, q := range []float64{.01, .25, .5, .9, .99, .999, 1} {
		want := all[int(math.Ceil(q*float64(len(all))))-1]
		if got := h.quantile(q); math.Abs(float64(got-want)) > float64(want)/128 {
			t.Errorf("%v: %s, not %s", q, got, want)
		}
	}
}

func TestBuckets(t *testing.T) {
	for b := range bucketCount {
		if got := bucketOf(middleOf(b).Microseconds()); got != b {
			t.Fatalf("the middle of bucket %d is in bucket %d", b, got)
		}
	}
	if first, last := bucketOf(-5), bucketOf(math.MaxInt64); first != 0 || last != bucketCount-1 {
		t.Error(first, last)
	}
}
