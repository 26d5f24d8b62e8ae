//go:build stress && linux

package journey

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/prove"
)

// TestStressProve kills the gateway under load at random moments, starts it again at once, and counts.
func TestStressProve(t *testing.T) {
	folder := t.TempDir()
	c := exec.Command(program, "prove", "--json", "--dir", folder, "--cycles", strconv.Itoa(stress(t)))
	var talk strings.Builder
	c.Stderr = &talk
	dieWithUs(c)
	out, err := c.Output()
	t.Log(talk.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r prove.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	if r.Verdict == nil || r.Lost != 0 || r.Invented != 0 || len(r.Violations) > 0 || r.CyclesDone != stress(t) {
		t.Errorf("%+v", r)
	}
	if r.Ready.Most > 5000 {
		t.Errorf("from start to ready %v ms at most", r.Ready.Most)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// TestStressProveFindsLoss: of a server that acknowledges before it keeps, the prover names the lost events and keeps
// the folder.
func TestStressProveFindsLoss(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "liar")
	text := fmt.Sprintf("#!/bin/sh\nexec %q -liar %q -- \"$@\"\n", self, program)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	r, err := prove.Run(t.Context(), prove.Options{Cycles: 3, Connections: 8, Rate: 300, Seed: 7, Dir: folder,
		Program: script, Progress: &testLog{t}})
	if err != nil {
		t.Fatal(err)
	}
	if lost := r.Count("L"); lost == 0 || lost > r.Acknowledged/2 || r.Lost < lost ||
		filepath.Dir(r.Folder) != folder {
		t.Errorf("%+v", r)
	}
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "lost") {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(r.Folder, "data", "bellhop.db")); err != nil {
		t.Error(err)
	}
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "answered 2xx 1 times, stored 0") {
		t.Errorf("%v\n%s", err, &table)
	}
	t.Log(table.String())
}

// A testLog writes to the log of a test.
type testLog struct{ t *testing.T }

func (w *testLog) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}
