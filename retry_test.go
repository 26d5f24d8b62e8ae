package bellhop_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/errortest"
)

func TestScheduleJSON(t *testing.T) {
	for in, want := range map[string]bellhop.Schedule{
		`["5s","5m"]`:           {5 * time.Second, 5 * time.Minute},
		`["1h30m"]`:             {90 * time.Minute},
		`["0s","250ms","168h"]`: {0, 250 * time.Millisecond, 168 * time.Hour},
		`[]`:                    {},
		`"none"`:                {},
		`"5s 5m"`:               {5 * time.Second, 5 * time.Minute},
		`" 5s, 5m,"`:            {5 * time.Second, 5 * time.Minute},
		`"90s"`:                 {90 * time.Second},
		`"fixed 5m × 3"`:        {5 * time.Minute, 5 * time.Minute, 5 * time.Minute},
		`"fixed 5m x 1"`:        {5 * time.Minute},
		`"fixed 5m × 0"`:        {},
		`"default"`:             bellhop.ScheduleDefault,
		`"sharepoint"`:          {5 * time.Minute, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute},
		`"eventgrid"`:           bellhop.ScheduleEventGrid,
		`"fixed 5m × 5"`:        bellhop.ScheduleSharePoint,
		`"5s 5m 30m"`:           {5 * time.Second, 5 * time.Minute, 30 * time.Minute},
	} {
		var s bellhop.Schedule
		if err := json.Unmarshal([]byte(in), &s); err != nil || !slices.Equal(s, want) {
			t.Errorf("%s: %v %v", in, s, err)
		}
		out, err := json.Marshal(s)
		var again bellhop.Schedule
		if err != nil || json.Unmarshal(out, &again) != nil || !slices.Equal(again, s) {
			t.Errorf("%s: written as %s: %v", in, out, err)
		}
	}
	if out, err := json.Marshal(bellhop.Schedule(nil)); string(out) != "[]" {
		t.Errorf("the zero schedule is written as %s: %v", out, err)
	}
}

func TestScheduleErrors(t *testing.T) {
	for in, want := range map[string]string{
		`"hourly"`:                 "",
		`"Default"`:                "",
		`""`:                       "",
		`" "`:                      "",
		`"5s soon"`:                "",
		`"default 5s"`:             "",
		`"fixed 5m"`:               "",
		`"fixed 5m × -1"`:          "",
		`"fixed 5m × 101"`:         "",
		`"fixed 5m × 5 5"`:         "",
		`null`:                     "",
		`5`:                        "",
		`{}`:                       "",
		`[5]`:                      "",
		`["5s",5]`:                 "",
		`["5s","soon"]`:            "[1]",
		`["5"]`:                    "[0]",
		`[""]`:                     "[0]",
		`["-5s"]`:                  "[0]",
		`["168h0m1s"]`:             "[0]",
		`["1d"]`:                   "[0]",
		`["9999999999999999999h"]`: "[0]",
		"[" + strings.Repeat(`"1s",`, bellhop.MaxScheduleLength) + `"1s"]`: "",
	} {
		s := bellhop.Schedule{time.Hour}
		err := json.Unmarshal([]byte(in), &s)
		if got := errortest.InvalidPaths(t, err); !slices.Equal(got, []string{want}) {
			t.Errorf("%.40s: paths %q", in, got)
		}
		if !slices.Equal(s, bellhop.Schedule{time.Hour}) {
			t.Errorf("%.40s: the error changed the schedule", in)
		}
	}
	var within struct{ Retry bellhop.Schedule }
	got := errortest.InvalidPaths(t, json.Unmarshal([]byte(`{"Retry":["x"]}`), &within))
	if !slices.Equal(got, []string{"[0]"}) {
		t.Errorf("as a member of an object: paths %q", got)
	}
}

func TestSchedulePresets(t *testing.T) {
	for name, s := range bellhop.SchedulePresets {
		if len(s) > bellhop.MaxScheduleLength || !slices.IsSorted(s) || len(s) > 0 &&
			s[len(s)-1] > bellhop.MaxScheduleWait {
			t.Errorf("preset %s is not a schedule that a person may set: %v", name, s)
		}
	}
	sum := time.Duration(0)
	for _, d := range bellhop.ScheduleDefault {
		sum += d
	}
	if len(bellhop.ScheduleDefault)+1 != 10 || sum != 75*time.Hour+35*time.Minute+5*time.Second {
		t.Errorf("default: %d attempts within %v", len(bellhop.ScheduleDefault)+1, sum)
	}
}

// TestScheduleWait: every wait is within a tenth of its entry for every random value, and reaches both ends of
// that range.
func TestScheduleWait(t *testing.T) {
	all := bellhop.Schedule{0, 1, time.Millisecond, bellhop.MaxScheduleWait}
	for _, s := range bellhop.SchedulePresets {
		all = append(all, s...)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for n, entry := range all {
		slack := time.Duration(float64(entry)*bellhop.Jitter) + 1 // of rounding
		values := []float64{0, 0.5, math.Nextafter(1, 0)}
		for range 1000 {
			values = append(values, random.Float64())
		}
		for _, r := range values {
			got, ok := all.Wait(n+1, r)
			if !ok || got < 0 || got < entry-slack || got > entry+slack {
				t.Fatalf("entry %v, random %v: %v %v", entry, r, got, ok)
			}
		}
		least, _ := all.Wait(n+1, 0)
		middle, _ := all.Wait(n+1, 0.5)
		most, _ := all.Wait(n+1, math.Nextafter(1, 0))
		if middle != entry || entry >= time.Second && (least != entry*9/10 || most < entry*109/100) {
			t.Errorf("entry %v: %v, %v, %v", entry, least, middle, most)
		}
	}
	for _, n := range []int{-1, 0, len(all) + 1, math.MaxInt} {
		if got, ok := all.Wait(n, 0.5); ok || got != 0 {
			t.Errorf("attempt %d: %v", n, got)
		}
	}
	if _, ok := bellhop.ScheduleNone.Wait(1, 0.5); ok {
		t.Error("ScheduleNone has a wait")
	}
}
