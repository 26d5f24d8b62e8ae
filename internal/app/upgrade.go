package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/doctor"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
)

// An Upgrade says whether this program could take over a data folder, and what its first start there would do.
type Upgrade struct {
	Running    bool      // a server runs in the folder
	Schema     int       // of the folder
	Known      int       // the newest schema of this program
	Migrations []string  // that the first start runs, in order
	Database   int64     // bytes
	Needs      int64     // bytes of the disk, while the migrations run; 0 without any
	Free       int64     // bytes; -1 if the system does not say
	BackupAt   time.Time // of the latest backup that is noted; zero if none is
	BackupTo   string
	Standby    bool
	Problems   []string // why it cannot, each with what to do; none if it can
	Advice     []string // what to do before
}

// recentBackup is how old a backup may be before an upgrade.
const recentBackup = 24 * time.Hour

// CheckUpgrade looks at the data folder dir as the program that would serve it next. A server may run there. It
// changes nothing. The error says that there is no such folder.
func CheckUpgrade(ctx context.Context, dir string) (u Upgrade, err error) {
	if _, err := os.Stat(filepath.Join(dir, store.FileName)); err != nil {
		return u, fmt.Errorf("%s is no data folder: %w", dir, errors.Unwrap(err))
	}
	u.Running, u.Database, u.Free = datadir.InUse(dir), databaseBytes(dir), -1
	if err := datadir.Check(dir); err != nil {
		u.Problems = append(u.Problems, err.Error())
	}
	schema, err := sqlite.ReadSchema(ctx, dir)
	u.Schema, u.Known, u.Migrations = schema.Version, schema.Known, schema.Missing
	if err != nil {
		u.Problems = append(u.Problems, err.Error())
		return u, nil
	}
	if free, err := doctor.FreeBytes(dir); err == nil {
		u.Free = int64(free)
	}
	if len(u.Migrations) > 0 {
		// A migration that writes every row anew has all of it in the log first, and then in the database.
		u.Needs = 2*u.Database + copyMargin
		if u.Free >= 0 && u.Free < u.Needs {
			u.Problems = append(u.Problems, fmt.Sprintf("the migrations may need %s on the disk of the data folder, "+
				"and %s are free: make room", doctor.SizeText(u.Needs), doctor.SizeText(u.Free)))
		}
	}
	latest, standby, err := sqlite.FolderNotes(ctx, dir)
	if err != nil {
		u.Problems = append(u.Problems, err.Error())
		return u, nil
	}
	u.BackupAt, u.BackupTo, u.Standby = latest.At, latest.To, standby.Is()
	switch {
	case latest.At.IsZero():
		u.Advice = append(u.Advice, "take a backup first, none is noted: bellhop backup TO")
	case time.Since(latest.At) > recentBackup:
		u.Advice = append(u.Advice, "take a backup first, the latest is of "+
			latest.At.UTC().Format(time.RFC3339)+": bellhop backup TO")
	}
	if len(u.Migrations) > 0 {
		u.Advice = append(u.Advice, "the way back is the backup: after the migrations an older program refuses the "+
			"folder")
	}
	if u.Running {
		u.Advice = append(u.Advice, "stop the server, replace its program by this one, and start it again")
	}
	return u, nil
}
