package subscription

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A Registry is the [provider.Subscribed] of one source. Requests at the source read its table without a lock; a
// change of a subscription replaces the table.
type Registry struct {
	manager *Manager
	table   atomic.Pointer[table] // nil if there is no subscription

	mu     sync.Mutex // guards shakes
	shakes []shake    // the latest handshakes at the source, oldest first
}

// A table never changes.
type table struct {
	remotes map[string]remote // by remote id
	states  map[[sha256.Size]byte]stateOf
	keys    map[string]*rsa.PrivateKey // by certificate id
}

// A remote is a registration of a subscription.
type remote struct {
	state string
	of    *entry
}

// A stateOf is the subscription that has a client state; pending if its registration is being made, so that its id is
// not known yet.
type stateOf struct {
	of      *entry
	pending bool
}

// A shake is a handshake that came to a source, and how the door answered it.
type shake struct {
	at      time.Time
	status  int
	refused string // the code of the refusal
}

// maxShakes bounds how many handshakes of a source are remembered, maxOrphans how many orphans of a subscription.
const (
	maxShakes  = 32
	maxOrphans = 16
)

// Of returns the registry of a source, which is the same for as long as the Manager lives.
func (m *Manager) Of(sourceID string) provider.Subscribed { return m.registry(sourceID) }

func (m *Manager) registry(sourceID string) *Registry {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.registries[sourceID]
	if r == nil {
		r = &Registry{manager: m}
		m.registries[sourceID] = r
	}
	return r
}

// Any implements [provider.Subscribed].
func (r *Registry) Any() bool { return r.table.Load() != nil }

// Takes implements [provider.Subscribed]. A registration that has the client state of a subscription, but not its id,
// was made by this gateway and lost sight of: it is looked at.
func (r *Registry) Takes(remoteID, state string) bool {
	t := r.table.Load()
	if t == nil || state == "" {
		return false
	}
	if known, ok := t.remotes[remoteID]; ok {
		return subtle.ConstantTimeCompare([]byte(known.state), []byte(state)) == 1
	}
	found, ok := t.states[sha256.Sum256([]byte(state))]
	if ok && !found.pending && remoteID != "" {
		r.manager.orphan(found.of, remoteID)
	}
	return ok && found.pending
}

// Knows implements [provider.Subscribed].
func (r *Registry) Knows(state string) bool {
	t := r.table.Load()
	if t == nil || state == "" {
		return false
	}
	_, ok := t.states[sha256.Sum256([]byte(state))]
	return ok
}

// Key implements [provider.Subscribed].
func (r *Registry) Key(certificateID string) any {
	t := r.table.Load()
	if t == nil || t.keys[certificateID] == nil {
		return nil
	}
	return t.keys[certificateID]
}

// orphan has the registration looked at.
func (m *Manager) orphan(e *entry, remoteID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(e.marks.orphans) >= maxOrphans || slices.Contains(e.marks.orphans, remoteID) {
		return
	}
	e.marks.orphans = append(e.marks.orphans, remoteID)
	m.schedule(e)
	m.poke()
}

// publishAll makes the tables of all sources.
func (m *Manager) publishAll() {
	ids := map[string]bool{}
	m.mu.Lock()
	for _, e := range m.entries {
		ids[e.shared.Load().SourceID] = true
	}
	m.mu.Unlock()
	for id := range ids {
		m.publish(id)
	}
}

// publishIfChanged makes the table of a source anew if a subscription differs from before in what requests prove.
func (m *Manager) publishIfChanged(before, after *bellhop.Subscription) {
	a, b := before.Secrets, after.Secrets
	same := before.RemoteID == after.RemoteID && a.ClientState == b.ClientState &&
		a.Wish.IsZero() == b.Wish.IsZero() && len(a.Retired) == len(b.Retired) &&
		len(a.Certificates) == len(b.Certificates) &&
		(len(a.Certificates) == 0 || string(a.Certificates[0]) == string(b.Certificates[0]))
	if !same {
		m.publish(after.SourceID)
	}
}

// publish makes the table of a source anew.
func (m *Manager) publish(sourceID string) {
	r := m.registry(sourceID)
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys map[string]*rsa.PrivateKey
	if old := r.table.Load(); old != nil {
		keys = old.keys
	}
	t := &table{remotes: map[string]remote{}, states: map[[sha256.Size]byte]stateOf{},
		keys: map[string]*rsa.PrivateKey{}}
	for _, e := range m.entries {
		sub := e.shared.Load()
		if sub.SourceID != sourceID {
			continue
		}
		if sub.RemoteID != "" {
			t.remotes[sub.RemoteID] = remote{sub.Secrets.ClientState, e}
		}
		for _, old := range sub.Secrets.Retired {
			t.remotes[old.ID] = remote{old.ClientState, e}
			t.states[sha256.Sum256([]byte(old.ClientState))] = stateOf{e, false}
		}
		if sub.Secrets.ClientState != "" {
			t.states[sha256.Sum256([]byte(sub.Secrets.ClientState))] = stateOf{e, !sub.Secrets.Wish.IsZero()}
		}
		for _, raw := range sub.Secrets.Certificates {
			addKey(t.keys, keys, raw)
		}
	}
	if len(t.remotes)+len(t.states) == 0 {
		t = nil
	}
	r.table.Store(t)
}

// addKey adds the key of a certificate to keys. It takes the key from known if it is there, since parsing one is slow.
func addKey(keys, known map[string]*rsa.PrivateKey, raw json.RawMessage) {
	var c provider.Certificate
	if json.Unmarshal(raw, &c) != nil {
		return
	}
	key := known[c.ID]
	if key == nil {
		key, _ = c.PrivateKey() // it was made here
	}
	if key != nil {
		keys[c.ID] = key
	}
}

// Handshake tells the Manager that a handshake came to a source and how the door answered it. refused is the code of a
// refusal, or "".
func (m *Manager) Handshake(sourceID string, at time.Time, status int, refused string) {
	r := m.registry(sourceID)
	if !r.Any() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.shakes) >= maxShakes {
		r.shakes = slices.Delete(r.shakes, 0, 1)
	}
	r.shakes = append(r.shakes, shake{at, status, refused})
}

// shakesSince says in words which handshakes came to the source since a time, "" if none came, and whether the last
// one was refused.
func (r *Registry) shakesSince(since time.Time) (text string, refused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.shakes {
		if s.at.Before(since) {
			continue
		}
		n++
		text, refused = "answered "+strconv.Itoa(s.status), s.refused != ""
		if refused {
			text += " (" + s.refused + ")"
		}
	}
	if n > 1 {
		text = fmt.Sprintf("%d handshakes, the last one %s", n, text)
	}
	return text, refused
}

// Heard tells the Manager what accepted events said about subscriptions of a source. It does not wait.
func (m *Manager) Heard(sourceID string, heard []provider.Heard, at time.Time) {
	t := m.registry(sourceID).table.Load()
	if t == nil {
		return
	}
	for _, h := range heard {
		known, ok := t.remotes[h.RemoteID]
		if !ok {
			continue
		}
		e := known.of
		before := e.spoken.Swap(at.UnixMicro())
		m.heard.Store(true)
		if h.Kind == provider.HeardNotification || h.RemoteID != e.shared.Load().RemoteID {
			continue
		}
		m.mu.Lock()
		switch h.Kind {
		case provider.HeardReauthorize:
			e.marks.reauthorize = true
		case provider.HeardRemoved:
			e.marks.removed = true
		case provider.HeardMissed:
			if e.marks.missed.IsZero() {
				e.marks.missed = e.shared.Load().CreatedAt
				if before > 0 {
					e.marks.missed = time.UnixMicro(before).UTC()
				}
			}
		}
		m.schedule(e)
		m.mu.Unlock()
		m.poke()
	}
}
