package auth

import (
	"context"
	"crypto/subtle"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
)

// A Store keeps the keys. Its errors are *bellhop.Error where a person can act on them.
type Store interface {
	Keys(ctx context.Context, f bellhop.KeyFilter, page bellhop.Page) (list []bellhop.Key, next string, err error)
	// UseKeys stores when and from where keys were used last, by their ids. Unknown ids are ignored.
	UseKeys(ctx context.Context, used map[string]bellhop.KeyUse) error
}

// KeysOptions say what Keys may use. All but ReplaceAdmin and Metrics are required.
type KeysOptions struct {
	Store  Store
	Admin  string // the admin key
	Now    func() time.Time
	Logger *slog.Logger

	// ReplaceAdmin makes an admin key and stores it in place of the one before, at once and whole. It calls accept
	// with the new key before that. Nil says that the environment gives the admin key, which then cannot be replaced.
	ReplaceAdmin func(accept func(key string)) error

	Metrics prometheus.Registerer // nil registers no metrics
}

// UseInterval is how often the latest uses of keys are stored.
const UseInterval = time.Minute

// Keys authenticate requests by the admin key and by the keys of the store, all of which it holds in memory: no
// request reads the store. Load, Put and Remove tell it of them. It notes the latest use of each key in memory; Run
// stores the uses, each at most once in UseInterval.
type Keys struct {
	opts      KeysOptions
	log       *slog.Logger
	forbidden *prometheus.CounterVec // by the scope needed

	admin adminKeys // locks itself

	mu   sync.RWMutex // guards byID; each held guards its own fields
	byID map[string]*held
}

// A held is a key in memory with its latest use. key never changes.
type held struct {
	key bellhop.Key

	mu       sync.Mutex // guards the fields below
	usedAt   time.Time
	address  netip.Addr
	unstored bool // it was used since its use was stored
}

// NewKeys returns Keys that know the admin key alone: Load reads the others.
func NewKeys(o KeysOptions) *Keys {
	k := &Keys{opts: o, log: o.Logger.With("component", "auth"), forbidden: newForbidden(), byID: map[string]*held{}}
	k.admin.current = NewAdminKey(o.Admin)
	if o.Metrics != nil {
		o.Metrics.MustRegister(keysCollector{k}, k.forbidden)
	}
	return k
}

// Load reads the keys from the store.
func (k *Keys) Load(ctx context.Context) error {
	loaded := map[string]*held{}
	for page := (bellhop.Page{Limit: bellhop.MaxPage}); ; {
		list, next, err := k.opts.Store.Keys(ctx, bellhop.KeyFilter{}, page)
		if err != nil {
			return err
		}
		for _, key := range list {
			loaded[key.ID] = newHeld(key)
		}
		if next == "" {
			break
		}
		page.Cursor = next
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byID = loaded
	return nil
}

func newHeld(key bellhop.Key) *held {
	address, _ := netip.ParseAddr(key.LastAddress) // the zero Addr if it is unknown
	return &held{key: key, usedAt: key.LastUsedAt, address: address}
}

// Put adds a key that was stored: it is accepted from now on.
func (k *Keys) Put(key bellhop.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byID[key.ID] = newHeld(key)
}

// Remove forgets a key: it is refused from now on.
func (k *Keys) Remove(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byID, id)
}

// Authenticate returns the principal of the key of r, and notes the use of the key. The error wraps ErrNoKey,
// ErrWrongKey or ErrExpiredKey.
func (k *Keys) Authenticate(r *http.Request) (Principal, error) {
	text, err := bearer(r)
	if err != nil {
		return Principal{}, err
	}
	given, now := bellhop.HashKey(text), k.opts.Now()
	if k.admin.is(given, now) {
		return adminPrincipal, nil
	}
	id, _ := bellhop.KeyID(text)
	k.mu.RLock()
	h := k.byID[id]
	k.mu.RUnlock()
	// An unknown id costs a comparison too. The id is no secret, but its existence need not show.
	var wanted [32]byte
	if h != nil {
		wanted = h.key.Hash
	}
	switch same := subtle.ConstantTimeCompare(given[:], wanted[:]) == 1; {
	case !same || h == nil:
		return Principal{}, refused(ErrWrongKey)
	case h.key.Expired(now):
		return Principal{}, refused(&expiredError{h.key.ID})
	}
	h.use(now, r.RemoteAddr)
	return principalOf(&h.key), nil
}

// An expiredError is ErrExpiredKey with the id of the key, for the log.
type expiredError struct{ id string }

func (e *expiredError) Error() string        { return ErrExpiredKey.Error() }
func (e *expiredError) Is(target error) bool { return target == ErrExpiredKey }

// use notes that the key was used from remoteAddr, see [bellhop.ClientAddr].
func (h *held) use(now time.Time, remoteAddr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.usedAt, h.address, h.unstored = now, bellhop.ClientAddr(remoteAddr), true
}

// latest returns the latest use.
func (h *held) latest() bellhop.KeyUse {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asUse()
}

// asUse is latest for a caller that holds mu.
func (h *held) asUse() bellhop.KeyUse {
	use := bellhop.KeyUse{At: bellhop.StoredTime(h.usedAt)}
	if h.address.IsValid() {
		use.Address = h.address.String()
	}
	return use
}

// Latest returns key with its latest use, which the store may not have yet.
func (k *Keys) Latest(key bellhop.Key) bellhop.Key {
	k.mu.RLock()
	h := k.byID[key.ID]
	k.mu.RUnlock()
	if h != nil {
		use := h.latest()
		key.LastUsedAt, key.LastAddress = use.At, use.Address
	}
	return key
}

// Run stores the latest uses of keys at each UseInterval, and once more when ctx ends. What a crash leaves unstored is
// lost: the keys then show an earlier use.
func (k *Keys) Run(ctx context.Context) {
	ticks := time.NewTicker(UseInterval)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			k.storeUses(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastStoreTimeout)
			defer cancel()
			k.storeUses(last)
			return
		}
	}
}

const lastStoreTimeout = 2 * time.Second

// storeUses stores the uses that are not stored. Those that cannot be stored are tried again at the next interval.
func (k *Keys) storeUses(ctx context.Context) {
	k.mu.RLock()
	all := maps.Clone(k.byID)
	k.mu.RUnlock()
	used := map[string]bellhop.KeyUse{}
	for id, h := range all {
		if use, unstored := h.take(); unstored {
			used[id] = use
		}
	}
	if len(used) == 0 {
		return
	}
	err := k.opts.Store.UseKeys(ctx, used)
	if err == nil {
		return
	}
	for id := range used {
		all[id].untake()
	}
	k.log.Warn("key.use.unstored", "keys", len(used), "error", err,
		"meaning", "when these keys were used last is stored later")
}

// take returns the latest use if it is not stored, and counts it as stored.
func (h *held) take() (use bellhop.KeyUse, unstored bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	unstored, h.unstored = h.unstored, false
	return h.asUse(), unstored
}

// untake says that the use that take returned was not stored.
func (h *held) untake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unstored = true
}
