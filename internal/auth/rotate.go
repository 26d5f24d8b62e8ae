package auth

import (
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// adminKeys are the admin key and, while it is being replaced, the one before or after it. The zero adminKeys accept
// none.
type adminKeys struct {
	rotating sync.Mutex // held from the making of a new key until it has taken effect

	mu      sync.RWMutex // guards the fields below
	current AdminKey
	coming  AdminKey // accepted while it is being stored; then it becomes current
	former  AdminKey // accepted until a time
	until   time.Time
}

// is reports whether given is the hash of an admin key at a time.
func (a *adminKeys) is(given [32]byte, now time.Time) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.current.is(given) || a.coming.is(given) || a.former.is(given) && now.Before(a.until)
}

// hash returns the hash of the current admin key.
func (a *adminKeys) hash() [32]byte {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.current.hash
}

// accept accepts a new key beside the current one.
func (a *adminKeys) accept(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.coming = NewAdminKey(key)
}

// settle makes the coming key the current one if it was stored, and forgets it otherwise. The key before it is
// accepted until a time; the one before that is not accepted any more.
func (a *adminKeys) settle(stored bool, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if stored {
		a.former, a.until, a.current = a.current, until, a.coming
	}
	a.coming = AdminKey{}
}

// RotateAdmin replaces the admin key by a new one, and returns it and until when the one before works: for grace
// longer, but not after a restart. by is the name of the principal who asks, for the log. The error is CodeConflict if
// the environment gives the admin key.
//
// Both keys are accepted while the new one is being stored, so that a program that reads the stored key is never
// refused. If the new key cannot be stored, the one before stays. After a crash the stored one is the admin key.
func (k *Keys) RotateAdmin(grace time.Duration, by string) (key string, oldUntil time.Time, err error) {
	if k.opts.ReplaceAdmin == nil {
		return "", time.Time{}, bellhop.Conflict("the admin key comes from the environment of the server: set " +
			"BELLHOP_ADMIN_KEY to another key there, and restart the server; all other keys stay as they are")
	}
	if grace < 0 || grace > bellhop.MaxAdminGrace {
		return "", time.Time{}, bellhop.Invalid("grace", "use a duration from 0s to 24h")
	}
	k.admin.rotating.Lock()
	defer k.admin.rotating.Unlock()
	err = k.opts.ReplaceAdmin(func(made string) {
		key = made
		k.admin.accept(made)
	})
	oldUntil = bellhop.StoredTime(k.opts.Now().Add(grace))
	k.admin.settle(err == nil, oldUntil)
	if err != nil {
		return "", time.Time{}, err
	}
	k.log.Info("admin_key.rotated", "by", by, "old_until", oldUntil,
		"meaning", "the admin key was replaced by a new one")
	return key, oldUntil, nil
}
