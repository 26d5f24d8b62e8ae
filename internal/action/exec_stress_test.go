//go:build stress && unix

package action

import (
	"context"
	"testing"
	"time"
)

// TestStressTimeout: Perform returns as soon as a command and its descendants are killed, without waiting for
// waitDelay.
func TestStressTimeout(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := start(
		ctx,
		shell(t, `trap '' TERM INT HUP; echo $$ >pid; sleep 300 & while :; do sleep 300; done`, "dir", dir),
	)
	eventually(t, "the command runs", func() bool { return file(dir, "pid") != "" })
	begun := time.Now()
	cancel()
	if result, took := resultFrom(t, ended), time.Since(begun); !result.Cut || took > waitDelay/2 {
		t.Errorf("%+v after %v", result, took)
	}
}

// TestStressEscaped: Perform waits for waitDelay, and not much longer, for a process that keeps the output open.
func TestStressEscaped(t *testing.T) {
	begun := time.Now()
	result := perform(t, shell(t, `setsid sleep 5 & :`), "")
	if took := time.Since(begun); result.Error != "" || took > 2*waitDelay+500*time.Millisecond {
		t.Errorf("%+v after %v", result, took)
	}
}
