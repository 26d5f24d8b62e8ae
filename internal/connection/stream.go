package connection

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file makes calls whose answer is read piece by piece. They go the way of all calls; only their time is bounded
// otherwise: not as a whole, but the silence within it.

// allows implements provider.Connection.Allows.
func (a *api) allows(ctx context.Context, call provider.Call) error {
	opened, err := a.m.opened(ctx, a.id)
	if err == nil {
		_, err = resolve(opened, call)
	}
	return err
}

// open implements provider.Connection.Open.
func (a *api) open(ctx context.Context, call provider.Call) (provider.Stream, error) {
	idle := call.Idle
	if idle <= 0 {
		idle = provider.DefaultIdle
	}
	calling, cancel := context.WithCancelCause(ctx)
	silence := time.AfterFunc(idle, func() { cancel(errSilent) })
	client := *a.m.opts.Env.Client
	client.Timeout = 0 // which would bound the body too
	x, err := a.make(calling, call, &client)
	silence.Stop()
	if err != nil {
		silent := context.Cause(calling) == errSilent
		cancel(nil)
		var e *provider.APIError
		if silent && errors.As(err, &e) && e.Kind == provider.APITemporary {
			e.Message = "no answer came within " + idle.String()
		}
		return provider.Stream{}, err
	}
	return provider.Stream{Status: x.status(), Header: x.response.Header, Length: x.response.ContentLength,
		Body: &streamBody{body: x.response.Body, host: x.host, ctx: calling, cancel: cancel, idle: idle,
			silence: silence}}, nil
}

// errSilent is the cause by which a call is given up that nothing comes for.
var errSilent = errors.New("silent for too long")

// A streamBody reads a body for as long as there is something to read.
type streamBody struct {
	body    io.ReadCloser
	host    string
	ctx     context.Context // of the call
	cancel  context.CancelCauseFunc
	idle    time.Duration
	silence *time.Timer // runs during Read alone: a slow reader is no silence
}

// Read implements [io.Reader]. Its errors are those of provider.Stream.
func (b *streamBody) Read(p []byte) (int, error) {
	b.silence.Reset(b.idle)
	n, err := b.body.Read(p)
	b.silence.Stop()
	if err == nil || err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, err
	}
	e := &provider.APIError{Kind: provider.APITemporary, Message: b.host + " broke the connection off"}
	switch {
	case context.Cause(b.ctx) == errSilent:
		e.Message = b.host + " sent nothing for " + b.idle.String()
	case b.ctx.Err() != nil:
		e.Message = "given up while reading from " + b.host
	case egress.IsLocal(err):
		e.Message = egress.Local(err).Error()
	}
	return n, e
}

// Close implements [io.Closer].
func (b *streamBody) Close() error {
	b.silence.Stop()
	b.cancel(nil)
	return b.body.Close()
}
