package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// maxAnswerBytes bounds how much of an answer of the collector is read.
const maxAnswerBytes = 64 << 10

// A sendError is why a batch did not reach the collector.
type sendError struct {
	text  string
	again bool          // another try may succeed
	after time.Duration // that the collector asked for
}

func (e *sendError) Error() string { return e.text }

// deliver sends a batch, in a few tries, and counts what became of it.
func (e *Exporter) deliver(batch []sdk.ReadOnlySpan) {
	if len(batch) == 0 {
		e.complain(nil) // of spans that were dropped meanwhile
		return
	}
	body, err := proto.Marshal(requestOf(batch))
	refused := 0
	if err == nil {
		refused, err = e.try(body)
	}
	e.failed.Store(nil)
	switch {
	case err != nil:
		why := err.Error()
		e.failed.Store(&why)
		e.dropped.WithLabelValues(reasonOf(err)).Add(float64(len(batch)))
		e.lost.Add(int64(len(batch)))
	case refused > 0:
		refused = min(refused, len(batch))
		e.dropped.WithLabelValues(reasonRefused).Add(float64(refused))
		e.lost.Add(int64(refused))
		fallthrough
	default:
		e.exported.Add(float64(len(batch) - refused))
	}
	e.complain(err)
}

// reasonOf returns the reason for which spans were dropped because of err.
func reasonOf(err error) string {
	var failure *sendError
	if errors.As(err, &failure) && !failure.again {
		return reasonRefused
	}
	return reasonFailed
}

// try posts body until the collector takes it, the tries are used up, or the server stops. It returns how many of the
// spans the collector refused.
func (e *Exporter) try(body []byte) (refused int, err error) {
	pause := firstPause
	for n := 1; ; n++ {
		refused, err = e.post(body)
		var failure *sendError
		if err == nil || !errors.As(err, &failure) || !failure.again || n == maxTries {
			return refused, err
		}
		timer := time.NewTimer(min(max(pause, failure.after), longPause))
		select {
		case <-timer.C:
		case <-e.stopping: // what is left has one try
			timer.Stop()
			n = maxTries - 1
		case <-e.hurry.Done():
			timer.Stop()
			return 0, err
		}
		pause *= 2
	}
}

// post makes one request. Its errors name neither the URL nor a header, which may be secrets.
func (e *Exporter) post(body []byte) (refused int, err error) {
	ctx, cancel := context.WithTimeout(e.hurry, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return 0, &sendError{text: "the URL of the collector cannot be used"}
	}
	for name, value := range e.opts.Header {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	reply, err := e.opts.Client.Do(req)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err
		}
		return 0, &sendError{text: err.Error(), again: true}
	}
	defer reply.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(reply.Body, maxAnswerBytes))
	switch {
	case reply.StatusCode >= 200 && reply.StatusCode < 300 && err == nil:
		return refusedSpans(answer), nil
	case reply.StatusCode >= 200 && reply.StatusCode < 300:
		return 0, nil // it has them, whatever else it wanted to say
	}
	failure := &sendError{text: "the collector answered " + strconv.Itoa(reply.StatusCode)}
	switch reply.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		failure.again = true
		if seconds, err := strconv.Atoi(reply.Header.Get("Retry-After")); err == nil && seconds > 0 && seconds < 3600 {
			failure.after = time.Duration(seconds) * time.Second
		}
	}
	return 0, failure
}

// refusedSpans returns how many spans an answer says that the collector refused; 0 if it says nothing of it.
func refusedSpans(answer []byte) int {
	var said collector.ExportTraceServiceResponse
	if proto.Unmarshal(answer, &said) != nil {
		return 0
	}
	return int(max(0, said.GetPartialSuccess().GetRejectedSpans()))
}

// complain logs that spans were dropped, at most once a minute. err is why; nil is that the queue was full, or that
// the collector refused some.
func (e *Exporter) complain(err error) {
	now := time.Now()
	if e.lost.Load() == 0 || now.Sub(e.logged) < logEvery {
		return
	}
	e.logged = now
	if err == nil {
		err = fmt.Errorf("the collector is too slow, or refuses some")
	}
	e.opts.Logger.Warn("traces.dropped", "component", "otlp", "spans", e.lost.Swap(0), "error", err,
		"meaning", "these spans are missing in their traces; events and deliveries are not concerned")
}
