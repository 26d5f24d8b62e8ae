package storetest

import (
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// certificates shows that certificate files are kept by their keys, and that those below a key are found and deleted
// with it.
func certificates(w *world) {
	now := w.clock.now()
	read := func(key string) (string, time.Time) {
		w.Helper()
		value, at, err := w.CertificateFile(w.ctx, key)
		w.must(err)
		return string(value), at
	}
	missing := func(key string) {
		w.Helper()
		_, _, err := w.CertificateFile(w.ctx, key)
		w.refused(key, err, bellhop.CodeNotFound)
	}
	for _, key := range []string{"a/b/c.key", "a/b/c.crt", "a/b", "a/b0", "a/b-c", "ä/x"} {
		missing(key)
		w.must(w.SaveCertificateFile(w.ctx, key, []byte("first of "+key), now))
	}
	w.must(w.SaveCertificateFile(w.ctx, "a/b/c.key", []byte("second\x00"), now.Add(time.Hour)))
	value, at := read("a/b/c.key")
	w.equal("the value", value, "second\x00")
	w.equal("when", at, now.Add(time.Hour))
	value, _ = read("a/b")
	w.equal("of a key that has others below it", value, "first of a/b")
	w.must(w.SaveCertificateFile(w.ctx, "empty", nil, now))
	value, _ = read("empty")
	w.equal("an empty value", value, "")
	keys := func(below string) string {
		w.Helper()
		list, err := w.CertificateFiles(w.ctx, below)
		w.must(err)
		return strings.Join(list, " ")
	}
	w.equal("below a/b", keys("a/b"), "a/b/c.crt a/b/c.key")
	w.equal("below a", keys("a"), "a/b a/b-c a/b/c.crt a/b/c.key a/b0")
	w.equal("all", keys(""), "a/b a/b-c a/b/c.crt a/b/c.key a/b0 empty ä/x")
	w.equal("below nothing", keys("nothing"), "")

	w.must(w.DeleteCertificateFiles(w.ctx, "a/b"))
	w.must(w.DeleteCertificateFiles(w.ctx, "nothing"))
	w.equal("the others", keys(""), "a/b-c a/b0 empty ä/x")
	missing("a/b")
	missing("a/b/c.key")
	w.refused("a long key", w.SaveCertificateFile(w.ctx, strings.Repeat("k", store.MaxCertificateKey+1), nil, now),
		bellhop.CodeInvalid)
	w.refused("no key", w.SaveCertificateFile(w.ctx, "", nil, now), bellhop.CodeInvalid)
	w.refused("a long value", w.SaveCertificateFile(w.ctx, "k", make([]byte, store.MaxCertificateBytes+1), now),
		bellhop.CodeInvalid)
}
