package bellhop

import (
	"context"
	"time"
)

// An Actor is who makes a change: the holder of a key of the API.
type Actor struct {
	Key   string // its name
	KeyID string // "" is the admin key
}

type actorKey struct{}

// WithActor returns a copy of ctx by which the store notes changes as those of a.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf returns who makes the changes of ctx. ok is false if the gateway itself does.
func ActorOf(ctx context.Context) (a Actor, ok bool) {
	a, ok = ctx.Value(actorKey{}).(Actor)
	return a, ok
}

// MaxAuditEntries is how many changes are kept. The oldest are deleted.
const MaxAuditEntries = 10_000

// An AuditEntry says who changed what. It has no value of a setting, and so no secret.
type AuditEntry struct {
	At time.Time
	Actor
	Noun   string // "source", "destination", …
	NounID string
	Name   string // of the noun, at that time
	Tenant string // whose noun it was
	Action string // "created", "updated", "deleted", …
}

// An AuditFilter narrows the list of changes. Zero fields do not narrow.
type AuditFilter struct {
	Noun, Action, Tenant string
	Key                  string // the name
	Name                 string // of the noun, or its id
	Since, Until         time.Time
}
