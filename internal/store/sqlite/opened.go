package sqlite

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// opened are the database and its log as they were opened. SQLite keeps them open, and would go on writing to them
// after their names are gone or lead to other files: commits would succeed and be lost at the next start. So the
// names are looked up again after each commit, before it is answered, and when somebody asks whether storage is ready.
type opened struct{ files [2]openedFile }

type openedFile struct {
	path string
	info os.FileInfo
}

// noteOpened takes note of the files of a database that is open, log included.
func noteOpened(path string) (*opened, error) {
	o := &opened{}
	for i, name := range [...]string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		o.files[i] = openedFile{name, info}
	}
	return o, nil
}

// check returns an error if one of the names no longer leads to the file that is open. A name that cannot be looked
// up for another reason, because of the rights of a folder for example, proves nothing and is no error.
func (o *opened) check() error {
	for _, f := range o.files {
		info, err := os.Stat(f.path)
		gone := errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
		if gone || err == nil && !os.SameFile(info, f.info) {
			return fmt.Errorf("storage failed: %s is no longer the file that was opened: the data folder or a file "+
				"in it was moved, deleted or replaced, or its volume was unmounted; put it back and start again",
				f.path)
		}
	}
	return nil
}
