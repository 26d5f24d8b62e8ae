package interop

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// nodeFolder holds the scripts, and the packages that npm installs.
const nodeFolder = "node"

// npmVersion returns the name and the version of an npm package for the table. It ends the test unless the version of
// package.json is installed.
func npmVersion(t *testing.T, name string) string {
	t.Helper()
	var wanted struct{ Dependencies map[string]string }
	var installed struct{ Version string }
	readJSON(t, filepath.Join(nodeFolder, "package.json"), &wanted)
	readJSON(t, filepath.Join(nodeFolder, "node_modules", name, "package.json"), &installed)
	version := wanted.Dependencies[name]
	if alias, ok := strings.CutPrefix(version, "npm:"); ok { // another version of a package: npm:NAME@VERSION
		at := strings.LastIndexByte(alias, '@')
		name, version = alias[:at], alias[at+1:]
	}
	if installed.Version != version {
		t.Fatalf("%s: version %s is installed, want %s", name, installed.Version, version)
	}
	return name + " " + installed.Version + " (npm)"
}

// readJSON reads a JSON file into out.
func readJSON(t *testing.T, file string, out any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; make interop installs the packages", err)
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// A script is a running script of nodeFolder. It prints one JSON object per line.
type script struct {
	t     *testing.T
	lines chan map[string]any
	URL   string // its address if it listens, "" otherwise
}

// startScript starts a script and passes it settings as JSON. The setting "ca" is a file with the certificate of an
// authority that the script trusts. The end of the test kills the script.
func startScript(t *testing.T, file string, s settings) *script {
	t.Helper()
	argument, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("node", file, string(argument))
	c.Dir = nodeFolder
	if authority, _ := s["ca"].(string); authority != "" { // Node reads it at its start alone
		c.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+authority)
	}
	c.Stderr = &testLog{t: t}
	killWithTest(c)
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

// startReceiver starts a script that listens, and waits until it listens.
func startReceiver(t *testing.T, file string, s settings) *script {
	t.Helper()
	p := startScript(t, file, s)
	p.URL, _ = p.next()["listening"].(string)
	if p.URL == "" {
		t.Fatalf("%s does not listen", file)
	}
	return p
}

// next waits for the next line that the script prints. It ends the test if the line reports an error.
func (p *script) next() map[string]any {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.t.Fatal("the script has ended")
		}
		if line["error"] != nil {
			p.t.Fatalf("the client reports: %v", line["error"])
		}
		return line
	case <-time.After(waitLimit):
		p.t.Fatalf("the script printed no line within %v", waitLimit)
		return nil
	}
}

// testLog writes the stderr of a script to the log of the test.
type testLog struct{ t *testing.T }

func (l *testLog) Write(p []byte) (int, error) {
	l.t.Logf("node: %s", p)
	return len(p), nil
}
