package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/disk"
)

// This file has the checks of the machine: the clock, the disk and how fast it syncs, and the open files.

// Bounds of the room on a disk.
const (
	fullBytes = 256 << 20 // below this, the disk counts as full
	lowBytes  = 1 << 30   // below this, somebody should make room
)

// Disk looks at the room on the disk of a folder. database is the size of the database in it.
func Disk(dir string, database int64) Finding {
	free, total, err := room(dir)
	if errors.Is(err, errors.ErrUnsupported) {
		return Skip("this system does not say how much room a disk has", "")
	}
	if err != nil {
		return Unread(err)
	}
	return judgeDisk(free, total, database)
}

// FreeBytes returns how many bytes of the disk of dir its user can still have.
func FreeBytes(dir string) (uint64, error) {
	free, _, err := room(dir)
	return free, err
}

func judgeDisk(free, total uint64, database int64) Finding {
	message := fmt.Sprintf("%s of %s are free; the database has %s", sizeText(free), sizeText(total),
		sizeText(uint64(max(database, 0))))
	const remedy = "make room on the disk of the data folder, or keep events for a shorter time (--retain)"
	switch {
	case free < fullBytes:
		return Finding{State: Failed, Message: message + ": once nothing is free, requests are answered 503",
			Remedy: remedy}
	case free < lowBytes:
		return Finding{State: Warning, Message: message, Remedy: remedy}
	case database > 0 && free < uint64(database):
		return Finding{State: Warning, Message: message + ": a copy of it does not fit", Remedy: remedy}
	}
	return Finding{State: OK, Message: message}
}

// Bounds of the time that one sync takes, and of the check.
const (
	slowSync  = 25 * time.Millisecond
	badSync   = 250 * time.Millisecond
	syncTries = 15
	syncTime  = 2 * time.Second
)

// Sync measures how long the disk of a folder takes to make a write durable: every event waits for one such sync. It
// writes a file of some kilobytes there, and removes it.
func Sync(ctx context.Context, dir string) Finding {
	took, err := disk.Syncs(ctx, dir, syncTries, syncTime)
	if err != nil {
		return Finding{State: Failed, Message: "a file in the data folder cannot be written: " + plainPath(err),
			Remedy: "see whether the disk is full, or can only be read, and whether the folder belongs to the " +
				"user of the server"}
	}
	return judgeSync(took)
}

// plainPath returns an error about a file without the name of that file, which means nothing to people.
func plainPath(err error) string {
	var at *os.PathError
	if errors.As(err, &at) {
		return at.Op + ": " + at.Err.Error()
	}
	return err.Error()
}

// judgeSync judges the times of syncs, the shortest first.
func judgeSync(took []time.Duration) Finding {
	if len(took) == 0 {
		return Skip("there was no time to measure it", "")
	}
	middle, worst := took[len(took)/2], took[len(took)-1]
	message := fmt.Sprintf("a sync takes %s (the middle of %d), at most %s", short(middle), len(took), short(worst))
	const remedy = "put the data folder on a local SSD: each event waits for one sync, which all that arrive " +
		"meanwhile share"
	switch {
	case middle >= badSync:
		return Finding{State: Failed, Message: message, Remedy: remedy}
	case middle >= slowSync:
		return Finding{State: Warning, Message: message, Remedy: remedy}
	}
	return Finding{State: OK, Message: message}
}

// fewFiles is the number of open files below which a server with the default settings does not go far.
const fewFiles = 4096

// Files is how many open files a server may need, and has.
type Files struct {
	Granted uint64 // by the system; 0 if it does not say
	Needed  uint64 // if every connection and attempt is in use that settings ask for; 0 if they are the defaults
	Open    int    // now; below 0 if that is not known
}

// OpenFiles counts the open files of this process; -1 if the system does not say.
func OpenFiles() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(list) - 1 // without that of the folder itself
}

// Descriptors looks at the number of open files.
func Descriptors(f Files) Finding {
	if f.Granted == 0 {
		return Skip("this system does not say how many files may be open", "")
	}
	message := fmt.Sprintf("%d files may be open", f.Granted)
	if f.Open >= 0 {
		message += fmt.Sprintf(", %d are", f.Open)
	}
	const remedy = "raise the limit of open files where the server is started: ulimit -n, or LimitNOFILE in systemd"
	switch {
	case f.Open >= 0 && uint64(f.Open) > f.Granted/10*9:
		return Finding{State: Failed, Message: message, Remedy: remedy}
	case f.Granted < fewFiles:
		return Finding{State: Warning, Message: message + ": that is few, so the server allows few connections and " +
			"attempts",
			Remedy: remedy}
	case f.Granted < f.Needed:
		return Finding{State: Warning, Message: fmt.Sprintf("%s; the settings allow connections and attempts that "+
			"need %d, so the server allows fewer", message, f.Needed), Remedy: remedy +
			"; or lower --max-connections and " +
			"--max-attempts"}
	}
	return Finding{State: OK, Message: message}
}

// A Time is what is known of the clock.
type Time struct {
	Now     time.Time
	Started time.Time // when the server started, with the monotonic clock
	Newest  time.Time // of the newest stored event; zero if there is none

	Host           string    // that told the time last; "" if none did
	Theirs, HeldAt time.Time // its time, and ours at that moment

	// Kept says whether the system keeps its clock by that of others; known is false if it does not say.
	Kept, Known bool
}

// Bounds of the clock.
const (
	wrongClock = 5 * time.Second // signatures with a time are accepted within some minutes
	badClock   = time.Minute
	freshTime  = time.Hour // how long the time that a host told counts
)

// Clock looks at the clock. Nobody is asked the time: it goes by what the answers of providers said, what is stored,
// and what the system says of its own clock.
func Clock(t Time) Finding {
	const remedy = "have the clock kept by NTP: chrony, systemd-timesyncd, or the time service of the host"
	back := t.Now.Sub(t.Started) - t.Now.Round(0).Sub(t.Started.Round(0))
	switch ahead := t.Newest.Sub(t.Now); {
	case !t.Newest.IsZero() && ahead > wrongClock:
		return Finding{State: Failed, Remedy: remedy, Message: fmt.Sprintf("the newest event is of a time %s "+
			"ahead: the clock was set back, or was wrong", span(ahead))}
	case back > wrongClock:
		return Finding{State: Warning, Remedy: remedy, Message: fmt.Sprintf("the clock was set back by %s since the "+
			"server started", span(back))}
	}
	if age := t.Now.Sub(t.HeldAt); t.Host != "" && age < freshTime && age > -freshTime {
		// A Date header has whole seconds, and was written before it came.
		off := t.HeldAt.Sub(t.Theirs)
		message := fmt.Sprintf("it is within some seconds of that of %s", t.Host)
		direction := "ahead of"
		if off < 0 {
			off, direction = -off, "behind"
		}
		if off > wrongClock {
			message = fmt.Sprintf("it is %s %s that of %s", span(off), direction, t.Host)
		}
		switch {
		case off > badClock:
			return Finding{State: Failed, Message: message + ": signatures with a time are refused", Remedy: remedy}
		case off > wrongClock:
			return Finding{State: Warning, Message: message, Remedy: remedy}
		}
		return Finding{State: OK, Message: message}
	}
	if t.Known && t.Kept {
		return Finding{State: OK, Message: "the system says that a time service keeps it"}
	}
	why := "this system does not say whether a time service keeps it"
	if t.Known {
		why = "the system does not know of a time service that keeps it"
	}
	return Skip("no provider has told the time within the last hour, and "+why, remedy)
}

// Folder looks at a data folder. check says whether a server would take it, and what to do if not.
func Folder(dir string, check func(dir string) error) Finding {
	if err := check(dir); err != nil {
		message, remedy, ok := strings.Cut(err.Error(), ": ")
		if !ok {
			message, remedy = err.Error(), "make the folder and its files those of the user of the server"
		}
		return Finding{State: Failed, Message: message, Remedy: remedy}
	}
	where := dir
	if absolute, err := filepath.Abs(dir); err == nil {
		where = absolute
	}
	return Finding{State: OK, Message: where + " and its keys are for their owner alone"}
}

// Database looks at whether the storage can be written to.
func Database(ctx context.Context, ready func(ctx context.Context) error) Finding {
	err := ready(ctx)
	if err == nil {
		return Finding{State: OK, Message: "it takes writes"}
	}
	var known *bellhop.Error
	if !errors.As(err, &known) {
		return Finding{State: Failed, Message: "it takes no writes: " + err.Error(),
			Remedy: "see the log (readiness.failed), mend the disk, and restart the server if it has ended"}
	}
	message, remedy, _ := strings.Cut(known.Message, ": ")
	return Finding{State: Failed, Message: message, Remedy: remedy}
}

// sizeText returns a number of bytes for people.
func sizeText(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// short returns a length of time with two or three digits.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// SizeText returns a number of bytes for people.
func SizeText(n int64) string { return sizeText(uint64(max(n, 0))) }
