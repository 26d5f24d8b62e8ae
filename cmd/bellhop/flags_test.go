package main

import (
	"testing"
	"time"
)

func TestSince(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-11-22T09:30:00Z":          "2026-11-22T09:30:00Z",
		"2026-11-22T09:30:00.5+01:00":   "2026-11-22T08:30:00.5Z",
		"90m":                           "2026-11-22T08:30:00Z",
		"0s":                            "2026-11-22T10:00:00Z",
		"1h30m":                         "2026-11-22T08:30:00Z",
		"3d":                            "2026-11-19T10:00:00Z",
		"-1h":                           "",
		"-1d":                           "",
		"yesterday":                     "",
		"":                              "",
		"d":                             "",
		"99999999d":                     "",
		"2026-11-22":                    "",
		"9999999999999999999999999999h": "",
	} {
		got, err := parseSince(text, now)
		if (err == nil) != (want != "") || err == nil && got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q: %v %v, want %q", text, got, err, want)
		}
	}
}

// FuzzSince: whatever is written, a moment or an error comes of it, and of a length of time a moment that is over.
func FuzzSince(f *testing.F) {
	for _, text := range []string{"2h", "3d", "2026-11-22T10:00:00Z", "-1h", "1e9h", "65535d"} {
		f.Add(text)
	}
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseSince(text, now)
		if err != nil {
			return
		}
		if _, err := time.Parse(time.RFC3339Nano, text); err != nil && got.After(now) {
			t.Errorf("%q: %v is to come", text, got)
		}
	})
}
