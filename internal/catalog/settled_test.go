package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// shipments is a store of deliveries, which counts no further than it has time for.
type shipments struct {
	Store
	leased, pending int
	time            int // deliveries that a search finds before its time is over; 0 is all
	err             error
	asked           []bellhop.DeliveryFilter
}

func (s *shipments) Deliveries(_ context.Context, f bellhop.DeliveryFilter,
	page bellhop.Page) (list []bellhop.Delivery, next string, err error) {
	s.asked = append(s.asked, f)
	n := map[bellhop.DeliveryState]int{bellhop.DeliveryLeased: s.leased, bellhop.DeliveryPending: s.pending}[f.State]
	n -= len(page.Cursor)
	if n > page.Limit || s.time > 0 && n > s.time {
		n = page.Limit
		if s.time > 0 {
			n = min(n, s.time)
		}
		next = page.Cursor + strings.Repeat("x", n)
	}
	if s.time < 0 { // the time is over before anything is found
		return nil, "x", s.err
	}
	return make([]bellhop.Delivery, n), next, s.err
}

// TestCheckSettled: a source with unfinished deliveries is not settled, and the error says how many they are.
func TestCheckSettled(t *testing.T) {
	for _, c := range []struct {
		shipments
		want string // the beginning of the error after the name of the source; "" if there is none
	}{
		{shipments{}, ""},
		{shipments{pending: 1}, "1 delivery of its events is pending; cancel them"},
		{shipments{leased: 1}, "1 delivery of its events is pending; cancel them"},
		{shipments{leased: 16, pending: 700}, "716 deliveries of its events are pending; cancel them"},
		{shipments{pending: 2 * maxCounted}, "at least 10000 deliveries of its events are pending; cancel them"},
		{shipments{pending: 9, time: 3}, "at least 3 deliveries of its events are pending; cancel them"},
		{shipments{time: -1}, "too many deliveries are pending to look through them in time for " +
			"those of its events; cancel"},
	} {
		err := newCatalog(&shelf{Store: &c.shipments}, &opener{}).CheckSettled(t.Context(),
			bellhop.Source{ID: "src_1", Name: "media"})
		var e *bellhop.Error
		switch {
		case c.want == "" && err == nil:
		case !errors.As(err, &e) || e.Code != bellhop.CodeConflict || c.want == "" ||
			!strings.HasPrefix(e.Message, "source media: "+c.want) || !strings.Contains(e.Message, "by force"):
			t.Errorf("%+v: %v, want %q", c.shipments, err, c.want)
		}
		for _, f := range c.asked {
			if len(f.SourceIDs) != 1 || f.SourceIDs[0] != "src_1" || f.State == "" {
				t.Errorf("it asks for %+v", f)
			}
		}
	}
	failure := errors.New("no answer")
	err := newCatalog(&shelf{Store: &shipments{err: failure}}, &opener{}).CheckSettled(t.Context(),
		bellhop.Source{ID: "src_1"})
	if !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
}
