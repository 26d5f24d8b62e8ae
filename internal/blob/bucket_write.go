package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/minio/minio-go/v7"
)

// A bucketWriter appends to a partial file of a bucket. Part n of the upload has the bytes from (n-1) × 8 MiB on, so
// the offset of a byte says where it belongs, and a part that is written again after a crash takes the place of the
// first.
type bucketWriter struct {
	b       *Bucket
	ctx     context.Context // of the writes
	f       File            // Upload changes
	begin   int64           // offset in the file of the part that is being filled
	filled  int64           // bytes of it, in scratch
	kept    int64           // bytes of it that are durable in the object of the rest
	sum     hash.Hash       // of the part
	scratch *os.File
}

// Append returns a Writer that goes on after f.Size bytes. It asks the service whether all parts are there.
func (b *Bucket) Append(ctx context.Context, f File) (Writer, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	w, err := b.resume(ctx, f)
	if err != nil {
		return nil, b.fault("go on with a file", err)
	}
	return w, nil
}

func (b *Bucket) resume(ctx context.Context, f File) (_ *bucketWriter, err error) {
	if f.Size == 0 && f.Upload != "" {
		if err := b.abort(ctx, f.Name); err != nil {
			return nil, err
		}
		f.Upload = ""
	}
	rest := f.Size % b.part
	w := &bucketWriter{b: b, ctx: ctx, f: f, begin: f.Size - rest, filled: rest, kept: rest, sum: sha256.New()}
	if w.begin > 0 {
		if _, err := b.parts(ctx, f, w.begin/b.part, w.begin/b.part); err != nil {
			return nil, err
		}
	}
	if w.scratch, err = openScratch(b.scratch); err != nil {
		return nil, err
	}
	if rest > 0 {
		if err := w.loadRest(rest); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	return w, nil
}

// openScratch makes a file that is gone when it is closed, or at the next start.
func openScratch(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "part-*")
	if err != nil {
		return nil, folderError(dir, "make a file in", err)
	}
	os.Remove(file.Name()) // where an open file cannot be removed, Close does it
	return file, nil
}

// parts returns the first n parts of the upload of f, of which so many must be full. The error wraps ErrLost if they
// are not all there.
func (b *Bucket) parts(ctx context.Context, f File, n, full int64) ([]minio.CompletePart, error) {
	list := make([]minio.CompletePart, 0, n)
	if f.Upload == "" {
		return nil, fmt.Errorf("%w: there is no upload", ErrLost)
	}
	for marker := 0; ; {
		page, err := b.core.ListObjectParts(ctx, b.bucket, b.key(f.Name), f.Upload, marker, 1000)
		if is(err, "NoSuchUpload") {
			return nil, fmt.Errorf("%w: the upload was aborted by somebody, or by a rule of the bucket", ErrLost)
		}
		if err != nil {
			return nil, err
		}
		for _, p := range page.ObjectParts {
			if int64(p.PartNumber) == int64(len(list))+1 && int64(len(list)) < n {
				list = append(list, minio.CompletePart{PartNumber: p.PartNumber, ETag: p.ETag})
				if p.Size != b.part && int64(p.PartNumber) <= full {
					return nil, fmt.Errorf("%w: part %d has %d bytes", ErrLost, p.PartNumber, p.Size)
				}
			}
		}
		if int64(len(list)) == n {
			return list, nil
		}
		if !page.IsTruncated || page.NextPartNumberMarker <= marker {
			return nil, fmt.Errorf("%w: %d parts are there instead of %d", ErrLost, len(list), n)
		}
		marker = page.NextPartNumberMarker
	}
}

// loadRest copies the bytes after the last part into the scratch file.
func (w *bucketWriter) loadRest(rest int64) error {
	opts := minio.GetObjectOptions{}
	if err := opts.SetRange(0, rest-1); err != nil {
		return err
	}
	body, _, _, err := w.b.core.GetObject(w.ctx, w.b.bucket, w.b.tailKey(w.f.ID), opts)
	if is(err, "NoSuchKey", "InvalidRange") {
		return fmt.Errorf("%w: the last %d bytes are gone", ErrLost, rest)
	}
	if err != nil {
		return err
	}
	n, err := io.Copy(io.MultiWriter(w.scratch, w.sum), io.LimitReader(body, rest))
	err = errors.Join(err, body.Close())
	if err == nil && n < rest {
		err = fmt.Errorf("%w: %d of the last %d bytes are there", ErrLost, n, rest)
	}
	return err
}

// Write fills the part, and uploads it when it is full.
func (w *bucketWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if w.filled == w.b.part {
			if err := w.uploadPart(w.ctx); err != nil {
				return n, w.b.fault("upload a part", err)
			}
		}
		m, err := w.scratch.WriteAt(p[:min(int64(len(p)), w.b.part-w.filled)], w.filled)
		w.sum.Write(p[:m])
		w.filled, n, p = w.filled+int64(m), n+m, p[m:]
		if err != nil {
			return n, folderError(w.b.scratch, "write to", err)
		}
	}
	return n, nil
}

// uploadPart uploads the full part, and begins the next one.
func (w *bucketWriter) uploadPart(ctx context.Context) error {
	if err := w.putPart(ctx); err != nil {
		return err
	}
	w.begin, w.filled, w.kept = w.begin+w.filled, 0, 0
	w.sum.Reset()
	return nil
}

// putPart uploads what is in the scratch file as a part of the upload, which it begins if there is none.
func (w *bucketWriter) putPart(ctx context.Context) error {
	if w.begin/w.b.part >= maxParts {
		return fmt.Errorf("a file in a bucket has at most %d GiB: keep files in a folder, with --files",
			maxParts*w.b.part>>30)
	}
	key := w.b.key(w.f.Name)
	if w.f.Upload == "" {
		if err := w.b.abort(ctx, w.f.Name); err != nil { // an upload that a crash left, whose id nobody knows
			return err
		}
		upload, err := w.b.core.NewMultipartUpload(ctx, w.b.bucket, key, w.b.options(w.f))
		if err != nil {
			return err
		}
		w.f.Upload = upload
	}
	_, err := w.b.core.PutObjectPart(ctx, w.b.bucket, key, w.f.Upload, int(w.begin/w.b.part)+1,
		io.NewSectionReader(w.scratch, 0, w.filled), w.filled,
		minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(w.sum.Sum(nil)), DisableContentSha256: true})
	return err
}

// options are those of the object of a whole file.
func (b *Bucket) options(f File) minio.PutObjectOptions {
	contentType := f.ContentType
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	return minio.PutObjectOptions{ContentType: contentType, UserMetadata: map[string]string{idKey: f.ID},
		DisableContentSha256: true}
}

// Pace implements [Writer]. At the end of a part, a Sync costs nothing more.
func (w *bucketWriter) Pace() (every int64, beside bool) { return w.b.part, false }

// Sync uploads the rest as an object of its own, unless that has it.
func (w *bucketWriter) Sync(ctx context.Context) (string, error) {
	var err error
	switch {
	case w.filled == w.b.part:
		err = w.uploadPart(ctx)
	case w.filled > w.kept:
		err = w.put(ctx, w.b.tailKey(w.f.ID), minio.PutObjectOptions{DisableContentSha256: true})
		if err == nil {
			w.kept = w.filled
		}
	}
	return w.f.Upload, w.b.fault("upload a part", err)
}

// put uploads what is in the scratch file as an object.
func (w *bucketWriter) put(ctx context.Context, key string, opts minio.PutObjectOptions) error {
	_, err := w.b.core.PutObject(ctx, w.b.bucket, key, io.NewSectionReader(w.scratch, 0, w.filled), w.filled, "",
		hex.EncodeToString(w.sum.Sum(nil)), opts)
	return err
}

// Close removes the scratch file.
func (w *bucketWriter) Close() error {
	err := w.scratch.Close()
	os.Remove(w.scratch.Name())
	return err
}

// Finish makes an object of the parts and the rest.
func (b *Bucket) Finish(ctx context.Context, f File) error {
	if err := f.check(); err != nil {
		return err
	}
	return b.fault("finish a file", b.finish(ctx, f))
}

func (b *Bucket) finish(ctx context.Context, f File) error {
	key := b.key(f.Name)
	info, there, err := b.stat(ctx, key)
	switch {
	case err != nil:
		return err
	case there && !isOf(info, f.ID):
		return fmt.Errorf("%w: the object %s has other bytes, which Bellhop did not write there: move it away",
			ErrTaken, key)
	case there && info.Size == f.Size: // a crash came after it was made
		return b.clearPartial(ctx, f)
	}
	w, err := b.resume(ctx, f)
	if err != nil {
		return err
	}
	if w.begin == 0 {
		err = w.put(ctx, key, b.options(f))
	} else {
		err = w.complete(ctx, key)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	return b.clearPartial(ctx, f)
}

// complete uploads the rest as the last part, and makes the object.
func (w *bucketWriter) complete(ctx context.Context, key string) error {
	full := w.begin / w.b.part
	n := full
	if w.filled > 0 {
		if err := w.putPart(ctx); err != nil {
			return err
		}
		n++
	}
	list, err := w.b.parts(ctx, w.f, n, full)
	if err != nil {
		return err
	}
	_, err = w.b.core.CompleteMultipartUpload(ctx, w.b.bucket, key, w.f.Upload, list, minio.PutObjectOptions{})
	return err
}

// clearPartial removes what is left of a partial file that has become whole.
func (b *Bucket) clearPartial(ctx context.Context, f File) error {
	if f.Upload != "" || f.Size >= b.part {
		if err := b.abort(ctx, f.Name); err != nil {
			return err
		}
	}
	return b.core.RemoveObject(ctx, b.bucket, b.tailKey(f.ID), minio.RemoveObjectOptions{})
}
