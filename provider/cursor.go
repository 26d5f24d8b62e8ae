package provider

import (
	"context"
	"crypto/sha256"

	"github.com/bellhop-gateway/bellhop"
)

// Cursors keeps positions in the change logs of outside systems. It is safe for concurrent use. The owner is the id of
// a destination or a subscription, whose deletion deletes its cursors; the key tells those of one owner apart.
type Cursors interface {
	// Cursor returns the cursor of that owner and key; the zero Cursor if there is none.
	Cursor(ctx context.Context, owner, key string) (bellhop.Cursor, error)
	// SaveCursor stores a cursor in place of the one before; one without a value is deleted. A cursor is saved only
	// after what lies before it is stored: what follows a crash begins at the cursor. The error is
	// bellhop.CodeNotFound if the owner is gone, and bellhop.CodeInvalid if key or value are too long.
	SaveCursor(ctx context.Context, owner, key string, c bellhop.Cursor) error
}

// MaxWalk bounds the pages of one walk through a change log.
const MaxWalk = 10_000

// A Walk watches the pages of a walk through a change log, so that a system which answers the same page for ever is
// noticed. The zero Walk is ready. It is for one goroutine.
type Walk struct {
	seen map[[sha256.Size]byte]struct{}
}

// Step notes that the walk goes on at cursor. Its error is an *APIError of APIEndless if the walk has been there, or
// has had MaxWalk pages.
func (w *Walk) Step(cursor string) error {
	sum := sha256.Sum256([]byte(cursor))
	_, again := w.seen[sum]
	switch {
	case again:
		return &APIError{Kind: APIEndless, Message: "the system answers the same page again and again"}
	case len(w.seen) >= MaxWalk:
		return &APIError{Kind: APIEndless, Message: "the list of changes does not end"}
	case w.seen == nil:
		w.seen = map[[sha256.Size]byte]struct{}{}
	}
	w.seen[sum] = struct{}{}
	return nil
}
