package bench

import (
	"fmt"
	"slices"
)

// A Report is what all runs came to.
type Report struct {
	Options Options   `json:"options"`
	Machine string    `json:"machine"`
	Folder  Folder    `json:"folder"`
	Sides   [2]string `json:"sides"`
	Runs    []Result  `json:"runs"` // of the sides in turn

	Medians [2]Figures `json:"medians"` // of the sides
	Ratio   Figures    `json:"ratio"`   // second side to first: of each figure the median of the ratios of neighbouring runs
}

// summarize fills in medians and ratios.
func (r *Report) summarize() {
	for i := range r.Ratio.each() {
		var first, second, ratio []float64
		for j := 0; j+1 < len(r.Runs); j += 2 {
			a, b := *r.Runs[j].each()[i], *r.Runs[j+1].each()[i]
			first, second = append(first, a), append(second, b)
			if a > 0 {
				ratio = append(ratio, b/a)
			}
		}
		*r.Medians[0].each()[i], *r.Medians[1].each()[i], *r.Ratio.each()[i] = median(first), median(second), median(ratio)
	}
}

// median of none is 0.
func median(of []float64) float64 {
	if len(of) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(of))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// Err is an error if anything that was accepted got lost. Where Bellhop is compared with itself nothing goes wrong that
// would have it deliver twice, so that is one too.
func (r *Report) Err() error {
	if n, runs := r.count(func(one Result) int64 { return one.Lost }); n > 0 {
		return fmt.Errorf("%s deliveries of accepted events never arrived, in %d of %d runs", thousands(int(n)), runs, len(r.Runs))
	}
	if n, runs := r.count(func(one Result) int64 { return one.Duplicates + one.Unwanted }); n > 0 && r.Options.Against != relayComparison.name {
		return fmt.Errorf("%s deliveries arrived twice or where nobody wanted them, in %d of %d runs", thousands(int(n)), runs, len(r.Runs))
	}
	return nil
}

// count adds up what of counts in each run, and says in how many runs there is any.
func (r *Report) count(of func(Result) int64) (total int64, runs int) {
	for _, run := range r.Runs {
		if n := of(run); n > 0 {
			total += n
			runs++
		}
	}
	return total, runs
}
