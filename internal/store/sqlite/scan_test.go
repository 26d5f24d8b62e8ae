package sqlite

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// TestListPlans: a list goes along the numbers of its rows, or along an index that leaves few of them. Nothing else
// would sort all rows that a filter selects.
func TestListPlans(t *testing.T) {
	s := open(t)
	source, destination := populate(t, s)
	ev := []bellhop.Event{{SourceID: source, Type: "t", ReceivedAt: time.Now(), Body: []byte("x")}}
	owed := []bellhop.NewDelivery{{DestinationID: destination}}
	if _, err := s.Accept(t.Context(), nil, ev, owed); err != nil {
		t.Fatal(err)
	}
	const along = "USING INTEGER PRIMARY KEY (rowid"
	events := func(f bellhop.EventFilter) func(bellhop.Page) error {
		return func(p bellhop.Page) error { return third(s.Events(t.Context(), f, p)) }
	}
	deliveries := func(f bellhop.DeliveryFilter) func(bellhop.Page) error {
		return func(p bellhop.Page) error { return third(s.Deliveries(t.Context(), f, p)) }
	}
	requests := func(f bellhop.RequestFilter) func(bellhop.Page) error {
		return func(p bellhop.Page) error { return third(s.Requests(t.Context(), f, p)) }
	}
	at := time.Now()
	for name, c := range map[string]struct {
		list   func(bellhop.Page) error
		first  string // how the first table is read
		sorted bool   // the few rows of an index are sorted
	}{
		"events":           {events(bellhop.EventFilter{}), "SCAN e", false},
		"events of a time": {events(bellhop.EventFilter{Since: at, Until: at}), "SEARCH e " + along, false},
		"events of a source": {events(bellhop.EventFilter{SourceIDs: []string{source}}), "SEARCH e " + along,
			false},
		"events of a type":   {events(bellhop.EventFilter{Type: "a.*", Subject: "x"}), "SEARCH e " + along, false},
		"events of a tenant": {events(bellhop.EventFilter{Tenant: "acme"}), "SEARCH e " + along, false},
		"events with a text": {events(bellhop.EventFilter{Contains: "x"}), "SEARCH e " + along, false},
		"events with an id": {events(bellhop.EventFilter{ProviderID: "x"}), "USING INDEX events_provider_id",
			true},
		"events of a cause":    {events(bellhop.EventFilter{CausedBy: ev[0].ID}), "USING INDEX events_cause", false},
		"deliveries":           {deliveries(bellhop.DeliveryFilter{}), "SCAN d", false},
		"deliveries of a type": {deliveries(bellhop.DeliveryFilter{Type: "t"}), "SEARCH d " + along, false},
		"deliveries to one": {deliveries(bellhop.DeliveryFilter{DestinationIDs: []string{destination}}),
			"SEARCH d " + along, false},
		"deliveries of a state": {deliveries(bellhop.DeliveryFilter{State: "delivered"}), "SEARCH d " + along, false},
		"deliveries of an event": {deliveries(bellhop.DeliveryFilter{EventID: ev[0].ID, Type: "t"}), "SEARCH d " +
			along,
			false},
		"leased":  {deliveries(bellhop.DeliveryFilter{State: "leased"}), "USING INDEX deliveries_leased", false},
		"dead":    {deliveries(bellhop.DeliveryFilter{State: "dead"}), "SEARCH d " + along, true},
		"pending": {deliveries(bellhop.DeliveryFilter{State: "pending", Type: "t"}), "SEARCH d " + along, true},
		"dead, to one": {deliveries(bellhop.DeliveryFilter{State: "dead", DestinationIDs: []string{destination}}),
			"USING INDEX deliveries_dead", false},
		"requests of an outcome": {requests(bellhop.RequestFilter{Outcome: "refused"}), "SEARCH r " + along, false},
		"requests of a source": {requests(bellhop.RequestFilter{SourceIDs: []string{source}, Contains: "x"}),
			"USING INDEX requests_source", false},
	} {
		for _, page := range []bellhop.Page{{}, {Cursor: cursorOf(s, name)}} {
			plan := planOf(t, s, func() error { return c.list(page) })
			first := c.first
			if page.Cursor != "" {
				first = strings.Replace(strings.Replace(first, "SCAN e", "SEARCH e "+along, 1), "SCAN d", "SEARCH d "+
					along, 1)
			}
			if !strings.Contains(plan, first) || !c.sorted && strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("%s, %+v: want %s first, sorted: %v\n%s", name, page, first, c.sorted, plan)
			}
		}
	}
}

// cursorOf returns a cursor of the list whose name begins that of a test.
func cursorOf(s *Store, test string) string {
	for _, list := range []string{"events", "requests"} {
		if strings.HasPrefix(test, list) {
			return s.ids.Cursor(list, 1<<46)
		}
	}
	return s.ids.Cursor("deliveries", 1<<62)
}

// planOf returns how SQLite reads the list that call reads: one line for each table.
func planOf(t *testing.T, s *Store, call func() error) string {
	t.Helper()
	if err := call(); err != nil {
		t.Fatal(err)
	}
	s.readers.mu.Lock()
	defer s.readers.mu.Unlock()
	c := s.readers.idle[len(s.readers.idle)-1]
	var sqls, lines []string
	for sql := range c.statements { // each call gets a new connection, so they are those of this call
		if strings.Contains(sql, " ORDER BY ") {
			sqls = append(sqls, sql)
		}
	}
	for _, sql := range sqls {
		err := c.query("EXPLAIN QUERY PLAN "+sql, nil, func(row *sqlite3.Stmt) error {
			lines = append(lines, row.ColumnText(3))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	c.close()
	s.readers.idle = s.readers.idle[:len(s.readers.idle)-1]
	return strings.Join(lines, "\n")
}

// TestScanTime: a search ends in time for a caller with a deadline, and never takes longer than it may.
func TestScanTime(t *testing.T) {
	t.Parallel()
	s := open(t)
	for left, want := range map[time.Duration]time.Duration{
		100 * time.Millisecond: 50 * time.Millisecond, time.Second: time.Second / 2, time.Hour: bellhop.ScanTime,
		-time.Second: -time.Second / 2,
	} {
		got := s.scanTime(hurried{t.Context(), s.opts.Now().Add(left)})
		if got > want || got < want-time.Second {
			t.Errorf("a caller with %v left: %v, want %v", left, got, want)
		}
	}
	if got := s.scanTime(t.Context()); got != bellhop.ScanTime {
		t.Errorf("a caller without a deadline: %v", got)
	}
}

// hurried is a context with a deadline by the clock of a test.
type hurried struct {
	context.Context
	at time.Time
}

func (h hurried) Deadline() (at time.Time, ok bool) { return h.at, true }
