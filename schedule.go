package bellhop

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Schedule says how long to wait before each retry: its first entry is the wait after the first attempt
// failed. When it is used up, the delivery is dead. The zero Schedule never retries.
//
// As JSON it is a list of durations (["5s","5m"]), the name of a preset, or a text: "5s 5m 30m", "fixed 5m × 5".
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
	// ScheduleNone never retries.
	ScheduleNone = Schedule{}
)

// SchedulePresets are the schedules that have a name.
var SchedulePresets = map[string]Schedule{
	"default": ScheduleDefault, "sharepoint": ScheduleSharePoint, "eventgrid": ScheduleEventGrid, "none": ScheduleNone,
}

// Bounds of a schedule.
const (
	MaxScheduleLength = 100
	MaxScheduleWait   = 7 * 24 * time.Hour
	// Jitter is by how much a wait may differ from its entry, either way.
	Jitter = 0.1
)

// Wait returns how long to wait after attempt number n (from 1) failed, and false when n was the last.
// random is in [0, 1) and places the wait within ±[Jitter] of its entry.
func (s Schedule) Wait(n int, random float64) (time.Duration, bool) {
	if n < 1 || n > len(s) {
		return 0, false
	}
	wait := float64(s[n-1])
	return time.Duration(wait + wait*Jitter*(2*random-1)), true
}

// ParseSchedule builds a schedule from durations such as "30s" or "2h".
func ParseSchedule(waits []string) (Schedule, error) {
	if len(waits) > MaxScheduleLength {
		return nil, Invalid("", fmt.Sprintf("has %d entries; at most %d", len(waits), MaxScheduleLength))
	}
	s := make(Schedule, len(waits))
	for i, text := range waits {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > MaxScheduleWait {
			return nil, Invalid(fmt.Sprintf("[%d]", i), `use a length of time such as "30s", "5m" or "2h", at most 168h`)
		}
		s[i] = d
	}
	return s, nil
}

// UnmarshalJSON reads a list of durations or the name of a preset.
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
		return Invalid("", `use a list of durations such as ["5s","5m"], or default, sharepoint, eventgrid or none`)
	}
	parsed, err := ParseSchedule(waits)
	if err == nil {
		*s = parsed
	}
	return err
}

// parseScheduleText reads the name of a preset, "fixed 5m × 5", or durations side by side: "5s 5m 30m".
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
	return nil, Invalid("", `no such preset; use default, sharepoint, eventgrid, none, "fixed 5m × 5", or a list of durations such as ["5s","5m"]`)
}

// MarshalJSON writes the list of durations.
func (s Schedule) MarshalJSON() ([]byte, error) {
	waits := make([]string, len(s))
	for i, d := range s {
		waits[i] = d.String()
	}
	return json.Marshal(waits)
}
