package bellhop

import (
	"net/http"
	"time"
)

// A Hold says why no attempt of a destination begins, or only single ones: it keeps failing, it asked for a rest, its
// connection is signed out, or this machine was short of a resource. The zero Hold says that the destination is not
// held back.
type Hold struct {
	Reason string // what was wrong with the last such attempt; "" if none was made since the start
	// NextAt is before which no attempt begins; it may have passed. It is zero if a person says when, by signing in.
	NextAt time.Time
}

// A MatchError is the latest failure of a destination's Where. An event for which Where fails does not match.
type MatchError struct {
	At      time.Time
	Message string
	Count   int64 // failures since the server started or Where changed
}

// A Preview shows how a destination would handle an event.
type Preview struct {
	Why        string // which part of the match excludes the event, in words; "" if it matches
	MatchError string // why Where could not be evaluated; "" if it could

	Method string
	Header http.Header // without the headers that frame the request
	Body   []byte

	Error   string // why no request could be rendered; "" if one could
	Skipped string // why the destination's settings exclude the event; "" if they do not
}
