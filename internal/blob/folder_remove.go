package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
)

// Remove removes all bytes of a file, and the folders that have become empty.
func (f *Folder) Remove(_ context.Context, of File) error {
	if err := checkID(of.ID); err != nil {
		return err
	}
	return f.fault("remove", f.removeFile(of))
}

func (f *Folder) removeFile(of File) error {
	_, err := f.root.Lstat(partialName(of.ID))
	there := err == nil
	if err := f.remove(partialName(of.ID)); err != nil {
		return err
	}
	if CheckName(of.Name) != nil { // such a file was never finished
		return nil
	}
	info, err := f.lookUp(of.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrTaken): // what is there is not ours
		return nil
	case err != nil:
		return err
	case !of.Whole && (there || of.Size == 0 || info.Size() != of.Size):
		return nil // the name is that of a file which the folder had before; else a crash came after the rename
	}
	if err := f.remove(of.Name); err != nil {
		return err
	}
	for _, parent := range slices.Backward(parents(of.Name)) {
		if f.root.Remove(parent) != nil { // it is not empty
			return f.syncFolder(parent)
		}
	}
	return f.syncFolder(".")
}

// walkStep is how many entries are visited at a time.
const walkStep = 256

// Walk visits the partial files, and everything else in the folder. It does not go into symlinks. The entries of one
// folder are read some at a time, so that memory does not grow with their number; the folders that are still to be
// read are remembered.
func (f *Folder) Walk(ctx context.Context, visit func([]Entry) error) error {
	folders := []string{"."}
	for len(folders) > 0 {
		at := folders[len(folders)-1]
		folders = folders[:len(folders)-1]
		more, err := f.walkFolder(ctx, at, visit)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may have become empty, and been removed
			return err
		}
		folders = append(folders, more...)
	}
	return nil
}

// walkFolder visits the entries of one folder, and returns the folders in it.
func (f *Folder) walkFolder(ctx context.Context, at string, visit func([]Entry) error) (folders []string, err error) {
	d, err := f.root.Open(at)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	for {
		list, err := d.ReadDir(walkStep)
		var entries []Entry
		for _, e := range list {
			name := path.Join(at, e.Name())
			if e.IsDir() {
				folders = append(folders, name)
				continue
			}
			info, err := e.Info()
			if err != nil { // it was removed meanwhile
				continue
			}
			entry := Entry{Name: name, ModifiedAt: info.ModTime()}
			if at == partialFolder && isID(e.Name()) {
				entry = Entry{ID: e.Name(), ModifiedAt: info.ModTime()}
			}
			entries = append(entries, entry)
		}
		if len(entries) > 0 {
			if err := visit(entries); err != nil {
				return nil, err
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, io.EOF):
			return folders, nil
		case err != nil:
			return nil, err
		}
	}
}
