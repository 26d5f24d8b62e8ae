package sqlite

import (
	"errors"
	"os"
	"syscall"

	"github.com/ncruces/go-sqlite3/vfs"
)

// What makes a disk a file layer.

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
		p = new(platter)
		if p.synced, err = os.ReadFile(name.String()); err != nil {
			return nil, 0, errors.Join(err, f.Close())
		}
		d.files[name.String()] = p
	}
	return &diskFile{File: f, disk: d, platter: p}, out, nil
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
	disk    *disk
	platter *platter
}

func (f *diskFile) WriteAt(b []byte, at int64) (int, error) {
	err := f.disk.do(opWrite, f.platter, &change{at, append([]byte{}, b...)}, func() error {
		_, err := f.File.WriteAt(b, at)
		return err
	})
	return len(b), err
}

func (f *diskFile) Truncate(size int64) error {
	return f.disk.do(opTruncate, f.platter, &change{at: size}, func() error { return f.File.Truncate(size) })
}

func (f *diskFile) Sync(vfs.SyncFlag) error {
	return f.disk.do(opSync, f.platter, nil, func() error { return nil })
}

// SharedMemory is the system's: it does not outlive the process.
func (f *diskFile) SharedMemory() vfs.SharedMemory {
	return f.File.(vfs.FileSharedMemory).SharedMemory()
}

// DeviceCharacteristics promises nothing but that a write leaves the bytes beside it alone.
func (f *diskFile) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return vfs.IOCAP_POWERSAFE_OVERWRITE | vfs.IOCAP_SUBPAGE_READ
}
