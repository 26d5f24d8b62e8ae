// Package backup reads and writes the archives of backups.
//
// An archive is one stream: a tar, compressed with Zstandard, which the tar of most systems unpacks. Its members
// are, in this order, manifest.json, bellhop.db, the key files, the files that actions keep, and SHA256SUMS, which
// has the SHA-256 of every other member in the form that the command sha256sum reads. SHA256SUMS comes last, so
// that an archive that was cut short has none, whatever is missing.
//
// The sums find damage. They do not prove who made an archive: keep it where nobody else can write.
package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// The names of members.
const (
	ManifestName = "manifest.json"
	SumsName     = "SHA256SUMS"
	FilesPrefix  = "files/" // of the files that actions keep
)

// Format is the format of the archives that this program writes, and the newest that it reads.
const Format = 1

// A Manifest says what an archive is.
type Manifest struct {
	Format        int       `json:"format"`
	Bellhop       string    `json:"bellhop"` // the version that wrote it
	Schema        int       `json:"schema"`  // of the database
	Store         string    `json:"store"`   // makes the ids of the store its own
	At            time.Time `json:"at"`      // everything that was stored by then is in it
	DatabaseBytes int64     `json:"database_bytes"`
	Keys          bool      `json:"keys"`  // it has master.key, with which everybody can read the secrets in it
	Files         string    `json:"files"` // "included", or in words why they are not
}

// A Writer writes an archive. Close ends it: without that, it counts as cut short.
type Writer struct {
	compressed *zstd.Encoder
	tar        *tar.Writer
	sums       bytes.Buffer
}

// NewWriter begins an archive with its manifest.
func NewWriter(w io.Writer, m Manifest) (*Writer, error) {
	// One goroutine compresses: the server has other work to do.
	compressed, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("write the archive: %w", err)
	}
	a := &Writer{compressed: compressed, tar: tar.NewWriter(compressed)}
	m.Format = Format
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	text = append(text, '\n')
	return a, a.Add(ManifestName, int64(len(text)), m.At, bytes.NewReader(text))
}

// Add adds a member of exactly size bytes.
func (a *Writer) Add(name string, size int64, modified time.Time, r io.Reader) error {
	err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600,
		ModTime: modified.Truncate(time.Second), Format: tar.FormatPAX})
	if err != nil {
		return fmt.Errorf("write %s of the archive: %w", name, err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(a.tar, sum), io.LimitReader(r, size))
	if err == nil && n < size {
		err = fmt.Errorf("it has become shorter: %d of %d bytes", n, size)
	}
	if err != nil {
		return fmt.Errorf("write %s of the archive: %w", name, err)
	}
	fmt.Fprintf(&a.sums, "%s  %s\n", hex.EncodeToString(sum.Sum(nil)), name)
	return nil
}

// Flush sends on what was added.
func (a *Writer) Flush() error {
	return errors.Join(a.tar.Flush(), a.compressed.Flush())
}

// Close adds the sums and ends the archive.
func (a *Writer) Close() error {
	text := a.sums.Bytes()
	err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: SumsName, Size: int64(len(text)), Mode: 0o600,
		Format: tar.FormatPAX})
	if err == nil {
		_, err = a.tar.Write(text)
	}
	if err == nil {
		err = errors.Join(a.tar.Close(), a.compressed.Close())
	}
	if err != nil {
		return fmt.Errorf("write the end of the archive: %w", err)
	}
	return nil
}

// What is wrong with an archive. The texts are for people.
var (
	ErrNone    = errors.New("it is damaged, or no backup of Bellhop")
	ErrShort   = errors.New("it was cut short")
	ErrChanged = errors.New("it is damaged or was changed")
	ErrLonger  = errors.New("it has more than one archive: something was added to its end")
	ErrNewer   = errors.New("it was written by a newer Bellhop: restore it with that version, or a later one")
)

// Bounds of an archive that is read.
const (
	maxSmall  = 1 << 20 // bytes of the manifest
	maxSums   = 1 << 30 // bytes of the sums
	maxWindow = 8 << 20 // of the compression
)

// Extract reads a whole archive. It gives each member but the manifest and the sums to create, which returns where
// its bytes go, and compares the sums. check, which may be nil, is called with the manifest before anything is
// created. What was created counts only once Extract has returned without an error.
func Extract(ctx context.Context, r io.Reader, check func(Manifest) error,
	create func(name string, size int64) (io.WriteCloser, error)) (m Manifest, err error) {
	source := &counted{ctx: ctx, r: r}
	compressed, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return m, fmt.Errorf("read the archive: %w", err)
	}
	defer compressed.Close()
	e := &extractor{tar: tar.NewReader(compressed), create: create, check: check}
	err = e.run()
	if err == nil {
		err = e.end(compressed)
	}
	switch {
	case err == nil:
		return e.manifest, nil
	case source.err != nil: // of the reader of the caller
		return m, fmt.Errorf("read the archive: %w", source.err)
	}
	return m, e.fault(err)
}

// An extractor reads the members of one archive.
type extractor struct {
	tar      *tar.Reader
	check    func(Manifest) error
	create   func(name string, size int64) (io.WriteCloser, error)
	manifest Manifest
	begun    bool              // the manifest was read
	sums     map[string]string // of the members, by their names
	own      error             // of check or create
}

func (e *extractor) run() error {
	e.sums = map[string]string{}
	for {
		h, err := e.tar.Next()
		switch {
		case err == io.EOF:
			return ErrShort // there was no member with the sums
		case err != nil:
			return err
		case h.Typeflag != tar.TypeReg || !isMember(h.Name) || e.sums[h.Name] != "":
			return ErrChanged
		case !e.begun && h.Name != ManifestName:
			return ErrNone
		case h.Name == SumsName:
			return e.compare()
		}
		if err := e.member(h); err != nil {
			return err
		}
	}
}

// isMember reports whether an archive may have a member of that name: no name leads out of a folder.
func isMember(name string) bool {
	return name != "" && name == path.Clean(name) && !strings.HasPrefix(name, "/") && name != ".." &&
		!strings.HasPrefix(name, "../") && !strings.ContainsAny(name, "\\\x00\n")
}

// member reads one member.
func (e *extractor) member(h *tar.Header) error {
	sum := sha256.New()
	if h.Name == ManifestName {
		text, err := io.ReadAll(io.LimitReader(e.tar, maxSmall))
		if err != nil {
			return err
		}
		sum.Write(text)
		if json.Unmarshal(text, &e.manifest) != nil || e.manifest.Format < 1 {
			return ErrNone
		}
		if e.manifest.Format > Format {
			return ErrNewer
		}
		if e.check != nil {
			e.own = e.check(e.manifest)
		}
		e.begun = true
	} else {
		var to io.WriteCloser
		to, e.own = e.create(h.Name, h.Size)
		if e.own != nil {
			return e.own
		}
		w := &noted{w: to}
		_, err := io.Copy(io.MultiWriter(w, sum), e.tar)
		e.own = errors.Join(w.err, to.Close())
		if e.own == nil && err != nil {
			return err
		}
	}
	e.sums[h.Name] = hex.EncodeToString(sum.Sum(nil))
	return e.own
}

// compare reads the member with the sums and compares it with what was read.
func (e *extractor) compare() error {
	text, err := io.ReadAll(io.LimitReader(e.tar, maxSums))
	if err != nil {
		return err
	}
	seen := 0
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok || sum == "" || e.sums[name] != sum {
			return ErrChanged
		}
		seen++
	}
	if seen != len(e.sums) {
		return ErrChanged
	}
	return nil
}

// end reads what follows the sums: the end of the tar and of the compression, whose checksum is in it.
func (e *extractor) end(compressed io.Reader) error {
	switch _, err := e.tar.Next(); {
	case err == nil:
		return ErrChanged
	case err != io.EOF:
		return err
	}
	_, err := io.Copy(onlyZeros{}, compressed)
	return err
}

// onlyZeros takes the zeros that may follow the end of a tar, and nothing else.
type onlyZeros struct{}

func (onlyZeros) Write(b []byte) (int, error) {
	for i, c := range b {
		if c != 0 {
			return i, ErrLonger
		}
	}
	return len(b), nil
}

// fault returns what an error of reading means.
func (e *extractor) fault(err error) error {
	switch {
	case e.own != nil:
		return e.own
	case errors.Is(err, ErrNone), errors.Is(err, ErrShort), errors.Is(err, ErrChanged), errors.Is(err, ErrNewer),
		errors.Is(err, ErrLonger):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return ErrShort
	case !e.begun:
		return ErrNone
	}
	return ErrChanged
}

// counted reads from the reader of the caller until ctx ends, and keeps its error.
type counted struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		c.err = err
		return 0, err
	}
	n, err := c.r.Read(p)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		c.err = err
	}
	return n, err
}

// noted keeps the error of a write.
type noted struct {
	w   io.Writer
	err error
}

func (n *noted) Write(p []byte) (int, error) {
	written, err := n.w.Write(p)
	n.err = err
	return written, err
}
