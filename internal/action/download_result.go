package action

import (
	"errors"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file says what comes of an attempt to download: the bodies of the events, the reply that the attempt keeps, and
// what each failure means for the delivery.

// A downloadedBody is the body of the event that all files are here.
type downloadedBody struct {
	Recording string           `json:"recording"`
	Chunks    int              `json:"chunks"`
	Bytes     int64            `json:"bytes"`
	Files     []downloadedFile `json:"files"`
	Missing   []int            `json:"missing,omitempty"` // indices that the event of the system did not name
}

type downloadedFile struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Index       int    `json:"index"`
	Size        int64  `json:"size"`
	SHA256      string `json:"sha256"`
	ContentType string `json:"content_type"`
	URL         string `json:"url"`
}

// An expiringBody is the body of the alarm that the files are not here yet, and are deleted soon.
type expiringBody struct {
	Recording string    `json:"recording"`
	DueAt     time.Time `json:"due_at"`
	Chunks    int       `json:"chunks"`
	Whole     int       `json:"whole"` // chunks that are here
	Bytes     int64     `json:"bytes"` // that are here
	Reason    string    `json:"reason"`
}

// A downloadReply is what an attempt keeps, in JSON: the event that was published, or how far the download is.
type downloadReply struct {
	Event   string `json:"event,omitempty"`
	Type    string `json:"type,omitempty"`
	Chunks  int    `json:"chunks"`
	Whole   int    `json:"whole"`           // chunks that are here
	Chunk   *int   `json:"chunk,omitempty"` // index of the one that is being downloaded
	File    string `json:"file,omitempty"`
	Size    int64  `json:"size,omitempty"`  // of that file
	Total   int64  `json:"total,omitempty"` // as it was announced
	Fetched int64  `json:"fetched"`         // bytes, in this attempt
	Resumes int    `json:"resumes,omitempty"`
	Deleted int    `json:"deleted,omitempty"` // files at the system
	Why     string `json:"why,omitempty"`     // it is not done
}

// Pauses before a system is asked again whether a file is there, as long as it may come: it is announced a little
// before.
var absentPauses = []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute}

// absentTime is how long after its event a file may come.
const absentTime = 10 * time.Minute

// result returns the result of an attempt that ended with err.
func (r *downloading) result(reply downloadReply, err error) (done provider.ActionResult) {
	reply.Chunks, reply.Whole, reply.Fetched, reply.Resumes = len(r.plan.Parts), len(r.whole), r.fetched, r.resumes
	if i := len(r.whole); i < len(r.plan.Parts) {
		reply.Chunk = &r.plan.Parts[i].Index
		reply.File, reply.Size, reply.Total = r.current.ID, r.current.Size, max(0, r.current.Total)
	}
	done = r.outcome(err)
	if done.Error == "" && done.Detail == "" {
		reply.Why = string(done.Reply)
	}
	done.Reply = marshal(reply)
	return done
}

// outcome returns what an error means for the delivery. The reply is why it waits.
func (r *downloading) outcome(err error) provider.ActionResult {
	now := r.env.Now()
	var storage *unstoredError
	var published *publishError
	var undeleted *deleteError
	var e *provider.APIError
	isAPI := errors.As(err, &e)
	switch {
	case err == nil:
		return provider.ActionResult{}
	case errors.As(err, &published):
		return unpublished(r.ctx, published.cause)
	case r.ctx.Err() != nil:
		return provider.ActionResult{Cut: true}
	case errors.Is(err, errSlice), errors.Is(err, errCheckpoint), r.slice.Err() != nil:
		return provider.ActionResult{Continue: now, Reply: []byte(err.Error())}
	case errors.As(err, &storage):
		return r.unstored(storage, now)
	case isAPI && e.Kind == provider.APIGone:
		return r.absent(e, now)
	}
	done := failure(r.ctx, r.conn, err)
	switch {
	case isAPI && e.Kind == provider.APIMismatch:
		done.Error = errorMismatch
	case isAPI && e.Status != 0 && (e.Kind == provider.APISignedOut || e.Kind == provider.APIForbidden):
		done.Final = true // no other key comes by itself
	}
	switch {
	case errors.As(err, &undeleted) && done.Error != "":
		done.Detail = "the files are here, and are not deleted at the system: " + done.Detail
	case done.Error != "" && !done.Final && now.After(r.dueAt()):
		done.Error, done.Final, done.Detail = errorExpired, true, "expired or deleted: "+done.Detail
	}
	return done
}

// unstored returns the result of an attempt that the storage of files ended.
func (r *downloading) unstored(err *unstoredError, now time.Time) provider.ActionResult {
	var known *bellhop.Error
	isKnown := errors.As(err, &known)
	switch {
	case errors.Is(err, provider.ErrStorageFull):
		return provider.ActionResult{Short: true, Detail: provider.ErrStorageFull.Error()}
	case isKnown && known.Code == bellhop.CodeConflict:
		return provider.ActionResult{Continue: now.Add(claimPause), Reply: []byte("waits: " + known.Message)}
	case isKnown:
		return provider.ActionResult{Error: errorStorage, Detail: "the file could not be stored: " + known.Message,
			Final: known.Code == bellhop.CodeInvalid}
	}
	r.log.Error("download.unstored", "action", r.action, "event_id", r.ev.ID, "error", err)
	return provider.ActionResult{Error: errorStorage, Detail: "the file could not be stored; the log says more"}
}

// absent returns the result for a file that the system does not have: not yet, or not any more.
func (r *downloading) absent(e *provider.APIError, now time.Time) provider.ActionResult {
	if now.Sub(r.plan.At) < absentTime && r.current.Size == 0 {
		pause := absentPauses[min(r.progress.Absent, len(absentPauses)-1)]
		r.progress.Absent++
		return provider.ActionResult{Continue: now.Add(pause), Reply: []byte("waits: the file is not there yet")}
	}
	return provider.ActionResult{Error: errorExpired, Final: true, Detail: "expired or deleted: " + e.Error()}
}
