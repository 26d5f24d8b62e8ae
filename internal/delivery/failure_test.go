package delivery

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
)

// TestFailures: for each fault of a destination, the attempt ends in time and its error is recorded.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		error  string
		reply  int // bytes of the recorded reply
		detail string
	}{
		"hangs": {hang, "timeout", 0, "no reply within 2s (waiting for headers)"},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"connection_closed", 0, "before the reply's headers had come"},
		"speaks gibberish": {raw("GIBBERISH\r\n\r\n"), "bad_reply", 0, "not HTTP"},
		"speaks TLS":       {raw("\x15\x03\x01\x00\x02\x02\x46"), "bad_reply", 0, "use https://"},
		"speaks mail":      {raw("220 mail.example.com ESMTP\r\n"), "bad_reply", 0, "not HTTP"},
		"promises more": {raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"), "connection_closed", 0,
			"before the reply's body had come"},
		"breaks off a chunk": {raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello"),
			"connection_closed", 0, "before the reply's body had come"},
		"interim for ever": {raw(strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 10_000)), "bad_reply", 0,
			"interim"},
		"continue, and hangs": {drip("HTTP/1.1 100 Continue\r\n\r\n", ""), "timeout", 0, "waiting for headers"},
		"headers for ever": {raw("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n",
			10_000)), "bad_reply", 0, "256 KiB"},
		"one long header": {raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 10_000_000)), "bad_reply", 0,
			"256 KiB"},
		"drips headers": {drip("HTTP/1.1 200 OK\r\nX: ", "x"), "timeout", 0, "waiting for headers"},
		"drips chunks": {drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"), "timeout", 0,
			"waiting for the body"},
		"trickles":       {trickle, "timeout", 0, "waiting for the body"},
		"talks for ever": {endless, "", bellhop.MaxReplyBytes, ""},
		"redirects": {http.RedirectHandler("http://10.0.0.9/", http.StatusFound).ServeHTTP, "status", 0,
			"redirects are not followed"},
		"says nothing": {status(204), "", 0, ""},
		"hides in gzip": {raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " +
			"4\r\n\r\n\x1f\x8b\x08\x00"),
			"", 4, ""},
		"closes at its end": {raw("HTTP/1.1 200 OK\r\n\r\nbye"), "", 3, ""},
		"says two lengths": {raw("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nbye"),
			"", 0, ""}, // the end of the body is in doubt; the status is not
		"is sloppy": {raw("http/1.1 202\nServer : x\nhello\nX: a\n b\n: c\nDate: now\nContent-Length: 2, 2\n\nok"),
			"", 2, ""},
		"switches protocols": {raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), "bad_reply", 0,
			"switched protocols"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				to := r.network.receiver("odd")
				to.will(c.answer)
				r.destination(to, func(d *bellhop.Destination) {
					d.Timeout, d.Retry.Schedule = 2*time.Second,
						bellhop.ScheduleNone
				})
				r.acceptMany(1)
				time.Sleep(3 * time.Second)
				got := r.only()
				if got.Last == nil || got.Last.Error != c.error ||
					(got.Last.Error == "") != (got.State == bellhop.DeliveryDelivered) ||
					got.Last.Duration > 2*time.Second {
					t.Fatalf("recorded: %+v, %+v", got, got.Last)
				}
				if !strings.Contains(got.Last.Detail, c.detail) || strings.Contains(got.Last.Detail,
					outbound.Unknown) != (c.error != "" && c.error != "status") {
					t.Errorf("it says %q", got.Last.Detail)
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

// raw writes text to the connection without changes and closes it.
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

// trickle writes an endless response, one byte per second.
func trickle(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write([]byte("x")); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// drip writes start without changes, and then piece every 100 ms.
func drip(start, piece string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		for piece = start + piece; ; piece = strings.TrimPrefix(piece, start) {
			if _, err := io.WriteString(c, piece); err != nil || start == piece {
				io.Copy(io.Discard, c)
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// endless writes an endless response as fast as possible.
func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write(make([]byte, 32<<10)); err != nil {
			return
		}
	}
}

// TestNobodyReads: if a receiver accepts the connection but reads nothing, the attempt ends in time.
func TestNobodyReads(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.listener("deaf")
		to.handle(func(net.Conn) { time.Sleep(5 * time.Second) })
		r.destination(to, func(d *bellhop.Destination) {
			d.Timeout, d.Retry.Schedule = 2*time.Second, bellhop.ScheduleNone
		})
		r.acceptMany(1)
		time.Sleep(10 * time.Second)
		if got := r.only(); got.Last == nil || got.Last.Error != "timeout" ||
			!strings.Contains(got.Last.Detail, "(sending it)") || got.Last.Duration > 2200*time.Millisecond {
			t.Errorf("recorded: %+v, %+v", got, got.Last)
		}
		r.wantIdle()
	})
}

// TestFanOut: an event for more than a hundred destinations is stored once and sent to each of them once.
func TestFanOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n = 101
		r := newRig(t)
		for i := range n {
			r.destination(r.network.receiver(fmt.Sprint("r", i)))
		}
		begun := time.Now()
		if deliveries := r.accept(bellhop.Event{Body: []byte("for all")}); len(deliveries) != n {
			t.Fatalf("owed to %d", len(deliveries))
		}
		synctest.Wait()
		for _, to := range r.network.receivers {
			to.wantOnce(t, 1)
			if got := to.got(); len(got) > 0 && !got[0].at.Equal(begun) {
				t.Errorf("%s got it after %v", to.name, got[0].at.Sub(begun))
			}
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: n})
		if list, _, err := r.store.Events(t.Context(), bellhop.EventFilter{}, bellhop.Page{}); err != nil ||
			len(list) != 1 {
			t.Errorf("%d events, %v", len(list), err)
		}
		r.wantIdle()
	})
}
