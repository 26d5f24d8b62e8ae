package sqlite

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A keepRig is a store with a clock, and sources whose events have bodies of 1000 bytes.
type keepRig struct {
	*Store
	t   *testing.T
	now time.Time
}

func newKeepRig(t *testing.T, change func(*Options)) *keepRig {
	r := &keepRig{t: t, now: epoch.AddDate(2, 0, 0)}
	r.Store = open(t, func(o *Options) {
		o.sync, o.Retain, o.Now = "off", 30*24*time.Hour, func() time.Time { return r.now }
		o.Elapsed = func() time.Duration { return r.now.Sub(epoch) }
		change(o)
	})
	return r
}

func (r *keepRig) source(name string, kept bellhop.SourceRetention) (id string) {
	r.t.Helper()
	id = "src_" + name
	if err := r.CreateSource(r.t.Context(), bellhop.Source{ID: id, Name: name, Provider: "generic", CreatedAt: r.now,
		UpdatedAt: r.now, Retention: kept}); err != nil {
		r.t.Fatal(err)
	}
	return id
}

// accept stores an event, with a delivery to each destination.
func (r *keepRig) accept(source string, destinations ...string) (id string) {
	r.t.Helper()
	body := make([]byte, 1000)
	events := []bellhop.Event{{SourceID: source, Type: "x", ReceivedAt: r.now, Body: body,
		SHA256: sha256.Sum256(body)}}
	var owed []bellhop.NewDelivery
	for _, d := range destinations {
		owed = append(owed, bellhop.NewDelivery{DestinationID: d})
	}
	if _, err := r.Accept(r.t.Context(), nil, events, owed); err != nil {
		r.t.Fatal(err)
	}
	return events[0].ID
}

// kept returns how many of some events are stored.
func (r *keepRig) kept(ids ...string) (n int) {
	for _, id := range ids {
		if _, err := r.Event(r.t.Context(), id); err == nil {
			n++
		}
	}
	return n
}

func (r *keepRig) sweepNow() {
	r.t.Helper()
	r.retainedAt = time.Time{}
	if err := r.sweep(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// TestRetentionOfSources shows that the events of a source go by its own age and bytes, the oldest first, those of
// others by the age of the server, and that none goes that is owed.
func TestRetentionOfSources(t *testing.T) {
	t.Parallel()
	r := newKeepRig(t, func(*Options) {})
	_, destination := populate(t, r.Store)
	plain := r.source("plain", bellhop.SourceRetention{})
	short := r.source("short", bellhop.SourceRetention{Age: time.Hour})
	long := r.source("long", bellhop.SourceRetention{Age: 90 * 24 * time.Hour})
	small := r.source("small", bellhop.SourceRetention{MaxBytes: 5500})
	var of [4][]string
	for range 10 {
		for i, source := range []string{plain, short, long, small} {
			of[i] = append(of[i], r.accept(source))
		}
		r.now = r.now.Add(time.Minute)
	}
	owedOld, owedSmall := r.accept(short, destination), r.accept(small, destination)
	check := func(what string, want ...int) {
		t.Helper()
		r.sweepNow()
		for i, n := range want {
			if got := r.kept(of[i]...); got != n {
				t.Errorf("%s: of source %d there are %d events, want %d", what, i, got, n)
			}
		}
		if r.kept(owedOld, owedSmall) != 2 {
			t.Errorf("%s: an event that is owed is gone", what)
		}
	}
	check("young", 10, 10, 10, 4) // and the one that is owed: 5000 bytes
	if r.kept(of[3][:6]...) != 0 {
		t.Error("the oldest events of the source with a bound of bytes did not go first")
	}
	r.now = r.now.Add(2 * time.Hour)
	check("after two hours", 10, 0, 10, 4)
	r.now = r.now.AddDate(0, 0, 40)
	check("after 40 days", 0, 0, 10, 0)
	r.now = r.now.AddDate(0, 0, 60)
	check("after 100 days", 0, 0, 0, 0)
}

// TestRetainBytes shows that the oldest finished events go while the database is larger than RetainBytes.
func TestRetainBytes(t *testing.T) {
	t.Parallel()
	const most = 1200 << 10
	r := newKeepRig(t, func(o *Options) { o.RetainBytes = most })
	source, destination := populate(t, r.Store)
	owed := r.accept(source, destination)
	var all []string
	for range 2 * most / 1000 {
		all = append(all, r.accept(source))
	}
	r.sweepNow()
	pages := func() (used int64) {
		t.Helper()
		err := r.do(func(c *conn) (err error) {
			used, err = c.number("SELECT (SELECT page_count FROM pragma_page_count) - " +
				"(SELECT freelist_count FROM pragma_freelist_count)")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return used * copiedPage
	}
	if used := pages(); used > most || used < most/2 {
		t.Errorf("%d bytes are in use, want at most %d", used, most)
	}
	if r.kept(owed) != 1 || r.kept(all[0]) != 0 || r.kept(all[len(all)-1]) != 1 {
		t.Error("an event that is owed went, an old one stayed, or a new one went")
	}
}
