package journey

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// What is random in a test can be had again: each prints its seed.
var (
	cycles = flag.Int("cycles", 20, "how often TestKill kills the gateway")
	bodies = flag.Int("bodies", 300, "how many bodies TestBodies sends")
	seed   = flag.Uint64("seed", 0, "of what is random; 0 draws one")
)

// program is the binary under test.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

// run builds the product, without cgo as it is released, and tests it.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "journey")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "bellhop")
	build := exec.Command("go", "build", "-o", program, "../../cmd/bellhop")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// newRandom returns a source of randomness and prints what it starts from.
func newRandom(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// inCI says that what a test needs is there: then it may not be skipped.
func inCI() bool { return os.Getenv("CI") == "true" }

// skipAloud skips a test that this machine cannot run, and fails it where it must be run.
func skipAloud(t *testing.T, why string) {
	t.Helper()
	if inCI() {
		t.Fatalf("CI=true, but %s", why)
	}
	fmt.Fprintf(os.Stderr, "SKIPPED %s: %s\n", t.Name(), why)
	t.Skip(why)
}

// eventually polls until ok reports true. It fails the test when that takes longer than within.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	if !poll(within, ok) {
		t.Fatalf("not within %v: %s", within, what)
	}
}

// poll reports whether ok reported true within a length of time.
func poll(within time.Duration, ok func() bool) bool {
	deadline := time.Now().Add(within)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			return false
		}
		<-tick.C
	}
	return true
}
