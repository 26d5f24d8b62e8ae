package interop

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// nodeFolder holds the scripts and, once npm has installed them, the packages.
const nodeFolder = "node"

// npm returns the name and version of a package as they stand in the table. It ends the test if another version, or
// none, is installed than package.json asks for.
func npm(t *testing.T, name string) string {
	t.Helper()
	var wanted struct{ Dependencies map[string]string }
	var installed struct{ Version string }
	readJSON(t, filepath.Join(nodeFolder, "package.json"), &wanted)
	readJSON(t, filepath.Join(nodeFolder, "node_modules", name, "package.json"), &installed)
	if installed.Version != wanted.Dependencies[name] {
		t.Fatalf("%s: version %s is installed, not %s", name, installed.Version, wanted.Dependencies[name])
	}
	return name + " " + installed.Version + " (npm)"
}

func readJSON(t *testing.T, file string, out any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; make interop installs what is missing", err)
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// A script is a program of the node folder at work. It prints a JSON object a line.
type script struct {
	t     *testing.T
	lines chan map[string]any
	URL   string // where it listens, if it does
}

// node starts a script with its settings, which it gets as JSON. The test ends it.
func node(t *testing.T, file string, s settings) *script {
	t.Helper()
	argument, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("node", file, string(argument))
	c.Dir = nodeFolder
	c.Stderr = &testLog{t: t}
	dieWithUs(c)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	p := &script{t: t, lines: make(chan map[string]any, 100)}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var line map[string]any
			if json.Unmarshal(lines.Bytes(), &line) != nil {
				line = map[string]any{"error": "printed " + lines.Text()}
			}
			p.lines <- line
		}
	})
	t.Cleanup(func() {
		c.Process.Kill()
		reading.Wait()
		c.Wait()
	})
	return p
}

// receiver starts a script that listens, and waits until it does.
func receiver(t *testing.T, file string, s settings) *script {
	t.Helper()
	p := node(t, file, s)
	p.URL, _ = p.next()["listening"].(string)
	if p.URL == "" {
		t.Fatalf("%s does not listen", file)
	}
	return p
}

// next returns what the script printed next. It ends the test if that says that something went wrong.
func (p *script) next() map[string]any {
	p.t.Helper()
	line := p.line()
	if line["error"] != nil {
		p.t.Fatalf("the client says: %v", line["error"])
	}
	return line
}

// line is next, whatever it says.
func (p *script) line() map[string]any {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.t.Fatal("the script has ended")
		}
		return line
	case <-time.After(patience):
		p.t.Fatalf("the script said nothing for %v", patience)
	}
	return nil
}

// testLog writes what a script says on stderr into the test's log.
type testLog struct {
	sync.Mutex
	t *testing.T
}

func (l *testLog) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	l.t.Logf("node: %s", p)
	return len(p), nil
}
