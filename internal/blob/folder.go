package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// A Folder keeps files in a folder of this machine. Whole files are there under their names, partial ones in its
// folder .partial under their ids. Files and folders are made for their owner alone.
type Folder struct {
	dir  string
	root *os.Root

	// wrap is for tests: it returns what writes to a file. Nil is the file.
	wrap func(*os.File) writeSyncer
}

type writeSyncer interface {
	io.Writer
	Sync() error
}

var _ Storage = (*Folder)(nil)

// OpenFolder opens the folder dir, and makes it if there is none.
func OpenFolder(dir string) (*Folder, error) {
	if err := makeAll(dir); err != nil {
		return nil, folderError(dir, "make", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, folderError(dir, "open", err)
	}
	f := &Folder{dir: dir, root: root}
	if err := f.makeFolder(partialFolder); err != nil {
		return nil, errors.Join(folderError(dir, "make a folder in", err), root.Close())
	}
	return f, nil
}

// folderError says what could not be done with a folder, and what to do.
func folderError(dir, what string, err error) error {
	remedy := "name another folder with --files"
	if errors.Is(err, fs.ErrPermission) {
		remedy = fmt.Sprintf("give it to the user that the server runs as (%d), or name another one with --files",
			os.Geteuid())
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("cannot %s the folder %s: %w: %s", what, dir, fullOr(err), remedy)
}

// makeAll makes dir and its missing parents, and makes their names survive a power cut.
func makeAll(dir string) error {
	var missing []string
	for parent := filepath.Clean(dir); ; parent = filepath.Dir(parent) {
		if _, err := os.Stat(parent); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		missing = append(missing, parent)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, made := range missing {
		d, err := os.Open(filepath.Dir(made))
		if err == nil {
			err = errors.Join(syncOpened(d), d.Close())
		}
		if err != nil && !errors.Is(err, fs.ErrPermission) { // a parent that cannot be read cannot be opened
			return err
		}
	}
	return nil
}

// syncOpened makes the names in an open folder survive a power cut. Windows has no such call.
func syncOpened(d *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return d.Sync()
}

func (f *Folder) String() string { return "folder " + f.dir }

// Close closes the folder.
func (f *Folder) Close() error { return f.root.Close() }

// Check writes, reads and removes a small file.
func (f *Folder) Check(context.Context) error {
	const name, text = partialFolder + "/check", "bellhop"
	err := f.remove(name) // of a crash
	if err == nil {
		err = f.writeSmall(name, text)
	}
	if err == nil {
		var got []byte
		if got, err = f.root.ReadFile(name); err == nil && string(got) != text {
			err = errors.New("it does not return what was written")
		}
	}
	if err = errors.Join(err, f.remove(name)); err != nil {
		return folderError(f.dir, "keep files in", err)
	}
	return nil
}

func (f *Folder) writeSmall(name, text string) error {
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, text)
	return errors.Join(err, file.Sync(), file.Close())
}

// remove removes a file, or a symlink, but no folder with something in it. It is no error if there is none.
func (f *Folder) remove(name string) error {
	if err := f.root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// makeFolder makes a folder unless it is there.
func (f *Folder) makeFolder(name string) error {
	err := f.root.Mkdir(name, 0o700)
	if err == nil {
		return f.syncFolder(path.Dir(name))
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := f.root.Lstat(name)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symlink, which is not followed: %w", name, ErrTaken)
	case !info.IsDir():
		return fmt.Errorf("%s is a file, so that there can be no folder: %w", name, ErrTaken)
	}
	return nil
}

// syncFolder makes the names in a folder survive a power cut.
func (f *Folder) syncFolder(name string) error {
	d, err := f.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(syncOpened(d), d.Close())
}

// parents returns the folders of a name, the outermost first.
func parents(name string) (list []string) {
	for i, r := range name {
		if r == '/' {
			list = append(list, name[:i])
		}
	}
	return list
}

// lookUp returns what is under a name. It is an error if the way there leads through a symlink, or ends at anything
// but a file.
func (f *Folder) lookUp(name string) (fs.FileInfo, error) {
	for _, parent := range append(parents(name), name) {
		info, err := f.root.Lstat(parent)
		switch {
		case errors.Is(err, syscall.ENOTDIR):
			return nil, fs.ErrNotExist
		case err != nil:
			return nil, err
		case info.Mode()&fs.ModeSymlink != 0:
			return nil, fmt.Errorf("%s is a symlink, which is not followed: %w", parent, ErrTaken)
		case parent == name && !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s is not a file: %w", parent, ErrTaken)
		case parent == name:
			return info, nil
		}
	}
	return nil, fs.ErrNotExist
}

// open opens a file. Whatever happens meanwhile, it is the one that lookUp found, and no symlink led to it.
func (f *Folder) open(name string, flag int) (*os.File, fs.FileInfo, error) {
	found, err := f.lookUp(name)
	if err != nil {
		return nil, nil, err
	}
	file, err := f.root.OpenFile(name, flag, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !os.SameFile(found, info) {
		err = fmt.Errorf("%s was changed by another program just now: %w", name, ErrTaken)
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, info, nil
}

func partialName(id string) string { return partialFolder + "/" + id }

// Exists reports whether there is anything under that name.
func (f *Folder) Exists(_ context.Context, name string) (bool, error) {
	if err := CheckName(name); err != nil {
		return false, err
	}
	_, err := f.lookUp(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, ErrTaken):
		return true, nil
	}
	return err == nil, f.fault("look for", err)
}

// fault says what could not be done in the folder.
func (f *Folder) fault(what string, err error) error {
	if err == nil {
		return nil
	}
	var at *fs.PathError
	if errors.As(err, &at) && !errors.Is(err, ErrTaken) && !errors.Is(err, ErrLost) {
		err = at.Err // the path is that of the caller's file
	}
	return fmt.Errorf("cannot %s the file in the folder %s: %w", what, f.dir, fullOr(err))
}

// fullOr returns err, which wraps ErrFull if it means that the disk, or a quota on it, is full.
func fullOr(err error) error {
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	if runtime.GOOS == "windows" {
		full = full || errors.Is(err, syscall.Errno(112)) || errors.Is(err, syscall.Errno(39)) // ERROR_DISK_FULL, …
	}
	if full {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// A folderWriter appends to a file of the folder.
type folderWriter struct {
	folder *Folder
	file   *os.File
	to     writeSyncer
}

// syncEvery is the distance between syncs. As much is written during a sync, so that twice as much may be lost.
const syncEvery = 8 << 20

// Pace implements [Writer].
func (w *folderWriter) Pace() (every int64, beside bool) { return syncEvery, true }

// Append returns a Writer that goes on after f.Size bytes.
func (f *Folder) Append(_ context.Context, of File) (Writer, error) {
	if err := of.check(); err != nil {
		return nil, err
	}
	file, err := f.openPartial(of)
	if err != nil {
		return nil, f.fault("write", err)
	}
	w := &folderWriter{folder: f, file: file, to: file}
	if f.wrap != nil {
		w.to = f.wrap(file)
	}
	return w, nil
}

// openPartial opens the bytes of a partial file for writing after the first of.Size.
func (f *Folder) openPartial(of File) (*os.File, error) {
	name := partialName(of.ID)
	if of.Size == 0 {
		if err := f.remove(name); err != nil {
			return nil, err
		}
		file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		if err := f.syncFolder(partialFolder); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		return file, nil
	}
	file, info, err := f.open(name, os.O_WRONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: they are gone", ErrLost)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case info.Size() < of.Size:
		err = fmt.Errorf("%w: %d bytes are there instead of %d", ErrLost, info.Size(), of.Size)
	case info.Size() > of.Size:
		err = file.Truncate(of.Size)
	}
	if err == nil {
		_, err = file.Seek(of.Size, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (w *folderWriter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	return n, w.folder.fault("write", err)
}

// Sync makes what was written survive a power cut.
func (w *folderWriter) Sync(context.Context) (string, error) {
	return "", w.folder.fault("sync", w.to.Sync())
}

func (w *folderWriter) Close() error { return w.file.Close() }

// Finish gives a partial file its name.
func (f *Folder) Finish(_ context.Context, of File) error {
	if err := of.check(); err != nil {
		return err
	}
	return f.fault("name", f.finish(of))
}

func (f *Folder) finish(of File) error {
	taken, err := f.lookUp(of.Name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if taken != nil && taken.Size() == of.Size {
		_, err := f.lookUp(partialName(of.ID))
		if errors.Is(err, fs.ErrNotExist) { // a crash came after the rename
			return f.syncFolder(path.Dir(of.Name))
		}
	}
	file, err := f.openPartial(of)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if taken != nil {
		return fmt.Errorf("%w: %s has other bytes, which Bellhop did not write there: move them away",
			ErrTaken, of.Name)
	}
	for _, parent := range parents(of.Name) {
		if err := f.makeFolder(parent); err != nil {
			return err
		}
	}
	if err := f.root.Rename(partialName(of.ID), of.Name); err != nil {
		return err
	}
	return errors.Join(f.syncFolder(path.Dir(of.Name)), f.syncFolder(partialFolder))
}

// An openedFile reads the first bytes of a file.
type openedFile struct {
	*io.SectionReader
	io.Closer
}

// Open returns the bytes of a file.
func (f *Folder) Open(_ context.Context, of File) (io.ReadSeekCloser, error) {
	if err := of.check(); err != nil {
		return nil, err
	}
	name := of.Name
	if !of.Whole {
		name = partialName(of.ID)
	}
	file, info, err := f.open(name, os.O_RDONLY)
	switch {
	case errors.Is(err, fs.ErrNotExist) && of.Size == 0 && !of.Whole:
		return openedFile{io.NewSectionReader(strings.NewReader(""), 0, 0), io.NopCloser(nil)}, nil
	case err == nil:
		if err = sizeFault(of, info); err != nil {
			err = errors.Join(err, file.Close())
		}
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: they are gone", ErrLost)
	}
	if err != nil {
		return nil, f.fault("read", err)
	}
	return openedFile{io.NewSectionReader(file, 0, of.Size), file}, nil
}

// sizeFault returns an error unless a file has the bytes that were kept.
func sizeFault(of File, info fs.FileInfo) error {
	if info.Size() < of.Size || of.Whole && info.Size() != of.Size {
		return fmt.Errorf("%w: %d bytes are there instead of %d", ErrLost, info.Size(), of.Size)
	}
	return nil
}

// Verify returns nil if a whole file has its bytes.
func (f *Folder) Verify(_ context.Context, of File) error {
	info, err := f.lookUp(of.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: they are gone", ErrLost)
	case errors.Is(err, ErrTaken):
		err = fmt.Errorf("%w: %w", ErrLost, err)
	case err == nil:
		err = sizeFault(of, info)
	}
	return f.fault("find", err)
}
