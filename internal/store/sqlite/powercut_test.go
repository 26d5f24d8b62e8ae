package sqlite

import (
	"flag"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

var seedFlag = flag.Uint64("store.seed", 0, "seed of the tests that cut power and fail disks; 0 is a random one")

// seed returns the seed of a test, and logs it.
func seed(t testing.TB) uint64 {
	t.Helper()
	s := *seedFlag
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-store.seed=%d", s)
	return s
}

// TestPowerCut shows that every acknowledged event survives a power cut at any moment: under load, in a
// checkpoint, on opening, on closing. TestStressPowerCut does the same for longer.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	powerCuts(t, 8)
}

// powerCuts cuts power n times, up to three times in the life of one store.
func powerCuts(t *testing.T, n int) {
	seed := seed(t)
	acknowledged := 0
	for i := 0; i < n; {
		rig := newCrashRig(t, "")
		for range min(3, n-i) {
			lost, wrong := rig.cut(seed + uint64(i))
			if len(lost)+len(wrong) > 0 {
				t.Fatalf("after cut %d: lost %d: %q; wrong: %q", i, len(lost), lost, wrong)
			}
			i++
		}
		acknowledged += rig.acknowledged()
	}
	if acknowledged < 10*n {
		t.Errorf("only %d events were acknowledged before the power went: the cuts are too early to prove much",
			acknowledged)
	}
	t.Logf("%d cuts, %d events acknowledged", n, acknowledged)
}

// TestPowerCutControl shows that the same test sees losses with weaker settings: otherwise it would prove nothing.
func TestPowerCutControl(t *testing.T) {
	for _, sync := range []string{"normal", "off"} {
		t.Run(sync, func(t *testing.T) {
			t.Parallel()
			seed := seed(t)
			const cuts = 50
			for n := range cuts {
				if lost, _ := newCrashRig(t, sync).cut(seed + uint64(n)); len(lost) > 0 {
					t.Logf("cut %d lost %d acknowledged events", n, len(lost))
					return
				}
			}
			t.Errorf("nothing was lost in %d power cuts with synchronous=%s", cuts, sync)
		})
	}
}

// A crashRig is a data folder in which a store lives through power cuts, and the ledger of what the store
// acknowledged.
type crashRig struct {
	*testing.T
	sync   string // "" is the setting of the store
	dir    string
	ledger *ledger
}

func newCrashRig(t *testing.T, sync string) *crashRig {
	t.Helper()
	rig := &crashRig{T: t, sync: sync, dir: t.TempDir(), ledger: &ledger{sent: map[uint64]*entry{},
		recorded: map[string]bool{}}}
	template.once.Do(func() {
		s := reopen(t, rig.dir)
		template.source, template.destination = populate(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		template.files = readFolder(t, rig.dir)
	})
	rig.ledger.source, rig.ledger.destination = template.source, template.destination
	writeFolder(t, rig.dir, template.files)
	return rig
}

// template is a store with a source and a destination, made once because there are hundreds of rigs.
var template struct {
	once                sync.Once
	files               images
	source, destination string
}

func (rig *crashRig) acknowledged() (n int) {
	for _, e := range rig.ledger.sent {
		if e.id != "" {
			n++
		}
	}
	return n
}

// cut loads a store until power goes, opens it again, and returns the complaints of the ledger.
func (rig *crashRig) cut(seed uint64) (lost, wrong []string) {
	rig.Helper()
	random := rand.New(rand.NewPCG(seed, 2))
	d := newDisk(rig, seed)
	f := fault{nth: 1 + random.IntN(900), power: true, kept: []float64{0, 0.1, 0.5, 0.9, 1}[random.IntN(5)]}
	if random.IntN(6) == 0 {
		f.nth = 1 + random.IntN(40) // while it opens
	}
	gone := d.set(f)
	for times := uint64(0); !closed(gone); times++ {
		s, err := rig.open(d)
		if err == nil {
			rig.ledger.load(s, seed+times, 16, 40)
			err = s.Close()
		}
		if err != nil && !closed(gone) {
			rig.Fatalf("with power on: %v", err)
		}
	}
	rig.dir = d.powerCut(rig, rig.dir, f.kept)
	s, err := rig.open(newDisk(rig, seed))
	if err != nil {
		return nil, []string{err.Error()}
	}
	lost, wrong = rig.ledger.check(s)
	return lost, slices.Concat(wrong, complaint(s.Close()))
}

func (rig *crashRig) open(d *disk) (*Store, error) {
	return Open(options(rig, rig.dir, func(o *Options) { o.fileLayer, o.sync = d.name, rig.sync }))
}

func complaint(err error) []string {
	if err == nil {
		return nil
	}
	return []string{err.Error()}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
