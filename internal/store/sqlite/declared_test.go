package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// TestChangeNounsPowerCut: whenever power goes while a configuration is applied, all of it is there afterwards, or
// none.
func TestChangeNounsPowerCut(t *testing.T) {
	t.Parallel()
	const nouns = 40
	seed := seed(t)
	random := rand.New(rand.NewPCG(seed, 5))
	whole, none := 0, 0
	for i := range 60 {
		rig := newCrashRig(t, "")
		d := newDisk(t, seed+uint64(i))
		s, err := rig.open(d)
		if err != nil {
			t.Fatal(err)
		}
		copied, err := s.Destination(context.Background(), rig.ledger.destination)
		if err != nil {
			t.Fatal(err)
		}
		var changes bellhop.NounChanges
		for n := range nouns {
			d := copied
			d.ID, d.Name = bellhop.NewID(bellhop.PrefixDestination, s.opts.Rand), fmt.Sprintf("declared-%d", n)
			changes.Destinations.Created = append(changes.Destinations.Created, d)
		}
		gone := d.set(fault{nth: 1 + random.IntN(14), power: true, kept: []float64{0, 0.5, 1}[random.IntN(3)]})
		err = s.ChangeNouns(context.Background(), changes)
		acknowledged := err == nil
		closeErr := s.Close()
		if (err != nil || closeErr != nil) && !closed(gone) {
			t.Fatal(err, closeErr)
		}
		if closed(gone) {
			rig.dir = d.powerCut(t, rig.dir, 0.5)
		}
		s = reopen(t, rig.dir)
		declared, err := s.Declared(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		list, _, err := s.Destinations(context.Background(), bellhop.DestinationFilter{},
			bellhop.Page{Limit: bellhop.MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case len(list) == 1+nouns && len(declared) == nouns:
			whole++
		case len(list) == 1 && len(declared) == 0 && !acknowledged:
			none++
		default:
			t.Errorf("cut %d: %d destinations, %d declared, acknowledged: %v", i, len(list)-1, len(declared),
				acknowledged)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if whole == 0 || none == 0 {
		t.Errorf("%d whole, %d none: the cuts are not where they show anything", whole, none)
	}
}
