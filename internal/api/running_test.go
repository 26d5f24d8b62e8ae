package api

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

func TestBackups(t *testing.T) {
	r, c := newClient(t)
	if b, err := c.LatestBackup(t.Context()); err != nil || !b.At.IsZero() {
		t.Errorf("%+v, %v", b, err)
	}
	archive, err := c.BackupArchive(t.Context(), client.BackupOptions{WithoutFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	text := new(strings.Builder)
	if _, err := io.Copy(text, archive); err != nil || text.String() != "true false" {
		t.Errorf("%q, %v", text, err)
	}
	taken := client.Backup{At: client.Time{Time: testNow}, Bytes: 7, To: "a disk"}
	if b, err := c.NoteBackup(t.Context(), taken); err != nil || b.To != "a disk" || b.Bytes != 7 {
		t.Errorf("%+v, %v", b, err)
	}
	for body, want := range map[string]string{
		`{"bytes":1,"to":"x"}`:                                                             "at",
		`{"at":"2926-01-01T00:00:00Z","bytes":1,"to":"x"}`:                                 "at",
		`{"at":"2026-11-22T10:00:00Z","bytes":-1,"to":"x"}`:                                "bytes",
		`{"at":"2026-11-22T10:00:00Z","bytes":1,"to":"` + strings.Repeat("x", 1025) + `"}`: "to",
	} {
		r.do("POST", "/api/v1/backup", body).refused(422, bellhop.CodeInvalid, want)
	}
}

// TestBackupCutShort shows that the client of a backup that fails on the way learns it.
func TestBackupCutShort(t *testing.T) {
	r, c := newClient(t)
	r.handler.(*server).Operations = &fakeOperations{of: r.fake, err: errors.New("the disk is gone")}
	archive, err := c.BackupArchive(t.Context(), client.BackupOptions{})
	if err == nil {
		_, err = io.Copy(new(strings.Builder), archive)
		archive.Close()
	}
	if err == nil {
		t.Error("the client takes it for whole")
	}
}

func TestStandbyAndLogLevel(t *testing.T) {
	r, c := newClient(t)
	if s, err := c.Standby(t.Context()); err != nil || !s.On || s.Why == "" {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := c.Resume(t.Context()); err != nil || s.On || !s.Since.IsZero() {
		t.Errorf("%+v, %v", s, err)
	}
	if l, err := c.SetLogLevel(t.Context(), "debug"); err != nil || l.Level != "debug" {
		t.Errorf("%+v, %v", l, err)
	}
	r.do("POST", "/api/v1/log-level", `{"level":"loud"}`).refused(422, bellhop.CodeInvalid, "level")
	s := newServer(r.handler.(*server).Options)
	s.Operations = nil
	r.handler = New(s.Options)
	for _, route := range [][3]string{{"GET", "/backup"},
		{"POST", "/backup", `{"at":"2026-11-22T10:00:00Z","bytes":1,"to":""}`},
		{"GET", "/backup/archive"}, {"GET", "/standby"}, {"POST", "/standby/resume"}, {"GET", "/log-level"},
		{"POST", "/log-level", `{"level":"info"}`}} {
		r.do(route[0], "/api/v1"+route[1], route[2]).refused(409, bellhop.CodeConflict)
	}
}
