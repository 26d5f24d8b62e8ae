package bellhop

import "time"

// A Page selects a part of a list. Lists are newest first.
type Page struct {
	Limit  int    // at most MaxPage; 0 is DefaultPage
	Cursor string // "" for the first page, otherwise the next cursor of the previous page
}

// Sizes of a page.
const (
	DefaultPage = 50
	MaxPage     = 250
)

// MaxCounted is how many deliveries of an event are counted for a list of events.
const MaxCounted = 100

// ScanTime is how long a list with a filter that no index serves is searched at most; for a caller with a deadline,
// half of the time that is left to it, if that is less. A page that ends because of it has fewer entries than its
// limit and yet a next cursor, from which the search goes on.
const ScanTime = 2 * time.Second

// MaxContainsLength bounds, in bytes, the text that a filter looks for in bodies.
const MaxContainsLength = 1024

// A SourceFilter narrows a list of sources. Zero fields select all.
type SourceFilter struct {
	Tenant   string
	Provider string
}

// A DestinationFilter narrows a list of destinations. Zero fields select all.
type DestinationFilter struct {
	Tenant string
	Type   string // a whole type, or a prefix and "*"
	State  DestinationState
	// Troubled selects those that are not active or fail, and those with an id of InTrouble.
	Troubled  bool
	InTrouble []string
}

// A ConnectionFilter narrows a list of connections. Zero fields select all.
type ConnectionFilter struct {
	Tenant   string
	Provider string
	State    ConnectionState
}

// An EventFilter narrows a list of events. Zero fields select all.
type EventFilter struct {
	SourceIDs  []string // any of these
	Type       string   // a whole type, or a prefix and "*"
	Subject    string   // a whole subject, or a prefix and "*"
	ProviderID string
	Tenant     string // of the source of the event or, if the source has none, of the event
	CausedBy   string // id of the event for which actions published them
	Contains   string // these bytes occur in the body as it was received
	Since      time.Time
	Until      time.Time
}

// A DeliveryFilter narrows a list of deliveries. Zero fields select all.
type DeliveryFilter struct {
	EventID        string
	DestinationIDs []string // any of these
	State          DeliveryState
	Error          string   // of the last attempt, as [CheckError] has it: "timeout", "5xx"
	SourceIDs      []string // of the event: any of these
	Type           string   // of the event: a whole type, or a prefix and "*"
	Subject        string   // of the event: a whole subject, or a prefix and "*"
	Tenant         string   // of the destination
	Since          time.Time
	Until          time.Time
}

// A RequestFilter narrows a list of requests. Zero fields select all.
type RequestFilter struct {
	SourceIDs []string // any of these
	NoSource  bool     // only requests at names that are no source's
	Outcome   RequestOutcome
	Reason    string // of a refusal
	Contains  string // these bytes occur in the body, as far as it is kept
	Tenant    string // of the source
	Since     time.Time
	Until     time.Time
}

// A FileFilter narrows a list of files. Zero fields select all.
type FileFilter struct {
	State          FileState
	SourceIDs      []string // any of these
	DestinationIDs []string // any of these
	EventID        string
	Tenant         string    // of the destination
	Since          time.Time // when the file was begun
	Until          time.Time
}

// A RepairQuery narrows a list of repairs. Zero fields select all.
type RepairQuery struct {
	Kind   RepairKind
	State  RepairState
	Tenant string
	Since  time.Time // when the repair was created
	Until  time.Time
}

// A KeyFilter narrows a list of keys. Zero fields select all.
type KeyFilter struct {
	Tenant string
	Scope  Scope
}

// A Backlog is what there is to deliver at one moment.
type Backlog struct {
	OldestPendingAt time.Time // CreatedAt of the oldest pending delivery; zero if there is none
	Leased          int64     // deliveries that are being sent, or wait in memory
	Destinations    []DestinationBacklog
}

// A DestinationBacklog is the part of a Backlog that is for one destination.
type DestinationBacklog struct {
	ID, Name string
	State    DestinationState
	Failing  bool // its breaker is open
	Pending  int64
	Dead     int64
}

// Latencies are how long things took since a time.
type Latencies struct {
	Since    time.Time // an hour ago at most
	Accept   Latency   // of a request whose events were stored: from its start to the answer
	Attempt  Latency   // from rendering to the end of the reply
	Delivery Latency   // from receiving an event to its delivery
}

// A Latency is how long something took, as it was counted between bounds.
type Latency struct {
	Count    int64
	P50, P99 time.Duration // the longest of the shortest half, and of the shortest 99 of 100
}

// Stats counts the contents of the store.
type Stats struct {
	Sources, Destinations int64
	Events                int64 // stored
	// pending and leased exactly; the final states since the server started
	Deliveries      map[DeliveryState]int64
	OldestPendingAt time.Time // CreatedAt of the oldest pending delivery; zero if there is none
	NextDueAt       time.Time // the earliest NextAt of a pending delivery; zero if there is none
	DatabaseBytes   int64
	RequestsRefused int64 // since the server started
}
