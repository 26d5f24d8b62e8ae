package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/manifest"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// TestRecipes runs the commands of each page of docs/providers against a server of its own. Every line and every
// code span that begins with "bellhop " must succeed; they run in the order of the page, except that sources and
// connections are created first. The requests made by hand must be answered 2xx. SOURCE stands for the last source,
// URL for its URL. What they have made, exported, is good by the schema of configuration files.
func TestRecipes(t *testing.T) {
	schema := newJudges(t)
	for _, p := range all.Providers() {
		info := p.Info()
		t.Run(info.Name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("../../docs/providers/" + info.Name + ".md")
			if err != nil {
				t.Fatal(err)
			}
			r := newRecipeTest(t, info)
			lines := commandsIn(string(text))
			for _, line := range lines {
				r.run(line)
			}
			if len(lines) < 2 {
				t.Errorf("the page has %d commands", len(lines))
			}
			if info.Handshake != "" {
				r.checkHandshake(p)
			}
			r.checkExport(schema)
			for _, m := range shellBlock.FindAllStringSubmatch(string(text), -1) {
				r.runByHand(m[1])
			}
		})
	}
}

var (
	commandLine = regexp.MustCompile("(?m)^(bellhop .*)$|`(bellhop [^`]*)`")
	shellBlock  = regexp.MustCompile("(?s)\n```sh\n(.*?)\n```")
)

// commandsIn returns the commands of a page; those that create a source, or a connection, come first.
func commandsIn(page string) (lines []string) {
	var connections, others []string
	for _, m := range commandLine.FindAllStringSubmatch(page, -1) {
		line := m[1] + m[2]
		switch {
		case strings.HasPrefix(line, "bellhop sources create "):
			lines = append(lines, line)
		case strings.HasPrefix(line, "bellhop connections create "):
			connections = append(connections, line)
		case strings.Count(line, " ") > 1: // otherwise it is only the name of a command
			others = append(others, line)
		}
	}
	return slices.Concat(lines, connections, others)
}

// A recipeTest is a server, and a folder with the files that recipes name.
type recipeTest struct {
	*testing.T
	dir, server string
	secret      string
	sources     int
}

// newRecipeTest starts a server. The secret is the example of the setting that --key sets.
func newRecipeTest(t *testing.T, info provider.Info) *recipeTest {
	r := &recipeTest{T: t, dir: t.TempDir()}
	for _, s := range info.Settings {
		if s.Name == info.Key {
			r.secret = s.Example
		}
	}
	files := map[string]string{
		"FILE": r.secret + "\n", "key.pem": newKeyPEM(t), "access_key.txt": "a2V5\n",
		"event.json": `{"specversion":"1.0","id":"1","source":"/a","type":"b"}`,
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server, stop, err := startServer(r.dir, inside(os.Getenv))
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	r.server = server
	return r
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

// fill replaces the placeholders in a command.
func (r *recipeTest) fill(text string) string {
	if strings.HasPrefix(text, "bellhop sources create SOURCE") {
		r.sources++
	}
	source := fmt.Sprintf("source-%d", r.sources)
	url := r.server + "/in/" + source
	return strings.NewReplacer("https://YOUR-HOST", r.server, "DESTINATION", "to-"+source, "CONNECTION", "connection",
		"SOURCE", source, "URL?", url+"?", "--url URL", "--url "+url, "--to URL", "--to "+url, "SECRET", r.secret,
		"TOKEN", r.secret, "GUID", "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67").Replace(text)
}

func (r *recipeTest) run(line string) {
	r.Helper()
	filled := r.fill(line)
	out, err := r.runWithin(filled)
	if err != nil || strings.Contains(out, "unverified") {
		r.Errorf("%s\n%s\n%v\n%s", line, filled, err, out)
	}
}

// checkExport has the schema of configuration files judge what the commands have made.
func (r *recipeTest) checkExport(schema judges) {
	var out, talk bytes.Buffer
	e := &env{getenv: noEnv, stdin: strings.NewReader(""), stdout: &out, stderr: &talk, dir: r.dir}
	if err := run(context.Background(), e, []string{"config", "export"}); err != nil {
		r.Fatal(err, talk.String())
	}
	file := out.String()
	problems, err := schema.judge(r.T, file)
	if faults := manifest.Faults(problems); len(faults) > 0 || err != nil || !strings.Contains(file, "settings:") {
		r.Errorf("%s\nthe parser: %v\nthe schema: %v", file, faults, err)
	}
}

// checkHandshake compares the handshake of the destination that the page created with the one that the page documents.
func (r *recipeTest) checkHandshake(p provider.Provider) {
	r.Helper()
	want := bellhop.HandshakeNone
	if provider.GuideOf(p).HandshakeWhen == provider.HandshakeAlways {
		want = p.Info().Handshake
	}
	out, err := r.runWithin(r.fill("bellhop destinations show DESTINATION --json"))
	if err != nil || !strings.Contains(out, `"handshake":"`+want+`"`) {
		r.Errorf("its handshake is not %s: %v\n%s", want, err, out)
	}
}

// runWithin runs a command in this process, or with sh if it is more than words and quotes.
func (r *recipeTest) runWithin(line string) (string, error) {
	if strings.ContainsAny(line, "$`\\|<>;&*?\n") {
		return r.shell(line)
	}
	var out bytes.Buffer
	e := &env{getenv: noEnv, stdin: strings.NewReader(""), stdout: &out, stderr: &out, dir: r.dir}
	err := run(context.Background(), e, splitWords(line)[1:])
	return out.String(), err
}

// shell runs text with sh, as a reader of the page does.
func (r *recipeTest) shell(text string) (string, error) {
	c := exec.Command("sh", "-c", "set -e\n"+text)
	c.Dir = r.dir
	out, err := c.CombinedOutput()
	return string(out), err
}

var statusLine = regexp.MustCompile(`HTTP/[0-9.]+ ([0-9]{3})`)

// runByHand runs a shell block of a page and checks that each request of curl is answered 2xx.
func (r *recipeTest) runByHand(block string) {
	r.Helper()
	requireTools(r.T, "openssl", "curl")
	block = strings.NewReplacer("https://YOUR-HOST", r.server, "/in/SOURCE", fmt.Sprintf("/in/source-%d", r.sources),
		"GUID", "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67", "curl ", "curl --silent --show-error --noproxy '*' ").Replace(
		block)
	out, err := r.shell(block)
	statuses := statusLine.FindAllStringSubmatch(out, -1)
	if err != nil || len(statuses) != strings.Count(block, "curl ") {
		r.Errorf("%s\n%v, %d answers\n%s", block, err, len(statuses), out)
	}
	for _, m := range statuses {
		if m[1][0] != '2' {
			r.Errorf("%s\nis answered\n%s", block, out)
		}
	}
}

// requireTools skips a test, with a line on stderr, if a program that it needs is missing. With CI=true it fails the
// test instead.
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
