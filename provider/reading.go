package provider

import (
	"context"
	"encoding/json"

	"github.com/bellhop-gateway/bellhop"
)

// A ChangeReader is a provider whose notifications say that something in a resource has changed, and whose API tells
// what: page by page, from a position on. The server has an action for each, such as graph.delta. It keeps the
// position of each resource, and publishes an event for each [Change].
type ChangeReader interface {
	Provider
	// ReadingInfo is constant.
	ReadingInfo() ReadingInfo
	// OpenReading checks the settings of a destination: those of ReadingInfo and FetchSettings. Its errors are
	// bellhop.CodeInvalid with paths within the settings ("resource").
	OpenReading(settings json.RawMessage) (Reading, error)
}

// ReadingInfo describes the action of a ChangeReader.
type ReadingInfo struct {
	Name     string // of the action: "graph.delta"
	Title    string
	Summary  string // one sentence: what it reads and publishes
	Links    []string
	Settings []Setting // beside connection and fold
	Width    int       // calls at a time for one share: see Reading.Find; 0 is any number
}

// A Reading is the provider's part of one destination that reads changes. It is safe for concurrent use.
type Reading interface {
	// Common returns the settings that every reading has.
	Common() FetchSettings
	// Find returns the log of the resource that ev, which may be any event, is about. calls returns the API of the
	// connection; share names the part of the system that has a limit of its own, such as a mailbox, or is "". The
	// error is an *APIError: of APIInvalid if ev names a resource that is never called, which it does not repeat.
	Find(ctx context.Context, env Env, calls func(share string) API, ev *bellhop.Event) (FoundLog, error)
}

// A FoundLog is the change log of a resource, or says that there is none.
type FoundLog struct {
	Skip string // why the event is about no log; "" if Log is set
	// Key names the log among those of the destination. It stays the same while notifications spell the resource in
	// different ways.
	Key string
	// FromStart reports that the first reading tells what there is, or the whole log. Otherwise it begins shortly
	// before the event.
	FromStart bool
	Log       ChangeLog
}

// A ChangeLog tells what has changed in one resource, page by page. It is for one goroutine at a time.
type ChangeLog interface {
	// Next returns one page, and makes a bounded number of calls. With the cursor "", it begins at span.Since as well
	// as the system can: it may not see what was deleted, which the page says. The zero time is from the start. A
	// cursor that is of no use any more is given up, which the page says, and the next page begins at span.Since or
	// earlier. The errors are *APIError, as those of [API.Do].
	Next(ctx context.Context, cursor string, span Span) (ChangePage, error)
}

// ReadingActionInfo describes the destinations that read from r, as far as r and the settings decide.
func ReadingActionInfo(r ChangeReader) Info {
	info := r.ReadingInfo()
	fold := FoldSetting
	fold.Doc = "The time between the begins of two readings of one resource, up to `1h`: notifications that come " +
		"meanwhile share the next one. Default: `1s`."
	return Info{Name: info.Name, Title: info.Title, Summary: info.Summary, Links: info.Links,
		SendSettings: append([]Setting{connectionOf(r.Info().Name), fold}, info.Settings...)}
}
