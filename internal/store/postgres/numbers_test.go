package postgres

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

func TestSequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := sequence{slot: rapid.Int64Range(1, maxSlot).Draw(t, "slot")}
		now := epoch.Add(time.Duration(rapid.Int64Range(0, 500_000).Draw(t, "start")) * time.Hour)
		last := int64(0)
		for range rapid.IntRange(1, 3000).Draw(t, "numbers") {
			if rapid.IntRange(0, 99).Draw(t, "turn") == 0 {
				now = now.Add(time.Duration(rapid.Int64Range(-50, 50).Draw(t, "step")) * time.Millisecond)
			}
			n := q.next(now)
			if n <= last || slotOf(n) != q.slot {
				t.Fatalf("after %d of slot %d comes %d of slot %d", last, q.slot, n, slotOf(n))
			}
			if early := now.Sub(timeOf(n)); early >= time.Millisecond {
				t.Fatalf("the number of %v has the time %v", now, timeOf(n))
			}
			last = n
		}
	})
	q := sequence{slot: 7}
	now := epoch.Add(time.Hour)
	for range 2500 {
		q.next(now)
	}
	if ahead := timeOf(q.last).Sub(now); ahead != 2*time.Millisecond {
		t.Errorf("2500 numbers of one millisecond run %v ahead", ahead)
	}
	if first, other := firstOf(now), timeOf(firstOf(now)); !other.Equal(now) || first > q.last {
		t.Errorf("the first number of %v is %d, of %v", now, first, other)
	}
}

func TestIDs(t *testing.T) {
	d, err := newIDs("abcdef")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, maxMillis).Draw(t, "ms")<<(slotBits+countBits) |
			rapid.Int64Range(0, maxSlot).Draw(t, "slot")<<countBits |
			rapid.Int64Range(0, 1<<countBits-1).Draw(t, "count")
		place := rapid.Int32Range(0, maxPlaces-1).Draw(t, "place")
		if got, ok := d.parseEvent(d.event(n)); !ok || got != n {
			t.Fatalf("%s is the event %d, %t, not %d", d.event(n), got, ok, n)
		}
		if got, ok := d.parseRequest(d.request(n)); !ok || got != n {
			t.Fatalf("%s is the request %d, %t, not %d", d.request(n), got, ok, n)
		}
		event, at, ok := d.parseDelivery(d.delivery(n, place))
		if !ok || event != n || at != place {
			t.Fatalf("%s is the delivery %d of %d, %t", d.delivery(n, place), at, event, ok)
		}
		if _, ok := d.parseRequest(d.event(n)); ok {
			t.Fatal("the id of an event is that of a request")
		}
		text := []byte(d.event(n))
		i := rapid.IntRange(0, len(text)-1).Draw(t, "changed")
		text[i] = bellhop.IDAlphabet[rapid.IntRange(0, 31).Draw(t, "digit")]
		if got, ok := d.parseEvent(string(text)); ok && d.event(got) != string(text) {
			t.Fatalf("%s is the event %d, whose id is %s", text, got, d.event(got))
		}
	})
	for _, bad := range []string{"", "evt_", "evt_abcdef", strings.Repeat("z", 40), "evt_zzzzzzzzzzzzzzabcdef",
		"dlv_zzzzzzzzzzzzzzzzzabcdef", "evt_0zzzzzzzzzzzz0abcdeg"} {
		_, event := d.parseEvent(bad)
		_, _, delivery := d.parseDelivery(bad)
		if event || delivery {
			t.Errorf("%q is an id", bad)
		}
	}
}

// TestIDsFromSQLite checks that copied numbers keep their ids, and that all ids sort by time.
func TestIDsFromSQLite(t *testing.T) {
	d, err := newIDs("abcdef")
	if err != nil {
		t.Fatal(err)
	}
	sqlite, err := store.NewIDs("abcdef")
	if err != nil {
		t.Fatal(err)
	}
	old := (int64(12345678901) << sqliteCountBits) | 5
	n := fromSQLite(old)
	if d.event(n) != sqlite.Event(old) || d.request(n) != sqlite.Request(old) ||
		d.delivery(n, 9) != sqlite.Delivery(old<<placeBits|9) {
		t.Errorf("%s, %s, %s are not the ids of SQLite", d.event(n), d.request(n), d.delivery(n, 9))
	}
	var events, deliveries []string
	for ms := range int64(100) {
		at := 12345678900 + ms
		old, n := at<<sqliteCountBits, at<<(slotBits+countBits)|(100+ms)<<countBits
		events = append(events, d.event(fromSQLite(old)), d.event(n))
		deliveries = append(deliveries, d.delivery(fromSQLite(old), 1), d.delivery(n, 1), d.delivery(n, 2))
	}
	// Within a millisecond the two kinds have no order.
	for _, list := range [][]string{events, deliveries} {
		if !slices.IsSorted(list) {
			t.Errorf("the ids do not sort by time: %v", list[:6])
		}
	}
}
