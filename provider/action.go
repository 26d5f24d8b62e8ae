package provider

import (
	"context"

	"github.com/bellhop-gateway/bellhop"
)

// An Action is work that a destination can do here: where others send an event, one of such a type does that work for
// it. Its lane, attempts, retries and replays are those of any destination; it has no URL, handshake or batch.
type Action interface {
	// Info is constant. Its Name is the type of such destinations, its SendSettings are theirs; Schedule, Rate and
	// Concurrency hold where they do not say; Errors are how an attempt may end, beside "timeout".
	Info() Info
	// OpenAction checks d once, when it is saved or loaded. Its errors are bellhop.CodeInvalid with paths within the
	// destination: "settings.command", or "type" where this server may not do such work.
	OpenAction(env Env, d bellhop.Destination) (Performer, error)
}

// A Performer does the work of one destination. It is safe for concurrent use.
type Performer interface {
	// Perform does it for ev, which stays as it is. When ctx ends it returns soon, and leaves nothing running.
	Perform(ctx context.Context, ev *bellhop.Event, at AttemptInfo) ActionResult
}

// An ActionResult is the result of one attempt at an action.
type ActionResult struct {
	Error  string // "" when it is done, else why it is not: one of a few short codes, such as "exit"
	Detail string // the error in words; never a secret
	Reply  []byte // what it said, kept with the attempt: at most bellhop.MaxReplyBytes
	Cut    bool   // ctx ended before the work did; Error and Detail need not say so
	Final  bool   // trying again cannot help
}
