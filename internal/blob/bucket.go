package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// A Bucket keeps files in a bucket of an S3-compatible service. A whole file is the object PREFIX/NAME. Of a partial
// one, each 8 MiB are a part of a multipart upload of that object; the rest, which is too short for a part that others
// follow, is the object PREFIX/.partial/ID.
//
// The part that is being filled is in a file of the scratch folder, and not in memory, so that a hundred writers need
// no more memory than their buffers. A scratch file is removed when it is opened, where the system can do that:
// nothing of it has to survive.
type Bucket struct {
	core    *minio.Core
	bucket  string
	prefix  string // "" or ending in "/"
	host    string // for messages
	scratch string
	part    int64              // size of a part: partBytes, outside of tests
	end     context.CancelFunc // ends the calls that have no context
}

var _ Storage = (*Bucket)(nil)

// BucketOptions say which bucket, where, and who we are there.
type BucketOptions struct {
	Bucket    string
	Prefix    string // of all keys, without a slash at its ends; "" is none
	Endpoint  string // scheme and host: "https://minio.example:9000"; "" is Amazon's of the region
	Region    string // "" is us-east-1, unless the endpoint is Amazon's
	AccessKey string
	SecretKey string
	Transport http.RoundTripper // required
	Scratch   string            // a folder for parts that are being filled; it is made if there is none
}

// Sizes of an upload.
const (
	partBytes = 8 << 20
	maxParts  = 10_000
)

// maxPrefix is the length of the longest prefix: a key has at most 1024 bytes, and a name up to maxName of them.
const maxPrefix = 1024 - maxName - 1

// tries is how often a call is made that gets no answer, or one that asks to try again.
const tries = 3

// idKey is the metadata of an object that has the id of its file.
const idKey = "bellhop-file"

// OpenBucket returns the storage in a bucket. It makes no call: Check does.
func OpenBucket(o BucketOptions) (*Bucket, error) {
	host, secure := "s3.amazonaws.com", true
	switch {
	case o.AccessKey == "" || o.SecretKey == "":
		return nil, errors.New("a bucket needs --files-access-key and --files-secret-key")
	case o.Endpoint == "" && o.Region == "":
		return nil, errors.New("a bucket of Amazon needs --files-region, such as eu-central-1; any other service " +
			"needs --files-endpoint")
	case o.Endpoint != "":
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
			strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, errors.New("--files-endpoint: use the scheme and host of the service, such as " +
				"https://minio.example.com:9000")
		}
		host, secure = u.Host, u.Scheme == "https"
		if o.Region == "" {
			o.Region = "us-east-1"
		}
	}
	prefix := strings.Trim(o.Prefix, "/")
	if prefix != "" {
		if err := CheckName(prefix); err != nil || len(prefix) > maxPrefix {
			return nil, fmt.Errorf("--files: the prefix in the bucket cannot be used: it is a name of at most %d "+
				"bytes, with the rules of names of files", maxPrefix)
		}
		prefix += "/"
	}
	if err := os.MkdirAll(o.Scratch, 0o700); err != nil {
		return nil, folderError(o.Scratch, "make", err)
	}
	left, _ := filepath.Glob(filepath.Join(o.Scratch, "part-*")) // where a file that is open cannot be removed
	for _, name := range left {
		os.Remove(name)
	}
	ctx, end := context.WithCancel(context.Background())
	core, err := minio.NewCore(host, &minio.Options{
		Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""), Secure: secure, Region: o.Region,
		Transport: ending{o.Transport, ctx}, MaxRetries: tries,
	})
	if err != nil {
		end()
		return nil, errors.New("--files-endpoint: it cannot be used as the host of a service")
	}
	return &Bucket{core: core, bucket: o.Bucket, prefix: prefix, host: host, scratch: o.Scratch, part: partBytes,
		end: end}, nil
}

// ending is a transport whose calls end with a context of its own if they have none: some calls of the library take no
// context.
type ending struct {
	next http.RoundTripper
	ctx  context.Context
}

// RoundTrip implements [http.RoundTripper].
func (e ending) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Context().Done() == nil {
		r = r.WithContext(e.ctx)
	}
	return e.next.RoundTrip(r)
}

func (b *Bucket) String() string {
	text := "bucket " + b.bucket + " at " + b.host
	if b.prefix != "" {
		text += ", prefix " + b.prefix
	}
	return text
}

// Close ends the calls that are under way.
func (b *Bucket) Close() error {
	b.end()
	return nil
}

func (b *Bucket) key(name string) string   { return b.prefix + name }
func (b *Bucket) tailKey(id string) string { return b.prefix + partialFolder + "/" + id }
func (b *Bucket) nameOf(key string) string { return strings.TrimPrefix(key, b.prefix) }

func (b *Bucket) fault(what string, err error) error { return bucketFault(b.bucket, b.host, what, err) }

// sumOf returns the SHA-256 of text in hexadecimal.
func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Check writes, reads and removes a small object.
func (b *Bucket) Check(ctx context.Context) error {
	const text = "bellhop"
	key := b.tailKey("check")
	_, err := b.core.PutObject(ctx, b.bucket, key, strings.NewReader(text), int64(len(text)), "", sumOf(text),
		minio.PutObjectOptions{DisableContentSha256: true})
	if err != nil {
		return b.fault("write an object (s3:PutObject)", err)
	}
	body, _, _, err := b.core.GetObject(ctx, b.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return b.fault("read an object (s3:GetObject)", err)
	}
	got, err := io.ReadAll(io.LimitReader(body, 1<<10))
	if err = errors.Join(err, body.Close()); err == nil && string(got) != text {
		err = errors.New("it does not return what was written")
	}
	if err != nil {
		return b.fault("read an object", err)
	}
	_, err = b.core.ListObjectsV2(b.bucket, key, "", "", "", 1)
	if err != nil {
		return b.fault("list objects (s3:ListBucket)", err)
	}
	err = b.core.RemoveObject(ctx, b.bucket, key, minio.RemoveObjectOptions{})
	return b.fault("remove an object (s3:DeleteObject)", err)
}

// stat returns what is known about an object; ok is false if there is none.
func (b *Bucket) stat(ctx context.Context, key string) (info minio.ObjectInfo, ok bool, err error) {
	info, err = b.core.StatObject(ctx, b.bucket, key, minio.StatObjectOptions{})
	if is(err, "NoSuchKey", "NotFound") {
		return info, false, nil
	}
	return info, err == nil, err
}

// isOf reports whether an object was written for a file.
func isOf(info minio.ObjectInfo, id string) bool {
	for name, value := range info.UserMetadata {
		if strings.EqualFold(name, idKey) {
			return value == id
		}
	}
	return false
}

// Exists reports whether there is an object of that name.
func (b *Bucket) Exists(ctx context.Context, name string) (bool, error) {
	if err := CheckName(name); err != nil {
		return false, err
	}
	_, ok, err := b.stat(ctx, b.key(name))
	return ok, b.fault("look for a file", err)
}

// Verify returns nil if a whole file has its bytes.
func (b *Bucket) Verify(ctx context.Context, f File) error {
	info, ok, err := b.stat(ctx, b.key(f.Name))
	switch {
	case err != nil:
	case !ok:
		err = fmt.Errorf("%w: they are gone", ErrLost)
	case info.Size != f.Size:
		err = fmt.Errorf("%w: %d bytes are there instead of %d", ErrLost, info.Size, f.Size)
	}
	return b.fault("find a file", err)
}

// Open returns the bytes of a whole file.
func (b *Bucket) Open(ctx context.Context, f File) (io.ReadSeekCloser, error) {
	if !f.Whole {
		return nil, ErrPartial
	}
	if err := b.Verify(ctx, f); err != nil {
		return nil, err
	}
	return &bucketReader{b: b, ctx: ctx, key: b.key(f.Name), size: f.Size}, nil
}

// A bucketReader reads an object from any offset on. It asks for the bytes when they are read.
type bucketReader struct {
	b    *Bucket
	ctx  context.Context
	key  string
	size int64
	at   int64
	body io.ReadCloser // from at on; nil if none is open
}

// Seek sets the offset of the next Read.
func (r *bucketReader) Seek(offset int64, whence int) (int64, error) {
	to := offset
	switch whence {
	case io.SeekCurrent:
		to += r.at
	case io.SeekEnd:
		to += r.size
	}
	if to < 0 {
		return r.at, errors.New("seek before the begin of a file")
	}
	var err error
	if to != r.at {
		err = r.Close()
	}
	r.at = to
	return to, err
}

func (r *bucketReader) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	if r.body == nil {
		opts := minio.GetObjectOptions{}
		if err := opts.SetRange(r.at, r.size-1); err != nil {
			return 0, err
		}
		body, _, _, err := r.b.core.GetObject(r.ctx, r.b.bucket, r.key, opts)
		if err != nil {
			return 0, r.b.fault("read a file", err)
		}
		r.body = body
	}
	n, err := r.body.Read(p)
	r.at += int64(n)
	if errors.Is(err, io.EOF) && r.at < r.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close closes the object. The reader can still be used.
func (r *bucketReader) Close() error {
	if r.body == nil {
		return nil
	}
	body := r.body
	r.body = nil
	return body.Close()
}

// Remove removes all that there is of a file. An object that was not written for it stays.
func (b *Bucket) Remove(ctx context.Context, f File) error {
	if err := checkID(f.ID); err != nil {
		return err
	}
	err := b.core.RemoveObject(ctx, b.bucket, b.tailKey(f.ID), minio.RemoveObjectOptions{})
	if err != nil || CheckName(f.Name) != nil {
		return b.fault("remove a file", err)
	}
	key := b.key(f.Name)
	if !f.Whole {
		if err := b.abort(ctx, f.Name); err != nil {
			return b.fault("abort an upload (s3:AbortMultipartUpload)", err)
		}
	}
	info, ok, err := b.stat(ctx, key)
	if err == nil && ok && isOf(info, f.ID) {
		err = b.core.RemoveObject(ctx, b.bucket, key, minio.RemoveObjectOptions{})
	}
	return b.fault("remove a file", err)
}

// abort aborts all uploads of the object of that name. It belongs to one file at a time.
func (b *Bucket) abort(ctx context.Context, name string) error {
	keyMarker, idMarker := "", ""
	for {
		list, err := b.core.ListMultipartUploads(ctx, b.bucket, b.key(name), keyMarker, idMarker, "", 1000)
		if is(err, "NoSuchUpload") { // one service's word for none
			return nil
		}
		if err != nil {
			return err
		}
		for _, u := range list.Uploads {
			if u.Key != b.key(name) {
				continue // it only begins like it
			}
			err := b.core.AbortMultipartUpload(ctx, b.bucket, u.Key, u.UploadID)
			if err != nil && !is(err, "NoSuchUpload") {
				return err
			}
		}
		if !list.IsTruncated || list.NextKeyMarker == keyMarker && list.NextUploadIDMarker == idMarker {
			return nil
		}
		keyMarker, idMarker = list.NextKeyMarker, list.NextUploadIDMarker
	}
}

// Walk visits the rests of partial files, and all other objects with the prefix.
func (b *Bucket) Walk(ctx context.Context, visit func([]Entry) error) error {
	token := ""
	for {
		list, err := b.core.ListObjectsV2(b.bucket, b.prefix, "", token, "", walkStep)
		if err != nil {
			return b.fault("list the objects", err)
		}
		var entries []Entry
		for _, o := range list.Contents {
			entry := Entry{Name: b.nameOf(o.Key), ModifiedAt: o.LastModified}
			if id, ok := strings.CutPrefix(entry.Name, partialFolder+"/"); ok && isID(id) {
				entry = Entry{ID: id, ModifiedAt: o.LastModified}
			}
			entries = append(entries, entry)
		}
		if len(entries) > 0 {
			if err := visit(entries); err != nil {
				return err
			}
		}
		if ctx.Err() != nil || !list.IsTruncated || list.NextContinuationToken == "" {
			return ctx.Err()
		}
		token = list.NextContinuationToken
	}
}
