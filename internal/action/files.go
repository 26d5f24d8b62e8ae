package action

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/blob"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
)

// FileStore keeps the records of files. Package store has its contract.
type FileStore interface {
	File(ctx context.Context, idOrName string) (bellhop.File, error)
	FileRecord(ctx context.Context, id string) (bellhop.FileRecord, error)
	BeginFile(ctx context.Context, f bellhop.File) (bellhop.FileRecord, error)
	SaveFile(ctx context.Context, id string, p bellhop.FileProgress) error
	FinishFile(ctx context.Context, id, sha256 string, expiresAt time.Time) (bellhop.File, error)
	DoomFile(ctx context.Context, id string, why bellhop.FileDoom) (bellhop.FileRecord, error)
	DoomFiles(ctx context.Context, limit int) (doomed int, err error)
	DoomedFiles(ctx context.Context, after int64, limit int) (list []bellhop.FileRecord, last int64, err error)
	FilesAfter(ctx context.Context, after int64, limit int) (list []bellhop.FileRecord, last int64, err error)
	KnownFiles(ctx context.Context, idsOrNames []string) (map[string]bool, error)
	DeleteFile(ctx context.Context, id string) error
	FileTotals(ctx context.Context) (bellhop.FileTotals, error)
}

// Files are the files that actions keep: their records in the store, and their bytes in a storage. The record always
// comes first, and goes last, so that no bytes are without a record. It implements [provider.Files].
type Files struct {
	o       FilesOptions
	log     *slog.Logger
	metrics *fileMetrics

	mu   sync.Mutex      // guards busy
	busy map[string]bool // ids of the files that are being written, finished or removed
}

// FilesOptions say what Files may use. All but Metrics and Retention are required.
type FilesOptions struct {
	Store     FileStore
	Storage   blob.Storage
	Now       func() time.Time
	Rand      io.Reader // for ids
	Logger    *slog.Logger
	Metrics   prometheus.Registerer // nil registers no metrics
	Retention time.Duration         // how long a file is kept once it is whole; 0 is as long as its event
}

var _ provider.Files = (*Files)(nil)

// NewFiles returns the files of a store and a storage.
func NewFiles(o FilesOptions) *Files {
	k := &Files{o: o, log: o.Logger.With("component", "files"), busy: map[string]bool{}}
	k.metrics = newFileMetrics(o.Metrics, o.Store.FileTotals, o.Now)
	return k
}

// claim takes a file for one user. It is a conflict if it has one.
func (k *Files) claim(id string) (release func(), err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy[id] {
		return nil, bellhop.Conflict("the file " + id + " is being written: wait until its delivery has ended, or " +
			"cancel that")
	}
	k.busy[id] = true
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.busy, id)
	}, nil
}

// bytesOf says which bytes a record is about.
func bytesOf(rec bellhop.FileRecord) blob.File {
	f := wholeBytesOf(rec.File)
	f.Whole, f.Upload = rec.State == bellhop.FileWhole, rec.Upload
	return f
}

func wholeBytesOf(f bellhop.File) blob.File {
	return blob.File{ID: f.ID, Name: f.Name, Size: f.Size, Whole: true, ContentType: f.ContentType}
}

// maxContentType is the length of the longest content type that is kept.
const maxContentType = 255

// Begin implements [provider.Files].
func (k *Files) Begin(ctx context.Context, f bellhop.File) (bellhop.File, error) {
	err := blob.CheckName(f.Name)
	if err != nil {
		return bellhop.File{}, bellhop.Invalid("name", err.Error())
	}
	if len(f.ContentType) > maxContentType {
		f.ContentType = ""
	}
	f.ID, f.CreatedAt = bellhop.NewID(bellhop.PrefixFile, k.o.Rand), bellhop.StoredTime(k.o.Now())
	f.ExpiresAt, f.DueAt = bellhop.StoredTime(f.ExpiresAt), bellhop.StoredTime(f.DueAt)
	rec, err := k.o.Store.BeginFile(ctx, f)
	if err == nil && rec.Doom != "" { // the name is free once the bytes are gone
		if err = k.removeClaimed(ctx, rec); err == nil {
			rec, err = k.o.Store.BeginFile(ctx, f)
		}
	}
	switch {
	case err != nil:
		return bellhop.File{}, fmt.Errorf("begin a file: %w", err)
	case rec.EventID != f.EventID || rec.DestinationID != f.DestinationID || rec.Doom != "":
		return bellhop.File{}, bellhop.Conflict(fmt.Sprintf("the name %s is that of file %s, which destination %s "+
			"made for event %s: use another layout of names, or delete that file", rec.Name, rec.ID, rec.Destination,
			rec.EventID))
	case rec.ID != f.ID:
		return rec.File, nil
	}
	taken, err := k.o.Storage.Exists(ctx, f.Name)
	if err != nil {
		return bellhop.File{}, storageError(err)
	}
	if taken {
		_, err := k.o.Store.DoomFile(ctx, f.ID, bellhop.FileAsked)
		if err == nil {
			err = k.o.Store.DeleteFile(ctx, f.ID)
		}
		return bellhop.File{}, errors.Join(bellhop.Conflict("the "+k.o.Storage.String()+" has bytes under the name "+
			f.Name+" that are of no file: move them away, or use another layout of names"), err)
	}
	return rec.File, nil
}

// removeClaimed removes a doomed file that nobody else is removing.
func (k *Files) removeClaimed(ctx context.Context, rec bellhop.FileRecord) error {
	release, err := k.claim(rec.ID)
	if err != nil {
		return err
	}
	defer release()
	return k.removeDoomed(ctx, rec)
}

// storageError returns err in the form that callers of [provider.Files] and of the API branch on.
func storageError(err error) error {
	code := bellhop.CodeConflict
	switch {
	case err == nil:
		return nil
	case errors.Is(err, blob.ErrFull):
		return fmt.Errorf("%w: %w", provider.ErrStorageFull, err)
	case errors.Is(err, blob.ErrUnreachable):
		code = bellhop.CodeUnavailable
	case errors.Is(err, blob.ErrTaken), errors.Is(err, blob.ErrLost), errors.Is(err, blob.ErrPartial):
	default:
		return err
	}
	return &bellhop.Error{Code: code, Message: err.Error(), Err: err}
}

// saveTimeout bounds how long it takes to save what was written when an attempt has ended.
const saveTimeout = 10 * time.Second

// Append implements [provider.Files].
func (k *Files) Append(ctx context.Context, id string, offset int64, r io.Reader) (size int64, err error) {
	release, busy := k.claim(id)
	if busy == nil {
		defer release()
	}
	rec, err := k.o.Store.FileRecord(context.WithoutCancel(ctx), id) // its size is told, even if ctx has ended
	switch {
	case err != nil:
		return 0, err
	case busy != nil:
		return rec.Size, busy
	case rec.State != bellhop.FilePartial:
		return rec.Size, bellhop.Conflict("the file " + id + " is whole, and does not change any more")
	case offset != 0 && offset != rec.Size:
		return rec.Size,
			bellhop.Conflict(fmt.Sprintf("the file %s has %d durable bytes: go on there, or begin anew at 0", id,
				rec.Size))
	case offset == 0 && rec.Size > 0:
		if err := k.empty(ctx, &rec); err != nil {
			return rec.Size, err
		}
	}
	a, err := k.resume(ctx, rec)
	if errors.Is(err, blob.ErrLost) {
		return 0, k.beginAnew(ctx, rec, err)
	}
	if err != nil {
		return rec.Size, storageError(err)
	}
	err = a.copy(ctx, r)
	if saveErr := a.settle(); saveErr != nil {
		err = errors.Join(err, saveErr)
	}
	if a.size > a.saved {
		settled, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
		defer cancel()
		a.beside = false
		if saveErr := a.save(settled); saveErr != nil {
			err = errors.Join(err, saveErr)
		}
	}
	if closeErr := a.to.Close(); err == nil && closeErr != nil {
		err = storageError(closeErr)
	}
	return a.saved, err
}

// empty makes a file begin anew. The record is changed before the bytes are.
func (k *Files) empty(ctx context.Context, rec *bellhop.FileRecord) error {
	err := k.o.Store.SaveFile(ctx, rec.ID, bellhop.FileProgress{Upload: rec.Upload})
	if err == nil {
		rec.Size, rec.Hash = 0, nil
	}
	return err
}

// beginAnew empties a file whose bytes were lost, and returns that as an error.
func (k *Files) beginAnew(ctx context.Context, rec bellhop.FileRecord, lost error) error {
	k.log.Warn("file.lost", append(fileArgs(rec.File), "bytes", rec.Size, "error", lost,
		"meaning", "bytes of a partial file were lost: it begins anew")...)
	k.metrics.damaged.Inc()
	if err := k.empty(ctx, &rec); err != nil {
		return err
	}
	return bellhop.Conflict("the file " + rec.ID + " begins anew: " + lost.Error())
}

// fileArgs are the ids and names of a line of the log about a file.
func fileArgs(f bellhop.File) []any {
	return []any{"file_id", f.ID, "file", f.Name, "event_id", f.EventID, "destination_id", f.DestinationID,
		"destination", f.Destination}
}

// An appending is one call of Append. One goroutine uses it.
type appending struct {
	k      *Files
	id     string
	to     blob.Writer
	every  int64 // distance of offsets at which it is saved
	beside bool  // the next bytes are written while it is saved
	sum    hash.Hash
	size   int64        // written
	saved  int64        // durable, and so in the record
	saving chan saveEnd // of the save that is under way; nil if none is
}

// A saveEnd is the end of one save: the durable size, if err is nil.
type saveEnd struct {
	size int64
	err  error
}

// resume opens a partial file for writing. The error wraps blob.ErrLost if its bytes, or the state of its hash, are
// not there.
func (k *Files) resume(ctx context.Context, rec bellhop.FileRecord) (*appending, error) {
	sum, err := resumeHash(rec)
	if err != nil {
		return nil, err
	}
	to, err := k.o.Storage.Append(ctx, bytesOf(rec))
	if err != nil {
		return nil, err
	}
	a := &appending{k: k, id: rec.ID, to: to, sum: sum, size: rec.Size, saved: rec.Size}
	a.every, a.beside = to.Pace()
	return a, nil
}

// resumeHash returns the hash of the first Size bytes of a file.
func resumeHash(rec bellhop.FileRecord) (hash.Hash, error) {
	sum := sha256.New()
	if rec.Size == 0 {
		return sum, nil
	}
	if err := sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(rec.Hash); err != nil {
		return nil, fmt.Errorf("%w: the state of its hash cannot be read", blob.ErrLost)
	}
	return sum, nil
}

// copyBytes is the size of the buffer of one Append. A larger one makes fewer calls of the system; a hundred downloads
// at a time have one each.
const copyBytes = 512 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBytes]byte) }}

// copy writes the bytes of r, and saves on the way.
func (a *appending) copy(ctx context.Context, r io.Reader) error {
	buf := copyBuffers.Get().(*[copyBytes]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := fillBuffer(ctx, r, buf[:])
		if writeErr := a.write(ctx, buf[:n]); writeErr != nil {
			return writeErr
		}
		switch {
		case err == io.EOF: // and not an error that wraps it: a connection may end with such a one
			return nil
		case err != nil:
			return err
		}
	}
}

// fillBuffer reads until p is full. The error is that of r or ctx, also if some bytes were read before.
func fillBuffer(ctx context.Context, r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var read int
		read, err = r.Read(p[n:])
		n += read
		if err == nil {
			err = ctx.Err()
		}
	}
	return n, err
}

func (a *appending) write(ctx context.Context, p []byte) error {
	for len(p) > 0 {
		n, err := a.writeHashed(p[:min(int64(len(p)), a.every-a.size%a.every)])
		a.size, p = a.size+int64(n), p[n:]
		if err != nil {
			return storageError(err)
		}
		if a.size%a.every == 0 {
			if err := a.save(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeBytes is the size of the pieces that are written. On one virtual machine larger ones took more processor time,
// most of it in the copy into the page cache.
const writeBytes = 64 << 10

// hashBeside is how many bytes are hashed on another processor while they are written.
const hashBeside = writeBytes

// writeHashed writes p, and adds what was written to the hash.
func (a *appending) writeHashed(p []byte) (n int, err error) {
	if len(p) < hashBeside {
		n, err = a.to.Write(p)
		a.sum.Write(p[:n])
		return n, err
	}
	before, err := a.sum.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return 0, err
	}
	hashed := make(chan struct{})
	go func() {
		a.sum.Write(p)
		close(hashed)
	}()
	for n < len(p) && err == nil {
		var written int
		written, err = a.to.Write(p[n:min(len(p), n+writeBytes)])
		n += written
	}
	<-hashed
	if n < len(p) {
		if hashErr := a.sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(before); hashErr != nil {
			return 0, errors.Join(err, hashErr)
		}
		a.sum.Write(p[:n])
	}
	return n, err
}

// save makes what was written durable, and stores how far the file is. A save that is under way ends first. With
// beside it returns before that is done, and settle returns its error.
func (a *appending) save(ctx context.Context) error {
	if err := a.settle(); err != nil {
		return err
	}
	state, err := a.sum.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return err
	}
	to := bellhop.FileProgress{Size: a.size, Hash: state}
	a.saving = make(chan saveEnd, 1)
	if a.beside {
		go a.k.saveBeside(ctx, a.id, a.to, to, a.saving)
		return nil
	}
	a.k.saveBeside(ctx, a.id, a.to, to, a.saving)
	return a.settle()
}

// saveBeside syncs what was written up to to.Size, and stores that.
func (k *Files) saveBeside(ctx context.Context, id string, from blob.Writer, to bellhop.FileProgress,
	end chan<- saveEnd) {
	var err error
	if to.Upload, err = from.Sync(ctx); err == nil {
		err = k.o.Store.SaveFile(ctx, id, to)
	} else {
		err = storageError(err)
	}
	end <- saveEnd{to.Size, err}
}

// settle waits for the save that is under way, and returns its error.
func (a *appending) settle() error {
	if a.saving == nil {
		return nil
	}
	end := <-a.saving
	a.saving = nil
	if end.err != nil {
		return end.err
	}
	a.k.metrics.written.Add(float64(end.size - a.saved))
	a.saved = end.size
	return nil
}

// Finish implements [provider.Files].
func (k *Files) Finish(ctx context.Context, id string) (bellhop.File, error) {
	release, err := k.claim(id)
	if err != nil {
		return bellhop.File{}, err
	}
	defer release()
	rec, err := k.o.Store.FileRecord(ctx, id)
	switch {
	case err != nil || rec.State == bellhop.FileWhole:
		return rec.File, err
	case rec.Total >= 0 && rec.Size != rec.Total:
		return rec.File, bellhop.Conflict(fmt.Sprintf("the file %s has %d of the %d bytes that were announced", id,
			rec.Size, rec.Total))
	}
	sum, err := resumeHash(rec)
	if err == nil {
		err = k.o.Storage.Finish(ctx, bytesOf(rec))
	}
	if errors.Is(err, blob.ErrLost) {
		return rec.File, k.beginAnew(ctx, rec, err)
	}
	if err != nil {
		return rec.File, storageError(err)
	}
	var expiresAt time.Time
	if k.o.Retention > 0 {
		expiresAt = bellhop.StoredTime(k.o.Now().Add(k.o.Retention))
	}
	f, err := k.o.Store.FinishFile(ctx, id, hex.EncodeToString(sum.Sum(nil)), expiresAt)
	if err == nil {
		k.log.Info("file.finished", append(fileArgs(f), "bytes", f.Size, "sha256", f.SHA256)...)
	}
	return f, err
}

// Open implements [provider.Files].
func (k *Files) Open(ctx context.Context, id string, offset int64) (io.ReadCloser, error) {
	rec, err := k.o.Store.FileRecord(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case offset < 0 || offset > rec.Size:
		return nil, bellhop.Invalid("offset", fmt.Sprintf("the file has %d bytes", rec.Size))
	}
	body, err := k.o.Storage.Open(ctx, bytesOf(rec))
	if err != nil {
		return nil, storageError(err)
	}
	if _, err := body.Seek(offset, io.SeekStart); err != nil {
		return nil, errors.Join(err, body.Close())
	}
	return body, nil
}

// OpenWhole returns the bytes of a whole file. The error is CodeConflict if the storage has other bytes than were
// kept.
func (k *Files) OpenWhole(ctx context.Context, f bellhop.File) (io.ReadSeekCloser, error) {
	body, err := k.o.Storage.Open(ctx, wholeBytesOf(f))
	if errors.Is(err, blob.ErrLost) {
		k.reportDamage(f, err)
	}
	return body, storageError(err)
}

// reportDamage notes that the bytes of a whole file are not those that were kept.
func (k *Files) reportDamage(f bellhop.File, err error) {
	k.metrics.damaged.Inc()
	k.log.Warn("file.damaged", append(fileArgs(f), "error", err,
		"meaning", "another program changed or removed the bytes: restore them from a backup, or delete the file")...)
}

// Remove implements [provider.Files].
func (k *Files) Remove(ctx context.Context, id string) error {
	err := k.Delete(ctx, id)
	var known *bellhop.Error
	if errors.As(err, &known) && known.Code == bellhop.CodeNotFound {
		return nil
	}
	return err
}

// Delete deletes a file: from when it returns nil, nobody sees it any more. If its bytes cannot be removed now, that
// is logged, and done later.
func (k *Files) Delete(ctx context.Context, idOrName string) error {
	f, err := k.o.Store.File(ctx, idOrName)
	if err != nil {
		return err
	}
	release, err := k.claim(f.ID)
	if err != nil {
		return err
	}
	defer release()
	rec, err := k.o.Store.DoomFile(ctx, f.ID, bellhop.FileAsked)
	if err != nil {
		return err
	}
	if err := k.removeDoomed(ctx, rec); err != nil {
		k.logUndeleted(rec, err)
	}
	return nil
}
