package provider

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A Worker is a provider whose system does work that an event asks for, by several calls of its API: it publishes an
// asset, or submits a job. The server has an action for each work: a destination of type "ams.publish" does the work
// of that name.
type Worker interface {
	Provider
	// Works is constant.
	Works() []WorkInfo
	// OpenWork checks the settings of a destination whose type is the name of one of Works. Its errors are
	// bellhop.CodeInvalid with paths within the settings ("processor").
	OpenWork(env Env, name string, settings json.RawMessage) (Work, error)
}

// WorkInfo describes a work.
type WorkInfo struct {
	Name    string // the type of its destinations, which begins with the provider's name: "ams.publish"
	Title   string
	Summary string // one sentence: what it does, and which event it publishes
	// Settings are those beside connection. OpenWork gets all of them, connection included.
	Settings []Setting
	// Expressions are settings that are expressions in the language of templates, by name, with their defaults; "" is
	// none. The server evaluates them over each event: see Task.Values.
	Expressions map[string]string
	Width       int           // calls at a time in the name of one connection; 0 is any number
	Timeout     time.Duration // of an attempt, by default
}

// A Work is the provider's part of one destination that works. It is safe for concurrent use.
type Work interface {
	// Skip says why an event asks for no work; "" if it asks for some.
	Skip(ev *bellhop.Event) (why string)
	// Do does the work that t.Event asks for, or as much of it as can be done now. An attempt may be repeated although
	// it succeeded, so each of its effects is one that a repeat finds: by a name or an id that follows from the task.
	//
	// An error is an *APIError, as those of API.Do, which Do returns as they come: the kind decides whether the work
	// is tried again. An error of APIInvalid is final.
	Do(ctx context.Context, t *Task) (WorkDone, error)
}

// A Task is what one attempt at a work gets.
type Task struct {
	Event      *bellhop.Event
	DeliveryID string // the same in each attempt: "dlv_…"
	API        API
	BaseURL    string            // of the API, without a slash at the end
	Values     map[string]string // of the settings that are expressions and not empty; "" if one gives null
	// Progress is what an earlier attempt has returned as WorkDone.Progress; nil is nothing.
	Progress []byte
	// Source returns a source of the provider by its id or name. Its error is an *APIError of APIInvalid if there is
	// none.
	Source func(ctx context.Context, idOrName string) (ActionSource, error)
}

// A WorkDone is what an attempt at a work came to.
type WorkDone struct {
	// Events are published in their order, whether the work is done or not.
	Events []Made
	// Wait is set if the work is not done: another attempt begins after it. It uses up no try of the schedule.
	Wait time.Duration
	Why  string // the work waits, or was not needed; for users
	// Progress is kept for the next attempt: at most bellhop.MaxProgressBytes.
	Progress []byte
	// Skip is set if the event turned out to ask for no work. Why says so.
	Skip bool
}

// A Made is an event that a work publishes.
type Made struct {
	// Key names the event among those of the destination: an event of a key is published once.
	Key   string
	Event bellhop.Event // with Type, Subject, Time, ContentType and Body
}

// WorkActionInfo describes the destinations of one work of w.
func WorkActionInfo(w Worker, work WorkInfo) Info {
	of := w.Info()
	connection := Setting{Name: "connection", Title: "Connection", Example: "work", Required: true,
		Doc: "The connection of provider `" + of.Name + "` in whose name the calls are made, by name or id."}
	return Info{Name: work.Name, Title: work.Title, Summary: work.Summary, Links: of.Links, Timeout: work.Timeout,
		SendSettings: append([]Setting{connection}, work.Settings...)}
}
