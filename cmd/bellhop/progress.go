package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// This file says on stderr how far long work is, how fast it goes and how long it will take: on a terminal by one line
// that is written again and again, elsewhere by a line every ten seconds.

// An extent is how far some work is.
type extent struct {
	what  string  // is done, such as "replay"
	text  string  // what is done of it, such as "17 changed"
	done  int64   // items or bytes, for the rate
	bytes bool    // done counts bytes
	part  float64 // of the whole that is done, 0 to 1; negative if nobody knows
}

const (
	showEvery  = 200 * time.Millisecond // on a terminal
	tellEvery  = 10 * time.Second       // elsewhere
	rateWindow = 10 * time.Second       // over which the rate is measured
	barWidth   = 20
)

// A progress shows the extents of some work.
type progress struct {
	e       *env
	live    bool // stderr is a terminal
	shown   int  // columns of the line shown last
	shownAt time.Time
	marks   []mark // the extents of the latest rateWindow, and the one before them; oldest first
}

// A mark is what an extent was at a time.
type mark struct {
	at   time.Time
	done int64
	part float64
}

// newProgress returns a progress of work that begins now.
func newProgress(e *env) *progress {
	p := &progress{e: e, live: e.isTerminal(e.stderr)}
	if !p.live {
		p.shownAt = e.clock()
	}
	return p
}

// show notes how far the work is, and shows it if it is time to.
func (p *progress) show(x extent) {
	now := p.e.clock()
	p.mark(now, x)
	every := tellEvery
	if p.live {
		every = showEvery
	}
	if now.Sub(p.shownAt) < every {
		return
	}
	p.shownAt = now
	if !p.live {
		fmt.Fprintf(p.e.stderr, "%s: %s\n", x.what, strings.Join(p.figures(x), ", "))
		return
	}
	line := x.what
	if x.part >= 0 {
		full := int(math.Round(x.part * barWidth))
		line += "  [" + strings.Repeat("#", full) + strings.Repeat("-", barWidth-full) + "]"
	}
	p.write(line + "  " + strings.Join(p.figures(x), "  "))
}

// say shows a line of words in place of an extent. Elsewhere than on a terminal it shows nothing.
func (p *progress) say(text string) {
	if p.live {
		p.write(text)
	}
}

// end erases the line.
func (p *progress) end() {
	if p.live && p.shown > 0 {
		p.write("")
		fmt.Fprint(p.e.stderr, "\r")
	}
}

// write writes text over the line shown last. A line that is wider than the terminal would stay there.
func (p *progress) write(text string) {
	if width := p.e.talkColumns(); displayWidth(text) >= width {
		text = cutTo(text, width-1)
	}
	width := displayWidth(text)
	fmt.Fprint(p.e.stderr, "\r"+text+strings.Repeat(" ", max(0, p.shown-width)))
	p.shown = width
}

// mark keeps x for the rate, and drops what is older than rateWindow but for one mark.
func (p *progress) mark(now time.Time, x extent) {
	p.marks = append(p.marks, mark{now, x.done, x.part})
	for len(p.marks) > 2 && now.Sub(p.marks[1].at) >= rateWindow {
		p.marks = p.marks[1:]
	}
}

// figures returns what is known of x: the part that is done, what is done, the rate, and the time that is left.
func (p *progress) figures(x extent) (list []string) {
	first, last := p.marks[0], p.marks[len(p.marks)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if x.part >= 0 {
		list = append(list, fmt.Sprintf("%d%%", int(x.part*100)))
	}
	list = append(list, x.text)
	if seconds <= 0 {
		return list
	}
	rate := float64(last.done-first.done) / seconds
	if x.bytes {
		list = append(list, mebibytes(rate)+"/s")
	} else {
		list = append(list, fmt.Sprintf("%.0f/s", rate))
	}
	if done := last.part - first.part; x.part >= 0 && first.part >= 0 && done > 0 {
		left := time.Duration((1 - x.part) / done * seconds * float64(time.Second))
		list = append(list, duration(left.Round(time.Second))+" left")
	}
	return list
}

// mebibytes formats a number of bytes.
func mebibytes(n float64) string { return fmt.Sprintf("%.1f MiB", n/(1<<20)) }

// duration writes d in its two largest units: 1h5m, 2m7s, 9s.
func duration(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return roughly(d)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return roughly(d)
}
