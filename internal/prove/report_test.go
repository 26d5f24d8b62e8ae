package prove

import (
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/disk"
)

func newReport(v Verdict) *Report {
	return &Report{Options: Options{Cycles: 3}, CyclesDone: 3, Kills: 4, StartKills: 1, Verdict: &v,
		Disk: Disk{Path: "/srv", System: "ext4", Device: "vda", SyncMS: 1, Trust: disk.Plausible, Why: "it may be"}}
}

// TestErr: one lost event is a failure, and so is a run that shows nothing.
func TestErr(t *testing.T) {
	lost := Violation{"L", "body x"}
	for want, r := range map[string]*Report{
		"":                      newReport(Verdict{Acknowledged: 30}),
		"1 event was lost":      newReport(Verdict{Acknowledged: 30, Lost: 1, Violations: []Violation{lost}}),
		"2 events were lost":    newReport(Verdict{Acknowledged: 30, Lost: 2, Violations: []Violation{lost, lost}}),
		"1 thing does not hold": newReport(Verdict{Acknowledged: 30, Violations: []Violation{{"B", "bytes"}}}),
		"only 29 events were acknowledged, fewer than 30: the run shows nothing": newReport(Verdict{Acknowledged: 29}),
	} {
		got := ""
		if err := r.Err(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	r := newReport(Verdict{Acknowledged: 30})
	r.Interrupted, r.CyclesDone = true, 2
	if err := r.Err(); err == nil || err.Error() != "interrupted after 2 of 3 cycles: nothing was lost so far" {
		t.Error(err)
	}
}

func TestWriteTable(t *testing.T) {
	v := Verdict{Acknowledged: 40, Lost: 12}
	for range 12 {
		v.wrong("L", "body abc for signed")
	}
	r := newReport(v)
	r.Folder = "/srv/bellhop-prove-1"
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"3 of 3 cycles", "4 kills, 1 of them in a start", "lost                    12",
		"WRONG: it does not hold that what was answered 2xx is stored: 12 cases",
		"The disk: /srv, ext4, vda. Plausible: it may be.", "the folder /srv/bellhop-prove-1 is kept",
		"FAILED: 12 events were lost",
	} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("%q is not in\n%s", part, &b)
		}
	}
	if n := strings.Count(b.String(), "body abc"); n != shown {
		t.Errorf("%d violations are shown, not %d", n, shown)
	}
}

// TestCheck: an option out of bounds is named by its flag.
func TestCheck(t *testing.T) {
	good := Options{Cycles: 1, Connections: 1, Rate: 1}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for flag, change := range map[string]func(o *Options){
		"--cycles: ":      func(o *Options) { o.Cycles = 0 },
		"--connections: ": func(o *Options) { o.Connections = MaxConnections + 1 },
		"--rate: ":        func(o *Options) { o.Rate = -1 },
		"--size: ":        func(o *Options) { o.Size = MaxSize + 1 },
	} {
		o := good
		change(&o)
		if err := o.Check(); err == nil || !strings.HasPrefix(err.Error(), flag) {
			t.Errorf("%s%v", flag, err)
		}
	}
}
