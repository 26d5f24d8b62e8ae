package bellhop

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// A Retry says what becomes of a delivery whose attempt did not succeed.
type Retry struct {
	Schedule Schedule      `json:"schedule"`
	MaxAge   time.Duration `json:"max_age,omitempty"` // of a delivery that is attempted again; 0 is any
	Outcomes Outcomes      `json:"outcomes,omitempty"`
}

// MaxRetryAge bounds Retry.MaxAge.
const MaxRetryAge = 90 * 24 * time.Hour

// Outcomes adjust what an answer means to a destination. A key is a status ("404"), a hundred of them ("4xx"), or the code of
// an error without an answer ("timeout", "tls"); a status of its own comes before its hundred.
type Outcomes map[string]Outcome

// An Outcome is what an attempt makes of its delivery.
type Outcome string

// The outcomes.
const (
	OutcomeDelivered Outcome = "delivered" // taken
	OutcomeRetry     Outcome = "retry"     // tried again by the schedule
	OutcomeDead      Outcome = "dead"      // given up at once; others go on
	OutcomeDisable   Outcome = "disable"   // given up, and the destination is disabled
)

// MaxOutcomes bounds Outcomes.
const MaxOutcomes = 100

// OfStatus returns what status means, if o says.
func (o Outcomes) OfStatus(status int) (Outcome, bool) {
	if len(o) == 0 {
		return "", false
	}
	if own, ok := o[strconv.Itoa(status)]; ok {
		return own, true
	}
	hundred, ok := o[strconv.Itoa(status/100)+"xx"]
	return hundred, ok
}

// OfError returns what an attempt that got no answer means, if o says.
func (o Outcomes) OfError(code string) (Outcome, bool) {
	own, ok := o[code]
	return own, ok
}

// Check reports as a [CodeInvalid] error what of r cannot be. codes are those of errors that there are.
func (r Retry) Check(codes []string) error {
	var errs []error
	if r.MaxAge < 0 || r.MaxAge > MaxRetryAge {
		errs = append(errs, Invalid("max_age", `use a length of time up to "2160h" (90 days), or "0s" for any`))
	}
	return Join("", append(errs, Join("outcomes", r.Outcomes.check(codes)))...)
}

func (o Outcomes) check(codes []string) error {
	var errs []error
	if len(o) > MaxOutcomes {
		errs = append(errs, Invalid("", fmt.Sprintf("at most %d entries", MaxOutcomes)))
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if !isStatus(key) && !slices.Contains(codes, key) {
			errs = append(errs, Invalid(key, `use a status such as "404", a hundred of them such as "4xx", or the code of an error: `+fmt.Sprint(codes)))
		}
		switch o[key] {
		case OutcomeRetry, OutcomeDead, OutcomeDisable:
		case OutcomeDelivered:
			if slices.Contains(codes, key) {
				errs = append(errs, Invalid(key, "what got no answer was not delivered; use retry, dead or disable"))
			}
		default:
			errs = append(errs, Invalid(key, "use delivered, retry, dead or disable"))
		}
	}
	return Join("", errs...)
}

// isStatus reports whether key is a status that ends an exchange, or a hundred of them.
func isStatus(key string) bool {
	if len(key) != 3 || key[0] < '2' || key[0] > '5' {
		return false
	}
	if key[1:] == "xx" {
		return true
	}
	_, err := strconv.ParseUint(key, 10, 16)
	return err == nil
}
