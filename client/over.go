package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
)

// Over returns a client of a gateway in this process: handler gets its requests in memory, with the context of the
// call. No key is sent: the context says who calls. An answer is read as it is written, so that a stream works too.
func Over(handler http.Handler) *Client {
	c := New("http://bellhop", "", nil)
	c.http = &http.Client{Transport: inMemory{handler}, CheckRedirect: c.http.CheckRedirect}
	return c
}

// inMemory is the transport of a Client of Over.
type inMemory struct{ handler http.Handler }

// RoundTrip runs the handler, and returns once it has begun its answer or has ended. The handler runs on while the
// body is read; a body that is closed early ends the writes of the handler with an error, and its context.
func (t inMemory) RoundTrip(sent *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(sent.Context())
	r := sent.Clone(ctx)
	r.Header.Del("Authorization") // no key travels
	r.RequestURI = r.URL.RequestURI()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	body, out := io.Pipe()
	w := &memoryWriter{header: make(http.Header), out: out, begun: make(chan struct{})}
	go func() {
		defer cancel()
		out.CloseWithError(w.run(t.handler, r)) // nil is the end of the body
	}()
	stop := context.AfterFunc(ctx, func() { out.CloseWithError(ctx.Err()) })
	<-w.begun
	if w.failure != nil {
		return nil, w.failure
	}
	return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1,
		ProtoMinor: 1, Header: w.sent, Body: &memoryBody{body, stop, cancel}, ContentLength: -1, Request: sent}, nil
}

// errBroken is the error of a call whose handler ended without a whole answer.
var errBroken = errors.New("the gateway broke off its answer")

// A memoryWriter is the ResponseWriter of a request in memory. status, sent and failure are set before begun is
// closed, and never afterwards. The handler uses it in one goroutine, as any other ResponseWriter.
type memoryWriter struct {
	header http.Header
	out    *io.PipeWriter

	once    sync.Once
	begun   chan struct{} // closed when the answer has begun, or the handler has ended
	status  int
	sent    http.Header // as it was when the answer began
	failure error       // of a handler that ended before it began an answer
}

// run runs the handler. The error says that it ended by a panic, which is how a handler breaks off its answer.
func (w *memoryWriter) run(handler http.Handler, r *http.Request) (err error) {
	defer func() {
		if recover() != nil {
			err = errBroken
			w.once.Do(func() {
				w.failure = errBroken
				close(w.begun)
			})
			return
		}
		w.WriteHeader(http.StatusOK)
	}()
	handler.ServeHTTP(w, r)
	return nil
}

func (w *memoryWriter) Header() http.Header { return w.header }

func (w *memoryWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

func (w *memoryWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.out.Write(b)
}

// Flush begins the answer. What is written needs no flush.
func (w *memoryWriter) Flush() { w.WriteHeader(http.StatusOK) }

// A memoryBody is the body of an answer in memory.
type memoryBody struct {
	*io.PipeReader
	stop   func() bool
	cancel context.CancelFunc
}

// Close ends the request.
func (b *memoryBody) Close() error {
	b.stop()
	b.cancel()
	return b.PipeReader.Close()
}
