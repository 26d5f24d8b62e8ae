package api

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/danielgtaylor/huma/v2"
)

// A Retry says when a failed delivery is tried again.
type Retry struct {
	Schedule Schedule           `json:"schedule,omitempty" doc:"The waits before each retry (30s, 5m, 2h) or a preset: default, sharepoint, eventgrid, none"`
	MaxAge   string             `json:"max_age,omitempty" example:"24h" doc:"Of a delivery that is tried again, counted from its event, or from when it was replayed; any if not given"`
	Outcomes map[string]Outcome `json:"outcomes,omitempty" doc:"What an answer means here: by status (404), a hundred of them (4xx) or error (timeout): delivered, retry, dead or disable"`
}

// An Outcome is what an attempt makes of its delivery.
type Outcome string

// Schema describes o; in a PATCH, null takes an entry away.
func (Outcome) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: true, Description: "delivered, retry, dead or disable"}
}

// A Schedule is a list of durations, or the name of a preset, as it was written.
type Schedule json.RawMessage

// MarshalJSON writes s.
func (s Schedule) MarshalJSON() ([]byte, error) { return s, nil }

// UnmarshalJSON keeps b, which is read later, so that its errors can have a path.
func (s *Schedule) UnmarshalJSON(b []byte) error {
	*s = slices.Clone(b)
	return nil
}

// Schema describes s.
func (Schedule) Schema(huma.Registry) *huma.Schema {
	text := map[string]any{"type": "string"}
	return &huma.Schema{
		Extensions: map[string]any{"oneOf": []any{text, map[string]any{"type": "array", "items": text, "maxItems": bellhop.MaxScheduleLength}}},
		Examples:   []any{"default", []string{"5s", "5m", "30m"}},
	}
}

// retry reads r. No schedule is the preset of that name; "" is the default one.
func (r Retry) retry(preset string) (bellhop.Retry, error) {
	retry := bellhop.Retry{Schedule: bellhop.SchedulePresets[cmp.Or(preset, "default")]}
	var errs [2]error
	if len(r.Schedule) > 0 && string(r.Schedule) != "null" {
		retry.Schedule = nil
		errs[0] = bellhop.Join("schedule", retry.Schedule.UnmarshalJSON(r.Schedule))
	}
	retry.MaxAge, errs[1] = parseDuration("max_age", r.MaxAge, 0)
	for key, outcome := range r.Outcomes {
		if retry.Outcomes == nil {
			retry.Outcomes = bellhop.Outcomes{}
		}
		retry.Outcomes[key] = bellhop.Outcome(outcome)
	}
	return retry, bellhop.Join("retry", errs[:]...)
}

// retryOf shows retry, its schedule by name, where it is a preset.
func retryOf(retry bellhop.Retry) Retry {
	var shown any = shortDurations(retry.Schedule)
	for name, preset := range bellhop.SchedulePresets {
		if slices.Equal(preset, retry.Schedule) {
			shown = name
		}
	}
	of := Retry{}
	of.Schedule, _ = json.Marshal(shown) // a text or a list of them
	if retry.MaxAge != 0 {
		of.MaxAge = duration(retry.MaxAge)
	}
	for key, outcome := range retry.Outcomes {
		if of.Outcomes == nil {
			of.Outcomes = map[string]Outcome{}
		}
		of.Outcomes[key] = Outcome(outcome)
	}
	return of
}

func shortDurations(waits bellhop.Schedule) []string {
	texts := make([]string, len(waits))
	for i, wait := range waits {
		texts[i] = duration(wait)
	}
	return texts
}

// parseTimeout reads a timeout within its bounds. None is the default.
func parseTimeout(text string) (time.Duration, error) {
	if text == "" {
		return bellhop.DefaultTimeout, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < bellhop.MinTimeout || d > bellhop.MaxTimeout {
		return 0, bellhop.Invalid("timeout", `use a length of time from 10ms to 5m, such as "5s"`)
	}
	return d, nil
}

// parseDuration reads a length of time, whose bounds others check. None is standard.
func parseDuration(path, text string, standard time.Duration) (time.Duration, error) {
	if text == "" {
		return standard, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, bellhop.Invalid(path, `use a length of time such as "90s", "30m" or "24h"`)
	}
	return d, nil
}

// duration writes d as people do: 5m, not 5m0s.
func duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
