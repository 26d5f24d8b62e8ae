package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestShowCheckup: what was found is printed with what to do, and only what needs a person fails.
func TestShowCheckup(t *testing.T) {
	ok := client.Check{Name: "disk", Title: "Disk", State: "ok", Message: "40 GiB are free"}
	skipped := client.Check{Name: "clock", Title: "Clock", State: "skipped", Message: "nobody told", Remedy: "use NTP"}
	warning := client.Check{Name: "keys", Title: "Keys", State: "warning", Message: "1 key ends",
		Remedy: "make another",
		Nouns:  []client.CheckedNoun{{Noun: "key", ID: "key_1", Name: "ci\x1b[2J", Message: "ends in 3 d"}}}
	for _, c := range []struct {
		state          string
		checks         []client.Check
		err            error
		stdout, stderr string
	}{
		{"ok", []client.Check{ok, skipped}, nil, "ok       Disk   40 GiB are free\nskipped  Clock  nobody told\n" +
			"                → use NTP\n", "nothing needs you\n"},
		{"warning", []client.Check{ok, warning}, errReported, "ok       Disk  40 GiB are free\n" +
			"warning  Keys  1 key ends\n               key ci\\x1b[2J: ends in 3 d\n               → make another\n",
			"1 check of 2 found what needs you\n"},
		{"failed", []client.Check{{Title: "Disk", State: "failed", Message: "full"}, warning}, errReported, "",
			"2 checks of 2 found what needs you\n"},
	} {
		var stdout, stderr bytes.Buffer
		e := &env{getenv: noEnv, stdout: &stdout, stderr: &stderr}
		err := e.showCheckup(&connection{}, client.Checkup{State: c.state, Checks: c.checks})
		if err != c.err || c.stdout != "" && stdout.String() != c.stdout || stderr.String() != c.stderr {
			t.Errorf("%s: %v\n%s%s", c.state, err, &stdout, &stderr)
		}
		stdout.Reset()
		err = e.showCheckup(&connection{json: true}, client.Checkup{State: c.state, Checks: c.checks})
		if err != c.err || !strings.HasPrefix(stdout.String(), `{"at":`) || strings.Count(stdout.String(), "\n") != 1 {
			t.Errorf("%s: %v\n%s", c.state, err, &stdout)
		}
	}
}
