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

// seed is where the random choices of a test start from. Each test prints its seed, so that a run can be repeated.
var seed = flag.Uint64("seed", 0, "start of the random choices; 0 is a new one each time")

// program is the path of the binary under test.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	if *liar != "" {
		os.Exit(lie(*liar, flag.Args()))
	}
	os.Exit(run(m))
}

// run builds the binary as the tests are built, so that `make test` drives one with the race detector, and runs the
// tests: the go command takes its flags from GOFLAGS, where the Makefile puts them.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "journey")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "bellhop")
	build := exec.Command("go", "build", "-o", program, "../../cmd/bellhop")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// newRandom returns a source of random numbers and logs its seed.
func newRandom(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// inCI reports whether everything that a test may need has to be installed, so that no test may be skipped.
func inCI() bool { return os.Getenv("CI") == "true" }

// skipAloud skips a test that cannot run on this machine. In CI it fails the test instead.
func skipAloud(t *testing.T, why string) {
	t.Helper()
	if inCI() {
		t.Fatalf("CI=true, but %s", why)
	}
	fmt.Fprintf(os.Stderr, "SKIPPED %s: %s\n", t.Name(), why)
	t.Skip(why)
}

// eventually polls ok until it returns true. It fails the test after within.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	if !poll(within, ok) {
		t.Fatalf("not within %v: %s", within, what)
	}
}

// poll polls ok until it returns true, for at most within, and returns its last result.
func poll(within time.Duration, ok func() bool) bool {
	pause := 2 * time.Millisecond
	for deadline := time.Now().Add(within); !ok(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			return false
		}
		pause = min(pause*5/4, 50*time.Millisecond)
	}
	return true
}

// missed says aloud that an aim is missed.
func missed(t *testing.T, format string, args ...any) {
	t.Helper()
	text := fmt.Sprintf(format, args...)
	fmt.Fprintf(os.Stderr, "AIM MISSED %s: %s\n", t.Name(), text)
	t.Log("AIM MISSED: " + text)
}
