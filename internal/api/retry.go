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
	Schedule Schedule `json:"schedule,omitempty" doc:"The waits before each retry (30s, 5m, 2h) or a preset: default, sharepoint, eventgrid, none"`
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

// schedule reads r. None is the preset of that name; "" is the default one.
func (r Retry) schedule(preset string) (bellhop.Schedule, error) {
	if len(r.Schedule) == 0 || string(r.Schedule) == "null" {
		return bellhop.SchedulePresets[cmp.Or(preset, "default")], nil
	}
	var waits bellhop.Schedule
	err := waits.UnmarshalJSON(r.Schedule)
	return waits, bellhop.Join("retry.schedule", err)
}

// retryOf shows waits: by name, where it is a preset.
func retryOf(waits bellhop.Schedule) Retry {
	var shown any = shortDurations(waits)
	for name, preset := range bellhop.SchedulePresets {
		if slices.Equal(preset, waits) {
			shown = name
		}
	}
	raw, _ := json.Marshal(shown) // a text or a list of them
	return Retry{raw}
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
