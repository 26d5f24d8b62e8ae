package storetest

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// newSession returns a session with the number n, which begins now.
func (w *world) newSession(n int) bellhop.Session {
	s := bellhop.Session{KeyID: "key_1", KeyHash: bellhop.HashKey("one"), CreatedAt: w.clock.now(),
		UsedAt: w.clock.now()}
	binary.BigEndian.PutUint32(s.Hash[:], uint32(n))
	return s
}

// atOnce calls f with 0 to count-1, a hundred at the same time so that many share a commit.
func (w *world) atOnce(count int, f func(n int) error) {
	w.Helper()
	for from := 0; from < count; from += 100 {
		ended := make(chan error, 100)
		batch := min(100, count-from)
		for n := range batch {
			go func() { ended <- f(from + n) }()
		}
		for range batch {
			w.must(<-ended)
		}
	}
}

// sessions shows that a session is stored, used and deleted, and that one too many takes the place of the one that was
// used least recently.
func sessions(w *world) {
	first := w.newSession(1)
	admins := w.newSession(2)
	admins.KeyID = ""
	person := w.newSession(bellhop.MaxSessions * 2)
	person.KeyID, person.KeyHash, person.Person, person.Rule = "person_1", [32]byte{}, "ada@example.com", "admin:sub=1"
	w.must(w.CreateSession(w.ctx, person))
	w.must(w.CreateSession(w.ctx, first))
	w.must(w.CreateSession(w.ctx, admins))
	read := func(s bellhop.Session) bellhop.Session {
		w.Helper()
		got, err := w.Session(w.ctx, s.Hash)
		w.must(err)
		return got
	}
	w.equal("the first", read(first), first)
	w.equal("of the admin key", read(admins), admins)
	w.equal("of a person", read(person), person)
	w.must(w.DeleteSession(w.ctx, person.Hash))
	w.refused("an unknown one", second(w.Session(w.ctx, [32]byte{9})), bellhop.CodeNotFound)

	first.UsedAt = first.UsedAt.Add(time.Minute)
	w.must(w.UseSession(w.ctx, first.Hash, first.UsedAt))
	w.must(w.UseSession(w.ctx, [32]byte{9}, first.UsedAt))
	w.equal("after its use", read(first), first)
	w.equal("another one after that", read(admins), admins)

	w.atOnce(bellhop.MaxSessions-2, func(n int) error {
		s := w.newSession(n + 3)
		s.UsedAt = first.UsedAt
		return w.CreateSession(w.ctx, s)
	})
	w.equal("while there is room", read(admins), admins)
	w.must(w.CreateSession(w.ctx, w.newSession(bellhop.MaxSessions+1)))
	w.refused("used least recently", second(w.Session(w.ctx, admins.Hash)), bellhop.CodeNotFound)
	w.equal("used later", read(first), first)

	w.must(w.DeleteSession(w.ctx, first.Hash))
	w.must(w.DeleteSession(w.ctx, first.Hash))
	w.refused("a deleted one", second(w.Session(w.ctx, first.Hash)), bellhop.CodeNotFound)
}

// signInLinks shows that of several callers one spends a link, and that one too many takes the place of the oldest.
func signInLinks(w *world) {
	link := bellhop.SignInLink{Hash: [32]byte{1}, KeyID: "key_1", KeyHash: bellhop.HashKey("one"),
		ExpiresAt: w.clock.now().Add(bellhop.SignInLinkValid)}
	w.must(w.CreateSignInLink(w.ctx, link))
	const count = 8
	spent := make([]bool, count)
	var wait sync.WaitGroup
	for i := range count {
		wait.Go(func() {
			got, err := w.SpendSignInLink(w.ctx, link.Hash)
			spent[i] = err == nil && got == link
		})
	}
	wait.Wait()
	winners := 0
	for _, won := range spent {
		if won {
			winners++
		}
	}
	w.equal("callers who spent the link", winners, 1)
	w.refused("a spent link", second(w.SpendSignInLink(w.ctx, link.Hash)), bellhop.CodeNotFound)

	add := func(n int) error {
		next := link
		next.ExpiresAt = link.ExpiresAt.Add(time.Duration(n) * time.Second)
		binary.BigEndian.PutUint32(next.Hash[4:], uint32(n))
		return w.CreateSignInLink(w.ctx, next)
	}
	w.atOnce(bellhop.MaxSessions, add)
	w.must(add(bellhop.MaxSessions))
	w.refused("the oldest of too many", second(w.SpendSignInLink(w.ctx, link.Hash)), bellhop.CodeNotFound)
	binary.BigEndian.PutUint32(link.Hash[4:], 1)
	_, err := w.SpendSignInLink(w.ctx, link.Hash)
	w.must(err)
}

// oldSessions shows that the sweep deletes sessions that have ended and links that have expired, and no others.
func oldSessions(w *world) {
	unused, aged, young := w.newSession(1), w.newSession(2), w.newSession(3)
	old := bellhop.SignInLink{Hash: [32]byte{1}, ExpiresAt: w.clock.now().Add(bellhop.SignInLinkValid)}
	w.clock.pass(bellhop.SessionLength)
	young.CreatedAt, young.UsedAt, aged.UsedAt = w.clock.now(), w.clock.now(), w.clock.now()
	unused.CreatedAt = young.CreatedAt
	late := bellhop.SignInLink{Hash: [32]byte{2}, ExpiresAt: w.clock.now().Add(time.Microsecond)}
	for _, s := range []bellhop.Session{unused, aged, young} {
		w.must(w.CreateSession(w.ctx, s))
	}
	w.must(w.CreateSignInLink(w.ctx, old))
	w.must(w.CreateSignInLink(w.ctx, late))
	gone := func(s bellhop.Session) bool {
		_, err := w.Session(w.ctx, s.Hash)
		return err != nil
	}
	w.sweep("ended sessions are deleted", func() bool { return gone(unused) && gone(aged) })
	w.equal("a session that goes on is deleted", gone(young), false)
	// The sweep deletes links in the transaction that deletes sessions.
	w.refused("an expired link", second(w.SpendSignInLink(w.ctx, old.Hash)), bellhop.CodeNotFound)
	_, err := w.SpendSignInLink(w.ctx, late.Hash)
	w.must(err)
}
