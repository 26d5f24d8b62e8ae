package sqlite

import (
	"flag"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

var seedFlag = flag.Uint64("store.seed", 0, "of the tests that cut power and fail disks; 0 is a new one each time")

// seed returns the seed of a test, and shows it.
func seed(t testing.TB) uint64 {
	t.Helper()
	s := *seedFlag
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-store.seed=%d", s)
	return s
}

// cuts is how often power goes.
func cuts() int {
	if testing.Short() {
		return 10
	}
	return 50
}

// Whatever was acknowledged survives a power cut at any moment: under load, in a checkpoint, on opening, on closing.
func TestPowerCut(t *testing.T) {
	seed := seed(t)
	acknowledged := 0
	for n := 0; n < cuts(); n += 5 {
		h := newHouse(t, "")
		for i := range 5 {
			lost, wrong := h.cut(seed + uint64(n+i))
			if len(lost)+len(wrong) > 0 {
				t.Fatalf("after cut %d: lost %d: %q; wrong: %q", n+i, len(lost), lost, wrong)
			}
		}
		acknowledged += h.acknowledged()
	}
	if acknowledged < 10*cuts() {
		t.Errorf("only %d events were acknowledged before the power went: the cuts are too early to say much", acknowledged)
	}
	t.Logf("%d cuts, %d events acknowledged", cuts(), acknowledged)
}

// The control: with weaker settings the same test must see losses, or it proves nothing.
func TestPowerCutControl(t *testing.T) {
	for _, sync := range []string{"normal", "off"} {
		t.Run(sync, func(t *testing.T) {
			seed := seed(t)
			for n := range cuts() {
				if lost, _ := newHouse(t, sync).cut(seed + uint64(n)); len(lost) > 0 {
					t.Logf("cut %d lost %d events that had been acknowledged", n, len(lost))
					return
				}
			}
			t.Errorf("nothing was lost in %d power cuts with synchronous=%s", cuts(), sync)
		})
	}
}

// A house is where a store lives through power cuts.
type house struct {
	*testing.T
	sync   string // "" is the store's own setting
	dir    string
	ledger *ledger
}

func newHouse(t *testing.T, sync string) *house {
	t.Helper()
	h := &house{T: t, sync: sync, dir: t.TempDir(), ledger: &ledger{sent: map[uint64]*entry{}, recorded: map[string]bool{}}}
	furnished.once.Do(func() {
		s := reopen(t, h.dir)
		furnished.source, furnished.destination = populate(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		furnished.files = readFolder(t, h.dir)
	})
	h.ledger.source, h.ledger.destination = furnished.source, furnished.destination
	writeFolder(t, h.dir, furnished.files)
	return h
}

// furnished is a store with a source and a destination in it, made once because there are hundreds of houses.
var furnished struct {
	once                sync.Once
	files               images
	source, destination string
}

func (h *house) acknowledged() (n int) {
	for _, e := range h.ledger.sent {
		if e.id != "" {
			n++
		}
	}
	return n
}

// cut lives until power goes, comes back, and says what is lost and what is wrong then.
func (h *house) cut(seed uint64) (lost, wrong []string) {
	h.Helper()
	random := rand.New(rand.NewPCG(seed, 2))
	d := newDisk(h, seed)
	f := fault{nth: 1 + random.IntN(900), power: true, kept: []float64{0, 0.1, 0.5, 0.9, 1}[random.IntN(5)]}
	if random.IntN(6) == 0 {
		f.nth = 1 + random.IntN(40) // while it opens
	}
	gone := d.set(f)
	for times := uint64(0); !closed(gone); times++ {
		s, err := h.open(d)
		if err == nil {
			h.ledger.load(s, seed+times, 16, 40)
			err = s.Close()
		}
		if err != nil && !closed(gone) {
			h.Fatalf("with power on: %v", err)
		}
	}
	h.dir = d.powerCut(h, h.dir, f.kept)
	s, err := h.open(newDisk(h, seed))
	if err != nil {
		return nil, []string{err.Error()}
	}
	lost, wrong = h.ledger.check(s)
	return lost, slices.Concat(wrong, complaint(s.Close()))
}

func (h *house) open(d *disk) (*Store, error) {
	return Open(options(h, h.dir, func(o *Options) { o.fileLayer, o.sync = d.name, h.sync }))
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
