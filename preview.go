package bellhop

import (
	"net/http"
	"time"
)

// A MatchError is how a destination's Where failed last. An event over which it fails does not match.
type MatchError struct {
	At      time.Time
	Message string
	Count   int64 // how often it did since the start, or since it was changed
}

// A Preview is what a destination would do with an event.
type Preview struct {
	Why        string // which part of the match does not want the event, in words; "" if it matches
	MatchError string // why a Where could not be evaluated; "" if it could

	Method string
	Header http.Header // without those that frame the request
	Body   []byte

	Error   string // why nothing could be rendered; "" if it could
	Skipped string // why the destination's own filter does not want the event; "" if it does
}
