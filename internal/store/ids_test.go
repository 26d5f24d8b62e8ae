package store

import (
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"pgregory.net/rapid"
)

const (
	testTag   = "0a1b2c"
	placeBits = 16 // as SQLite numbers deliveries
)

func TestIDsRoundTrip(t *testing.T) {
	d, other := IDs{tag: testTag}, IDs{tag: "zzzzzz"}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<47-1).Draw(t, "n")
		place := rapid.Int64Range(0, 1<<placeBits-1).Draw(t, "place")
		for id, c := range map[string]struct {
			want  int64
			parse func(IDs, string) (int64, bool)
		}{
			d.Event(n):                       {n, IDs.ParseEvent},
			d.Request(n):                     {n, IDs.ParseRequest},
			d.Delivery(n<<placeBits | place): {n<<placeBits | place, IDs.ParseDelivery},
		} {
			if got, ok := c.parse(d, id); !ok || got != c.want {
				t.Fatalf("%s is %d, %t; want %d", id, got, ok, c.want)
			}
			if _, ok := c.parse(other, id); ok {
				t.Fatalf("%s is taken for an id of another store", id)
			}
			if _, ok := c.parse(d, id[:len(id)-1]); ok {
				t.Fatalf("%s is taken for an id although it was cut", id)
			}
			if strings.Trim(id[4:], bellhop.IDAlphabet) != "" {
				t.Fatalf("%s has letters that ids do not have", id)
			}
		}
	})
}

// FuzzParseCursor shows that a text is taken for a cursor of a list only if it is the cursor that the list gave.
func FuzzParseCursor(f *testing.F) {
	d, other := IDs{tag: testTag}, IDs{tag: "zzzzzz"}
	for _, n := range []int64{0, 1, 1<<47 - 1, 1<<63 - 1} {
		f.Add(d.Cursor("events", n))
		f.Add(d.Cursor("requests", n))
		f.Add(other.Cursor("events", n))
	}
	f.Add("")
	f.Add("garbage")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := d.ParseCursor("events", text)
		if err == nil && (n < 0 || d.Cursor("events", n) != text) {
			t.Fatalf("%q is taken for the cursor after %d, which is %q", text, n, d.Cursor("events", n))
		}
	})
}

func TestCursor(t *testing.T) {
	d := IDs{tag: testTag}
	for _, n := range []int64{0, 1, 1<<47 - 1, 1<<63 - 1} {
		cursor := d.Cursor("events", n)
		if got, err := d.ParseCursor("events", cursor); err != nil || got != n {
			t.Errorf("%s is %d, %v; want %d", cursor, got, err, n)
		}
		if _, err := d.ParseCursor("deliveries", cursor); err == nil {
			t.Errorf("%s of events is taken for a cursor of deliveries", cursor)
		}
		if _, err := (IDs{tag: "zzzzzz"}).ParseCursor("events", cursor); err == nil {
			t.Errorf("%s is taken for a cursor of another store", cursor)
		}
	}
}

// TestIDsSort shows that ids sort as their numbers do.
func TestIDsSort(t *testing.T) {
	d := IDs{tag: testTag}
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOf(rapid.Int64Range(0, 1<<47-1)).Draw(t, "numbers")
		slices.Sort(numbers)
		for _, format := range []func(int64) string{d.Event, d.Request, d.Delivery} {
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

// TestIDsParse shows that text that is not an id is not taken for one.
func TestIDsParse(t *testing.T) {
	d := IDs{tag: testTag}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`(evt|dlv|req)_[0-9a-z]{16,19}`),
			rapid.StringMatching(`(evt_|req_)[0-9a-z]{10}`+testTag), rapid.StringMatching(`dlv_[0-9a-z]{13}`+testTag)).
			Draw(t,
				"text")
		if n, ok := d.ParseEvent(text); ok && d.Event(n) != text {
			t.Fatalf("%q is event %d, which is %s", text, n, d.Event(n))
		}
		if n, ok := d.ParseDelivery(text); ok && (n < 0 || d.Delivery(n) != text) {
			t.Fatalf("%q is delivery %d, which is %s", text, n, d.Delivery(n))
		}
	})
	for _, text := range []string{"dlv_" + strings.Repeat("z", deliveryDigits) + testTag,
		"dlv_8000000000000" + testTag} {
		if n, ok := d.ParseDelivery(text); ok {
			t.Errorf("%s is taken for %d, although it has more than 63 bits", text, n)
		}
	}
}
