package main

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSystemdIsTold: systemd, which waits for it, is told that the server is ready and that it stops.
func TestSystemdIsTold(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	manager.SetReadDeadline(time.Now().Add(time.Minute))
	told := func() string {
		state := make([]byte, 100)
		n, err := manager.Read(state)
		if err != nil {
			t.Fatal(err)
		}
		return string(state[:n])
	}

	var log bytes.Buffer
	e := &env{stdin: strings.NewReader(""), stdout: &log, stderr: &log, getenv: func(name string) string {
		if name == "NOTIFY_SOCKET" {
			return socket
		}
		return ""
	}}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	data := filepath.Join(dir, "data")
	go func() { ended <- run(ctx, e, []string{"serve", "--data", data, "--listen", "127.0.0.1:0"}) }()
	if state := told(); state != "READY=1" {
		t.Errorf("systemd is told %q", state)
	}
	_, talk, err := command("ready", "--data", data, "--wait", "10s")
	if err != nil || talk != "ready\n" {
		t.Errorf("ready: %q %v", talk, err)
	}
	stop()
	if state := told(); state != "STOPPING=1" {
		t.Errorf("at the end systemd is told %q", state)
	}
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, &log)
	}
}
