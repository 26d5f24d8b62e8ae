package provider

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// An Action is work that a destination can do here, where destinations of other types send the event somewhere.
// Its lane, attempts, retries and replays are those of any destination; it has no URL, handshake or batch.
type Action interface {
	// Info is constant. Its Name is the type of such destinations, and its SendSettings are their settings. Schedule,
	// Rate, Concurrency, MaxTimeout and Errors are the action's too.
	Info() Info
	// OpenAction checks d once, when it is saved or loaded. Its errors are bellhop.CodeInvalid with paths within the
	// destination: "settings.command", or "type" if this server may not do such work.
	OpenAction(env ActionEnv, d bellhop.Destination) (Performer, error)
}

// A Performer does the work of one destination. It is safe for concurrent use.
type Performer interface {
	// Perform makes one attempt for ev, which it must not change. When ctx ends, Perform returns soon and leaves
	// nothing running. at.Progress is what an earlier attempt of the same delivery has saved.
	//
	// An attempt may be repeated although it succeeded, because the server stopped before it had recorded the result.
	// So an action that must not do its work twice makes it repeatable: by the delivery's id, by its progress, or by
	// the ProviderID of the events that it publishes.
	Perform(ctx context.Context, ev *bellhop.Event, at AttemptInfo) ActionResult
}

// A Selector is a Performer that never works on some of the events that actions make, its own results above all: the
// match of its destination may be a whole source. The destination gets no delivery of them, unless somebody replays
// them to it.
type Selector interface {
	Performer
	// LeavesOut reports whether the destination gets no delivery of ev, which an action made. It is asked while events
	// are accepted, so it looks at nothing but ev.
	LeavesOut(ev *bellhop.Event) bool
}

// ActionEnv is what an action may use of the world. A field that is nil says that this server does not offer it; an
// action that needs it reports so in OpenAction.
type ActionEnv struct {
	Env

	// Files keeps bytes that outlive the attempt. Nil: this server keeps no files.
	Files Files

	// Publish hands a new event to the gateway, which stores it, matches it and delivers it like any other, and links
	// it to its cause: the event that the attempt is for. ev has what a [Receipt]'s events have; its ProviderID, if
	// there is one, makes publishing repeatable, since the gateway takes a later event of an action with that
	// ProviderID for a repeat, whatever its body. Publish returns the id of the stored event, which for a repeat is
	// the id of the first. A nil error means that the event is on disk. Nil: this server takes no events from actions.
	Publish func(ctx context.Context, cause *bellhop.Event, ev bellhop.Event) (id string, err error)

	// Connection returns a connection by its id or name. The error is bellhop.CodeNotFound if there is none. Nil: this
	// server has no connections.
	Connection ConnectionFinder

	// Source returns a source by its id or name. The error is bellhop.CodeNotFound if there is none. Nil: this server
	// has no sources.
	Source func(ctx context.Context, idOrName string) (ActionSource, error)

	// Cursors keeps positions in the change logs of outside systems. Nil: this server keeps none.
	Cursors Cursors

	PublicURL string // where others reach the server's API: "https://hooks.example.com"; "" if that is not known
}

// An ActionSource is a source as an action sees it that has an outside system call it.
type ActionSource struct {
	ID       string // "src_…"
	Name     string
	Provider string
	URL      string          // of the door: "https://hooks.example.com/in/media"
	Settings json.RawMessage // secrets included: they go nowhere but to the system of the provider
}

// A ConnectionFinder returns a connection by its id or name. The error is bellhop.CodeNotFound if there is none, and
// [ErrNotHere] if nobody can know.
type ConnectionFinder func(ctx context.Context, idOrName string) (Connection, error)

// ErrNotHere says that a configuration is checked without a server, which may have the connection that it names.
var ErrNotHere = errors.New("no server to ask")

// A Connection is a connection as an action uses it. It stays good while the connection is changed, signed out and
// signed in again.
type Connection struct {
	ID       string // "con_…"
	Name     string
	Provider string // name of its Connector
	API      API
	// BaseURL returns the base URL of the API, as the connection has it now. Its error is an *APIError.
	BaseURL func(ctx context.Context) (*url.URL, error)
	// Open is API.Do for an answer whose body is read piece by piece: the caller closes it. The whole call may take as
	// long as ctx lasts.
	Open func(ctx context.Context, call Call) (Stream, error)
	// Allows returns the *APIError, if there is one, because of which Do and Open would not make call: it leads to a
	// host that the connection does not allow. It makes no call.
	Allows func(ctx context.Context, call Call) error
}

// An ActionResult is the result of one attempt at an action. The zero value is success.
type ActionResult struct {
	Error  string // "" on success; else one of Info.Errors, such as "exit"
	Detail string // the error in words, without secrets
	Reply  []byte // the beginning of the output, kept with the attempt: at most bellhop.MaxReplyBytes
	Cut    bool   // ctx ended before the work did; Error and Detail may then be ""
	Final  bool   // the attempt failed, and another one would fail too

	// Short says that this machine had no more descriptors, memory or processes for the work. The attempt uses up no
	// try of the retry schedule, and does not count against the destination. Detail names the resource.
	Short bool

	// Continue is set if the work is neither done nor failed: another attempt begins at that time. It uses up no try
	// of the retry schedule, and does not count against the destination. Error is "" then.
	Continue time.Time

	// Skip is set if the event is not one that this action works on. The delivery is cancelled, "skipped", and Detail
	// says why. Error is "" then.
	Skip bool

	// Status is that of the HTTP answer of a program that has done the work elsewhere, and RetryAfter the header of
	// that name; 0 without such an answer. They decide as those of a request do, in place of success. Error is ""
	// then.
	Status     int
	RetryAfter string

	// Parked is the id of a connection that is signed out, so that the work cannot be done. The delivery stays pending
	// until the connection is back, without an end, and no other delivery of the destination is attempted until then.
	// The attempt uses up no try of the retry schedule, and does not count against the destination. Detail says what
	// to do. Error is "", or the code of the attempt. Unmade says that there was no attempt: none is recorded.
	Parked string
	Unmade bool

	// Progress is saved with the record of this attempt, whatever its result, for the next one: at most
	// bellhop.MaxProgressBytes. Nil keeps what an earlier attempt has saved; an empty slice that is not nil clears it.
	Progress []byte
}
