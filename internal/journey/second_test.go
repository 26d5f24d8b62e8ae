package journey

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSecondServer starts a second server on a folder that has one.
func TestSecondServer(t *testing.T) {
	l := newLedger()
	g := newGateway(t)
	p := newProducer(g, l)
	p.sources()
	r := newReceiver(t, l, nil)
	r.destination(g, "all", "raw")
	file := filepath.Join(g.dir, "server.json")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	second := g.serve()
	out, err := second.CombinedOutput()
	if status := second.ProcessState.ExitCode(); err == nil || status != 1 {
		t.Errorf("the second ended with %v, want exit status 1", err)
	}
	if text := string(out); !strings.Contains(text, "in use by another bellhop") || !strings.Contains(text, g.dir) || !strings.Contains(text, "--data") {
		t.Errorf("the second does not say what is wrong, where, and what to do: %q", out)
	} else {
		t.Logf("%s", strings.TrimSpace(text))
	}

	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the first's server.json was touched: %q, %v", after, err)
	}
	for n := range int64(20) {
		if status := p.post(plainSource, "", p.body(n)); status != 202 {
			t.Errorf("the first answers %d", status)
		}
	}
	settle(t, g, stopWithin)
	l.check(t, g)
	if status, _ := g.stop(); status != 0 {
		t.Errorf("the first ended with exit status %d", status)
	}
}
