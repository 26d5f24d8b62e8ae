package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
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

// Files is the certificate in two files. It is safe for concurrent use.
type Files struct {
	certPath, keyPath string
	now               func() time.Time
	log               *slog.Logger

	current atomic.Pointer[tls.Certificate]

	mu      sync.Mutex // guards the fields below
	used    content    // of the certificate in current
	refused content    // that was no good when it was read last
	pending bool       // refused may be half of a change: it is not a fault until it is read again
	fault   string
	faultAt time.Time
}

// A content is what the two files hold, or why they cannot be read.
type content struct {
	cert, key []byte
	err       string
}

func (c content) equal(other content) bool {
	return bytes.Equal(c.cert, other.cert) && bytes.Equal(c.key, other.key) && c.err == other.err
}

// OpenFiles reads a certificate with its chain, and the key of the certificate, both as PEM. It fails if they cannot
// be read or do not belong together.
func OpenFiles(certPath, keyPath string, now func() time.Time, log *slog.Logger) (*Files, error) {
	f := &Files{certPath: certPath, keyPath: keyPath, now: now, log: log.With("component", "certificate")}
	found := f.read()
	cert, err := f.parse(found)
	if err != nil {
		return nil, err
	}
	f.use(found, cert)
	if f.now().After(cert.Leaf.NotAfter) {
		f.log.Warn("certificate.expired", "file", certPath, "not_after", cert.Leaf.NotAfter,
			"meaning", "clients refuse it: put a new certificate into the file, which is then read by itself")
	}
	return f, nil
}

// read reads both files.
func (f *Files) read() (c content) {
	var certErr, keyErr error
	c.cert, certErr = readFile(f.certPath)
	c.key, keyErr = readFile(f.keyPath)
	if err := errors.Join(certErr, keyErr); err != nil {
		return content{err: err.Error()}
	}
	return c
}

// readFile reads a file of at most maxFileBytes.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err == nil && len(text) > maxFileBytes {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFileBytes)
	}
	return text, err
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
	f.used, f.refused, f.pending, f.fault = c, content{}, false, ""
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
			f.look(false)
		case <-ctx.Done():
			return
		}
	}
}

// Reload implements [Keeper]: somebody says that the files are as they should be.
func (f *Files) Reload(context.Context) { f.look(true) }

// look reads the files, and serves what they hold if it changed and is good. If it is not, it waits for the next look
// before it says so, because only one of the two may be written yet; not if whole says that both are.
func (f *Files) look(whole bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := f.read()
	if found.equal(f.used) {
		f.refused, f.pending, f.fault = content{}, false, ""
		return
	}
	again := found.equal(f.refused)
	if again && !f.pending && !whole {
		return // it was judged before
	}
	cert, err := f.parse(found)
	now, old := f.now(), f.current.Load().Leaf
	if err == nil && now.After(cert.Leaf.NotAfter) && now.Before(old.NotAfter) {
		err = fmt.Errorf("certificate: the one in %s ended on %s", f.certPath, cert.Leaf.NotAfter.Format(time.RFC3339))
	}
	switch {
	case err == nil:
		f.use(found, cert)
		f.log.Info("certificate.loaded", "file", f.certPath, "names", names(cert.Leaf), "not_after",
			cert.Leaf.NotAfter)
	case !again && !whole:
		f.refused, f.pending = found, true
	default:
		f.refused, f.pending, f.fault, f.faultAt = found, false, err.Error(), now
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
		Fault: f.fault, FaultAt: f.faultAt}}
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
