// Package doctor says how well a server is, or the data folder of one that is stopped: what is wrong or will be soon,
// and what a person can do about it.
//
// A check is a function that looks at one thing and returns a [Finding]. This package has the checks that need nothing
// but what they are given: the machine (machine.go), the nouns (nouns.go) and the public URL (public.go). Package app
// says which of them there are, and gives them what they look at. To add one, write a function and a line there.
//
// A check changes nothing that stays, and ends with its context. One that does not, because a disk hangs, is reported
// and left behind; until it ends, it is not begun again. What cannot be checked is skipped, and says why.
package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// A State says what a check found.
type State string

// The states, the best first.
const (
	OK      State = "ok"
	Skipped State = "skipped" // it cannot be checked here; the message says why
	Warning State = "warning" // it works, and a person should look at it soon
	Failed  State = "failed"  // it does not work, or not for long
)

// worse orders the states.
var worse = map[State]int{OK: 0, Skipped: 0, Warning: 1, Failed: 2}

// A Finding is the result of one look.
type Finding struct {
	State   State
	Message string // for people; without a secret
	Remedy  string // what to do; "" if there is nothing to do
	Nouns   []Noun // that the finding is about, at most maxNouns
}

// A Noun is a noun that a finding is about.
type Noun struct {
	Noun, ID, Name string
	Message        string
}

// A Check is one thing that can be looked at.
type Check struct {
	Name  string // for programs: "public_url"
	Title string // for people: "Public URL"
	Run   func(ctx context.Context) Finding
}

// A Result is the finding of a check, and how long it took.
type Result struct {
	Name, Title string
	Finding
	Took time.Duration
}

// A Report has the results of all checks, in their order.
type Report struct {
	At      time.Time
	Took    time.Duration
	State   State // the worst of the results: OK, Warning or Failed
	Results []Result
}

// A Doctor runs checks. It is safe for concurrent use: one run at a time, further ones wait.
type Doctor struct {
	checks  []Check
	timeout time.Duration // of a run
	now     func() time.Time
	log     *slog.Logger
	turn    chan struct{} // has an element while a run is under way

	mu    sync.Mutex           // guards begun
	begun map[string]time.Time // the checks that have not ended, by name
}

// New returns a doctor with checks, which together take at most timeout. now and log are required.
func New(checks []Check, timeout time.Duration, now func() time.Time, log *slog.Logger) *Doctor {
	return &Doctor{checks: checks, timeout: timeout, now: now, log: log, turn: make(chan struct{}, 1),
		begun: map[string]time.Time{}}
}

// lateness is how long a check may take to notice that its time is over.
const lateness = 500 * time.Millisecond

// Run runs all checks at the same time and returns once each has ended or the time is over. Its error is that of ctx,
// if ctx ends before its turn comes.
func (d *Doctor) Run(ctx context.Context) (Report, error) {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return Report{}, ctx.Err()
	}
	report := Report{At: d.now(), State: OK, Results: make([]Result, len(d.checks))}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	late := time.NewTimer(d.timeout + lateness)
	defer late.Stop()
	results := make([]chan Result, len(d.checks))
	for i, c := range d.checks {
		results[i] = d.start(ctx, c)
	}
	over := false
	for i, c := range d.checks {
		if !over {
			select {
			case report.Results[i] = <-results[i]:
				continue
			case <-late.C:
				over = true
			}
		}
		select {
		case report.Results[i] = <-results[i]:
		default:
			report.Results[i] = Result{Name: c.Name, Title: c.Title, Took: d.timeout + lateness, Finding: Finding{
				State: Failed, Message: "it did not end within " + d.timeout.String(),
				Remedy: "look at the log and at the disk of the data folder: something hangs"}}
		}
	}
	for _, r := range report.Results {
		if worse[r.State] > worse[report.State] {
			report.State = r.State
		}
	}
	report.Took = d.now().Sub(report.At)
	return report, nil
}

// start runs a check on its own. The channel gets its result. A check whose earlier run has not ended is not begun.
func (d *Doctor) start(ctx context.Context, c Check) chan Result {
	result := make(chan Result, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	begun := d.now()
	if since, hangs := d.begun[c.Name]; hangs {
		result <- Result{Name: c.Name, Title: c.Title, Finding: Finding{State: Failed, Message: fmt.Sprintf(
			"the check that began %s ago has not ended", span(begun.Sub(since))), Remedy: "look at the log and " +
			"at the disk of the data folder: something hangs; a restart of the server ends it"}}
		return result
	}
	d.begun[c.Name] = begun
	go func() {
		f := d.look(ctx, c)
		d.mu.Lock()
		delete(d.begun, c.Name)
		d.mu.Unlock()
		result <- Result{Name: c.Name, Title: c.Title, Finding: f, Took: d.now().Sub(begun)}
	}()
	return result
}

// look runs a check. A check that panics must not end the server that it looks at.
func (d *Doctor) look(ctx context.Context, c Check) (f Finding) {
	defer func() {
		if cause := recover(); cause != nil {
			d.log.Error("doctor.panicked", "component", "doctor", "check", c.Name, "cause", fmt.Sprint(cause),
				"stack", string(debug.Stack()))
			f = Finding{State: Failed, Message: "the check itself failed: the log has the cause",
				Remedy: "report it as a bug of Bellhop"}
		}
	}()
	return c.Run(ctx)
}

// Unread is the finding of a check that could not read what it looks at.
func Unread(err error) Finding {
	return Finding{State: Failed, Message: "it cannot be checked: " + err.Error(),
		Remedy: "see the log; if the storage has failed, restart the server once that is mended"}
}

// Skip is the finding of a check that cannot be made.
func Skip(why, remedy string) Finding { return Finding{State: Skipped, Message: why, Remedy: remedy} }

// maxNouns bounds the nouns that a finding names one by one.
const maxNouns = 20

// about returns a finding about nouns, which are counted in message: "2 connections ".
func about(state State, nouns []Noun, one, many, remedy string) Finding {
	message := "1 " + one
	if len(nouns) != 1 {
		message = fmt.Sprintf("%d %s", len(nouns), many)
	}
	if len(nouns) > maxNouns {
		message += fmt.Sprintf("; the first %d are named", maxNouns)
		nouns = nouns[:maxNouns]
	}
	return Finding{State: state, Message: message, Remedy: remedy, Nouns: nouns}
}

// span returns a length of time for people: "3 d", "2 h", "5 min", "40 s".
func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
