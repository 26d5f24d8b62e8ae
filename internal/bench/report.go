package bench

import (
	"fmt"
	"slices"
)

// A Report is what all runs came to.
type Report struct {
	Options Options  `json:"options"`
	Machine string   `json:"machine"`
	Folder  Folder   `json:"folder"`
	Runs    []Result `json:"runs"` // relay, Bellhop, relay, Bellhop, …

	Relay   Figures `json:"relay_median"`
	Bellhop Figures `json:"bellhop_median"`
	Ratio   Figures `json:"ratio"` // Bellhop to relay: of each figure the median of the ratios of neighbouring runs
}

// A Result is one gateway measured once.
type Result struct {
	Run     int    `json:"run"` // from 1; the relay's and Bellhop's of one number are neighbours
	Gateway string `json:"gateway"`
	Figures

	Accepted     int64   `json:"accepted"`
	Refused      int64   `json:"refused"` // answered other than 2xx, or not at all
	FirstRefusal string  `json:"first_refusal,omitempty"`
	Delivered    int64   `json:"delivered"`                // each event once at each destination
	Duplicates   int64   `json:"duplicates"`               // beyond that
	Lost         int64   `json:"lost"`                     // accepted and not delivered
	Unwanted     int64   `json:"unwanted,omitempty"`       // deliveries of what was never sent
	OwnCPU       float64 `json:"bench_cpu_us,omitzero"`    // of the producer and receiver together, per event
	WholeLifeCPU bool    `json:"whole_life_cpu,omitempty"` // CPU includes the process's start
}

// Figures are what gateways are compared by. 0 is unknown. Latencies of accepting are from when an event was due until it
// was answered, those end to end until it arrived.
type Figures struct {
	AcceptedPerSecond  float64 `json:"accepted_per_s"`
	DeliveredPerSecond float64 `json:"delivered_per_s"`
	AcceptP50          float64 `json:"accept_p50_ms"`
	AcceptP99          float64 `json:"accept_p99_ms"`
	EndToEndP50        float64 `json:"end_to_end_p50_ms"`
	EndToEndP99        float64 `json:"end_to_end_p99_ms"`
	CPU                float64 `json:"cpu_us,omitzero"`          // user and system, per accepted event
	PeakMemory         float64 `json:"peak_memory_mib,omitzero"` // resident
}

// each lists the figures in the order of the table.
func (f *Figures) each() []*float64 {
	return []*float64{&f.AcceptedPerSecond, &f.DeliveredPerSecond, &f.AcceptP50, &f.AcceptP99, &f.EndToEndP50, &f.EndToEndP99, &f.CPU, &f.PeakMemory}
}

// summarize fills in medians and ratios.
func (r *Report) summarize() {
	for i := range r.Ratio.each() {
		var relay, bellhop, ratio []float64
		for j := 0; j+1 < len(r.Runs); j += 2 {
			a, b := *r.Runs[j].each()[i], *r.Runs[j+1].each()[i]
			relay, bellhop = append(relay, a), append(bellhop, b)
			if a > 0 {
				ratio = append(ratio, b/a)
			}
		}
		*r.Relay.each()[i], *r.Bellhop.each()[i], *r.Ratio.each()[i] = median(relay), median(bellhop), median(ratio)
	}
}

// median of none is 0.
func median(of []float64) float64 {
	if len(of) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(of))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// Err is an error if anything that was accepted got lost.
func (r *Report) Err() error {
	lost, runs := int64(0), 0
	for _, run := range r.Runs {
		lost += run.Lost
		runs += min(1, int(run.Lost))
	}
	if lost == 0 {
		return nil
	}
	return fmt.Errorf("%s deliveries of accepted events never arrived, in %d of %d runs", thousands(int(lost)), runs, len(r.Runs))
}
