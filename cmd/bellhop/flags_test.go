package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
		"2026-11-22":                    "2026-11-22T00:00:00Z",
		"2026-11-22 09:30":              "2026-11-22T09:30:00Z",
		"2026-11-22T09:30:05":           "2026-11-22T09:30:05Z",
		"1d12h":                         "2026-11-20T22:00:00Z",
		"9999999999999999999999999999h": "",
	} {
		got, err := parseSince(text, now)
		if (err == nil) != (want != "") || err == nil && got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q: %v %v, want %q", text, got, err, want)
		}
	}
}

// FuzzSince checks that parseSince returns a time or an error for any text, and for a duration a time in the past.
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
		if _, err := parseTime(text); err != nil && got.After(now) {
			t.Errorf("%q: %v is in the future", text, got)
		}
	})
}

func TestReadSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	os.WriteFile(file, []byte(`{"text":"as it is"}`+"\r\n"), 0o600)
	e := &env{getenv: func(name string) string { return map[string]string{"SET": "[x"}[name] }}
	got, err := e.readSettings([]string{"a=text", "b=", "c==", "d=true", "e=[\"x\",1]",
		"f={\"y\":12345678901234567890}", "g=@" + file, "h=env:SET", "i=17", "allowed_rate=6000"})
	want := `map[a:text allowed_rate:6000 b: c:= d:true e:[x 1] f:map[y:12345678901234567890] ` +
		`g:{"text":"as it is"} h:[x i:17]`
	if err != nil || fmt.Sprint(got) != want || got["allowed_rate"] != json.Number("6000") || got["i"] != "17" {
		t.Errorf("%v %v", got, err)
	}
	for _, pair := range []string{"a", "=b", "", "a=[", "a={x}", "a=env:NOT", "a=@/not/there", "a=[] []"} {
		if got, err := e.readSettings([]string{pair}); err == nil {
			t.Errorf("%s: %v", pair, got)
		}
	}
	if _, err := e.readSettings([]string{"a=1", "a=2"}); err == nil {
		t.Error("a setting may be given twice")
	}
}
