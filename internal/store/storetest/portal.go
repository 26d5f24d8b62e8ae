package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// newPortalLink returns a link to the portal of acme with the number n, which lasts for an hour.
func (w *world) newPortalLink(n int) bellhop.PortalLink {
	at := w.clock.now()
	return bellhop.PortalLink{ID: fmt.Sprintf("%s%020d", bellhop.PrefixPortalLink, n),
		Hash: bellhop.HashToken(fmt.Sprint(n)), Tenant: "acme", Rights: bellhop.PortalRetry, Key: "ada",
		KeyID:   "key_1",
		KeyHash: bellhop.HashKey("one"), CreatedAt: at, OpenUntil: at.Add(bellhop.PortalLinkValid),
		ExpiresAt: at.Add(time.Hour)}
}

// newPortalSession returns the session of a link.
func (w *world) newPortalSession(n int, l bellhop.PortalLink) bellhop.Session {
	s := w.newSession(n)
	s.KeyID, s.KeyHash, s.Portal = l.ID, [32]byte{}, l.ID
	return s
}

// portalLinks shows that a link is stored, listed for its tenant, opened by one of several callers, and deleted with
// its session; that each of these is noted; and that it goes with its tenant.
func portalLinks(w *world) {
	plain := w.ctx
	w.ctx = bellhop.WithActor(plain, bellhop.Actor{Key: "ada", KeyID: "key_1"})
	first, second2 := w.newPortalLink(1), w.newPortalLink(2)
	first.FrameAncestors = []string{"https://app.example.com", "http://localhost:3000"}
	second2.Tenant, second2.Key, second2.KeyID, second2.KeyHash = "globex", "admin", "", [32]byte{}
	w.refused("of no tenant", w.CreatePortalLink(w.ctx, first), bellhop.CodeInvalid)
	at := w.clock.now()
	w.must(w.CreateTenant(plain, bellhop.Tenant{ID: "ten_1", Name: "acme", CreatedAt: at, UpdatedAt: at}))
	w.must(w.CreateTenant(plain, bellhop.Tenant{ID: "ten_2", Name: "globex", CreatedAt: at, UpdatedAt: at}))
	w.must(w.CreatePortalLink(w.ctx, first))
	w.must(w.CreatePortalLink(plain, second2))
	if err := w.CreatePortalLink(plain, first); err == nil {
		w.Error("a link with a taken id was stored")
	}
	root := w.newPortalLink(3)
	root.Rights = "root"
	if err := w.CreatePortalLink(plain, root); err == nil {
		w.Error("a link with unknown rights was stored")
	}
	read := func(want bellhop.PortalLink) {
		w.Helper()
		byID, err := w.PortalLink(plain, want.ID)
		w.must(err)
		byHash, err := w.PortalLinkOf(plain, want.Hash)
		w.must(err)
		w.equal("by id", byID, want)
		w.equal("by the hash of its token", byHash, want)
	}
	read(first)
	second2.FrameAncestors = []string{}
	read(second2)

	acme, globex := bellhop.WithTenant(w.ctx, "acme"), bellhop.WithTenant(plain, "globex")
	w.refused("of another tenant", second(w.PortalLink(globex, first.ID)), bellhop.CodeNotFound)
	w.refused("create one for another tenant", w.CreatePortalLink(globex, w.newPortalLink(4)), bellhop.CodeForbidden)
	list, next, err := w.PortalLinks(plain, bellhop.PortalLinkFilter{}, bellhop.Page{Limit: 1})
	w.must(err)
	rest, _, err := w.PortalLinks(plain, bellhop.PortalLinkFilter{}, bellhop.Page{Limit: 1, Cursor: next})
	w.must(err)
	w.equal("page by page", append(list, rest...), []bellhop.PortalLink{second2, first})
	list, _, err = w.PortalLinks(plain, bellhop.PortalLinkFilter{Tenant: "acme"}, bellhop.Page{})
	w.must(err)
	w.equal("of a tenant", list, []bellhop.PortalLink{first})
	list, _, err = w.PortalLinks(acme, bellhop.PortalLinkFilter{Tenant: "globex"}, bellhop.Page{})
	w.must(err)
	w.equal("of another tenant, for acme", len(list), 0)

	visitor := bellhop.WithTenant(bellhop.WithActor(plain, first.Visitor()), "acme")
	const count = 8
	opened := make([]bool, count)
	var wait sync.WaitGroup
	for i := range count {
		wait.Go(func() { opened[i] = w.OpenPortalLink(visitor, first.ID, at.Add(time.Second)) == nil })
	}
	wait.Wait()
	winners := 0
	for _, won := range opened {
		if won {
			winners++
		}
	}
	w.equal("callers who opened the link", winners, 1)
	first.OpenedAt = at.Add(time.Second)
	read(first)
	w.refused("an unknown one", w.OpenPortalLink(plain, "plk_none", at), bellhop.CodeNotFound)

	pages, visits, others := w.newSession(1), w.newPortalSession(2, first), w.newPortalSession(3, second2)
	for _, s := range []bellhop.Session{pages, visits, others} {
		w.must(w.CreateSession(plain, s))
		got, err := w.Session(plain, s.Hash)
		w.must(err)
		w.equal("a session", got, s)
	}
	w.must(w.DeletePortalLink(acme, first.ID))
	w.refused("a deleted link", second(w.PortalLink(plain, first.ID)), bellhop.CodeNotFound)
	w.refused("its session", second(w.Session(plain, visits.Hash)), bellhop.CodeNotFound)
	w.refused("delete it again", w.DeletePortalLink(acme, first.ID), bellhop.CodeNotFound)
	w.must(second(w.Session(plain, pages.Hash)))
	w.must(second(w.Session(plain, others.Hash)))
	entries, _, err := w.Audit(plain, bellhop.AuditFilter{Noun: "portal_link"}, bellhop.Page{})
	w.must(err)
	got := ""
	for _, e := range entries {
		got += e.Key + " " + e.Action + " " + e.NounID + " of " + e.Tenant + "; "
	}
	w.equal("noted", got, "ada deleted "+first.ID+" of acme; portal of acme opened "+first.ID+" of acme; ada created "+
		first.ID+" of acme; ")

	w.must(w.DeleteTenant(plain, "ten_2"))
	w.refused("a link of a deleted tenant", second(w.PortalLink(plain, second2.ID)), bellhop.CodeNotFound)
	w.refused("a session of a deleted tenant", second(w.Session(plain, others.Hash)), bellhop.CodeNotFound)
	w.must(second(w.Session(plain, pages.Hash)))
}

// manyPortalLinks shows that sessions of portals are not counted among those of the pages, and that one link too many
// takes the place of the one that ends first, with its session.
func manyPortalLinks(w *world) {
	at := w.clock.now()
	w.must(w.CreateTenant(w.ctx, bellhop.Tenant{ID: "ten_1", Name: "acme", CreatedAt: at, UpdatedAt: at}))
	soon := w.newPortalLink(0)
	soon.ExpiresAt = at.Add(time.Minute)
	w.must(w.CreatePortalLink(w.ctx, soon))
	visits := w.newPortalSession(0, soon)
	visits.UsedAt = at.Add(-time.Minute)
	w.must(w.CreateSession(w.ctx, visits))
	w.atOnce(bellhop.MaxSessions+100, func(n int) error { return w.CreateSession(w.ctx, w.newSession(n+1)) })
	w.must(second(w.Session(w.ctx, visits.Hash)))
	w.atOnce(bellhop.MaxPortalLinks-1, func(n int) error { return w.CreatePortalLink(w.ctx, w.newPortalLink(n+1)) })
	w.must(second(w.PortalLink(w.ctx, soon.ID)))
	w.must(w.CreatePortalLink(w.ctx, w.newPortalLink(bellhop.MaxPortalLinks)))
	w.refused("the one that ends first", second(w.PortalLink(w.ctx, soon.ID)), bellhop.CodeNotFound)
	w.refused("its session", second(w.Session(w.ctx, visits.Hash)), bellhop.CodeNotFound)
	w.must(second(w.PortalLink(w.ctx, w.newPortalLink(1).ID)))
}

// oldPortalLinks shows that the sweep deletes links that have ended, with their sessions, and links that nobody opened
// in time, and no others.
func oldPortalLinks(w *world) {
	at := w.clock.now()
	w.must(w.CreateTenant(w.ctx, bellhop.Tenant{ID: "ten_1", Name: "acme", CreatedAt: at, UpdatedAt: at}))
	ended, unopened, open, waiting := w.newPortalLink(1), w.newPortalLink(2), w.newPortalLink(3), w.newPortalLink(4)
	const passed = 30 * time.Minute
	ended.OpenedAt, ended.ExpiresAt, open.OpenedAt = at, at.Add(passed), at
	waiting.OpenUntil = at.Add(passed + time.Microsecond)
	for _, l := range []bellhop.PortalLink{ended, unopened, open, waiting} {
		w.must(w.CreatePortalLink(w.ctx, l))
	}
	gone, there := w.newPortalSession(1, ended), w.newPortalSession(2, open)
	w.must(w.CreateSession(w.ctx, gone))
	w.must(w.CreateSession(w.ctx, there))
	w.clock.pass(passed)
	w.sweep("a link that has ended is deleted", func() bool { return second(w.PortalLink(w.ctx, ended.ID)) != nil })
	w.refused("its session", second(w.Session(w.ctx, gone.Hash)), bellhop.CodeNotFound)
	w.refused("one that nobody opened", second(w.PortalLink(w.ctx, unopened.ID)), bellhop.CodeNotFound)
	w.must(second(w.PortalLink(w.ctx, open.ID)))
	w.must(second(w.PortalLink(w.ctx, waiting.ID)))
	w.must(second(w.Session(w.ctx, there.Hash)))
}
