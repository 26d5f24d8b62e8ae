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
