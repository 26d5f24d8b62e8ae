package nearest

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWord(t *testing.T) {
	words := []string{"sources", "destinations", "deliveries", "events", "repairs", "replay", "requests", "stats"}
	for text, want := range map[string]string{
		"sorces": "sources", "source": "sources", "SOURCES": "sources", "delivereis": "deliveries",
		"del":    "deliveries",
		"evnets": "events", "stat": "stats", "stast": "stats", "repaly": "replay", "reqests": "requests",
		"x": "", "": "", "serve": "", "zzzzzz": "", "connections": "", strings.Repeat("sources", 1<<20): "",
	} {
		if got := Word(text, words); got != want {
			t.Errorf("%.20q: %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"delta": "delta", "DELT": "delta", "dleta": "delta"} {
		if got := Word(text, []string{"cursor", "delta", "deltas"}); got != want {
			t.Errorf("%s: %q, want the first of those that are equally near, %q", text, got, want)
		}
	}
	if got := Word("type", nil); got != "" {
		t.Errorf("of no words: %q", got)
	}
}

// TestDistance: it is a measure, and one change is one.
func TestDistance(t *testing.T) {
	word := rapid.StringMatching(`[a-dé]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		la, lb := len([]rune(a)), len([]rune(b))
		if (d == 0) != (a == b) || d != distance(b, a) || d > max(la, lb) || d < max(la, lb)-min(la, lb) {
			t.Fatalf("%q %q: %d", a, b, d)
		}
	})
	for _, c := range [][2]string{{"state", "stat"}, {"state", "sttae"}, {"state", "stato"}, {"state", "state2"}} {
		if got := distance(c[0], c[1]); got != 1 {
			t.Errorf("%v: %d", c, got)
		}
	}
}
