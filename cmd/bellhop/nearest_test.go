package main

import (
	"strings"
	"testing"
)

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
		"deliveries --state ded": "--state ded: use one of pending, sending, delivered, dead, cancelled, " +
			"leased; did you mean 'dead'?",
		"deliveries -o jsn": "--output jsn: use one of table, wide, json, yaml; did " +
			"you mean 'json'?",
		"requests --outcome refuse": "--outcome refuse: use one of accepted, handshake, " +
			"refused, partial; did you mean 'refused'?",
		"destinations create x --url u --order sorce": "--order sorce: use one of none, source, subject; did you " +
			"mean 'source'?",
		"destinations create x --url u --format satnd": "--format satnd: use one of raw, standard, envelope, thin, " +
			"template",
		"providers grahp":                               "; did you mean 'graph'?",
		"sources create x --provider slak":              "; did you mean 'slack'?",
		"connections create x --provider outlok":        "; did you mean 'outlook'?",
		"destinations create x --url u --access tokn=a": "--access tokn: no such setting; did you mean 'token'?",
		"emulate sharpoint":                             "; did you mean 'sharepoint'?",
		"bench --against outge":                         "; did you mean 'outage'?",
		"completion bsh": "no script for 'bsh': use one of bash, zsh, fish, " +
			"powershell; did you mean 'bash'?",
	} {
		stdout, stderr, err := command(strings.Fields(line)...)
		first, _, _ := strings.Cut(stderr, "\n")
		if exitCode(err) != 2 || stdout != "" || !strings.HasSuffix(first, want) {
			t.Errorf("%s: %v\n%s, want\n%s", line, err, first, want)
		}
	}
}
