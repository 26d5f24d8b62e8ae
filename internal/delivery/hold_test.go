package delivery

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestHold: a destination that keeps failing, and one that asked for a rest, say why they are held back and when the
// next attempt may begin. After a restart the time is known and the reason is not. Any other destination is not held
// back.
func TestHold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		gone, busy := r.network.receiver("gone"), r.network.receiver("busy")
		gone.refuse(true)
		busy.will(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(429)
		})
		first, second := r.destination(gone), r.destination(busy)
		none := bellhop.Hold{}
		if a, b := r.engine.Hold(first.ID), r.engine.Hold("dst_none"); a != none || b != none {
			t.Fatalf("before anything was sent: %+v, %+v", a, b)
		}
		if troubled := r.engine.Troubled(); len(troubled) > 0 {
			t.Errorf("in trouble before anything was sent: %v", troubled)
		}
		r.acceptMany(bellhop.DefaultBreaker.Failures)
		time.Sleep(5 * time.Second)
		troubled := r.engine.Troubled()
		slices.Sort(troubled)
		if both := []string{first.ID, second.ID}; !slices.Equal(troubled, slices.Sorted(slices.Values(both))) {
			t.Errorf("in trouble: %v, want %v", troubled, both)
		}
		hold, now := r.engine.Hold(first.ID), r.now()
		if !strings.Contains(hold.Reason, "does not accept") || !hold.NextAt.After(now) ||
			hold.NextAt.After(now.Add(2*maxHold)) {
			t.Errorf("one that refuses connections: %+v at %v", hold, now)
		}
		hold = r.engine.Hold(second.ID)
		left := hold.NextAt.Sub(now)
		if !strings.Contains(hold.Reason, "429") || left > time.Hour || left < time.Hour-10*time.Second {
			t.Errorf("one that asked for an hour: %+v at %v", hold, now)
		}

		if err := r.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.idle = true // no attempt is made
		r.open()
		hold = r.engine.Hold(first.ID)
		if hold.Reason != "" || !hold.NextAt.Equal(r.now()) {
			t.Errorf("after the restart: %+v at %v", hold, r.now())
		}
		gone.refuse(false)
		r.run()
		time.Sleep(time.Hour)
		if hold := r.engine.Hold(first.ID); hold != none {
			t.Errorf("after it recovered: %+v", hold)
		}
	})
}

// TestLinesNameTheirDestination: each log line about a destination has its name beside its id: of attempts, of a
// destination that fails, recovers, is disabled or expires, and of a where that fails.
func TestLinesNameTheirDestination(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var lines bytes.Buffer // slog serializes the writes, and they are read after the stop
		r := newRig(t, func(r *rig) {
			r.log = slog.New(slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		named := map[string]string{} // by id
		add := func(to *receiver, change func(*bellhop.Destination)) {
			d := r.destination(to, change)
			named[d.ID] = d.Name
		}
		failing, closing := r.network.receiver("failing"), r.network.receiver("closing")
		failing.refuse(true)
		closing.will(status(http.StatusGone))
		add(failing, func(d *bellhop.Destination) { d.Breaker.Failures = 2 })
		add(closing, func(*bellhop.Destination) {})
		add(r.network.receiver("expiring"), func(d *bellhop.Destination) { d.ExpiresAt = r.now().Add(time.Minute) })
		add(r.network.receiver("wrong"), func(d *bellhop.Destination) { d.Match.Where = "data.missing.member == 1" })
		r.acceptMany(4)
		time.Sleep(time.Minute)
		failing.refuse(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		if err := r.stop(t.Context()); err != nil {
			t.Fatal(err)
		}

		seen := map[string]bool{}
		for line := range strings.Lines(lines.String()) {
			var entry struct {
				Message string `json:"msg"`
				ID      string `json:"destination_id"`
				Name    string `json:"destination"`
			}
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatal(err)
			}
			if entry.ID == "" {
				continue
			}
			seen[entry.Message] = true
			if entry.Name == "" || entry.Name != named[entry.ID] {
				t.Errorf("without the name %q: %s", named[entry.ID], line)
			}
		}
		for _, message := range []string{"delivery.attempted", "destination.failing", "destination.recovered",
			"destination.disabled", "destination.expired", "match.failed"} {
			if !seen[message] {
				t.Errorf("no line %s in\n%s", message, &lines)
			}
		}
	})
}
