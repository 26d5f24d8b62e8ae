package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3/vfs"
)

// A disk is a file layer over the system's files that fails on demand. It keeps written content apart from
// synced content, and so knows what a power cut at any moment would leave.
//
// Creating and deleting a file is durable at once; its content is durable only after a sync. Of the content
// that is not synced, each 4 KiB page survives or not by itself, whatever the order of writing, and the latest
// write may be torn.
type disk struct {
	name  string // as a registered file layer
	under vfs.VFSFilename

	mu     sync.Mutex
	random *rand.Rand
	files  map[string]*fileState // by path
	fault  *fault
	fired  chan struct{} // closed when the fault strikes
	left   images        // what is on the disk, once power is gone
	count  map[diskOp]int
}

// images are the contents of files by their names.
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
	nth   int     // which operation, counted from when the fault was set
	kept  float64 // probability that a page that was not synced, or is written by this operation, gets to the disk
	power bool    // power goes: nothing is written any more
	err   error   // of the operation; nil is EIO
	lasts bool    // also strikes at all later operations of its kind, until another fault is set
}

var disks atomic.Int64

func newDisk(t testing.TB, seed uint64) *disk {
	t.Helper()
	d := &disk{name: fmt.Sprintf("disk%d", disks.Add(1)), under: vfs.Find("os").(vfs.VFSFilename),
		random: rand.New(rand.NewPCG(seed, 1)), files: map[string]*fileState{}, count: map[diskOp]int{}}
	vfs.Register(d.name, fileLayer{d})
	t.Cleanup(func() { vfs.Unregister(d.name) })
	return d
}

// set arms f, and returns a channel that is closed when it strikes.
func (d *disk) set(f fault) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.err == nil {
		f.err = &fs.PathError{Op: string(f.op), Path: "disk", Err: syscall.EIO}
	}
	d.fault, d.fired, d.count = &f, make(chan struct{}), map[diskOp]int{}
	return d.fired
}

// mend removes the fault.
func (d *disk) mend() { d.set(fault{nth: -1}) }

// do runs one operation. c is the change to p, nil for a sync; work does the operation on the system's file.
func (d *disk) do(op diskOp, p *fileState, c *change, work func() error) error {
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

func (d *disk) strike(f *fault, p *fileState, c *change, work func() error) error {
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
		// a failed sync forgets the pages that it could not write: the next one does not try them again
		p.settle(f.kept, d.random)
	}
	return f.err
}

// survivors returns what a power cut now would leave of all files.
func (d *disk) survivors(kept float64) images {
	all := images{}
	for _, path := range slices.Sorted(maps.Keys(d.files)) {
		p := d.files[path]
		whole := fileState{append([]byte(nil), p.synced...), append([]change(nil), p.pending...)}
		whole.settle(kept, d.random)
		all[filepath.Base(path)] = whole.synced
	}
	return all
}

// powerCut returns a folder with the files that a power cut leaves, now or when the fault cut the power. kept
// is the probability that a page that was not synced got to the disk. The master key of the folder stays as it
// is.
func (d *disk) powerCut(t testing.TB, dir string, kept float64) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	left := d.left
	if left == nil {
		left = d.survivors(kept)
	}
	key, err := os.ReadFile(filepath.Join(dir, store.KeyFileName))
	if err != nil {
		t.Fatal(err)
	}
	left[store.KeyFileName] = key
	left[store.FileName+"-shm"] = []byte("shared memory that was written back is of no use to anybody")
	after := t.TempDir()
	writeFolder(t, after, left)
	return after
}

func (d *disk) Open(string, vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return nil, 0, errors.New("disk: not a named file")
}

func (d *disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, out, err := d.under.OpenFilename(name, flags)
	if err != nil || name.String() == "" {
		return f, out, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.files[name.String()]
	if p == nil {
		p = new(fileState)
		if p.synced, err = os.ReadFile(name.String()); err != nil {
			return nil, 0, errors.Join(err, f.Close())
		}
		d.files[name.String()] = p
	}
	return &diskFile{File: f, disk: d, state: p}, out, nil
}

func (d *disk) Delete(name string, syncDir bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left != nil {
		return syscall.EIO
	}
	delete(d.files, name)
	return d.under.Delete(name, syncDir)
}

func (d *disk) Access(name string, flags vfs.AccessFlag) (bool, error) {
	return d.under.Access(name, flags)
}
func (d *disk) FullPathname(name string) (string, error) { return d.under.FullPathname(name) }

type diskFile struct {
	vfs.File
	disk  *disk
	state *fileState
}

func (f *diskFile) WriteAt(b []byte, at int64) (int, error) {
	err := f.disk.do(opWrite, f.state, &change{at, append([]byte{}, b...)}, func() error {
		_, err := f.File.WriteAt(b, at)
		return err
	})
	return len(b), err
}

func (f *diskFile) Truncate(size int64) error {
	return f.disk.do(opTruncate, f.state, &change{at: size}, func() error { return f.File.Truncate(size) })
}

func (f *diskFile) Sync(vfs.SyncFlag) error {
	return f.disk.do(opSync, f.state, nil, func() error { return nil })
}

// SharedMemory is that of the system: it does not outlive the process.
func (f *diskFile) SharedMemory() vfs.SharedMemory {
	return f.File.(vfs.FileSharedMemory).SharedMemory()
}

// DeviceCharacteristics promises only that a write leaves the bytes beside it alone.
func (f *diskFile) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return vfs.IOCAP_POWERSAFE_OVERWRITE | vfs.IOCAP_SUBPAGE_READ
}

// A fileState is the durable content of a file, and the changes since the last sync, in order.
type fileState struct {
	synced  []byte
	pending []change
}

type change struct {
	at   int64
	data []byte // nil cuts or extends the file to length at
}

// pageBytes is the unit that a drive keeps or loses as a whole.
const pageBytes = 4096

// settle ends the pending changes: each page of them becomes durable with probability kept, and is lost otherwise.
func (p *fileState) settle(kept float64, random *rand.Rand) {
	for i, c := range p.pending {
		last := i == len(p.pending)-1
		if c.data == nil {
			if random.Float64() < kept {
				p.resize(c.at)
			}
			continue
		}
		for at, data := c.at, c.data; len(data) > 0; {
			n := min(len(data), pageBytes-int(at%pageBytes))
			piece := data[:n]
			if last && n == len(data) && kept > 0 && kept < 1 {
				piece = piece[:random.IntN(n+1)]
			}
			if random.Float64() < kept {
				p.write(at, piece)
			}
			at, data = at+int64(n), data[n:]
		}
	}
	p.pending = nil
}

func (p *fileState) write(at int64, data []byte) {
	if end := at + int64(len(data)); end > int64(len(p.synced)) {
		p.resize(end)
	}
	copy(p.synced[at:], data)
}

func (p *fileState) resize(length int64) {
	if n := length - int64(len(p.synced)); n > 0 {
		p.synced = append(p.synced, make([]byte, n)...)
	}
	p.synced = p.synced[:length]
}

// TestDiskForgets shows that the disk can lose content that was not synced, and keeps content that was:
// otherwise the tests with it would prove nothing.
func TestDiskForgets(t *testing.T) {
	const pages = 64
	old, fresh := bytes.Repeat([]byte{1}, pages*pageBytes), bytes.Repeat([]byte{2}, pages*pageBytes)
	for _, c := range []struct {
		kept     float64
		min, max int // pages kept whole of those not synced, without the last
	}{{0, 0, 0}, {0.5, 1, pages - 2}, {1, pages - 1, pages - 1}} {
		random := newRandom(7)
		var p fileState
		p.pending = []change{{0, old}}
		p.settle(1, random) // a sync
		p.pending = []change{{0, fresh}}
		p.settle(c.kept, random)
		if len(p.synced) != len(old) {
			t.Fatalf("kept %v: %d bytes", c.kept, len(p.synced))
		}
		kept := 0
		for page := range pages - 1 {
			switch got := p.synced[page*pageBytes:][:pageBytes]; {
			case bytes.Equal(got, fresh[:pageBytes]):
				kept++
			case !bytes.Equal(got, old[:pageBytes]):
				t.Errorf("kept %v: page %d is torn", c.kept, page)
			}
		}
		if kept < c.min || kept > c.max {
			t.Errorf("kept %v: %d of %d pages are new", c.kept, kept, pages)
		}
	}
	var p fileState
	p.pending = []change{{0, []byte("abcdef")}, {at: 2}, {4, []byte("x")}}
	p.settle(1, newRandom(7))
	if string(p.synced) != "ab\x00\x00x" {
		t.Errorf("cut short and written beyond: %q", p.synced)
	}
}
