package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/egress"
)

// This file hands one event to the program of 'bellhop listen', and answers for a destination of type listen.

// A handing is one event that is handed to the program and what came of it, as --json prints it.
type handing struct {
	Number     int     `json:"number"`
	EventID    string  `json:"event_id"`
	DeliveryID string  `json:"delivery_id,omitempty"` // with --destination
	Attempt    int     `json:"attempt,omitempty"`     // with --destination
	Source     string  `json:"source"`
	Type       string  `json:"type"`
	Subject    string  `json:"subject"`
	Repeated   bool    `json:"repeated"` // by the user
	Status     int     `json:"status"`   // of the program's answer; 0 without one
	Error      string  `json:"error"`    // why there is no answer
	DurationMS float64 `json:"duration_ms"`
}

// hand hands the event of h to the program, which has timeout to answer, and completes h by what came of it. It
// returns the answer in the form in which the server takes it. That the program fails is no error.
func (l *listen) hand(ctx context.Context, h *handing, timeout time.Duration) (a client.Answer) {
	ev, body, err := l.fetch(ctx, h.EventID)
	h.Source, h.Type, h.Subject = ev.Source, ev.Type, ev.Subject
	if err != nil {
		h.Error = "the server does not give the event: " + err.Error()
	} else {
		began := time.Now()
		a, h.Error = l.post(ctx, ev, body, h, timeout)
		h.DurationMS = float64(time.Since(began).Microseconds()) / 1000
	}
	h.Status = a.Status
	a.Detail = strings.ToValidUTF8(h.Error[:min(len(h.Error), bellhop.MaxAnswerDetail)], "")
	return a
}

// fetch returns an event with its body. While the server cannot be reached, it asks again each second.
func (l *listen) fetch(ctx context.Context, id string) (ev client.EventDetail, body []byte, err error) {
	for {
		ev, err = l.api.Event(ctx, id)
		if err == nil {
			body, _, err = l.api.EventBody(ctx, id)
		}
		var refused *client.Error
		if err == nil || errors.As(err, &refused) && refused.Status < 500 || ctx.Err() != nil {
			return ev, body, err
		}
		err = pauseFor(ctx, time.Second)
		if err != nil {
			return ev, nil, err
		}
	}
}

// post sends an event to the program, and returns its answer, or why there is none.
func (l *listen) post(ctx context.Context, ev client.EventDetail, body []byte, h *handing,
	timeout time.Duration) (a client.Answer, failure string) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.forward, bytes.NewReader(body))
	if err != nil {
		return a, "the URL cannot be read"
	}
	for name, values := range ev.Headers {
		if !bellhop.FramingHeader(name) {
			req.Header[name] = values
		}
	}
	if req.Header.Get("Content-Type") == "" && ev.ContentType != "" {
		req.Header.Set("Content-Type", ev.ContentType)
	}
	req.Header.Set("Bellhop-Event-Id", ev.ID)
	if bellhop.CheckHeader("X", ev.Type) == nil { // a stranger may have written anything
		req.Header.Set("Bellhop-Event-Type", ev.Type)
	}
	if h.DeliveryID != "" {
		req.Header.Set("Bellhop-Delivery-Id", h.DeliveryID)
		req.Header.Set("Bellhop-Attempt", strconv.Itoa(h.Attempt))
	}
	hops := bellhop.ParseHops(http.Header(ev.Headers).Get(bellhop.HopsHeader)) // so that a loop of gateways ends
	req.Header.Set(bellhop.HopsHeader, strconv.Itoa(min(hops+1, bellhop.MaxHops)))
	unlimited := *l.http
	unlimited.Timeout = 0 // that of ctx counts
	resp, err := unlimited.Do(req)
	if err != nil {
		failure, _ = egress.Unanswered(err)
		return a, "the program " + failure
	}
	defer resp.Body.Close()
	reply, _ := io.ReadAll(io.LimitReader(resp.Body, bellhop.MaxReplyBytes)) // a status without its whole body counts
	a.SetBody(reply)
	a.Status = resp.StatusCode
	after := resp.Header.Get("Retry-After")
	a.RetryAfter = after[:min(len(after), maxRetryAfterLength)]
	return a, ""
}

// maxRetryAfterLength is how long a Retry-After header is that the server takes.
const maxRetryAfterLength = 100

// A work is a delivery that the program works at, or whose answer the server has not taken.
type work struct {
	token  string         // of its latest attempt
	answer *client.Answer // nil while the program works
}

// A doneWork is a delivery that the program has answered, or has not within its time.
type doneWork struct {
	handing
	answer client.Answer
}

// begin hands a delivery to the program, in the background, within the time that the server gives it. A delivery that
// comes again, because an interruption ended the attempt before, is not handed over twice.
func (l *listen) begin(ctx context.Context, d *client.StreamDelivery, until time.Duration) error {
	w := l.works[d.DeliveryID]
	if w == nil {
		l.works[d.DeliveryID] = &work{token: d.Token}
		if l.bounded {
			until = min(until, l.timeout)
		}
		l.work(ctx, handing{EventID: d.EventID, DeliveryID: d.DeliveryID, Attempt: d.Attempt}, until)
		return nil
	}
	w.token = d.Token
	if w.answer != nil {
		l.answer(ctx, d.DeliveryID, w)
	}
	return nil
}

// work hands the event of h to the program in the background, within timeout. What came of it goes to l.done.
func (l *listen) work(ctx context.Context, h handing, timeout time.Duration) {
	go func() {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		answer := l.hand(limited, &h, timeout)
		select {
		case l.done <- doneWork{h, answer}:
		case <-ctx.Done():
		}
	}()
}

// finish prints what came of a delivery, and answers for it. An event that the user repeats has no answer.
func (l *listen) finish(ctx context.Context, done doneWork) error {
	err := l.print(done.handing)
	w := l.works[done.DeliveryID]
	if w != nil {
		w.answer = &done.answer
		l.answer(ctx, done.DeliveryID, w)
	}
	return err
}

// answer gives the server the answer to a delivery. If the server cannot be reached, or the program was done with the
// event too late, the answer is kept until the delivery comes again.
func (l *listen) answer(ctx context.Context, deliveryID string, w *work) {
	a := *w.answer
	a.Token = w.token
	err := l.api.Answer(ctx, deliveryID, a)
	var refused *client.Error
	known := errors.As(err, &refused) && refused.Status < 500
	switch {
	case err == nil:
		delete(l.works, deliveryID)
	case known && (refused.Code != bellhop.CodeConflict || a.Status < 200 || a.Status > 299):
		delete(l.works, deliveryID)
		fmt.Fprintf(l.e.stderr, "the server does not take the answer to %s: %s\n", deliveryID, clean(err.Error()))
	case ctx.Err() == nil:
		fmt.Fprintf(l.e.stderr, "the server does not take the answer to %s now; it gets it when the delivery comes "+
			"again: %s\n", deliveryID, clean(err.Error()))
		l.forget()
	}
}

// forget drops answers that the server has not taken, if they are too many.
func (l *listen) forget() {
	for id, w := range l.works {
		if len(l.works) <= keptHanded {
			return
		}
		if w.answer != nil {
			delete(l.works, id)
		}
	}
}
