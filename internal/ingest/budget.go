package ingest

import (
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// Bounds of a budget.
const (
	// freeBytes is what each request may hold without a look at the budget. So a body of up to 16 KiB is admitted
	// whatever others hold. The limit on connections bounds the sum.
	freeBytes = firstRead

	// slowRate is the rate in bytes a second below which an upload is slow. It is judged when an upload has had
	// slowAfter since its last reservation.
	slowRate  = 16 << 10
	slowAfter = time.Second

	// shareDivisor bounds the share of a source or a sender: a part of the budget for each that holds some of it, the
	// newcomer's included, and at most the budget divided by this. When the budget is short, one that holds more than
	// its share, and more than twice what the newcomer's holds, has too much.
	shareDivisor = 4
)

// A budget bounds the bytes of all bodies that are being received or stored, beyond the freeBytes of each. While there
// is room it admits every upload. When it is short, it does not refuse the newcomer as long as another upload should
// give way: one that has become slow, or one of a source or sender that holds more than its share. That one is cut,
// and its sender repeats it.
type budget struct {
	max int64
	now func() time.Time

	mu       sync.Mutex // guards the fields below, and those of every upload that mu is said to guard
	used     int64
	bySource map[string]int64
	bySender map[netip.Prefix]int64
	reading  map[*upload]struct{} // the uploads that hold bytes and have not arrived whole
}

// An upload is a body that holds, or asks for, a part of the budget. Its request owns it.
type upload struct {
	source string // id
	sender netip.Prefix
	// makes the request's reads fail; called at most once, with mu held, and not after settle or release
	cut  func()
	read atomic.Int64 // bytes that have arrived

	// mu of the budget guards these.
	held   int64     // bytes of the budget
	since  time.Time // of the last reservation
	before int64     // read at the last reservation
	whole  bool      // it has arrived whole
	isCut  bool      // the budget has taken back what it held
}

func newBudget(max int64, now func() time.Time) *budget {
	return &budget{
		max: max, now: now, bySource: map[string]int64{}, bySender: map[netip.Prefix]int64{},
		reading: map[*upload]struct{}{},
	}
}

// newUpload returns an upload for the body of r, which is cut by its read deadline.
func newUpload(w http.ResponseWriter, r *http.Request, sourceID string) *upload {
	return &upload{source: sourceID, sender: bellhop.Sender(r.RemoteAddr), cut: func() {
		http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
	}}
}

// reserve takes n more bytes for u. It fails with errCut if u was cut, and with errBusy if nothing gives way to it.
func (b *budget) reserve(u *upload, n int64) error {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if u.isCut {
		return errCut
	}
	for b.used+n > b.max {
		v := b.victim(u, n, now)
		if v == nil {
			return errBusy
		}
		b.takeBack(v)
		v.isCut = true
		v.cut()
	}
	b.add(u, n)
	if !u.whole {
		b.reading[u] = struct{}{}
	}
	u.since, u.before = now, u.read.Load()
	return nil
}

// settle takes note that u is not read any more, because it has arrived whole or has failed: it gives way to nobody
// from now on. It fails with errCut if u was cut before. A nil u, of a body within freeBytes, is settled.
func (b *budget) settle(u *upload) error {
	if u == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	u.whole = true
	delete(b.reading, u)
	if u.isCut {
		return errCut
	}
	return nil
}

// release gives back all that u holds. A nil u holds nothing.
func (b *budget) release(u *upload) {
	if u == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.takeBack(u)
}

// takeBack is release with mu held. A second call changes nothing.
func (b *budget) takeBack(u *upload) {
	delete(b.reading, u)
	b.add(u, -u.held)
}

// inUse returns how many bytes all uploads hold.
func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// add adds n to what u holds. The caller holds mu.
func (b *budget) add(u *upload, n int64) {
	u.held += n
	b.used += n
	addTo(b.bySource, u.source, n)
	addTo(b.bySender, u.sender, n)
}

// addTo adds n to the entry of key, and removes an entry of 0.
func addTo[K comparable](held map[K]int64, key K, n int64) {
	held[key] += n
	if held[key] == 0 {
		delete(held, key)
	}
}

// victim returns the upload that gives way to u, which asks for n bytes; nil if none should. A slow one comes before
// one of a holder of too much; then one of the larger holder; then the slower one. The caller holds mu.
func (b *budget) victim(u *upload, n int64, now time.Time) (worst *upload) {
	var worstSlow bool
	var worstHolder int64
	var worstRate float64
	for v := range b.reading {
		rate, slow := v.rate(now)
		if v == u || !slow && !b.hasTooMuch(v, u, n) {
			continue
		}
		holder := max(b.bySource[v.source], b.bySender[v.sender])
		switch {
		case worst == nil, slow && !worstSlow:
		case slow != worstSlow, holder < worstHolder, holder == worstHolder && rate >= worstRate:
			continue
		}
		worst, worstSlow, worstHolder, worstRate = v, slow, holder, rate
	}
	return worst
}

// hasTooMuch reports whether the source or the sender of v holds more than its share, compared with that of u, which
// asks for n bytes. Behind a reverse proxy all requests have one sender; then only sources are compared. When the
// budget is used up, at least one holder has its share or more, however many there are: so a newcomer that asks for
// little is served as long as some upload of such a holder is still being received.
func (b *budget) hasTooMuch(v, u *upload, n int64) bool {
	return v.source != u.source && tooMuch(b.max, n, b.bySource, v.source, u.source) ||
		v.sender != u.sender && tooMuch(b.max, n, b.bySender, v.sender, u.sender)
}

// tooMuch reports whether theirs holds more than its share of limit, compared with ours, which asks for n bytes.
func tooMuch[K comparable](limit, n int64, held map[K]int64, theirs, ours K) bool {
	holders := int64(len(held))
	if held[ours] == 0 {
		holders++
	}
	return held[theirs] > limit/max(shareDivisor, holders) && held[theirs] > 2*(held[ours]+n)
}

// rate returns the rate in bytes a second at which the upload arrives since its last reservation, and whether it is
// slow.
func (u *upload) rate(now time.Time) (rate float64, slow bool) {
	took := now.Sub(u.since)
	rate = float64(u.read.Load()-u.before) / max(took, time.Millisecond).Seconds()
	return rate, took >= slowAfter && rate < slowRate
}
