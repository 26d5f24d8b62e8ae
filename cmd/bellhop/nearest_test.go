package main

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	words := []string{"sources", "destinations", "deliveries", "events", "repairs", "replay", "requests", "stats"}
	for text, want := range map[string]string{
		"sorces": "sources", "source": "sources", "SOURCES": "sources", "delivereis": "deliveries", "del": "deliveries",
		"evnets": "events", "stat": "stats", "stast": "stats", "repaly": "replay", "reqests": "requests",
		"x": "", "": "", "serve": "", "zzzzzz": "", "connections": "",
	} {
		if got := nearest(text, words); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
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

// TestSuggestions: an unknown command, flag or value is answered with the nearest one there is, as wrong usage.
func TestSuggestions(t *testing.T) {
	for line, want := range map[string]string{
		"sorces":                     "no command 'bellhop sorces'; did you mean 'sources'?",
		"sources lst":                "no command 'bellhop sources lst'; did you mean 'list'?",
		"zzzzzz":                     "no command 'bellhop zzzzzz'",
		"help deliveris":             "no command 'bellhop deliveris'; did you mean 'deliveries'?",
		"deliveries --stat dead":     "unknown flag: --stat; did you mean '--state'?",
		"deliveries --detsination x": "unknown flag: --detsination; did you mean '--destination'?",
		"deliveries -state dead":     "unknown flag: -state; did you mean '--state'?",
		"deliveries -x":              "unknown flag: -x",
		"deliveries --zzzzzzz":       "unknown flag: --zzzzzzz",
		"deliveries --state ded":     "--state ded: use one of pending, sending, delivered, dead, cancelled, leased; did you mean 'dead'?",
		"deliveries -o jsn":          "--output jsn: use one of table, wide, json, yaml; did you mean 'json'?",
		"requests --outcome refuse":  "--outcome refuse: use one of accepted, handshake, refused, partial; did you mean 'refused'?",
		"destinations create x --url u --order sorce":  "--order sorce: use one of none, source, subject; did you mean 'source'?",
		"destinations create x --url u --format satnd": "--format satnd: use one of raw, standard, envelope, thin, template",
		"providers grahp":                               "; did you mean 'graph'?",
		"sources create x --provider slak":              "; did you mean 'slack'?",
		"connections create x --provider outlok":        "; did you mean 'outlook'?",
		"destinations create x --url u --access tokn=a": "--access tokn: no such setting; did you mean 'token'?",
		"emulate sharpoint":                             "; did you mean 'sharepoint'?",
		"bench --against outge":                         "; did you mean 'outage'?",
		"completion bsh":                                "no script for 'bsh': use one of bash, zsh, fish, powershell; did you mean 'bash'?",
	} {
		stdout, stderr, err := command(strings.Fields(line)...)
		first, _, _ := strings.Cut(stderr, "\n")
		if exitCode(err) != 2 || stdout != "" || !strings.HasSuffix(first, want) {
			t.Errorf("%s: %v\n%s, want\n%s", line, err, first, want)
		}
	}
}
