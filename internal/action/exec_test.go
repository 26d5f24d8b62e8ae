//go:build unix

package action

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// TestInput: the command reads the body's bytes, whatever they are, and nothing more.
func TestInput(t *testing.T) {
	mebibyte := make([]byte, 1<<20)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(mebibyte)
	dir := t.TempDir()
	for name, body := range map[string][]byte{"empty": nil, "text": []byte("text"), "every byte": {0, 1, '\r', '\n', 0x1a, 0x80, 0xff}, "a mebibyte": mebibyte} {
		p := shell(t, "cat >read", "dir", dir)
		if done := perform(t, p, string(body)); done.Error != "" || len(done.Reply) > 0 {
			t.Errorf("%s: %+v", name, done)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "read")); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: read %d bytes %x, %v, want %d", name, len(got), sha256.Sum256(got), err, len(body))
		}
	}
}

// TestInputUnread: that a command does not want to know is no error.
func TestInputUnread(t *testing.T) {
	for _, script := range []string{"exit 0", "exec <&-; sleep 0.05", "head -c 1 >/dev/null"} {
		if done := perform(t, shell(t, script), strings.Repeat("x", 1<<20)); done.Error != "" {
			t.Errorf("%s: %+v", script, done)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("BELLHOP_ADMIN_KEY", "bhk_secret")
	t.Setenv("ANYTHING", "bhk_secret")
	at := time.Date(2026, 11, 22, 10, 0, 0, 5, time.UTC)
	ev := &bellhop.Event{ID: "evt_1", Type: "order.paid", Subject: "orders/7\x00\n$(reboot)", Source: "shop", Tenant: "acme", ReceivedAt: at.Add(time.Second),
		Time: at, ContentType: "application/json", Header: bellhop.Header("X-Header: bhk_secret\n")}
	p := open(t, []string{"env", "-0"}, "env", map[string]string{"API_TOKEN": "a=b c", "TZ": "Europe/Paris"})
	done := p.Perform(t.Context(), ev, provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 3})
	got := strings.Split(strings.TrimSuffix(string(done.Reply), "\x00"), "\x00")
	slices.Sort(got)
	want := []string{
		"API_TOKEN=a=b c", "BELLHOP_ATTEMPT=3", "BELLHOP_DELIVERY_ID=dlv_1", "BELLHOP_EVENT_CONTENT_TYPE=application/json",
		"BELLHOP_EVENT_ID=evt_1", "BELLHOP_EVENT_RECEIVED_AT=2026-11-22T10:00:01.000000005Z", "BELLHOP_EVENT_SOURCE=shop",
		"BELLHOP_EVENT_SUBJECT=orders/7\uFFFD\n$(reboot)", "BELLHOP_EVENT_TENANT=acme", "BELLHOP_EVENT_TIME=2026-11-22T10:00:00.000000005Z",
		"BELLHOP_EVENT_TYPE=order.paid", "HOME=/home/bell", "PATH=" + os.Getenv("PATH"), "TZ=Europe/Paris",
	}
	if !slices.Equal(got, want) || done.Error != "" {
		t.Errorf("%+v\n got %q\nwant %q", done, got, want)
	}
}

// TestArguments: they come as they are, and the program is told the name it was called by.
func TestArguments(t *testing.T) {
	p := open(t, []string{"printf", "%s|", "a b", "$HOME", "*", "", "ü;`"})
	if done := perform(t, p, ""); string(done.Reply) != "a b|$HOME|*||ü;`|" {
		t.Errorf("%q %+v", done.Reply, done)
	}
	if done := perform(t, open(t, []string{"sh", "-c", "pwd"}, "dir", "/"), ""); string(done.Reply) != "/\n" {
		t.Errorf("%q", done.Reply)
	}
}

// TestOutcomes: which ends are the end.
func TestOutcomes(t *testing.T) {
	for script, want := range map[string]provider.ActionResult{
		"exit 0":            {},
		"exit 1":            {Error: "exit", Detail: "exit status 1"},
		"exit 3":            {Error: "exit", Detail: "exit status 3"},
		"exit 65":           {Error: "exit", Detail: "exit status 65", Final: true},
		"exit 69":           {Error: "exit", Detail: "exit status 69"},
		"exit 75":           {Error: "exit", Detail: "exit status 75"},
		"exit 255":          {Error: "exit", Detail: "exit status 255"},
		"kill -TERM $$":     {Error: "signal", Detail: "ended by signal: terminated"},
		"kill -KILL $$":     {Error: "signal", Detail: "ended by signal: killed"},
		"no-such-thing-243": {Error: "exit", Detail: "exit status 127"},
	} {
		done := perform(t, shell(t, "exec 2>/dev/null; "+script), "")
		done.Reply = nil
		if fmt.Sprint(done) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", script, done, want)
		}
	}
}

// TestCannotStart: what was there when the destination was opened may be gone.
func TestCannotStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paid")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := open(t, []string{path}, "env", map[string]string{"TOKEN": "bhk_secret"})
	for name, c := range map[string]struct {
		change func() error
		detail string
	}{
		"no program": {func() error { return os.WriteFile(path, []byte{0x7f, 'E', 'L', 'F'}, 0o700) }, "the command cannot be started: exec format error"},
		"gone":       {func() error { return os.Remove(path) }, "the command cannot be started: no such file or directory"},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if done := perform(t, p, ""); done.Error != "start" || done.Detail != c.detail || done.Cut || done.Final {
			t.Errorf("%s: %+v", name, done)
		}
	}
}

// TestOutput: of both streams the beginning is kept, in order, and what comes after delays nobody.
func TestOutput(t *testing.T) {
	if done := perform(t, shell(t, "echo one; echo two >&2; echo three; exit 4"), ""); string(done.Reply) != "one\ntwo\nthree\n" || done.Error != "exit" {
		t.Errorf("%q %+v", done.Reply, done)
	}
	done := perform(t, shell(t, "yes | head -c 50000000; yes no | head -c 9 >&2"), "")
	if done.Error != "" || string(done.Reply) != strings.Repeat("y\n", bellhop.MaxReplyBytes/2) {
		t.Errorf("%+v: %d bytes", done.Error, len(done.Reply))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	done = open(t, []string{"yes"}).Perform(ctx, new(bellhop.Event), provider.AttemptInfo{})
	if !done.Cut || len(done.Reply) != bellhop.MaxReplyBytes {
		t.Errorf("%+v: %d bytes", done.Cut, len(done.Reply))
	}
}
