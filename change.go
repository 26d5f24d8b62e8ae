package bellhop

import "time"

// A configuration file declares nouns. The store makes all changes of one file in one transaction, and remembers which
// nouns a file made: only those may a later file without them delete.

// NounChanges are the changes of one configuration file.
type NounChanges struct {
	Tenants       Changes[Tenant]
	Connections   Changes[Connection]
	Sources       Changes[Source]
	Destinations  Changes[Destination]
	Subscriptions Changes[Subscription]
	Keys          Changes[Key]
}

// Changes are those of one kind of noun. The nouns have their ids, their times and all that the catalog sets.
type Changes[T any] struct {
	Created []T
	Updated []Successor[T]
	Deleted []Version // by ids
}

// A Successor takes the place of the noun with its id, if that has the version.
type Successor[T any] struct {
	Noun    T
	Version time.Time // the UpdatedAt of the noun before
	Restart bool      // of a destination: it begins anew, in the state that it has here
}

// A Version names a noun as it was at one time.
type Version struct {
	ID        string
	UpdatedAt time.Time
}

// IsEmpty reports whether there are no changes.
func (c *Changes[T]) IsEmpty() bool { return len(c.Created)+len(c.Updated)+len(c.Deleted) == 0 }

// A Submission is a request to create something that its client may repeat without creating it twice: it came with an
// Idempotency-Key.
type Submission struct {
	Key     [32]byte  // SHA-256 of who sent it and of its Idempotency-Key
	Request [32]byte  // SHA-256 of what it asks for
	BegunAt time.Time // set by the store

	// Status is that of its answer, and Answer the headers and the body of that, in the form of their writer. 0 and
	// nil if there is no answer: the request is being answered, or a crash cut it off, or it failed inside.
	Status int
	Answer []byte
}

// KeepSubmissions is how long a Submission is kept from BegunAt on.
const KeepSubmissions = 24 * time.Hour
