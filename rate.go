package bellhop

import "math"

// A Rate bounds how often something happens. The zero Rate bounds nothing.
type Rate struct {
	PerSecond float64 `json:"per_second"`
	Burst     int     `json:"burst"` // how many at once after a rest, at least 1
}

// Bounds of a rate.
const (
	MinRate  = 1.0 / (60 * 60) // one an hour
	MaxRate  = 100_000
	MaxBurst = 100_000
)

// Check reports as a [CodeInvalid] error what of r cannot be.
func (r Rate) Check() error {
	var errs [2]error
	if r.PerSecond < MinRate || r.PerSecond > MaxRate || math.IsNaN(r.PerSecond) {
		errs[0] = Invalid("per_second", "use a number from 0.0003 (one an hour) to 100000")
	}
	if r.Burst < 1 || r.Burst > MaxBurst {
		errs[1] = Invalid("burst", "use a whole number from 1 to 100000")
	}
	return Join("", errs[:]...)
}

// IsZero reports whether r bounds nothing.
func (r Rate) IsZero() bool { return r.PerSecond == 0 }

// PerSecond returns the rate of n a second, with what goes out in one second as its burst, at least 1. 0 is no bound.
func PerSecond(n float64) Rate {
	if n <= 0 {
		return Rate{}
	}
	return Rate{PerSecond: n, Burst: max(1, int(min(n, MaxBurst)))}
}

// Min returns the rate that keeps to both.
func (r Rate) Min(other Rate) Rate {
	switch {
	case r.IsZero():
		return other
	case other.IsZero():
		return r
	}
	return Rate{PerSecond: min(r.PerSecond, other.PerSecond), Burst: min(r.Burst, other.Burst)}
}
