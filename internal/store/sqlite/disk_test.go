package sqlite

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/bellhop-gateway/bellhop/internal/store"
)

// A disk is a file layer over the system's files that keeps apart what has been written and what has been synced,
// so that it can tell what a power cut at any moment leaves, and that fails when it is told to.
//
// Making and deleting a file counts as on the platter at once; its content only by a sync. Of what is written and
// not synced each piece of a 4 KiB page survives by itself, whatever the order of writing, and the latest may be torn.
type disk struct {
	name  string // as a file layer
	under vfs.VFSFilename

	mu     sync.Mutex
	random *rand.Rand
	files  map[string]*platter // by path
	fault  *fault
	fired  chan struct{} // closed when the fault strikes
	left   images        // once power is gone: what is on the platters
	count  map[diskOp]int
}

// images are files' contents by their names.
type images map[string][]byte

type diskOp string

const (
	opAny      diskOp = ""
	opWrite    diskOp = "write"
	opSync     diskOp = "sync"
	opTruncate diskOp = "truncate"
)

// A fault strikes at one operation.
type fault struct {
	op    diskOp
	nth   int     // from when the fault was set
	kept  float64 // how likely each piece that was not synced, this operation's included, gets to the platter all the same
	power bool    // goes: nothing that is written later counts
	err   error   // what the operation answers; nil is EIO
	lasts bool    // all operations of its kind from then on, until another fault is set
}

var disks atomic.Int64

func newDisk(t testing.TB, seed uint64) *disk {
	t.Helper()
	d := &disk{name: fmt.Sprintf("disk%d", disks.Add(1)), under: vfs.Find("os").(vfs.VFSFilename),
		random: rand.New(rand.NewPCG(seed, 1)), files: map[string]*platter{}, count: map[diskOp]int{}}
	vfs.Register(d.name, fileLayer{d})
	t.Cleanup(func() { vfs.Unregister(d.name) })
	return d
}

// set arms f, and returns a channel that closes when it strikes.
func (d *disk) set(f fault) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.err == nil {
		f.err = &fs.PathError{Op: string(f.op), Path: "disk", Err: syscall.EIO}
	}
	d.fault, d.fired, d.count = &f, make(chan struct{}), map[diskOp]int{}
	return d.fired
}

// mend takes the fault away.
func (d *disk) mend() { d.set(fault{nth: -1}) }

// do runs one operation: c is what it changes in p, nil for a sync, and work what it does to the system's file.
func (d *disk) do(op diskOp, p *platter, c *change, work func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left != nil {
		return syscall.EIO
	}
	if f := d.strikes(op); f != nil {
		return d.strike(f, p, c, work)
	}
	if err := work(); err != nil {
		return err
	}
	if c != nil {
		p.pending = append(p.pending, *c)
	} else {
		p.settle(1, d.random)
	}
	return nil
}

func (d *disk) strikes(op diskOp) *fault {
	d.count[op]++
	d.count[opAny]++
	f := d.fault
	if f == nil || f.op != opAny && f.op != op {
		return nil
	}
	if n := d.count[f.op]; n == f.nth || f.lasts && n > f.nth {
		return f
	}
	return nil
}

func (d *disk) strike(f *fault, p *platter, c *change, work func() error) error {
	select {
	case <-d.fired:
	default:
		close(d.fired)
	}
	if c != nil && (f.kept > 0 || f.power) {
		p.pending = append(p.pending, *c)
		if err := work(); err != nil {
			return err
		}
	}
	if f.power {
		d.left = d.survivors(f.kept)
	} else if c == nil {
		p.settle(f.kept, d.random) // what a failed sync could not write is forgotten: the next will not try again
	}
	return f.err
}

// survivors is what a power cut now leaves of all files.
func (d *disk) survivors(kept float64) images {
	all := images{}
	for _, path := range slices.Sorted(maps.Keys(d.files)) {
		p := d.files[path]
		whole := platter{append([]byte(nil), p.synced...), append([]change(nil), p.pending...)}
		whole.settle(kept, d.random)
		all[filepath.Base(path)] = whole.synced
	}
	return all
}

// powerCut returns a folder with what a power cut leaves, or the one that the fault brought has left. kept is how
// likely each piece that was not synced has got to the platter. The folder's master key is as it was.
func (d *disk) powerCut(t testing.TB, dir string, kept float64) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	left := d.left
	if left == nil {
		left = d.survivors(kept)
	}
	left[store.KeyFileName] = readFolder(t, dir)[store.KeyFileName]
	left[store.FileName+"-shm"] = []byte("what of shared memory was written back is of no use to anybody")
	after := t.TempDir()
	writeFolder(t, after, left)
	return after
}
