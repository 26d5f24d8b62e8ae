package api

import (
	"context"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/auth"
)

// Keys are the keys that the server accepts.
type Keys interface {
	// Latest returns k with its latest use, which the store may not have yet.
	Latest(k bellhop.Key) bellhop.Key
	// RotateAdmin replaces the admin key by a new one, and returns it and until when the one before works: for grace.
	// by is the name of the principal who asks. The error is CodeConflict if the environment gives the admin key.
	RotateAdmin(grace time.Duration, by string) (key string, oldUntil time.Time, err error)
}

func (s *server) keys() {
	handle(s, op{http.MethodGet, "/keys", "list-keys", "List keys", 0}, s.listKeys)
	handle(s, op{http.MethodPost, "/keys", "create-key", "Create a key", http.StatusCreated}, s.createKey)
	handle(s, op{http.MethodGet, "/keys/{id}", "show-key", "Show a key", 0}, s.showKey)
	handle(s, op{http.MethodDelete, "/keys/{id}", "delete-key", "Revoke a key", 0}, s.deleteKey)
	handle(s, op{http.MethodPost, "/keys/rotate-admin", "rotate-admin-key", "Replace the admin key", 0},
		s.rotateAdminKey)
	handle(s, op{http.MethodPost, "/sign-in-links", "create-sign-in-link", "Make a link that signs in to the pages",
		http.StatusCreated}, s.createSignInLink)
}

// createSignInLink makes a link for the holder of the caller's key.
func (s *server) createSignInLink(ctx context.Context, _ *struct{}) (*bodyOf[client.SignInLink], error) {
	if s.SignInLink == nil {
		return nil, errNoPages
	}
	p, _ := auth.FromContext(ctx)
	link, err := s.SignInLink(ctx, p)
	if err != nil {
		return nil, err
	}
	return &bodyOf[client.SignInLink]{link}, nil
}

// listKeysInput narrows a list of keys.
type listKeysInput struct {
	Scope string `query:"scope" enum:"admin,operate,read,publish" doc:"Only those of this scope"`
	Owned
	Paging
}

func (s *server) listKeys(ctx context.Context, in *listKeysInput) (*listOutput[client.Key], error) {
	filter := bellhop.KeyFilter{Tenant: in.Tenant, Scope: bellhop.Scope(in.Scope)}
	list, next, err := s.Store.Keys(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, s.keyJSON), nil
}

func (s *server) showKey(ctx context.Context, in *one) (*tagged[client.Key], error) {
	k, err := s.Store.Key(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return taggedBy(k.CreatedAt, s.keyJSON(k)), nil
}

func (s *server) createKey(
	ctx context.Context, in *struct{ Body client.NewKey },
) (*createdOutput[client.CreatedKey], error) {
	k, text, err := s.Catalog.CreateKey(ctx, keyOf(in.Body), principalName(ctx))
	if err != nil {
		return nil, err
	}
	created := client.CreatedKey{Key: s.keyJSON(k), Text: text}
	return &createdOutput[client.CreatedKey]{Location: Prefix + "/keys/" + k.ID, Body: created}, nil
}

// deleteKey revokes a key. A key never changes, but its name can become that of a later one, which If-Match spares.
func (s *server) deleteKey(ctx context.Context, in *oneToDelete) (*none, error) {
	k, err := s.Store.Key(ctx, in.ID)
	if err == nil {
		err = in.check("key", k.CreatedAt)
	}
	if err != nil {
		return nil, err
	}
	return nil, s.Catalog.DeleteKey(ctx, k.ID, principalName(ctx))
}

func (s *server) rotateAdminKey(ctx context.Context, in *struct {
	Body *client.AdminRotation
}) (*bodyOf[client.RotatedAdmin], error) {
	asked := client.AdminRotation{}
	if in.Body != nil {
		asked = *in.Body
	}
	grace, err := parseDuration("grace", asked.Grace, 0)
	if err != nil {
		return nil, err
	}
	text, until, err := s.Keys.RotateAdmin(grace, principalName(ctx))
	if err != nil {
		return nil, err
	}
	s.Catalog.NoteChange(ctx, "key", "", bellhop.AdminKeyName, "rotated")
	rotated := client.RotatedAdmin{Key: text}
	if grace > 0 {
		rotated.OldUntil = client.Time{Time: until}
	}
	return &bodyOf[client.RotatedAdmin]{rotated}, nil
}

// keyJSON returns k in its JSON form, with its latest use.
func (s *server) keyJSON(k bellhop.Key) client.Key {
	k = s.Keys.Latest(k)
	return client.Key{
		ID: k.ID, Name: k.Name, Scope: string(k.Scope), Tenant: k.Tenant, CreatedAt: client.Time{Time: k.CreatedAt},
		ExpiresAt: client.Time{Time: k.ExpiresAt}, LastUsedAt: client.Time{Time: k.LastUsedAt},
		LastAddress: k.LastAddress,
	}
}
