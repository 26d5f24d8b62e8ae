package api

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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

// TestSlowClient: a client that takes too few bytes of an archive is given up, and one that takes enough is not, for
// however long.
func TestSlowClient(t *testing.T) {
	now := testNow
	for _, c := range []struct {
		pace int
		ends bool
	}{{leastPace * 2, false}, {leastPace / 2, true}} {
		slow := writerFunc(func(b []byte) (int, error) {
			now = now.Add(time.Duration(len(b)) * time.Second / time.Duration(c.pace))
			return len(b), nil
		})
		w := &archiveWriter{w: slow, control: http.NewResponseController(httptest.NewRecorder()),
			now: func() time.Time { return now }}
		began, err := now, error(nil)
		for err == nil && now.Sub(began) < time.Hour {
			_, err = w.Write(make([]byte, 64<<10))
		}
		took := now.Sub(began)
		if ended := errors.Is(err, errSlowClient); ended != c.ends || ended && took > paceAfter+10*time.Second {
			t.Errorf("%d bytes a second: %v after %v", c.pace, err, took)
		}
	}
}

// A writerFunc writes.
type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestStandbyHeader: who may see all tenants is told that the server sends nothing.
func TestStandbyHeader(t *testing.T) {
	r, c := newClient(t)
	told := func() string { return r.do("GET", "/api/v1/stats", "").header.Get(client.StandbyHeader) }
	if told() != "on" {
		t.Error("an answer in standby does not say so")
	}
	if _, err := c.Resume(t.Context()); err != nil || told() != "" {
		t.Errorf("an answer after the standby says that it is on: %v", err)
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
