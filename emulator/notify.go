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
	// Done is called at the end, unless the host is closed before. It may be nil.
	Done func(delivered bool)

	impatience time.Duration // by FaultImpatient: the timeout of the first attempt; 0 is Timeout
}

// Notify sends a notification in the background, with its retries. It obeys the faults of notifications.
func (h *Host) Notify(n Notification) {
	switch fault := h.faults.ofNotification(n.System, n.URL); fault.Kind {
	case FaultSilent:
		h.calls.add(Call{At: h.Now(), System: n.System, Direction: CallOut, Method: http.MethodPost, URL: n.URL,
			RequestHeader: n.Header, RequestBody: clip(n.Body), Fault: fault.Kind, Error: "not sent"})
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
		n.impatience = fault.duration(100 * time.Millisecond)
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
			status, _, err := h.post(h.ctx, n.System, n.URL, n.Header, n.Body, timeout, attempt)
			if h.ctx.Err() != nil {
				return
			}
			if attempt == 1 && sent != nil {
				sent()
			}
			delivered := err == nil && (n.Accepted == nil && status/100 == 2 || n.Accepted != nil && n.Accepted(status))
			if delivered || attempt > len(n.Pauses) {
				if n.Done != nil {
					n.Done(delivered)
				}
				return
			}
			if !h.pause(h.ctx, time.Duration(float64(n.Pauses[attempt-1])/h.opts.Speed)) {
				return
			}
		}
	})
}

// Post makes one request, such as a handshake, and returns the status and at most 64 KiB of the answer.
func (h *Host) Post(ctx context.Context, system, url string, header http.Header, body []byte,
	timeout time.Duration) (status int, answer []byte, err error) {
	return h.post(ctx, system, url, header, body, timeout, 0)
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

func (h *Host) post(ctx context.Context, system, to string, header http.Header, body []byte, timeout time.Duration,
	attempt int) (status int, answer []byte, err error) {
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	case <-h.ctx.Done():
		return 0, nil, h.ctx.Err()
	}
	call := Call{At: h.Now(), System: system, Direction: CallOut, Method: http.MethodPost, URL: to,
		RequestHeader: header, RequestBody: clip(body), Attempt: attempt}
	start := time.Now()
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err == nil {
		req.Header = header.Clone()
		var res *http.Response
		if res, err = h.opts.Client.Do(req); err == nil {
			defer res.Body.Close()
			answer, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
			status, call.Status, call.AnswerHeader, call.AnswerBody = res.StatusCode, res.StatusCode, res.Header, clip(answer)
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
	return status, answer, err
}
