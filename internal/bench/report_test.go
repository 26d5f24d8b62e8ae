package bench

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite golden files")

// sample returns a report of two runs of each gateway.
func sample(t *testing.T) *Report {
	figures := func(scale float64) Figures {
		return Figures{AcceptedPerSecond: 21034.4 * scale, DeliveredPerSecond: 20987.2 * scale,
			AcceptP50: 2.914 / scale,
			AcceptP99: 6.1 / scale, EndToEndP50: 3.2 / scale, EndToEndP99: 12.35 / scale, CPU: 52.4 / scale,
			PeakMemory: 31.25}
	}
	r := &Report{
		Options: defaults(t, "relay"),
		Machine: "linux/amd64, 2 CPUs, go1.26",
		Folder:  Folder{Path: "/tmp", System: "ext4", SyncMS: .314},
		Sides:   [2]string{relayName, bellhopName},
	}
	for i, scale := range []float64{1, .8, .9, .63} {
		r.Runs = append(r.Runs, Result{Run: 1 + i/2, Side: r.Sides[i%2], Figures: figures(scale),
			Accepted: 50_000, Delivered: 50_000, OwnCPU: 21.6})
	}
	return r
}

// TestTable compares the tables of sample reports with golden files.
func TestTable(t *testing.T) {
	for name, change := range map[string]func(r *Report){
		"plain": func(*Report) {},
		"lost":  func(r *Report) { r.Runs[3].Lost, r.Runs[3].Delivered, r.Runs[1].Duplicates = 1200, 48_800, 17 },
		"rate":  func(r *Report) { r.Options.Rate, r.Options.Fanout, r.Options.Sign = 2000, 3, true },
		"poor": func(r *Report) {
			r.Folder = Folder{Path: "/dev/shm", System: "tmpfs", InMemory: true, SyncMS: .001}
			for i := range r.Runs {
				r.Runs[i].PeakMemory, r.Runs[i].WholeLifeCPU, r.Runs[i].OwnCPU = 0, true, 0
			}
			r.Runs[1].Refused, r.Runs[1].FirstRefusal, r.Runs[1].Unwanted = 1234, `503 {"error":"try again later"}`, 1
		},
		"where":  against(t, "where", nil),
		"fanout": against(t, "fanout", nil),
		"batch": against(t, "batch", func(second *Result) {
			second.PerRequest, second.EndToEndP50, second.EndToEndP99 = 99.4, 0, 0
		}),
		"hanging": against(t, "hanging", func(second *Result) {
			second.AtOnce, second.Connections, second.Pending = 1234, 1300, 700
		}),
		"outage": against(t, "outage", func(second *Result) {
			second.Drain, second.DrainsPerSecond, second.AtOnce, second.Connections = 123.4, 8100, 16, 19
		}),
		"repeats": against(t, "fanout", func(second *Result) { second.Duplicates, second.Unwanted = 2, 1 }),
	} {
		t.Run(name, func(t *testing.T) {
			r := sample(t)
			change(r)
			r.summarize()
			var got strings.Builder
			if err := r.WriteTable(&got); err != nil {
				t.Fatal(err)
			}
			path := "testdata/" + name + ".golden"
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || got.String() != string(want) {
				t.Errorf("%v; got\n%s", err, got.String())
			}
		})
	}
}

// against changes a sample into one of another comparison; change sets the figures of the second side.
func against(t *testing.T, name string, change func(second *Result)) func(r *Report) {
	return func(r *Report) {
		r.Options = defaults(t, name)
		sides := find(name).sides(r.Options)
		for i := range r.Runs {
			r.Sides[i%2] = sides[i%2].name
			r.Runs[i].Side = sides[i%2].name
			if i%2 == 1 && change != nil {
				change(&r.Runs[i])
			}
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}} {
		if got := median(c.of); got != c.want {
			t.Errorf("%v: %v", c.of, got)
		}
	}
}

// TestRatio: the ratio is that of neighbouring runs, so a slow minute that both had does not change it.
func TestRatio(t *testing.T) {
	r := &Report{}
	for _, rate := range []float64{100, 80, 50, 40, 200, 100} {
		r.Runs = append(r.Runs, Result{Figures: Figures{DeliveredPerSecond: rate}})
	}
	r.summarize()
	if r.Ratio.DeliveredPerSecond != .8 || r.Medians[0].DeliveredPerSecond != 100 ||
		r.Medians[1].DeliveredPerSecond != 80 || r.Ratio.CPU != 0 {
		t.Errorf("%+v", r)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// TestPaceText: the rate is that of the time since the first deliveries, and the rest is expected at the same rate.
func TestPaceText(t *testing.T) {
	for _, c := range []struct {
		done, owed int64
		elapsed    time.Duration
		want       string
	}{
		{5000, 15_000, 2 * time.Second, ", 2,500/s, 6s left"},
		{19_999, 1, 2 * time.Second, ", 9,999/s, 1s left"},
		{100, 999_900, 10 * time.Second, ", 10/s, 27h46m30s left"},
		{0, 10, time.Second, ""},
		{10, 10, 0, ""},
	} {
		if got := paceText(c.done, c.owed, c.elapsed); got != c.want {
			t.Errorf("%d of %d in %v: %q, want %q", c.done, c.done+c.owed, c.elapsed, got, c.want)
		}
	}
}
