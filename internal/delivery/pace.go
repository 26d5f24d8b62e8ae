package delivery

import "time"

// A pace slows a lane whose destination does not answer at all, so that a dead one costs next to nothing and a
// backlog's attempts are not burnt on it. While it is slowed, one attempt at a time finds out whether it is back.
type pace struct {
	silent int // attempts in a row without any answer
	until  time.Time
}

const (
	silentBefore = 16 // attempts without an answer before the lane slows
	minHold      = 50 * time.Millisecond
	maxHold      = 5 * time.Second
)

// note takes in an attempt. Any answer, good or bad, ends the slowing.
func (p *pace) note(answered bool, now time.Time) {
	if answered {
		p.silent, p.until = 0, time.Time{}
		return
	}
	p.silent++
	if over := p.silent - silentBefore; over >= 0 {
		p.until = now.Add(min(maxHold, minHold<<min(over, 10)))
	}
}

func (p *pace) held(now time.Time) bool { return p.silent >= silentBefore && now.Before(p.until) }

// concurrency is how many attempts may be under way where the destination allows n.
func (p *pace) concurrency(n int) int {
	if p.silent >= silentBefore {
		return 1
	}
	return n
}
