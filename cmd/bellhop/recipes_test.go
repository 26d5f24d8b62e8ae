package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// TestRecipes does what each page of docs/providers says, word for word, at a server of its own: every line and every
// code span that begins with "bellhop " has to succeed, in their order but for sources, which are made first; the
// requests made by hand have to be answered 2xx. SOURCE is the source made last, URL is that source's.
func TestRecipes(t *testing.T) {
	for _, p := range all.Providers() {
		info := p.Info()
		t.Run(info.Name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("../../docs/providers/" + info.Name + ".md")
			if err != nil {
				t.Fatal(err)
			}
			k := newKitchen(t, info)
			lines := commandsIn(string(text))
			for _, line := range lines {
				k.run(line)
			}
			if len(lines) < 2 {
				t.Errorf("the page has %d commands", len(lines))
			}
			if info.Handshake != "" {
				k.checkAsks(p)
			}
			for _, m := range shellBlock.FindAllStringSubmatch(string(text), -1) {
				k.runByHand(m[1])
			}
		})
	}
}

var (
	commandLine = regexp.MustCompile("(?m)^(bellhop .*)$|`(bellhop [^`]*)`")
	shellBlock  = regexp.MustCompile("(?s)\n```sh\n(.*?)\n```")
)

// commandsIn returns the commands in a page, those first that make a source.
func commandsIn(page string) (lines []string) {
	var others []string
	for _, m := range commandLine.FindAllStringSubmatch(page, -1) {
		line := m[1] + m[2]
		switch {
		case strings.HasPrefix(line, "bellhop sources create "):
			lines = append(lines, line)
		case strings.Count(line, " ") > 1: // else it is the mere name of a command
			others = append(others, line)
		}
	}
	return append(lines, others...)
}

// A kitchen is where recipes are tried: a server, and a folder with the files that they name.
type kitchen struct {
	*testing.T
	dir, server string
	secret      string
	sources     int
}

// newKitchen starts a server. The secret is the example of the setting that --key sets.
func newKitchen(t *testing.T, info provider.Info) *kitchen {
	k := &kitchen{T: t, dir: t.TempDir()}
	for _, s := range info.Settings {
		if s.Name == info.Key {
			k.secret = s.Example
		}
	}
	files := map[string]string{"FILE": k.secret + "\n", "event.json": `{"specversion":"1.0","id":"1","source":"/a","type":"b"}`, "key.pem": newKeyPEM(t)}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(k.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server, stop, err := startServer(k.dir, os.Environ())
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	k.server = server
	return k
}

func newKeyPEM(t *testing.T) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// fill puts values into the places of the placeholders.
func (k *kitchen) fill(text string) string {
	if strings.HasPrefix(text, "bellhop sources create SOURCE") {
		k.sources++
	}
	return strings.NewReplacer(
		"https://YOUR-HOST", k.server, "DESTINATION", fmt.Sprintf("to-source-%d", k.sources), "SOURCE", fmt.Sprintf("source-%d", k.sources),
		"URL?", fmt.Sprintf("%s/in/source-%d?", k.server, k.sources), "--url URL", fmt.Sprintf("--url %s/in/source-%d", k.server, k.sources),
		"--to URL", fmt.Sprintf("--to %s/in/source-%d", k.server, k.sources),
		"SECRET", k.secret, "TOKEN", k.secret, "GUID", "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67",
	).Replace(text)
}

func (k *kitchen) run(line string) {
	k.Helper()
	filled := k.fill(line)
	out, err := k.shell(filled)
	if err != nil || strings.Contains(out, "unverified") {
		k.Errorf("%s\n%s\n%v\n%s", line, filled, err, out)
	}
}

// checkAsks compares what a page says of handshakes with the destination that was made by its recipe.
func (k *kitchen) checkAsks(p provider.Provider) {
	k.Helper()
	want := bellhop.HandshakeNone
	if provider.GuideOf(p).HandshakeWhen == provider.HandshakeAlways {
		want = p.Info().Handshake
	}
	out, err := k.shell(k.fill("bellhop destinations show DESTINATION --json"))
	if err != nil || !strings.Contains(out, `"handshake":"`+want+`"`) {
		k.Errorf("its handshake is not %s: %v\n%s", want, err, out)
	}
}

// shell runs text with sh, as who follows a page does.
func (k *kitchen) shell(text string) (string, error) {
	c := exec.Command("sh", "-c", "set -e\n"+text)
	c.Dir = k.dir
	out, err := c.CombinedOutput()
	return string(out), err
}

var statusLine = regexp.MustCompile(`HTTP/[0-9.]+ ([0-9]{3})`)

// runByHand runs a block in which variables take the place of placeholders.
func (k *kitchen) runByHand(block string) {
	k.Helper()
	requireTools(k.T, "openssl", "curl")
	block = strings.NewReplacer("https://YOUR-HOST", k.server, "/in/SOURCE", fmt.Sprintf("/in/source-%d", k.sources),
		"GUID", "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67", "curl ", "curl --silent --show-error --noproxy '*' ").Replace(block)
	out, err := k.shell(block)
	statuses := statusLine.FindAllStringSubmatch(out, -1)
	if err != nil || len(statuses) != strings.Count(block, "curl ") {
		k.Errorf("%s\n%v, %d answers\n%s", block, err, len(statuses), out)
	}
	for _, m := range statuses {
		if m[1][0] != '2' {
			k.Errorf("%s\nis answered\n%s", block, out)
		}
	}
}

// requireTools skips a test aloud where a program that it needs is missing, and fails it where CI=true.
func requireTools(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI=true, but there is no %s", tool)
		}
		fmt.Fprintf(os.Stderr, "SKIPPED %s: there is no %s\n", t.Name(), tool)
		t.Skip("there is no " + tool)
	}
}
