package bellhop

// An Arrival is what came in at one moment: an event or a request on record. One of the pointers is set.
type Arrival struct {
	Event      *Event // without headers of the request and without its body
	BodyBytes  int    // of the event
	Deliveries int    // of the event, replays included
	Request    *Request

	// Tenant is that of the source, or else of the event.
	Tenant string
}

// Mark returns the place of a among all events and requests on record: a text that sorts as they were stored.
func (a *Arrival) Mark() string {
	if a.Event != nil {
		return MarkOf(a.Event.ID)
	}
	return MarkOf(a.Request.ID)
}

// MarkOf returns the mark of the event or request with an id of the store.
func MarkOf(id string) string {
	if len(id) < len(PrefixEvent) {
		return ""
	}
	return id[len(PrefixEvent):]
}

// An EventLabel is what one has to know of an event to choose and show its attempts.
type EventLabel struct {
	ID       string
	Type     string
	Subject  string
	Source   string // its name
	SourceID string
}

// Label returns the label of ev.
func (ev *Event) Label() EventLabel {
	return EventLabel{ID: ev.ID, Type: ev.Type, Subject: ev.Subject, Source: ev.Source, SourceID: ev.SourceID}
}

// An Attempted is the result of an attempt as the store tells it afterwards.
type Attempted struct {
	Result
	Destination string // its name, also of a deleted one
	Tenant      string // of the destination
}
