package bench

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// A watch tells a person how far a run is.
type watch struct {
	to     io.Writer
	live   bool
	events int
	title  string
	ledger *ledger
	ended  chan struct{}
	done   sync.WaitGroup
}

// watchProgress writes to o.Progress until stop: on a terminal one line over and over, elsewhere a line now and then.
func watchProgress(o Options, title string, l *ledger) *watch {
	w := &watch{to: o.Progress, live: o.Live, events: o.Events, title: title, ledger: l, ended: make(chan struct{})}
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
			w.say()
			if w.live {
				fmt.Fprintln(w.to)
			}
			return
		case <-tick.C:
			w.say()
		}
	}
}

// stop says how far the run came and returns when nothing more is written.
func (w *watch) stop() {
	close(w.ended)
	w.done.Wait()
}

func (w *watch) say() {
	text := fmt.Sprintf("%-20s %11s accepted %11s delivered of %s events", w.title,
		thousands(int(w.ledger.accepted.Load())), thousands(int(w.ledger.delivered.Load())), thousands(w.events))
	if w.live {
		fmt.Fprint(w.to, "\r", text)
	} else {
		fmt.Fprintln(w.to, text)
	}
}

// thousands writes 12345 as "12,345".
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
