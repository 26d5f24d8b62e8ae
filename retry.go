package bellhop

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Retry says what happens to a delivery after an attempt that did not succeed.
type Retry struct {
	Schedule Schedule      `json:"schedule"`
	MaxAge   time.Duration `json:"max_age,omitempty"` // age of the delivery up to which it is retried; 0 is no limit
	Outcomes Outcomes      `json:"outcomes,omitempty"`
}

// MaxRetryAge bounds Retry.MaxAge.
const MaxRetryAge = 90 * 24 * time.Hour

// Outcomes override the outcome of attempts. A key is a status ("404"), a class of statuses ("4xx"), or the code of
// an error that is no answer ("timeout", "tls"). A status takes precedence over its class.
type Outcomes map[string]Outcome

// An Outcome is the effect of an attempt on its delivery.
type Outcome string

// The outcomes.
const (
	OutcomeDelivered Outcome = "delivered" // the receiver took it
	OutcomeRetry     Outcome = "retry"     // the schedule says when to try again
	OutcomeDead      Outcome = "dead"      // given up at once; other deliveries are not affected
	OutcomeDisable   Outcome = "disable"   // given up, and the destination is disabled
)

// MaxOutcomes bounds Outcomes.
const MaxOutcomes = 100

// OfStatus returns the outcome that o sets for a status, if it sets one.
func (o Outcomes) OfStatus(status int) (Outcome, bool) {
	if len(o) == 0 {
		return "", false
	}
	if own, ok := o[strconv.Itoa(status)]; ok {
		return own, true
	}
	class, ok := o[strconv.Itoa(status/100)+"xx"]
	return class, ok
}

// OfError returns the outcome that o sets for the code of an error, if it sets one.
func (o Outcomes) OfError(code string) (Outcome, bool) {
	own, ok := o[code]
	return own, ok
}

// Check returns a [CodeInvalid] error that names each field of r that cannot be accepted. codes lists the codes of
// errors.
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
			errs = append(errs, Invalid(key,
				`use a status such as "404", a class of statuses such as "4xx", or the code of an error: `+
					strings.Join(codes,
						", ")))
		}
		switch o[key] {
		case OutcomeRetry, OutcomeDead, OutcomeDisable:
		case OutcomeDelivered:
			if slices.Contains(codes, key) {
				errs = append(errs, Invalid(key, "an attempt without an answer is not delivered; use "+
					"retry, dead or disable"))
			}
		default:
			errs = append(errs, Invalid(key, "use delivered, retry, dead or disable"))
		}
	}
	return Join("", errs...)
}

// isStatus reports whether key is a final status ("200" to "599") or a class of them.
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

// A Schedule lists how long to wait before each retry: its first entry is the wait after the first failed attempt. A
// delivery that has used it up is dead. The zero Schedule never retries.
//
// In JSON it is a list of durations (["5s","5m"]), the name of a preset, or a text: "5s 5m 30m", "fixed 5m × 5".
type Schedule []time.Duration

// The presets.
var (
	// ScheduleDefault is ten attempts within 75 h 35 min 5 s, the schedule that Standard Webhooks suggests.
	ScheduleDefault = Schedule{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
	// ScheduleSharePoint is SharePoint's: five more attempts, five minutes apart.
	ScheduleSharePoint = Schedule{5 * time.Minute, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute}
	// ScheduleEventGrid is Event Grid's: ten retries within 22 h 46 min 40 s.
	ScheduleEventGrid = Schedule{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute,
		30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour}
	// ScheduleDay is for what a system deletes after a day: five retries in the first 18 minutes, and then one each
	// hour, for 26 h.
	ScheduleDay = append(Schedule{10 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute,
		10 * time.Minute}, slices.Repeat(Schedule{time.Hour}, 26)...)
	// ScheduleNone never retries.
	ScheduleNone = Schedule{}
)

// SchedulePresets are the schedules by name.
var SchedulePresets = map[string]Schedule{
	"default": ScheduleDefault, "sharepoint": ScheduleSharePoint, "eventgrid": ScheduleEventGrid, "day": ScheduleDay,
	"none": ScheduleNone,
}

// Bounds of a schedule.
const (
	MaxScheduleLength = 100
	MaxScheduleWait   = 7 * 24 * time.Hour
	// MaxWait is the longest time for which a delivery waits for its next attempt: that of a schedule, with its
	// Jitter. A Retry-After of more than a day counts as a day.
	MaxWait = MaxScheduleWait + MaxScheduleWait/10
	// Jitter is the fraction by which a wait may be shorter or longer than its entry.
	Jitter = 0.1
)

// Wait returns how long to wait after attempt number n (from 1) failed, and false if no retry follows.
// random, in [0, 1), chooses the wait within ±[Jitter] of its entry.
func (s Schedule) Wait(n int, random float64) (time.Duration, bool) {
	if n < 1 || n > len(s) {
		return 0, false
	}
	wait := float64(s[n-1])
	return time.Duration(wait + wait*Jitter*(2*random-1)), true
}

// ParseSchedule parses a list of durations such as "30s" or "2h".
func ParseSchedule(waits []string) (Schedule, error) {
	if len(waits) > MaxScheduleLength {
		return nil, Invalid("", fmt.Sprintf("has %d entries; at most %d", len(waits), MaxScheduleLength))
	}
	s := make(Schedule, len(waits))
	for i, text := range waits {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > MaxScheduleWait {
			return nil,
				Invalid(fmt.Sprintf("[%d]", i), `use a length of time such as "30s", "5m" or "2h", at most 168h`)
		}
		s[i] = d
	}
	return s, nil
}

// UnmarshalJSON accepts each of the forms of a Schedule.
func (s *Schedule) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		parsed, err := parseScheduleText(text)
		if err == nil {
			*s = parsed
		}
		return err
	}
	var waits []string
	if err := json.Unmarshal(b, &waits); err != nil {
		return Invalid("",
			`use a list of durations such as ["5s","5m"], or default, sharepoint, eventgrid, day or none`)
	}
	parsed, err := ParseSchedule(waits)
	if err == nil {
		*s = parsed
	}
	return err
}

// parseScheduleText parses the name of a preset, "fixed 5m × 5", or a list of durations: "5s 5m 30m".
func parseScheduleText(text string) (Schedule, error) {
	if preset, ok := SchedulePresets[text]; ok {
		return preset, nil
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	if len(words) == 4 && words[0] == "fixed" && (words[2] == "×" || words[2] == "x") {
		if n, err := strconv.Atoi(words[3]); err == nil && n >= 0 && n <= MaxScheduleLength {
			return ParseSchedule(slices.Repeat([]string{words[1]}, n))
		}
	}
	if parsed, err := ParseSchedule(words); err == nil && len(parsed) > 0 {
		return parsed, nil
	}
	return nil, Invalid("", `unknown preset; use default, sharepoint, eventgrid, day, none, "fixed 5m × 5", `+
		`or a list of durations such as ["5s","5m"]`)
}

// MarshalJSON returns the list of durations.
func (s Schedule) MarshalJSON() ([]byte, error) {
	waits := make([]string, len(s))
	for i, d := range s {
		waits[i] = d.String()
	}
	return json.Marshal(waits)
}
