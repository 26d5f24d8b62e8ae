package delivery

import (
	"iter"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// A laneTable is a snapshot of the lanes, by what they may want: of ten thousand destinations with a type each, an event
// asks one.
type laneTable struct {
	byID  map[string]*lane
	byKey map[matchKey][]*lane
}

// A matchKey is a source, by name or id, and a type; "" is any.
type matchKey struct{ source, kind string }

// maxKeys bounds the keys of one lane. One that would have more is not found by type.
const maxKeys = 100

func newLaneTable(lanes map[string]*lane) *laneTable {
	t := &laneTable{byID: lanes, byKey: make(map[matchKey][]*lane, len(lanes))}
	if t.byID == nil {
		t.byID = map[string]*lane{}
	}
	for _, l := range lanes {
		for _, key := range matchKeys(l.destination.Load().Match) {
			if list := t.byKey[key]; len(list) == 0 || list[len(list)-1] != l { // it is not named twice
				t.byKey[key] = append(list, l)
			}
		}
	}
	return t
}

// matchKeys are the keys under which a lane is found: every pair of its sources and types, any being one where it names none.
// Types count only if all are whole.
func matchKeys(m bellhop.Match) (keys []matchKey) {
	sources, kinds := m.Sources, m.Types
	if len(sources) == 0 {
		sources = []string{""}
	}
	prefixed := slices.ContainsFunc(kinds, func(k string) bool { return strings.HasSuffix(k, "*") })
	if len(kinds) == 0 || prefixed || len(sources)*len(kinds) > maxKeys {
		kinds = []string{""}
	}
	for _, source := range sources {
		for _, kind := range kinds {
			keys = append(keys, matchKey{source, kind})
		}
	}
	return keys
}

// mayWant yields the lanes that may want ev, each once. Their matches say whether they do.
func (t *laneTable) mayWant(ev *bellhop.Event) iter.Seq[*lane] {
	return func(yield func(*lane) bool) {
		for i, source := range [...]string{"", ev.Source, ev.SourceID} {
			if i > 0 && source == "" {
				continue
			}
			for _, kind := range [...]string{"", ev.Type} {
				for _, l := range t.byKey[matchKey{source, kind}] {
					if source == ev.SourceID && slices.Contains(l.destination.Load().Match.Sources, ev.Source) {
						continue // found by name already
					}
					if !yield(l) {
						return
					}
				}
			}
		}
	}
}
