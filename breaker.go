package bellhop

import "time"

// A Breaker says when a destination that keeps failing is held back, so that its deliveries do not use up their schedules, and
// when it is given up. Held back, it gets one attempt at a time, further and further apart, until one succeeds.
type Breaker struct {
	Failures     int           `json:"failures"`      // attempts in a row that failed, after which it is held back; 0 never holds back
	For          time.Duration `json:"for"`           // for which it has to fail as well, if it answers; where nobody does, it is held back at once
	DisableAfter time.Duration `json:"disable_after"` // of failing without a single success; 0 never disables
}

// DefaultBreaker is the breaker of a destination that does not say.
var DefaultBreaker = Breaker{Failures: 16, For: 10 * time.Second, DisableAfter: 5 * 24 * time.Hour}

// Bounds of a breaker.
const (
	MaxBreakerFailures = 10_000
	MaxBreakerFor      = time.Hour
	MinDisableAfter    = time.Minute
	MaxDisableAfter    = 90 * 24 * time.Hour
)

// Check reports as a [CodeInvalid] error what of b cannot be.
func (b Breaker) Check() error {
	var errs [3]error
	if b.Failures < 0 || b.Failures > MaxBreakerFailures {
		errs[0] = Invalid("failures", "use a whole number up to 10000; 0 never holds the destination back")
	}
	if d := b.DisableAfter; d != 0 && (d < MinDisableAfter || d > MaxDisableAfter) {
		errs[1] = Invalid("disable_after", `use a length of time from "1m" to "2160h" (90 days), or "0s" for never`)
	} else if d != 0 && b.Failures == 0 {
		errs[1] = Invalid("disable_after", `needs failures, after which the destination counts as failing; or use "0s"`)
	}
	if b.For < 0 || b.For > MaxBreakerFor {
		errs[2] = Invalid("for", `use a length of time up to "1h"; "0s" goes by failures alone`)
	}
	return Join("", errs[:]...)
}
