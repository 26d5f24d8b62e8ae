package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"pgregory.net/rapid"
)

const testTag = "0a1b2c"

func TestIDsRoundTrip(t *testing.T) {
	d, other := ids{tag: testTag}, ids{tag: "zzzzzz"}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<47-1).Draw(t, "n")
		place := rapid.Int64Range(0, maxPlaces-1).Draw(t, "place")
		for id, c := range map[string]struct {
			want  int64
			parse func(*ids, string) (int64, bool)
		}{
			d.event(n):                       {n, (*ids).parseEvent},
			d.request(n):                     {n, (*ids).parseRequest},
			d.delivery(n<<placeBits | place): {n<<placeBits | place, (*ids).parseDelivery},
		} {
			if got, ok := c.parse(&d, id); !ok || got != c.want {
				t.Fatalf("%s is %d, %t; want %d", id, got, ok, c.want)
			}
			if _, ok := c.parse(&other, id); ok {
				t.Fatalf("%s is taken for one of another store", id)
			}
			if _, ok := c.parse(&d, id[:len(id)-1]); ok {
				t.Fatalf("%s is taken though it was cut", id)
			}
			if strings.Trim(id[4:], bellhop.IDAlphabet) != "" {
				t.Fatalf("%s has letters that ids have not", id)
			}
		}
	})
}

// Ids sort as the numbers do.
func TestIDsSort(t *testing.T) {
	d := ids{tag: testTag}
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOf(rapid.Int64Range(0, 1<<47-1)).Draw(t, "numbers")
		slices.Sort(numbers)
		for _, format := range []func(int64) string{d.event, d.request, d.delivery} {
			texts := make([]string, len(numbers))
			for i, n := range numbers {
				texts[i] = format(n)
			}
			if !slices.IsSorted(texts) {
				t.Fatalf("%q", texts)
			}
		}
	})
}

// Numbers only grow, whatever the clock does, and none is before the time it was made at.
func TestIDsNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := ids{tag: testTag}
		now, last := epoch, int64(-1)
		for _, step := range rapid.SliceOfN(rapid.Int64Range(-1e9, 1e9), 1, 200).Draw(t, "steps in microseconds") {
			now = now.Add(time.Duration(step) * time.Microsecond)
			n := d.next(now)
			if n <= last || n < firstOf(now) {
				t.Fatalf("%d at %v comes after %d", n, now, last)
			}
			last = n
		}
	})
}

// What people type is no id, and does no harm.
func TestIDsParse(t *testing.T) {
	d := ids{tag: testTag}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`(evt|dlv|req)_[0-9a-z]{16,19}`),
			rapid.StringMatching(`(evt_|req_)[0-9a-z]{10}`+testTag), rapid.StringMatching(`dlv_[0-9a-z]{13}`+testTag)).Draw(t, "text")
		if n, ok := d.parseEvent(text); ok && d.event(n) != text {
			t.Fatalf("%q is event %d, which is %s", text, n, d.event(n))
		}
		if n, ok := d.parseDelivery(text); ok && (n < 0 || d.delivery(n) != text) {
			t.Fatalf("%q is delivery %d, which is %s", text, n, d.delivery(n))
		}
	})
	for _, text := range []string{"dlv_" + strings.Repeat("z", deliverDigits) + testTag, "dlv_8000000000000" + testTag} {
		if n, ok := d.parseDelivery(text); ok {
			t.Errorf("%s is taken for %d, though it has more than 63 bits", text, n)
		}
	}
}
