package sqlite

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// This file counts what happens in each minute. Counting costs an event and a result two entries of a map: nothing is
// written with them. Once a minute, and when the store closes, the counts are added to the table of series: to the
// rows of the minute, of its ten minutes, its hour and its day. A crash loses those of at most a minute.

// The sides of the corridor, as the table has them. The good and bad counts of the first are accepted events and
// refused requests, those of the second deliveries and failed attempts.
const (
	sideSource      = 0
	sideDestination = 1
)

// everyNoun stands for the number of a noun in the counts of all of a side.
const everyNoun = 0

// seriesTop is how many sources, and how many destinations, a series names.
const seriesTop = 100

// maxTally bounds the counts that are not in the table yet, some 100 bytes each: an hour of them, if nothing can be
// saved because the disk is full. Later ones are counted in all alone.
const maxTally = 120_000

// A tally holds the counts that are not in the table yet.
type tally struct {
	// saving is held from the moment at which counts are taken until they are in the table, and while a series is
	// read: otherwise a reader would miss them or have them twice. It is taken before mu.
	saving sync.Mutex

	mu     sync.Mutex // guards the fields below
	counts map[tallyKey]tallied
	minute int64  // the latest, in microseconds
	nouns  [2]int // how many keys of a noun counts has for that minute, by side
}

// A tallyKey says what is counted.
type tallyKey struct {
	at     int64 // the minute, in microseconds
	side   int
	noun   int64  // of a source or a destination; everyNoun is all
	tenant string // of the events of a source that has none
}

type tallied struct{ good, bad int64 }

// add counts something that happened at a time. noun is everyNoun if it is of none.
func (t *tally) add(now time.Time, side int, noun int64, tenant string, good, bad int64) {
	at := now.Truncate(time.Minute).UnixMicro()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[tallyKey]tallied{}
	}
	if at != t.minute {
		t.minute, t.nouns = at, [2]int{}
	}
	t.put(tallyKey{at, side, everyNoun, ""}, good, bad)
	if noun == everyNoun {
		return
	}
	key := tallyKey{at, side, noun, tenant}
	_, known := t.counts[key]
	if !known && (t.nouns[side] >= bellhop.MaxSeriesNouns || len(t.counts) >= maxTally) {
		return
	}
	if !known {
		t.nouns[side]++
	}
	t.put(key, good, bad)
}

// put adds counts to a key. The caller holds mu.
func (t *tally) put(key tallyKey, good, bad int64) {
	c := t.counts[key]
	t.counts[key] = tallied{c.good + good, c.bad + bad}
}

// take removes at most limit keys with their counts and returns them.
func (t *tally) take(limit int) map[tallyKey]tallied {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := map[tallyKey]tallied{}
	for key, c := range t.counts {
		if len(taken) == limit {
			break
		}
		taken[key] = c
		delete(t.counts, key)
	}
	return taken
}

// of returns a copy of the counts of a side.
func (t *tally) of(side int) map[tallyKey]tallied {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := map[tallyKey]tallied{}
	for key, c := range t.counts {
		if key.side == side {
			counts[key] = c
		}
	}
	return counts
}

// giveBack adds counts that could not be written.
func (t *tally) giveBack(taken map[tallyKey]tallied) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, c := range taken {
		t.put(key, c.good, c.bad)
	}
}

// countAccepted counts the events of an accept that are new.
func (s *Store) countAccepted(o *accept) {
	now := s.opts.Now()
	all := 0
	for i := 0; i < len(o.events); {
		tenant, stored := o.events[i].Tenant, int64(0)
		for ; i < len(o.events) && o.events[i].Tenant == tenant; i++ {
			if o.numbers[i] >= 0 {
				stored++
			}
		}
		if stored > 0 {
			s.tally.add(now, sideSource, o.source, tenant, stored, 0)
		}
		all += int(stored)
	}
	s.eventCount.change(all)
}

// countResult counts a result that was stored, in the minute of a time. An attempt that an action went on from is
// neither good nor bad.
func (s *Store) countResult(r *bellhop.Result, at time.Time) {
	good, bad := int64(0), int64(0)
	switch {
	case r.State == bellhop.DeliveryDelivered:
		good = 1
	case r.Attempt.Error != "":
		bad = 1
	default:
		return
	}
	n, ok := s.destinations.get(r.DestinationID)
	if !ok {
		n, _ = s.deletedDestinations.get(r.DestinationID)
	}
	s.tally.add(at, sideDestination, n, "", good, bad)
}

const addToSeries = `INSERT INTO series (step, side, at, noun, tenant, good, bad) VALUES (?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (step, side, at, noun, tenant) DO UPDATE SET good = good + excluded.good, bad = bad + excluded.bad`

// saveSeries adds some of the counts to the table.
func (s *Store) saveSeries() (more bool, err error) {
	s.tally.saving.Lock()
	defer s.tally.saving.Unlock()
	taken := s.tally.take(sweepStep)
	if len(taken) == 0 {
		return false, nil
	}
	err = s.do(func(c *conn) error {
		for key, counts := range taken {
			for _, step := range bellhop.SeriesSteps {
				at := time.UnixMicro(key.at).Truncate(step.Length)
				err := c.exec(addToSeries, int64(step.Length/time.Second), key.side, at, key.noun, key.tenant,
					counts.good, counts.bad)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		s.tally.giveBack(taken)
	}
	return len(taken) == sweepStep, err
}

// closeSeries saves the counts before the store closes. A store that has failed writes nothing.
func (s *Store) closeSeries() {
	for more := true; more && s.Err() == nil && s.lost() == nil; {
		var err error
		more, err = s.saveSeries()
		if err != nil {
			s.opts.Logger.Warn("series.unsaved", "component", "store", "error", err,
				"meaning", "the counts of the latest minute are lost")
			return
		}
	}
}

// deleteOldSeries deletes the rows of the oldest span that is kept no longer.
func (s *Store) deleteOldSeries() (more bool, err error) {
	now, trusted := s.now()
	if !trusted {
		return false, nil
	}
	err = s.do(func(c *conn) error {
		more = false
		for _, step := range bellhop.SeriesSteps {
			for side := range 2 {
				err := c.exec(`DELETE FROM series WHERE step = ?1 AND side = ?2 AND at < ?3
					AND at = (SELECT min(at) FROM series WHERE step = ?1 AND side = ?2)`,
					int64(step.Length/time.Second), side, now.Add(-step.Kept-step.Length))
				if err != nil {
					return err
				}
				more = more || c.db.Changes() > 0
			}
		}
		return nil
	})
	return more, err
}

// A sideQuery asks for the counts of one side.
type sideQuery struct {
	bellhop.SeriesQuery
	side    int
	table   string  // of the nouns
	nouns   []int64 // only of these; nil is all
	tenants []string
}

// Series returns how much happened in each span of a period.
func (s *Store) Series(ctx context.Context, q bellhop.SeriesQuery) (bellhop.Series, error) {
	both := q.SourceIDs == nil && q.DestinationIDs == nil
	sources := s.numbersOf(q.SourceIDs, &s.sources)
	destinations := s.numbersOf(q.DestinationIDs, &s.destinations, &s.deletedDestinations)
	sides := [2]sideQuery{{q, sideSource, "sources", sources, nil},
		{q, sideDestination, "destinations", destinations, nil}}
	out := bellhop.Series{Spans: spansOf(q)}
	err := s.read(ctx, func(c *conn) error {
		s.tally.saving.Lock()
		defer s.tally.saving.Unlock()
		out.Spans, out.Sources, out.Destinations = spansOf(q), nil, nil
		for i := range sides {
			side := &sides[i]
			if !both && side.nouns == nil {
				continue
			}
			for _, name := range [...]string{q.Tenant, bellhop.TenantOf(ctx)} {
				if name != "" {
					side.tenants = append(side.tenants, name)
				}
			}
			named, err := s.readSide(c, side, out.Spans)
			if err != nil {
				return err
			}
			if side.side == sideSource {
				out.Sources = named
			} else {
				out.Destinations = named
			}
		}
		return nil
	})
	return out, err
}

// numbersOf returns the numbers of ids; nil if there are no ids. An id without a number is that of no row.
func (s *Store) numbersOf(ids []string, known ...*numbers) []int64 {
	if ids == nil {
		return nil
	}
	found := []int64{}
	for _, id := range ids {
		for _, m := range known {
			n, ok := m.get(id)
			if ok {
				found = append(found, n)
				break
			}
		}
	}
	return found
}

// spansOf returns the spans of a query, without counts.
func spansOf(q bellhop.SeriesQuery) (spans []bellhop.Span) {
	for at := q.Since; at.Before(q.Until); at = at.Add(q.Step) {
		spans = append(spans, bellhop.Span{At: at})
	}
	return spans
}

// withSpans begins a query that looks up rows of each span of a period.
const withSpans = `WITH RECURSIVE spans (at) AS (VALUES (?3) UNION ALL SELECT at + ?4 FROM spans WHERE at + ?4 < ?5)
	SELECT r.at, r.noun, r.tenant, r.good, r.bad FROM spans CROSS JOIN series r ON r.step = ?1 AND r.side = ?2
	AND r.at = spans.at AND r.noun = `

// selectParts reads the counts of each noun of a side in a part of a period, whose beginning stands for all of it: a
// series of everything shows the sums of a noun alone. They are added up here, because SQLite would sort the rows by
// nouns to do that, which takes longer than all else.
const selectParts = `SELECT ?3, noun, '', good, bad FROM series WHERE step = ?1 AND side = ?2 AND at >= ?3
	AND at < ?4 AND noun > 0`

// selectEach reads the rows of all nouns of a side.
const selectEach = `SELECT at, noun, tenant, good, bad FROM series WHERE step = ?1 AND side = ?2 AND at >= ?3
	AND at < ?4 AND noun > 0`

// query returns the rows of the table that q needs, one at a time: the time of a span, a noun, a tenant and two
// counts.
func (q *sideQuery) query(c *conn, row func(*sqlite3.Stmt) error) error {
	side := []any{int64(q.Step / time.Second), q.side}
	spans := append(slices.Clone(side), q.Since, q.Step.Microseconds(), q.Until)
	switch {
	case q.nouns != nil:
		for _, n := range q.nouns {
			err := c.query(withSpans+"?6", append(slices.Clone(spans), n), row)
			if err != nil {
				return err
			}
		}
		return nil
	case len(q.tenants) > 0:
		text, arguments := selectEach, append(side, q.Since, q.Until)
		for _, tenant := range q.tenants {
			text += " AND (tenant = ? OR noun IN (SELECT n FROM " + q.table + " WHERE tenant = ?))"
			arguments = append(arguments, tenant, tenant)
		}
		return c.query(text, arguments, row)
	}
	err := c.query(withSpans+"0 AND r.tenant = ''", spans, row)
	for _, part := range q.parts() {
		if err != nil {
			return err
		}
		err = c.query(selectParts, []any{int64(part.Step / time.Second), q.side, part.Since, part.Until}, row)
	}
	return err
}

// parts divides the period into at most three, of which the one in the middle is in whole spans of the next longer
// step: it has fewer rows.
func (q *sideQuery) parts() (all []bellhop.SeriesQuery) {
	add := func(step time.Duration, since, until time.Time) {
		if since.Before(until) {
			all = append(all, bellhop.SeriesQuery{Step: step, Since: since, Until: until})
		}
	}
	from, to := q.Until, q.Until
	for _, longer := range bellhop.SeriesSteps {
		if longer.Length <= q.Step {
			continue
		}
		from, to = q.Since.Add(longer.Length-1).Truncate(longer.Length), q.Until.Truncate(longer.Length)
		if from.Before(to) {
			add(longer.Length, from, to)
		} else {
			from, to = q.Until, q.Until
		}
		break
	}
	add(q.Step, q.Since, from)
	add(q.Step, to, q.Until)
	return all
}

// readSide adds the counts of a side to spans, and returns those of its nouns.
func (s *Store) readSide(c *conn, q *sideQuery, spans []bellhop.Span) ([]bellhop.NounCounts, error) {
	whole := q.nouns == nil && len(q.tenants) == 0
	names := sideNames{c: c, table: q.table, known: map[int64]named{}}
	byNoun := map[int64]*bellhop.Counts{}
	count := func(at time.Time, noun int64, tenant string, good, bad int64) {
		switch {
		case noun == everyNoun && !whole, q.nouns != nil && !slices.Contains(q.nouns, noun):
			return
		case noun != everyNoun && !whole: // whose they are is known by the name
			name := names.of(noun)
			if name.id == "" || !q.owns(name.tenant, tenant) {
				return
			}
		}
		if noun == everyNoun || !whole {
			i := int(at.Sub(q.Since) / q.Step)
			if i >= 0 && i < len(spans) && !at.Before(q.Since) {
				q.addTo(&spans[i].Counts, good, bad)
			}
		}
		if noun == everyNoun {
			return
		}
		if byNoun[noun] == nil {
			byNoun[noun] = &bellhop.Counts{}
		}
		q.addTo(byNoun[noun], good, bad)
	}
	err := q.query(c, func(row *sqlite3.Stmt) error {
		count(timeAt(row, 0), row.ColumnInt64(1), row.ColumnText(2), row.ColumnInt64(3), row.ColumnInt64(4))
		return nil
	})
	if err != nil {
		return nil, err
	}
	for key, counts := range s.tally.of(q.side) {
		at := time.UnixMicro(key.at).UTC().Truncate(q.Step)
		if !at.Before(q.Since) && at.Before(q.Until) {
			count(at, key.noun, key.tenant, counts.good, counts.bad)
		}
	}
	return busiest(byNoun, &names), names.err
}

// owns reports whether counts are of the tenants asked for: those of a noun that belongs to one of them, or of events
// that do.
func (q *sideQuery) owns(noun, events string) bool {
	for _, tenant := range q.tenants {
		if tenant != noun && tenant != events {
			return false
		}
	}
	return true
}

// addTo adds the counts of a row.
func (q *sideQuery) addTo(c *bellhop.Counts, good, bad int64) {
	if q.side == sideSource {
		c.Accepted, c.Refused = c.Accepted+good, c.Refused+bad
	} else {
		c.Delivered, c.Failed = c.Delivered+good, c.Failed+bad
	}
}

// A named says which noun a number is of.
type named struct{ id, name, tenant string }

// sideNames are the nouns of a side, also deleted ones, by their numbers. Each is read when it is asked for: there may
// be many more than a series names.
type sideNames struct {
	c     *conn
	table string
	known map[int64]named
	err   error // of the first read that failed
}

// of returns the noun with a number; its id is "" if there is none.
func (n *sideNames) of(noun int64) named {
	name, ok := n.known[noun]
	if ok {
		return name
	}
	err := n.c.query("SELECT id, name, tenant FROM "+n.table+" WHERE n = ?", []any{noun},
		func(row *sqlite3.Stmt) error {
			name = named{row.ColumnText(0), row.ColumnText(1), row.ColumnText(2)}
			return nil
		})
	n.known[noun], n.err = name, cmp.Or(n.err, err)
	return name
}

// busiest returns the nouns with the most counts, the busiest first.
func busiest(byNoun map[int64]*bellhop.Counts, names *sideNames) (list []bellhop.NounCounts) {
	sum := func(c bellhop.Counts) int64 { return c.Accepted + c.Refused + c.Delivered + c.Failed }
	order := slices.SortedFunc(maps.Keys(byNoun), func(a, b int64) int {
		return cmp.Or(cmp.Compare(sum(*byNoun[b]), sum(*byNoun[a])), cmp.Compare(a, b))
	})
	for _, noun := range order {
		name := names.of(noun)
		if name.id == "" {
			continue
		}
		list = append(list, bellhop.NounCounts{ID: name.id, Name: name.name, Counts: *byNoun[noun]})
		if len(list) == seriesTop {
			break
		}
	}
	slices.SortStableFunc(list, func(a, b bellhop.NounCounts) int {
		return cmp.Or(cmp.Compare(sum(b.Counts), sum(a.Counts)), strings.Compare(a.Name, b.Name))
	})
	return list
}
