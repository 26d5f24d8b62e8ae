package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often the files are read to see whether they changed. They are small, and a change of their content
// is seen however it was made: in place, by renaming, or behind a symlink.
const lookEvery = 5 * time.Second

// maxFileBytes is the size of the largest file that is read.
const maxFileBytes = 1 << 20

// readTimeout is how long a look waits for the files. They may be on a disk of the network that does not answer.
const readTimeout = 5 * time.Second

// Files is the certificate in two files. It is safe for concurrent use.
type Files struct {
	certPath, keyPath string
	now               func() time.Time
	log               *slog.Logger
	read              func() content // reads both files; tests have one that does not return

	current atomic.Pointer[tls.Certificate]

	looking sync.Mutex   // held during a look, which may take the time of two reads; guards reading
	reading chan content // of a read that a look did not wait for any longer; nil without

	mu      sync.Mutex // never held while the files are read; guards the fields below
	used    content    // of the certificate in current
	refused content    // that was no good when it was read last
	pending bool       // refused may be half of a change: it is not a fault until it is read again
	goodAt  time.Time  // when the certificate in refused begins; zero if it is no good for another reason
	fault   string
	faultAt time.Time
	exposed string
}

// A content is what the two files hold, or why they cannot be read.
type content struct {
	cert, key []byte
	err       string
	exposed   string // who else can read the key, for Status
}

// equal does not compare who can read the key.
func (c content) equal(other content) bool {
	return bytes.Equal(c.cert, other.cert) && bytes.Equal(c.key, other.key) && c.err == other.err
}

// OpenFiles reads a certificate with its chain, and the key of the certificate, both as PEM. It fails if they cannot
// be read or do not belong together.
func OpenFiles(ctx context.Context, certPath, keyPath string, now func() time.Time, log *slog.Logger) (*Files, error) {
	f := newFiles(certPath, keyPath, now, log)
	found, ok := f.readInTime(ctx)
	if !ok {
		return nil, ctx.Err()
	}
	cert, err := f.parse(found)
	if err != nil {
		return nil, err
	}
	f.use(found, cert)
	f.warn(cert.Leaf)
	f.expose(found)
	return f, nil
}

func newFiles(certPath, keyPath string, now func() time.Time, log *slog.Logger) *Files {
	f := &Files{certPath: certPath, keyPath: keyPath, now: now, log: log.With("component", "certificate")}
	f.read = f.readBoth
	return f
}

// readBoth reads both files.
func (f *Files) readBoth() (c content) {
	var certErr, keyErr error
	var mode fs.FileMode
	c.cert, _, certErr = readFile("tls-cert", f.certPath)
	c.key, mode, keyErr = readFile("tls-key", f.keyPath)
	if mode&0o007 != 0 && runtime.GOOS != "windows" { // the modes of Windows do not show it
		c.exposed = fmt.Sprintf("every user of this machine can read or change %s (mode %04o)", f.keyPath, mode)
	}
	if err := errors.Join(certErr, keyErr); err != nil {
		return content{err: err.Error()}
	}
	return c
}

// readFile reads the file of a setting, of at most maxFileBytes, and returns its permissions too. A pipe or a
// device may never end, or block its reader, so it is not opened.
func readFile(setting, path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, fmt.Errorf("--%s: there is no file %s: create it, or name another", setting, path)
	case err != nil:
		return nil, 0, fmt.Errorf("--%s: %w", setting, err)
	case !info.Mode().IsRegular():
		return nil, 0, fmt.Errorf("--%s: %s is no regular file: name a file with the PEM", setting, path)
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, 0, fmt.Errorf("--%s: %w: let the user of the server read it", setting, err)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("--%s: %w", setting, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err == nil && len(text) > maxFileBytes {
		err = fmt.Errorf("--%s: %s is larger than %d bytes", setting, path, maxFileBytes)
	}
	return text, info.Mode().Perm(), err
}

// readInTime reads both files. A read that does not return within readTimeout is an error, and is left running: there
// is at most one, which no stop waits for. ok is false if ctx has ended. The caller holds looking, or is OpenFiles.
func (f *Files) readInTime(ctx context.Context) (c content, ok bool) {
	late := time.NewTimer(readTimeout)
	defer late.Stop()
	for {
		old := f.reading != nil // it read the files as they were some time ago
		if !old {
			f.reading = make(chan content, 1)
			go func(to chan<- content) { to <- f.read() }(f.reading)
		}
		select {
		case c = <-f.reading:
			f.reading = nil
			if !old {
				return c, true
			}
		case <-late.C:
			return content{err: fmt.Sprintf("%s and %s cannot be read: the disk does not answer within %s", f.certPath,
				f.keyPath, readTimeout)}, true
		case <-ctx.Done():
			return content{}, false
		}
	}
}

// parse returns the certificate in what was read.
func (f *Files) parse(c content) (*tls.Certificate, error) {
	if c.err != "" {
		return nil, fmt.Errorf("certificate: %s", c.err)
	}
	cert, err := tls.X509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, fmt.Errorf("certificate: %s and %s: %w: the first has to hold the certificate and its chain, and "+
			"the second the key of that certificate, both as PEM", f.certPath, f.keyPath, err)
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil, fmt.Errorf("certificate: %s: %w", f.certPath, err)
		}
	}
	return &cert, nil
}

// use serves cert from now on. The caller holds mu, or is OpenFiles.
func (f *Files) use(c content, cert *tls.Certificate) {
	f.current.Store(cert)
	f.used, f.refused, f.pending, f.goodAt, f.fault = c, content{}, false, time.Time{}, ""
}

// A validity says whether a certificate is good at a time. A greater one is worse: a certificate that has ended never
// becomes good again.
type validity int

const (
	good validity = iota
	early
	ended
)

func validityOf(leaf *x509.Certificate, now time.Time) validity {
	switch {
	case now.After(leaf.NotAfter):
		return ended
	case now.Before(leaf.NotBefore):
		return early
	}
	return good
}

// warn says so if clients refuse the certificate that is served, because of the time.
func (f *Files) warn(leaf *x509.Certificate) {
	switch validityOf(leaf, f.now()) {
	case ended:
		f.log.Warn("certificate.expired", "file", f.certPath, "not_after", leaf.NotAfter,
			"meaning", "clients refuse it: put a new certificate into the file, which is then read by itself")
	case early:
		f.log.Warn("certificate.early", "file", f.certPath, "not_before", leaf.NotBefore,
			"meaning", "clients refuse it until then: see whether the clock of this machine is right, or put another "+
				"certificate into the file, which is then read by itself")
	}
}

// expose keeps who else can read the key, and says so when that begins. It is no reason to refuse the key: Kubernetes
// and the programs that renew certificates choose many modes. The caller holds mu, or is OpenFiles.
func (f *Files) expose(c content) {
	if c.exposed != "" && c.exposed != f.exposed {
		f.log.Warn("certificate.exposed", "file", f.keyPath, "fault", c.exposed,
			"meaning", "whoever has the key can pass for this server: chmod 600 the file, and replace the "+
				"certificate if somebody may have read it")
	}
	f.exposed = c.exposed
}

// Config implements [Keeper].
func (f *Files) Config() *tls.Config {
	return config(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current.Load(), nil })
}

// Run implements [Keeper].
func (f *Files) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.look(ctx, false)
		case <-ctx.Done():
			return
		}
	}
}

// Reload implements [Keeper]: somebody says that the files are as they should be.
func (f *Files) Reload(ctx context.Context) { f.look(ctx, true) }

// look reads the files, and serves what they hold if it changed and is good. If it is not, it waits for the next look
// before it says so, because only one of the two may be written yet; not if whole says that both are. A certificate
// that begins later is served from then on.
func (f *Files) look(ctx context.Context, whole bool) {
	f.looking.Lock()
	defer f.looking.Unlock()
	found, ok := f.readInTime(ctx)
	if ok {
		f.judge(found, whole)
	}
}

// judge is the part of look that comes after the read.
func (f *Files) judge(found content, whole bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if found.err == "" {
		f.expose(found)
	}
	if found.equal(f.used) {
		f.refused, f.pending, f.goodAt, f.fault = content{}, false, time.Time{}, ""
		return
	}
	now, old := f.now(), f.current.Load().Leaf
	again := found.equal(f.refused)
	begun := !f.goodAt.IsZero() && !now.Before(f.goodAt)
	if again && !f.pending && !whole && !begun {
		return // it was judged before
	}
	cert, err := f.parse(found)
	var goodAt time.Time
	if err == nil {
		was, is := validityOf(old, now), validityOf(cert.Leaf, now)
		switch {
		case is <= was: // the new one, if both are as bad
		case is == ended:
			err = fmt.Errorf("certificate: the one in %s ended on %s", f.certPath,
				cert.Leaf.NotAfter.Format(time.RFC3339))
		default:
			goodAt = cert.Leaf.NotBefore
			err = fmt.Errorf("certificate: the one in %s begins on %s, and is served from then on", f.certPath,
				goodAt.Format(time.RFC3339))
		}
	}
	switch {
	case err == nil:
		f.use(found, cert)
		f.log.Info("certificate.loaded", "file", f.certPath, "names", names(cert.Leaf), "not_after",
			cert.Leaf.NotAfter)
		f.warn(cert.Leaf)
	case !again && !whole:
		f.refused, f.pending, f.goodAt = found, true, time.Time{}
	default:
		f.refused, f.pending, f.goodAt, f.fault, f.faultAt = found, false, goodAt, err.Error(), now
		f.log.Error("certificate.refused", "file", f.certPath, "error", err, "not_after", old.NotAfter,
			"meaning", "the certificate from before is served on, and good until not_after")
	}
}

// Status implements [Keeper].
func (f *Files) Status() []Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	leaf := f.current.Load().Leaf
	return []Status{{From: f.certPath, Names: names(leaf), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
		Fault: f.fault, FaultAt: f.faultAt, Exposed: f.exposed}}
}

// names returns the names and addresses that a certificate is for.
func names(leaf *x509.Certificate) []string {
	all := slices.Clone(leaf.DNSNames)
	for _, at := range leaf.IPAddresses {
		all = append(all, at.String())
	}
	if len(all) == 0 && leaf.Subject.CommonName != "" {
		all = append(all, leaf.Subject.CommonName)
	}
	return all
}
