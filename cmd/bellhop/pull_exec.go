package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/action"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file has a command work on the deliveries of 'bellhop pull', and tells the server what came of each.

// A pulledWork is a delivery in hand: the command works on it, or the server has not taken what came of it.
type pulledWork struct {
	lease client.Lease // the latest of the delivery; puller.mu guards it
	ended bool         // the command has ended, and nobody tells the server now; puller.mu guards it

	failure string // why the command has failed; "" is success
	took    time.Duration
}

// Times of the talk with the server.
const (
	settlePause = time.Second     // between two tries to ack or nack
	giveBack    = 5 * time.Second // for the nacks of the events that are given back
)

// work has the command work on a delivery, and tells the server. A delivery that is in hand already comes again
// because its lease has ended: it is not worked on twice.
func (p *puller) work(ctx context.Context, l client.Lease) {
	p.mu.Lock()
	w := p.works[l.DeliveryID]
	if w != nil {
		w.lease = l
		tell := w.ended
		w.ended = false
		p.mu.Unlock()
		if tell {
			p.settle(ctx, w)
		}
		return
	}
	w = &pulledWork{lease: l}
	p.works[l.DeliveryID] = w
	p.mu.Unlock()

	extending, stop := context.WithCancel(ctx)
	extended := make(chan struct{})
	go func() {
		defer close(extended)
		p.extend(extending, w)
	}()
	began := time.Now()
	w.failure = p.execute(ctx, l)
	w.took = time.Since(began)
	stop()
	<-extended
	p.settle(ctx, w)
}

// latest returns the latest lease of a delivery in hand.
func (p *puller) latest(w *pulledWork) client.Lease {
	p.mu.Lock()
	defer p.mu.Unlock()
	return w.lease
}

// extend prolongs the lease of a delivery until ctx ends. A lease that has ended is extended again once the delivery
// has come again.
func (p *puller) extend(ctx context.Context, w *pulledWork) {
	lost := ""
	for pauseFor(ctx, p.lease/3) == nil {
		l := p.latest(w)
		if l.Token == lost {
			continue
		}
		_, err := p.api.Extend(ctx, l, 0)
		var refused *client.Error
		if errors.As(err, &refused) && refused.Status < 500 {
			lost = l.Token
			p.say("the lease of %s is lost: %s", l.DeliveryID, clean(err.Error()))
		}
	}
}

// execute runs the command for a delivery, and returns why it failed; "" if it did not.
func (p *puller) execute(ctx context.Context, l client.Lease) (failure string) {
	body, err := l.Bytes()
	if err != nil {
		return err.Error()
	}
	shell := []string{"sh", "-c"}
	if runtime.GOOS == "windows" {
		shell = []string{"cmd", "/C"}
	}
	cmd := exec.CommandContext(ctx, shell[0], shell[1], p.command)
	cmd.Dir = p.e.dir
	cmd.Stdin = bytes.NewReader(body) // it is not an error if the command does not read it
	out := &sharedOutput{puller: p}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), variables(l)...)
	cmd.WaitDelay = time.Second
	action.OwnGroup(cmd)
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "interrupted"
	case cmd.ProcessState == nil:
		return "the command cannot be started: " + err.Error()
	case cmd.ProcessState.ExitCode() != 0:
		return cmd.ProcessState.String()
	}
	return ""
}

// variables returns the variables that describe a delivery: those of destinations of type exec, and the headers.
func variables(l client.Lease) []string {
	list := action.Variables(&bellhop.Event{ID: l.EventID, Type: l.Type, Subject: l.Subject, Source: l.Source,
		Tenant: l.Tenant, Time: l.Time.Time, ReceivedAt: l.ReceivedAt.Time, ContentType: l.ContentType},
		provider.AttemptInfo{DeliveryID: l.DeliveryID, Attempt: l.Attempt})
	for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
		variable := "BELLHOP_HEADER_" + strings.ReplaceAll(strings.ToUpper(name), "-", "_")
		list = append(list, variable+"="+strings.ReplaceAll(strings.Join(l.Headers[name], ", "), "\x00", "\uFFFD"))
	}
	return list
}

// A sharedOutput writes the output of a command to stderr, beside those of others.
type sharedOutput struct{ *puller }

func (o *sharedOutput) Write(b []byte) (int, error) {
	o.printing.Lock()
	defer o.printing.Unlock()
	return o.e.stderr.Write(b)
}

// settle tells the server what came of a delivery, and prints it. While the server cannot be reached, it tries again.
// If the lease has ended before, a success is kept until the delivery comes again.
func (p *puller) settle(ctx context.Context, w *pulledWork) {
	for tries := 0; ; tries++ {
		l := p.latest(w)
		outcome, err := p.end(ctx, l, w.failure)
		var refused *client.Error
		known := errors.As(err, &refused) && refused.Status < 500
		switch {
		case err == nil, known && refused.Code == bellhop.CodeConflict && tries > 0: // the first try counted
			p.forget(l.DeliveryID)
			p.print(l, outcome, w.failure, w.took)
			return
		case !known && ctx.Err() == nil && pauseFor(ctx, settlePause) == nil:
			continue
		case known && refused.Code == bellhop.CodeGone && w.failure == "" && p.keep(w, l):
			p.say("the lease of %s ended too early; it is acked when it comes again: %s", l.DeliveryID,
				clean(err.Error()))
			return
		case known && refused.Code == bellhop.CodeGone && p.latest(w).Token != l.Token: // it has come again meanwhile
			continue
		}
		p.forget(l.DeliveryID)
		p.print(l, "lost", err.Error(), w.took)
		return
	}
}

// end acks or nacks a delivery. What is interrupted is given back at once, although ctx has ended.
func (p *puller) end(ctx context.Context, l client.Lease, failure string) (outcome string, err error) {
	delay := p.nackDelay
	if ctx.Err() != nil {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBack)
		defer cancel()
		ctx, delay = limited, 0
	}
	if failure == "" {
		return "acked", p.api.Ack(ctx, l)
	}
	return "nacked", p.api.Nack(ctx, l, delay, failure[:min(len(failure), bellhop.MaxAnswerDetail)])
}

// keep keeps a success whose lease has ended. It reports false if the delivery has come again meanwhile, or if too
// many are kept.
func (p *puller) keep(w *pulledWork, l client.Lease) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.ended = w.lease.Token == l.Token && len(p.works) <= keptHanded
	return w.ended
}

func (p *puller) forget(deliveryID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.works, deliveryID)
}
