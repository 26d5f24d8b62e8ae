package bench

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// A watch shows a person how far a run is.
type watch struct {
	to      io.Writer
	live    bool
	title   string
	streams []*stream
	begun   time.Time // when deliveries of the first stream were seen first
	before  int64     // how many there were then
	width   int       // columns of the line shown last
	ended   chan struct{}
	done    sync.WaitGroup
}

// watchProgress writes to o.Progress until stop: on a terminal it rewrites one line, elsewhere it adds a line
// every ten seconds.
func watchProgress(o Options, title string, streams []*stream) *watch {
	w := &watch{to: o.Progress, live: o.Live, title: title, streams: streams, ended: make(chan struct{})}
	if w.to == nil {
		w.to = io.Discard
	}
	interval := 10 * time.Second
	if w.live {
		interval = 200 * time.Millisecond
	}
	w.done.Go(func() { w.run(interval) })
	return w
}

func (w *watch) run(interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-w.ended:
			w.say("")
			if w.live {
				fmt.Fprintln(w.to)
			}
			return
		case now := <-tick.C:
			w.say(w.pace(now))
		}
	}
}

// stop writes the final state and returns when nothing more is written.
func (w *watch) stop() {
	close(w.ended)
	w.done.Wait()
}

// pace returns how fast deliveries of the first stream go, and how long those that are left will take; "" if that is
// not known.
func (w *watch) pace(now time.Time) string {
	s := w.streams[0]
	delivered, owed := s.ledger.delivered.Load(), int64(s.events*len(s.ledger.arrived))
	if delivered == 0 || delivered >= owed {
		return ""
	}
	if w.begun.IsZero() {
		w.begun, w.before = now, delivered
	}
	return paceText(delivered-w.before, owed-delivered, now.Sub(w.begun))
}

// paceText is the text for done deliveries in the time elapsed, with owed ones left.
func paceText(done, owed int64, elapsed time.Duration) string {
	if done == 0 || elapsed <= 0 {
		return ""
	}
	perSecond := float64(done) / elapsed.Seconds()
	left := time.Duration(float64(owed) / perSecond * float64(time.Second))
	return fmt.Sprintf(", %s/s, %v left", thousands(int(perSecond)), max(left.Round(time.Second), time.Second))
}

// say writes how far the run is, and then pace.
func (w *watch) say(pace string) {
	text := fmt.Sprintf("%-20s", w.title)
	for i, s := range w.streams {
		if i > 0 && s.made.Load() == 0 && s.ledger.accepted.Load() == 0 {
			continue // it has not begun
		}
		if i > 0 {
			text += "; beside it"
		}
		text += s.progress()
	}
	text += pace
	if w.live {
		fmt.Fprint(w.to, "\r", text, strings.Repeat(" ", max(0, w.width-len(text))))
		w.width = len(text)
	} else {
		fmt.Fprintln(w.to, text)
	}
}

// progress describes how far s is: the destinations created, and then the events.
func (s *stream) progress() string {
	accepted := s.ledger.accepted.Load()
	if made := s.made.Load(); accepted == 0 && s.destinations > 1 && made > 0 {
		return fmt.Sprintf(" %11s made of %s destinations", thousands(int(made)), thousands(s.destinations))
	}
	text := fmt.Sprintf(" %11s accepted %11s delivered", thousands(int(accepted)),
		thousands(int(s.ledger.delivered.Load())))
	if s.events > 0 {
		text += fmt.Sprintf(" of %s events", thousands(s.events))
	}
	return text
}

// thousands formats 12345 as "12,345".
func thousands(n int) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
