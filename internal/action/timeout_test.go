//go:build unix

package action

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// TestTimeoutEndsAll: when an attempt's time is over nothing of it is left, children's children among it.
func TestTimeoutEndsAll(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"waits":            `echo $$ >pid; (sleep 300 & sleep 300); echo late >late`,
		"does not listen":  `trap '' TERM INT HUP; echo $$ >pid; sleep 300 & while :; do sleep 300; done`,
		"reads for ever":   `echo $$ >pid; sleep 300 & wait`,
		"its first is off": `echo $$ >pid; (sleep 300; echo late >late) & exec sleep 300`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan provider.ActionResult)
			p := shell(t, script, "dir", dir)
			go func() { ended <- p.Perform(ctx, new(bellhop.Event), provider.AttemptInfo{}) }()
			eventually(t, "the command runs", func() bool { return file(dir, "pid") != "" })
			group, err := strconv.Atoi(file(dir, "pid"))
			if err != nil || group == syscall.Getpgrp() || syscall.Kill(-group, 0) != nil {
				t.Fatalf("%d is no process group of its own: %v", group, err)
			}
			begun := time.Now()
			cancel()
			if done := <-ended; !done.Cut || time.Since(begun) > waitDelay/2 {
				t.Errorf("%+v after %v", done, time.Since(begun))
			}
			eventually(t, "the group is gone", func() bool { return errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) })
			if file(dir, "late") != "" {
				t.Error("it went on")
			}
		})
	}
}

// TestEscaped: who left the group and holds the output open is not waited for.
func TestEscaped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		cut    bool
	}{
		"of one that ended":     {`setsid sleep 30 & echo $! >pid`, false},
		"of one that was ended": {`setsid sleep 30 & echo $! >pid; sleep 300`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			begun := time.Now()
			done := shell(t, c.script, "dir", dir).Perform(ctx, new(bellhop.Event), provider.AttemptInfo{})
			took := time.Since(begun)
			if pid, err := strconv.Atoi(file(dir, "pid")); err == nil {
				syscall.Kill(pid, syscall.SIGKILL)
			}
			if done.Cut != c.cut || (done.Error == "") == c.cut || took > 500*time.Millisecond+2*waitDelay {
				t.Errorf("%+v after %v", done, took)
			}
		})
	}
}

// TestContextOver: a context that has ended starts nothing.
func TestContextOver(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if done := shell(t, "echo x >ran", "dir", dir).Perform(ctx, new(bellhop.Event), provider.AttemptInfo{}); !done.Cut || file(dir, "ran") != "" {
		t.Errorf("%+v", done)
	}
}

// TestAtOnce: a performer is for many attempts at a time, each with its own input and output.
func TestAtOnce(t *testing.T) {
	p := shell(t, `read -r line; echo "$BELLHOP_DELIVERY_ID $line"`)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			done := p.Perform(t.Context(), &bellhop.Event{Body: fmt.Appendf(nil, "body %d\n", i)}, provider.AttemptInfo{DeliveryID: fmt.Sprint("dlv_", i)})
			if want := fmt.Sprintf("dlv_%d body %d\n", i, i); string(done.Reply) != want {
				t.Errorf("%q, want %q: %+v", done.Reply, want, done)
			}
		})
	}
	all.Wait()
}
