package sqlite

import (
	"errors"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// This file compares the versions of nouns, within the statements that change them: two changes that began with the
// same noun cannot both be stored.

// A versioned is a table of nouns with an id and updated_at.
type versioned struct {
	noun string
	// present is the condition that a row is a noun, and not kept only because other rows refer to it.
	table, present string
}

var (
	sourceTable      = versioned{"source", "sources", "deleted_at IS NULL"}
	destinationTable = versioned{"destination", "destinations", "deleted_at IS NULL"}
	connectionTable  = versioned{"connection", "connections", "1"}
)

// change runs a statement that begins with verb ("UPDATE … SET …", "DELETE FROM …") on the row of a noun, if it has
// the version. Without such a noun the error is CodeNotFound, and CodeChanged if it has another version.
func (t versioned) change(c *conn, verb, id string, version []time.Time, args ...any) error {
	where := " WHERE id = ? AND " + t.present
	args = append(args, id)
	if len(version) > 0 {
		where += " AND updated_at = ?"
		args = append(args, version[0])
	}
	err := notFoundIfUnchanged(c, c.exec(verb+where, args...), t.noun, id)
	var e *bellhop.Error
	if len(version) == 0 || !errors.As(err, &e) || e.Code != bellhop.CodeNotFound {
		return err
	}
	found, readErr := c.exists("SELECT 1 FROM "+t.table+" WHERE id = ? AND "+t.present, id)
	if found {
		err = bellhop.Changed(t.noun)
	}
	return errors.Join(readErr, err)
}
