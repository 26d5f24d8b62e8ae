package delivery

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestFailures: however a destination misbehaves, its attempt ends in time, with the reason in a word on record.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		error  string
		reply  int // bytes on record
	}{
		"hangs":              {hang, "timeout", 0},
		"hangs up":           {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "connection_closed", 0},
		"speaks gibberish":   {raw("GIBBERISH\r\n\r\n"), "bad_reply", 0},
		"promises more":      {raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"), "connection_closed", 0},
		"interim for ever":   {raw(strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 10_000)), "bad_reply", 0},
		"headers for ever":   {raw("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 10_000)), "bad_reply", 0},
		"trickles":           {trickle, "timeout", 0},
		"talks for ever":     {endless, "", bellhop.MaxReplyBytes},
		"redirects":          {http.RedirectHandler("http://10.0.0.9/", http.StatusFound).ServeHTTP, "status", 0},
		"says nothing":       {status(204), "", 0},
		"hides in gzip":      {raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"), "", 4},
		"closes at its end":  {raw("HTTP/1.1 200 OK\r\n\r\nbye"), "", 3},
		"says two lengths":   {raw("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nbye"), "bad_reply", 0},
		"switches protocols": {raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), "bad_reply", 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				to := r.network.receiver("odd")
				to.will(c.answer)
				r.destination(to, func(d *bellhop.Destination) { d.Timeout, d.Retry.Schedule = 2*time.Second, bellhop.ScheduleNone })
				r.acceptMany(1)
				time.Sleep(3 * time.Second)
				got := r.only()
				if got.Last == nil || got.Last.Error != c.error || (got.Last.Error == "") != (got.State == bellhop.DeliveryDelivered) || got.Last.Duration > 2*time.Second {
					t.Fatalf("recorded: %+v, %+v", got, got.Last)
				}
				if len(got.Last.Reply) != c.reply {
					t.Errorf("%d bytes of the reply are on record, want %d", len(got.Last.Reply), c.reply)
				}
				if len(to.got()) != 1 {
					t.Errorf("%d attempts arrived", len(to.got()))
				}
				r.wantIdle()
			})
		})
	}
}

// raw writes text as it is, and hangs up.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		io.WriteString(c, text)
	}
}

// trickle begins an answer that never ends, a byte a second.
func trickle(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write([]byte("x")); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// endless writes as fast as it can.
func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write(make([]byte, 32<<10)); err != nil {
			return
		}
	}
}
