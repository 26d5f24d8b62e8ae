package emulator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// A Notification is a request that a system makes until its receiver accepts it.
type Notification struct {
	System  string
	URL     string
	Header  http.Header
	Body    []byte
	Timeout time.Duration   // of one attempt
	Pauses  []time.Duration // between the attempts; there is one attempt more than pauses
	// Accepted reports whether the receiver accepts the notification by a status. Nil: by 200 to 299.
	Accepted func(status int) bool
	// HeaderOf returns the header of an attempt, by its number from 1, in place of Header. It may be nil.
	HeaderOf func(attempt int) http.Header
	// Next decides in place of Pauses what follows an attempt that was not accepted: another attempt after a pause, or
	// the end. err says why there was no status. It may be nil.
	Next func(attempt, status int, err error) (pause time.Duration, again bool)
	// Done is called at the end, unless the host is closed before. It may be nil.
	Done func(delivered bool)

	impatience time.Duration // by FaultImpatient: the timeout of the first attempt; 0 is Timeout
}

// header returns the header of an attempt.
func (n *Notification) header(attempt int) http.Header {
	if n.HeaderOf != nil {
		return n.HeaderOf(attempt)
	}
	return n.Header
}

// next returns what follows an attempt that was not accepted.
func (n *Notification) next(attempt, status int, err error) (pause time.Duration, again bool) {
	switch {
	case n.Next != nil:
		return n.Next(attempt, status, err)
	case attempt > len(n.Pauses):
		return 0, false
	}
	return n.Pauses[attempt-1], true
}

// Notify sends a notification in the background, with its retries. It obeys the faults of notifications.
func (h *Host) Notify(n Notification) {
	switch fault := h.faults.ofNotification(n.System, n.URL); fault.Kind {
	case FaultSilent:
		h.calls.add(Call{At: h.Now(), System: n.System, Direction: CallOut, Method: http.MethodPost, URL: n.URL,
			RequestHeader: n.header(1), RequestBody: clip(n.Body), Fault: fault.Kind, Error: "not sent"})
		if n.Done != nil {
			n.Done(false)
		}
	case FaultReorder:
		h.held.hold(func() { h.send(n, nil) })
	case FaultDuplicate:
		again := n
		again.Done = nil
		h.send(n, h.held.release)
		h.send(again, nil)
	case FaultImpatient:
		n.impatience = fault.Duration(100 * time.Millisecond)
		h.send(n, h.held.release)
	default:
		h.send(n, h.held.release)
	}
}

// heldBack are the notifications that wait, by FaultReorder, until another one has been sent.
type heldBack struct {
	mu   sync.Mutex
	list []func() // mu guards it
}

func (b *heldBack) hold(send func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, send)
}

func (b *heldBack) release() {
	b.mu.Lock()
	list := b.list
	b.list = nil
	b.mu.Unlock()
	for _, send := range list {
		send()
	}
}

// send makes the attempts of n in the background. It calls sent, unless that is nil, when the first has ended.
func (h *Host) send(n Notification, sent func()) {
	h.sending.Go(func() {
		for attempt := 1; ; attempt++ {
			timeout := n.Timeout
			if attempt == 1 && n.impatience > 0 {
				timeout = n.impatience
			}
			got, err := h.request(h.ctx, n.System, http.MethodPost, n.URL, n.header(attempt), n.Body, timeout, attempt)
			if h.ctx.Err() != nil {
				return
			}
			if attempt == 1 && sent != nil {
				sent()
			}
			status := got.Status
			delivered := err == nil && (n.Accepted == nil && status/100 == 2 || n.Accepted != nil &&
				n.Accepted(status))
			pause, again := time.Duration(0), false
			if !delivered {
				pause, again = n.next(attempt, status, err)
			}
			if !again {
				if n.Done != nil {
					n.Done(delivered)
				}
				return
			}
			if !h.Pause(h.ctx, pause) {
				return
			}
		}
	})
}

// Pause waits for d divided by the speed of the host, or until the host is closed or ctx ends. It reports whether the
// time has passed.
func (h *Host) Pause(ctx context.Context, d time.Duration) bool {
	return h.pause(ctx, time.Duration(float64(d)/h.opts.Speed))
}

// Go runs what a system does in the background. Close ends ctx and waits for do.
func (h *Host) Go(do func(ctx context.Context)) {
	h.sending.Go(func() { do(h.ctx) })
}

// A Reply is what a receiver answered.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte // at most 64 KiB of it
}

// Post makes one POST request, such as a handshake, and returns the status and at most 64 KiB of the answer.
func (h *Host) Post(ctx context.Context, system, url string, header http.Header, body []byte,
	timeout time.Duration) (status int, answer []byte, err error) {
	got, err := h.Send(ctx, system, http.MethodPost, url, header, body, timeout)
	return got.Status, got.Body, err
}

// Send is Post with any method, and returns the whole answer.
func (h *Host) Send(ctx context.Context, system, method, url string, header http.Header, body []byte,
	timeout time.Duration) (Reply, error) {
	return h.request(ctx, system, method, url, header, body, timeout, 0)
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// request makes one request, which is one attempt of a notification unless attempt is 0, and logs it.
func (h *Host) request(ctx context.Context, system, method, to string, header http.Header, body []byte,
	timeout time.Duration, attempt int) (got Reply, err error) {
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	case <-h.ctx.Done():
		return got, h.ctx.Err()
	}
	call := Call{At: h.Now(), System: system, Direction: CallOut, Method: method, URL: to,
		RequestHeader: header, RequestBody: clip(body), Attempt: attempt}
	start := time.Now()
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err == nil {
		req.Header = header.Clone()
		var res *http.Response
		if res, err = h.opts.Client.Do(req); err == nil {
			defer res.Body.Close()
			got.Body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
			got.Status, got.Header = res.StatusCode, res.Header
			call.Status, call.AnswerHeader, call.AnswerBody = res.StatusCode, res.Header, clip(got.Body)
		}
	}
	var failed *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		call.Error = "no answer within " + timeout.String()
	case errors.As(err, &failed): // the log has the URL already
		call.Error = failed.Err.Error()
	case err != nil:
		call.Error = err.Error()
	}
	call.Duration = time.Since(start)
	h.calls.add(call)
	return got, err
}
