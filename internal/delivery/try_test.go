package delivery

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/errortest"
)

// TestTry: a try makes one attempt whatever the lane of the destination does, and says what a first attempt of a
// delivery would have become. It stores nothing, and the breaker does not notice it.
func TestTry(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("to")
		d := r.destination(to, func(d *bellhop.Destination) {
			d.State, d.Breaker = bellhop.DestinationPaused, bellhop.Breaker{Failures: 1}
			d.Timeout = time.Second
			d.Retry = bellhop.Retry{Schedule: bellhop.Schedule{time.Minute},
				Outcomes: bellhop.Outcomes{"404": bellhop.OutcomeDead}}
		})
		ev := bellhop.Event{ID: "evt_x", Type: "a.b", SourceID: bellhop.SourceAPIID, Source: bellhop.SourceAPI,
			ContentType: "application/json", Body: []byte("{}"), ReceivedAt: r.now()}
		for _, c := range []struct {
			answer http.HandlerFunc
			state  bellhop.DeliveryState
			status int
			error  string
		}{
			{func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("thanks")) }, bellhop.DeliveryDelivered,
				200, ""},
			{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, bellhop.DeliveryPending, 503,
				"status"},
			{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, bellhop.DeliveryDead, 404, "status"},
			{func(http.ResponseWriter, *http.Request) { time.Sleep(time.Hour) }, bellhop.DeliveryPending, 0,
				"timeout"},
		} {
			to.will(c.answer)
			got, err := r.engine.Try(t.Context(), d, ev)
			if err != nil || got.State != c.state || got.Attempt.Status != c.status || got.Attempt.Error != c.error ||
				got.Attempt.Number != 1 || got.Attempt.StartedAt.IsZero() {
				t.Errorf("want %s: %+v %v", c.state, got, err)
			}
			if c.state == bellhop.DeliveryPending && got.NextAt.Before(r.now().Add(50*time.Second)) {
				t.Errorf("next at %v", got.NextAt)
			}
			if c.error == "timeout" && got.Attempt.Duration != time.Second {
				t.Errorf("it took %v", got.Attempt.Duration)
			}
			if c.status == 200 && string(got.Attempt.Reply) != "thanks" {
				t.Errorf("%q", got.Attempt.Reply)
			}
		}
		d.ID, d.URL = "", "ftp://x"
		_, err := r.engine.Try(t.Context(), d, ev)
		var e *bellhop.Error
		if !errors.As(err, &e) || errortest.InvalidPaths(t, err)[0] != "url" {
			t.Errorf("%v", err)
		}
		if len(r.deliveries()) > 0 || len(to.got()) != 4 {
			t.Errorf("%d deliveries, %d requests", len(r.deliveries()), len(to.got()))
		}
		time.Sleep(2 * time.Hour) // the receiver that took too long is done
	})
}
