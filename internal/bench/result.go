package bench

import (
	"time"
)

// A Result is one run of one side.
type Result struct {
	Run  int    `json:"run"` // from 1; the two sides of one number are neighbours
	Side string `json:"side"`
	Figures

	Accepted     int64   `json:"accepted"`
	Refused      int64   `json:"refused"` // answered other than 2xx, or not at all
	FirstRefusal string  `json:"first_refusal,omitempty"`
	Delivered    int64   `json:"delivered"`                // each event counted once at each destination
	Duplicates   int64   `json:"duplicates"`               // further deliveries of the same event
	Lost         int64   `json:"lost"`                     // accepted and not delivered
	Pending      int64   `json:"pending,omitzero"`         // accepted, and still owed to hanging destinations
	Unwanted     int64   `json:"unwanted,omitempty"`       // deliveries of unknown events
	OwnCPU       float64 `json:"bench_cpu_us,omitzero"`    // of producer and receiver, per event
	WholeLifeCPU bool    `json:"whole_life_cpu,omitempty"` // CPU includes the start of the process
}

// Figures are the numbers by which sides are compared. 0 is unknown. They concern the measured stream, and not the
// one beside it, unless they say otherwise; CPU and PeakMemory concern the whole process. Latencies begin when an
// event was due; those of accepting end at the answer, those end to end at the arrival.
type Figures struct {
	AcceptedPerSecond  float64 `json:"accepted_per_s"`
	DeliveredPerSecond float64 `json:"delivered_per_s"`
	AcceptP50          float64 `json:"accept_p50_ms"`
	AcceptP99          float64 `json:"accept_p99_ms"`
	EndToEndP50        float64 `json:"end_to_end_p50_ms"`
	EndToEndP99        float64 `json:"end_to_end_p99_ms"`
	CPU                float64 `json:"cpu_us,omitzero"`          // user and system, per accepted event
	PeakMemory         float64 `json:"peak_memory_mib,omitzero"` // resident

	PerRequest float64 `json:"events_per_request,omitzero"` // of a held stream
	// from when the backlog came due until its last arrival
	Drain           float64 `json:"drain_s,omitzero"`
	DrainsPerSecond float64 `json:"drained_per_s,omitzero"`
	// requests waiting for an answer at the destinations in trouble
	AtOnce      float64 `json:"most_at_once,omitzero"`
	Connections float64 `json:"most_connections,omitzero"` // open at a time, to all destinations
}

// alwaysShown is how many of the figures are in every table.
const alwaysShown = 8

// each returns the figures in the order of the table.
func (f *Figures) each() []*float64 {
	return []*float64{&f.AcceptedPerSecond, &f.DeliveredPerSecond, &f.AcceptP50, &f.AcceptP99, &f.EndToEndP50,
		&f.EndToEndP99, &f.CPU, &f.PeakMemory, &f.PerRequest, &f.Drain, &f.DrainsPerSecond, &f.AtOnce, &f.Connections}
}

// result returns the result of the run, once the gateway has stopped. Its CPU time is all that the gateway used
// since the first event was sent, or since the held deliveries came due, with recording the last results and the
// clean stop. Where the CPU time before that is unknown, it includes the start.
func (m *measurement) result() Result {
	state := m.process.command.ProcessState
	r := Result{Side: m.side.name, Figures: m.streams[0].figures(), WholeLifeCPU: !m.cpuKnown}
	for _, s := range m.streams {
		r.add(s)
		if s.hangs {
			r.Pending = min(m.pending, s.ledger.accepted.Load())
			r.Lost -= r.Pending
		}
	}
	r.CPU = microseconds(state.UserTime()+state.SystemTime()-m.cpuBefore) / float64(r.Accepted)
	r.PeakMemory = float64(m.peak) / (1 << 20)
	if m.ownKnown {
		r.OwnCPU = microseconds(m.ownCPU) / float64(r.Accepted)
	}
	if len(m.streams) > 1 {
		m.streams[1].trouble(&r.Figures)
		for _, s := range m.streams {
			r.Connections += float64(s.reception.joined.most.Load())
		}
	}
	return r
}

// add adds the counts of a stream.
func (r *Result) add(s *stream) {
	l := s.ledger
	r.Accepted += l.accepted.Load()
	r.Refused += l.refused.Load()
	if r.FirstRefusal == "" {
		r.FirstRefusal = l.firstRefusal
	}
	r.Delivered += l.delivered.Load()
	r.Duplicates += l.duplicates.Load()
	r.Lost += int64(l.missing())
	r.Unwanted += l.unwanted.Load()
}

// figures returns the figures of a measured stream. A held stream has no end-to-end latency, because the wait is
// part of it.
func (s *stream) figures() Figures {
	l := s.ledger
	f := Figures{
		AcceptedPerSecond:  perSecond(l.accepted.Load(), s.posting),
		DeliveredPerSecond: perSecond(l.delivered.Load(), s.drainTime()),
		AcceptP50:          milliseconds(l.acceptLatency.quantile(.5)),
		AcceptP99:          milliseconds(l.acceptLatency.quantile(.99)),
	}
	if s.held {
		f.PerRequest = float64(l.delivered.Load()) / float64(max(1, s.reception.requests.Load()))
		return f
	}
	f.EndToEndP50 = milliseconds(l.endToEnd.quantile(.5))
	f.EndToEndP99 = milliseconds(l.endToEnd.quantile(.99))
	return f
}

// trouble adds the figures of the stream beside the measured one.
func (s *stream) trouble(f *Figures) {
	f.AtOnce = float64(s.reception.answering.most.Load())
	if s.held {
		f.Drain = s.drainTime().Seconds()
		f.DrainsPerSecond = perSecond(s.ledger.delivered.Load(), s.drainTime())
	}
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
