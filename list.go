package bellhop

import "time"

// A Page says which part of a list is wanted. Lists are newest first.
type Page struct {
	Limit  int    // at most MaxPage; 0 is DefaultPage
	Cursor string // "" for the first page, else the next of the page before
}

// Sizes of a page.
const (
	DefaultPage = 50
	MaxPage     = 250
)

// An EventFilter narrows a list of events. Zero fields do not narrow.
type EventFilter struct {
	SourceID string
	Type     string // whole, or a prefix and "*"
	Since    time.Time
	Until    time.Time
}

// A DeliveryFilter narrows a list of deliveries. Zero fields do not narrow.
type DeliveryFilter struct {
	EventID       string
	DestinationID string
	State         DeliveryState
	Since         time.Time
	Until         time.Time
}

// A RequestFilter narrows a list of requests. Zero fields do not narrow.
type RequestFilter struct {
	SourceID string
	Outcome  RequestOutcome
	Since    time.Time
	Until    time.Time
}

// Stats counts what is in the store.
type Stats struct {
	Sources, Destinations int64
	Events                int64                   // kept
	Deliveries            map[DeliveryState]int64 // pending and leased exactly; final ones since the server started
	OldestPendingAt       time.Time               // when the oldest delivery still owed was due; zero if none is
	DatabaseBytes         int64
	RequestsRefused       int64 // since the server started
}
