package auth

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// replace returns a ReplaceAdmin that makes the key of that text. While it stores the key, it calls during.
func replace(text string, during func() error) func(func(string)) error {
	return func(accept func(string)) error {
		accept(text)
		return during()
	}
}

// TestRotateAdmin: the new key is accepted before it is stored, and the old one until then or until its grace ends.
func TestRotateAdmin(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	both := func() error {
		d.accepted(testKey, "admin")
		d.accepted("bhk_second", "admin")
		return nil
	}
	d.opts.ReplaceAdmin = replace("bhk_second", both)
	key, until, err := d.RotateAdmin(time.Minute, "ops")
	if err != nil || key != "bhk_second" || !until.Equal(d.now.Add(time.Minute)) {
		t.Fatalf("%q %v %v", key, until, err)
	}
	if err := both(); err != nil {
		t.Error(err)
	}
	if log := d.log.String(); !strings.Contains(log, "msg=admin_key.rotated") || !strings.Contains(log, "by=ops") ||
		strings.Contains(log, "bhk_second") {
		t.Errorf("the log: %s", log)
	}
	d.now = d.now.Add(time.Minute)
	d.refused(testKey, ErrWrongKey)
	d.accepted("bhk_second", "admin")

	// without a grace the old key ends at once, and a grace that lasted before ends too
	d.opts.ReplaceAdmin = replace("bhk_third", func() error { return nil })
	if _, _, err := d.RotateAdmin(time.Hour, "ops"); err != nil {
		t.Fatal(err)
	}
	d.accepted("bhk_second", "admin")
	d.opts.ReplaceAdmin = replace("bhk_fourth", func() error { return nil })
	if _, until, err := d.RotateAdmin(0, "ops"); err != nil || !until.Equal(d.now) {
		t.Fatal(until, err)
	}
	for _, old := range []string{testKey, "bhk_second", "bhk_third"} {
		d.refused(old, ErrWrongKey)
	}
	d.accepted("bhk_fourth", "admin")
}

// TestRotateAdminFails: if the new key cannot be stored, the old one stays and the new one is refused. A grace out of
// bounds and an admin key of the environment are refused before a key is made.
func TestRotateAdminFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	made := false
	d.opts.ReplaceAdmin = replace("bhk_second", func() error {
		made = true
		return io.ErrShortWrite
	})
	if key, _, err := d.RotateAdmin(time.Hour, "ops"); !errors.Is(err, io.ErrShortWrite) || key != "" {
		t.Errorf("%q %v", key, err)
	}
	d.accepted(testKey, "admin")
	d.refused("bhk_second", ErrWrongKey)

	made = false
	var e *bellhop.Error
	for _, grace := range []time.Duration{-1, bellhop.MaxAdminGrace + 1} {
		if _, _, err := d.RotateAdmin(grace, "ops"); !errors.As(err, &e) || e.Code != bellhop.CodeInvalid ||
			e.Fields[0].Path != "grace" {
			t.Errorf("%v: %v", grace, err)
		}
	}
	d.opts.ReplaceAdmin = nil
	if _, _, err := d.RotateAdmin(0, "ops"); !errors.As(err, &e) || e.Code != bellhop.CodeConflict ||
		!strings.Contains(e.Message, "BELLHOP_ADMIN_KEY") {
		t.Errorf("of the environment: %v", err)
	}
	d.accepted(testKey, "admin")
	if made || (&adminKeys{}).is(bellhop.HashKey(""), d.now) {
		t.Error("a key was made, or no key is a key")
	}
}

// TestGuardNamesExpiredKeys: the log and the metrics tell an expired key from a wrong one; the answer does not.
func TestGuardNamesExpiredKeys(t *testing.T) {
	t.Parallel()
	key, text := newKey(t, "old", bellhop.ScopeRead)
	key.ExpiresAt = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	d, w := newDesk(t, key), newWatch()
	w.Guard.opts.Next = d.Keys
	if code, _ := w.try("192.0.2.1:9", text); code != bellhop.CodeUnauthorized || w.counted("expired_key") != 1 ||
		w.counted("wrong_key") != 0 {
		t.Errorf("%s", code)
	}
	if log := w.log.String(); !strings.Contains(log, "reason=expired_key") ||
		!strings.Contains(log, "key_id="+key.ID) || strings.Contains(log, text) {
		t.Errorf("the log: %s", log)
	}
	for range MaxWrongKeys {
		w.try("192.0.2.1:9", text)
	}
	r := &http.Request{Header: http.Header{"Authorization": {"Bearer " + text}}, RemoteAddr: "192.0.2.1:9"}
	if _, err := w.Authenticate(r); bellhop.CodeLimited != codeOf(err) {
		t.Errorf("an expired key that is sent again and again: %v", err)
	}
}

// codeOf returns the code of err; "" if it is nil or has none.
func codeOf(err error) bellhop.Code {
	var e *bellhop.Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code
}
