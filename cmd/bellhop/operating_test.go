package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/spf13/pflag"
)

// operatingCommands are the commands of Bellhop in a page: those on a line of their own, and those in the text.
var operatingCommands = regexp.MustCompile("(?m)^    (bellhop [^#\n]+)|`(bellhop [^`]+)`")

// TestOperatingCommands: each command that docs/OPERATING.md shows exists, with its flags. The page is read in haste.
func TestOperatingCommands(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/OPERATING.md")
	if err != nil {
		t.Fatal(err)
	}
	found := operatingCommands.FindAllStringSubmatch(string(page), -1)
	if len(found) < 20 {
		t.Errorf("%d commands", len(found))
	}
	for _, m := range found {
		line := strings.TrimSpace(m[1] + m[2])
		line, _, _ = strings.Cut(line, " | ")
		words := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(line))
		cmd, rest, err := newRootCommand(&env{getenv: noEnv}).Find(words[1:])
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if cmd.HasSubCommands() && len(rest) > 0 {
			t.Errorf("%s: %q has no such command", line, cmd.CommandPath())
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil && !errors.Is(err, pflag.ErrHelp) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// A runElsewhere is a command of docs/OPERATING.md that TestOperatingPage does not run: another test does.
type runElsewhere struct {
	command string         // its beginning
	file    string         // of the test, in the root of the repository
	runs    *regexp.Regexp // finds the command in the file
}

// operatedElsewhere need a provider, a package, a machine or more time than TestOperatingPage has.
var operatedElsewhere = []runElsewhere{
	{"bellhop connections login", script("connections"), regexp.MustCompile(`(?m)^bellhop connections login `)},
	{"bellhop connections test", script("connections"), regexp.MustCompile(`(?m)bellhop connections test `)},
	{"bellhop subscriptions renew", script("subscriptions"), regexp.MustCompile(`(?m)^bellhop subscriptions renew `)},
	{"bellhop subscriptions show", script("subscriptions"), regexp.MustCompile(`(?m)bellhop subscriptions show `)},
	{"bellhop serve --acme-domain", "interop/acme_test.go", regexp.MustCompile(`"--acme-domain", acmeName`)},
	{"bellhop prove", "internal/journey/prove_stress_test.go", regexp.MustCompile(`program, "prove"`)},
	{"promtool check rules", "deploy/prometheus/rules_test.go", regexp.MustCompile(`"check", "rules"`)},
	{"promtool test rules", "deploy/prometheus/rules_test.go", regexp.MustCompile(`"test", "rules"`)},

	{"sha256sum", packageTest, regexp.MustCompile(`"sha256sum", "--strict", "-c"`)},
	{"apt install", ".ci/deb", regexp.MustCompile(`(?m)^dpkg -i `)},
	{"apt remove", ".ci/deb", regexp.MustCompile(`(?m)^dpkg -r `)},
	{"apt purge", ".ci/deb", regexp.MustCompile(`(?m)^dpkg -P `)},
	{"bellhop restore /var/backups/", ".ci/deb", regexp.MustCompile(`(?m)^bellhop restore /var/backups/`)},
	{"mv /var/lib/bellhop", ".ci/deb", regexp.MustCompile(`(?m)^mv /var/lib/bellhop /var/lib/bellhop.before`)},
	{"install -d -o bellhop", ".ci/deb", regexp.MustCompile(`(?m)^install -d -o bellhop -g bellhop -m 700 `)},
	{"systemctl stop", ".ci/deb", regexp.MustCompile(`(?m)^systemctl stop bellhop`)},
	{"systemctl start", ".ci/deb", regexp.MustCompile(`(?m)^systemctl start bellhop`)},
	{"systemctl status", ".ci/deb", regexp.MustCompile(`systemctl status`)},
	{"systemctl restart", ".ci/deb", regexp.MustCompile(`(?m)^systemctl restart bellhop`)},
	{"systemctl reload", ".ci/deb", regexp.MustCompile(`(?m)^systemctl reload bellhop`)},
	{"systemctl enable --now", ".ci/deb", regexp.MustCompile(`(?m)^systemctl enable --now bellhop`)},
	{"journalctl", ".ci/deb", regexp.MustCompile(`journalctl -q -u bellhop`)},
	{"dnf install", packageTest, regexp.MustCompile(`func TestRPM\(`)},   // rpm reads it: no Fedora is there
	{"tar -xzf", packageTest, regexp.MustCompile(`func TestArchives\(`)}, // each file is read from it
	{"docker load", packageTest, regexp.MustCompile(`func TestImage\(`)}, // the image is read and started,
	{"docker run", packageTest, regexp.MustCompile(`func TestImage\(`)},  // without Docker
	{"skopeo copy", packageTest, regexp.MustCompile(`func TestImage\(`)}, // its form is validated
}

const packageTest = "tools/package/package_test.go"

func script(name string) string { return "cmd/bellhop/testdata/script/" + name + ".txtar" }

// by returns the test that runs a command, or nil.
func by(command string) *runElsewhere {
	i := slices.IndexFunc(operatedElsewhere, func(r runElsewhere) bool {
		return strings.HasPrefix(command, r.command)
	})
	if i < 0 {
		return nil
	}
	return &operatedElsewhere[i]
}

// The commands of the page: blocks of indented lines, and spans of the text that begin with a program and say more
// than the name of a command.
var (
	fencedBlock   = regexp.MustCompile("(?s)\n```([^\n]*)\n(.*?)\n```")
	indentedBlock = regexp.MustCompile(`(?m)(?:^    \S.*\n)+`)
	commandStart  = regexp.MustCompile(`^(?:\./)?(?:` + programs + `) `)
	commandSpan   = regexp.MustCompile("`((?:" + programs + ") [^`]+)`")
	remark        = regexp.MustCompile(`\s{2,}# .*`)
)

// programs are those of the page.
const programs = "bellhop|promtool|systemctl|journalctl|curl|apt|dnf|rpm|dpkg|tar|docker|podman|skopeo|" +
	"kubectl|sha256sum"

// An operation is a command of the page, or a block of shell.
type operation struct {
	at   int // in the page
	text string
}

// operationsIn returns the operations of a page in their order. A block that begins with a command has one on each
// line; any other is one of the shell. Of fenced blocks only those without a language have commands.
func operationsIn(page string) (all []operation) {
	for _, at := range fencedBlock.FindAllStringSubmatchIndex(page, -1) {
		if at[2] < at[3] {
			continue
		}
		for line := range strings.Lines(page[at[4]:at[5]]) {
			if line = strings.TrimSpace(remark.ReplaceAllString(line, "")); commandStart.MatchString(line) {
				all = append(all, operation{at[0], line})
			}
		}
	}
	page = fencedBlock.ReplaceAllStringFunc(page, func(block string) string { // the places must not move
		return strings.Repeat(" ", len(block))
	})
	for _, at := range indentedBlock.FindAllStringIndex(page, -1) {
		var lines []string
		for line := range strings.Lines(page[at[0]:at[1]]) {
			lines = append(lines, strings.TrimSpace(remark.ReplaceAllString(line, "")))
		}
		if !commandStart.MatchString(lines[0]) {
			lines = []string{strings.Join(lines, "\n")}
		}
		for _, line := range lines {
			all = append(all, operation{at[0], line})
		}
	}
	for _, at := range commandSpan.FindAllStringSubmatchIndex(page, -1) {
		text := strings.Join(strings.Fields(page[at[2]:at[3]]), " ")
		if strings.Count(text, " ") > 1 { // otherwise it is only the name of a command
			all = append(all, operation{at[0], text})
		}
	}
	slices.SortStableFunc(all, func(a, b operation) int { return a.at - b.at })
	return all
}

// runnable finds the operations that change nothing outside of a folder.
var runnable = regexp.MustCompile(`^(?:(?:\./)?bellhop|curl|umask) `)

// TestOperatingPage runs each command of docs/OPERATING.md in the order of the page, with a server of ./data that has
// a source and a destination. It fails for a command that neither it nor another test runs.
func TestOperatingPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/OPERATING.md")
	if err != nil {
		t.Fatal(err)
	}
	o := newOperator(t)
	operations := operationsIn(string(page))
	if len(operations) < 30 {
		t.Errorf("%d commands", len(operations))
	}
	for _, op := range operations {
		if r := by(op.text); r != nil {
			text, err := os.ReadFile(filepath.Join("../..", r.file))
			if err != nil || !r.runs.Match(text) {
				t.Errorf("%s: %s does not run it: %v", op.text, r.file, err)
			}
			continue
		}
		if !runnable.MatchString(op.text) {
			t.Errorf("%s: no test runs it: name one in operatedElsewhere", op.text)
		} else if out, err := o.run(op.text); err != nil {
			t.Errorf("%s: %v\n%s", op.text, err, out)
		}
	}
	for _, r := range operatedElsewhere {
		if !slices.ContainsFunc(operations, func(op operation) bool { return strings.HasPrefix(op.text, r.command) }) {
			t.Errorf("%s: the page does not show it", r.command)
		}
	}
}

// An operator has a folder, as a person who reads the page, and the server of its folder data.
type operator struct {
	*testing.T
	dir, server string
	words       *strings.Replacer // of the page, in place of which others stand here
	bucket      map[string]string // the environment of a stand-in of S3 with the bucket backups
}

func (o *operator) getenv(name string) string { return o.bucket[name] }

func newOperator(t *testing.T) *operator {
	dir := t.TempDir()
	o := &operator{T: t, dir: dir}
	makePair(t, dir)
	for name, text := range map[string]string{"bellhop.yaml": "sources: []\n",
		"otlp-headers": "Authorization=Bearer x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"backups", "restored"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	o.server = o.serve()
	buckets := s3mem.New()
	if err := buckets.CreateBucket("backups"); err != nil {
		t.Fatal(err)
	}
	storage := httptest.NewServer(gofakes3.New(buckets, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(storage.Close)
	o.bucket = map[string]string{"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_ENDPOINT_URL": storage.URL}
	o.words = strings.NewReplacer("/var/lib/bellhop", filepath.Join(dir, "data"), "/var/backups",
		filepath.Join(dir, "backups"), "--data restored", "--data restored/data", "sources show NAME",
		"sources show media", "destinations show NAME",
		"destinations show billing", "destinations resume NAME", "destinations resume billing", "check FILE",
		"check bellhop.yaml", "/etc/bellhop/bellhop.yaml", "bellhop.yaml",
		"file:/etc/bellhop", "file:"+dir, "https://otlp.example.com", "http://127.0.0.1:9", "./bellhop ", "bellhop ",
		"http://127.0.0.1:8080", o.server, "ssh backup@vault ", "sh -c ")
	for _, line := range []string{"bellhop sources create media --provider generic --set scheme=none",
		"bellhop destinations create billing --url http://127.0.0.1:9/"} {
		if out, err := o.run(line); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	return o
}

// makePair writes cert.pem and key.pem.
func makePair(t *testing.T, dir string) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		"key.pem": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// serve starts a server that the end of the test stops, with its data in ./data unless the flags name another folder.
func (o *operator) serve(flags ...string) (url string) {
	o.Helper()
	stop := func() error { return nil }
	var err error
	if url, stop, err = startServer(o.dir, inside(noEnv), flags...); err != nil {
		o.Error(err)
	}
	o.Cleanup(func() {
		if err := stop(); err != nil {
			o.Error(err)
		}
	})
	return url
}

// run runs a command: a server of its own, a command in this process, or a block of shell.
func (o *operator) run(text string) (out string, err error) {
	text = o.words.Replace(text)
	words := splitWords(text)
	switch {
	case len(words) > 1 && words[1] == "serve" && !slices.Contains(words, "--help"):
		return "", o.runServer(words[2:])
	case strings.HasPrefix(text, "bellhop ") && !strings.ContainsAny(text, "|<>;"):
		var b bytes.Buffer
		e := &env{getenv: o.getenv, stdin: strings.NewReader(""), stdout: &b, stderr: &b, dir: o.dir}
		err = run(context.Background(), e, words[1:])
		if words[1] == "doctor" && strings.Contains(b.String(), "sync") { // it may find that this machine is slow
			err = nil
		}
		return b.String(), err
	}
	c := exec.Command("sh", "-c", "set -e\n"+text)
	c.Dir = o.dir
	all, err := c.CombinedOutput()
	return string(all), err
}

// runServer starts a server with the flags of the page, at free ports, and has it say that it is ready. One that has a
// folder of the page goes on until the test ends; any other has an empty folder.
func (o *operator) runServer(flags []string) error {
	flags = slices.Clone(flags)
	for i, flag := range flags {
		if strings.HasPrefix(flag, "--listen") {
			flags[i+1] = "127.0.0.1:0"
		}
	}
	in := &operator{T: o.T, dir: o.TempDir(), words: o.words}
	if i := slices.Index(flags, "--data"); i >= 0 {
		in.dir = filepath.Dir(filepath.Join(o.dir, flags[i+1]))
		flags = slices.Delete(flags, i, i+2)
	}
	for _, name := range []string{"cert.pem", "key.pem"} {
		if i := slices.Index(flags, name); i >= 0 {
			flags[i] = filepath.Join(o.dir, name)
		}
	}
	in.serve(flags...)
	out, err := in.run("bellhop ready")
	if err != nil {
		return errors.New(out)
	}
	return nil
}

// TestOperationsIn: blocks of Bellhop's commands are taken apart, other blocks are not; fenced blocks are no commands.
func TestOperationsIn(t *testing.T) {
	const page = "# A page\n\nRun `bellhop keys list`, or see `bellhop` and\n`promtool test\nrules`, `bellhop " +
		"events`.\n\n    bellhop serve --x a      # with a\n    bellhop settings\n\n```yaml\n    bellhop not " +
		"this\n```\n\n```\napt install ./x\n{ x }\n```\n\n    umask 077\n    date > now\n"
	want := []string{"bellhop keys list", "promtool test rules", "bellhop serve --x a", "bellhop settings",
		"apt install ./x", "umask 077\ndate > now"}
	var got []string
	for _, op := range operationsIn(page) {
		got = append(got, op.text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
