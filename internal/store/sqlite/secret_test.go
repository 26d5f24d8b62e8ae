package sqlite

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// TestNoSecretInFiles shows that no file of the folder contains a secret, in whatever form: neither while the
// store is open, with its log, nor afterwards.
func TestNoSecretInFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	canaries := []string{"canary-of-the-source", "canary-of-the-destination", "canary-that-was-replaced",
		"canary-that-was-deleted", "canary-of-the-connection", "canary-in-a-token",
		"canary-of-the-subscription", "canary-of-a-cursor", "canary-of-a-certificate"}
	look := func(when string) {
		t.Helper()
		for name, content := range readFolder(t, dir) {
			for _, canary := range canaries {
				for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary)),
					hex.EncodeToString([]byte(canary))} {
					if bytes.Contains(content, []byte(form)) {
						t.Errorf("%s: %s is in %s", when, canary, name)
					}
				}
			}
		}
		seen := false // a control: text that is not secret is found
		for _, content := range readFolder(t, dir) {
			seen = seen || bytes.Contains(content, []byte("plain-to-see"))
		}
		if !seen {
			t.Errorf("%s: the files do not contain the control either", when)
		}
	}
	settings := func(canary string) []byte { return []byte(`{"key":"` + canary + `"}`) }

	s := reopen(t, dir)
	sourceID, destinationID := populate(t, s)
	src, err := s.Source(t.Context(), sourceID)
	if err != nil {
		t.Fatal(err)
	}
	dst, err := s.Destination(t.Context(), destinationID)
	if err != nil {
		t.Fatal(err)
	}
	subscribe := s.CreateSubscription(t.Context(), bellhop.Subscription{ID: "sub_1", Name: "calendar",
		Provider: "graph",
		Resource: "/me/events", State: bellhop.SubscriptionPending, CreatedAt: dst.CreatedAt, UpdatedAt: dst.CreatedAt,
		Settings: settings(canaries[6]),
		Secrets:  bellhop.SubscriptionSecrets{ClientState: canaries[6]}})
	if subscribe != nil {
		t.Fatal(subscribe)
	}
	deleted := dst
	deleted.ID, deleted.Name, deleted.Settings = "dst_deleted", "deleted", settings(canaries[3])
	src.Settings = settings(canaries[2])
	err = errors.Join(updateSource(t, s, src), s.CreateDestination(t.Context(), deleted),
		s.DeleteDestination(t.Context(), "dst_deleted"))
	src.Settings, dst.Settings, dst.Name = settings(canaries[0]), settings(canaries[1]), "plain-to-see"
	dst.URL = "https://plain.example/?code=" + canaries[1]
	if err := errors.Join(err, updateSource(t, s, src), s.UpdateDestination(t.Context(), dst)); err != nil {
		t.Fatal(err)
	}
	connection := bellhop.Connection{ID: "con_1", Name: "work", Provider: "graph", Settings: settings(canaries[4]),
		State: bellhop.ConnectionReady, CreatedAt: src.CreatedAt, UpdatedAt: src.CreatedAt}
	err = s.CreateConnection(t.Context(), connection)
	_, settled := s.SettleConnection(t.Context(), bellhop.ConnectionOutcome{ID: connection.ID,
		State:  bellhop.ConnectionReady,
		Tokens: settings(canaries[5])})
	if err := errors.Join(err, settled); err != nil {
		t.Fatal(err)
	}
	cursor := bellhop.Cursor{Value: string(settings(canaries[7])), SavedAt: src.CreatedAt}
	if err := s.SaveCursor(t.Context(), destinationID, "list", cursor); err != nil {
		t.Fatal(err)
	}
	err = s.SaveCertificateFile(t.Context(), "a/b.key", settings(canaries[8]), src.CreatedAt)
	if err != nil {
		t.Fatal(err)
	}
	taken := src
	taken.ID = "src_refused"
	// refused by the schema, after it was sealed
	if err := s.CreateSource(t.Context(), taken); bellhopCode(err) != bellhop.CodeConflict {
		t.Errorf("a taken name: %v", err)
	}
	look("while open")

	if got, err := s.Source(t.Context(), sourceID); err != nil || !bytes.Equal(got.Settings, src.Settings) {
		t.Errorf("the source has %s; %v", got.Settings, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	look("after closing")
}

// TestMovedSecret shows that settings sealed for one row do not open for another, so that somebody who can
// write the file cannot move them.
func TestMovedSecret(t *testing.T) {
	t.Parallel()
	s := open(t)
	sourceID, destinationID := populate(t, s)
	err := s.do(func(c *conn) error {
		return c.exec("UPDATE destinations SET settings = (SELECT settings FROM sources WHERE id = ?)", sourceID)
	})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := s.Destination(t.Context(), destinationID); err == nil {
		t.Errorf("the destination has the source's secrets: %s", d.Settings)
	}
	connection := bellhop.Connection{ID: "con_1", Name: "work", Provider: "graph", Settings: []byte(`{}`),
		State: bellhop.ConnectionReady, CreatedAt: time.Unix(0, 0), UpdatedAt: time.Unix(0, 0)}
	err = s.CreateConnection(t.Context(), connection)
	moved := s.do(func(c *conn) error { return c.exec("UPDATE connections SET tokens = settings") })
	if err := errors.Join(err, moved); err != nil {
		t.Fatal(err)
	}
	if tokens, err := s.ConnectionTokens(t.Context(), "con_1"); err == nil {
		t.Errorf("the settings of a connection are read as its tokens: %s", tokens)
	}
}

// newKey returns a line of the file of master keys.
func newKey(fill byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)) + "\n"
}

// TestKeyRotationInStore shows that nouns saved after a rotation are sealed with the new key, and that the old
// key can be removed once all nouns have been saved again.
func TestKeyRotationInStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFolder(t, dir, images{store.KeyFileName: []byte(newKey(1))})
	s := reopen(t, dir)
	source, _ := populate(t, s)
	s.Close()

	writeFolder(t, dir, images{store.KeyFileName: []byte(newKey(2) + newKey(1))})
	s = reopen(t, dir)
	src, err := s.Source(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	if err := updateSource(t, s, src); err != nil {
		t.Fatal(err)
	}
	s.Close()

	writeFolder(t, dir, images{store.KeyFileName: []byte(newKey(2))})
	s = reopen(t, dir)
	if got, err := s.Source(t.Context(), source); err != nil || string(got.Settings) != string(src.Settings) {
		t.Errorf("saved again with the new key: %s, %v", got.Settings, err)
	}
	if _, err := s.Destination(t.Context(), "billing"); err == nil ||
		!strings.Contains(err.Error(), "sealed with key") {
		t.Errorf("saved with the old key only: %v", err)
	}
}

func updateSource(t *testing.T, s *Store, src bellhop.Source) error {
	_, err := s.UpdateSource(t.Context(), src)
	return err
}
