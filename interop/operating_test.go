package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestOperating goes an operator's way from the Debian package to its removal, as docs/OPERATING.md leads, on a Debian
// of its own: see testdata/operating.sh. It needs root, an overlay file system, and Prometheus.
func TestOperating(t *testing.T) {
	if os.Getuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("it needs root on Debian")
	}
	for _, tool := range []string{"dpkg", "apt-get", "systemd-analyze", "prometheus", "python3", "openssl", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s", tool)
		}
	}
	payload := t.TempDir()
	for name, file := range map[string]string{
		"collector.py": "testdata/collector.py", "receiver.py": "../examples/python/receiver.py",
		"bellhop.rules.yaml": "../deploy/prometheus/bellhop.rules.yaml",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(payload, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(name, args...)
		killWithTest(c)
		return c
	}
	run := func(c *exec.Cmd) string {
		t.Helper()
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", c.Args, err, out)
		}
		return string(out)
	}
	pebble := command("go", "build", "-o", filepath.Join(payload, "pebble"),
		"github.com/letsencrypt/pebble/v2/cmd/pebble")
	pebble.Env = append(os.Environ(), "CGO_ENABLED=0")
	run(pebble)
	var packages []string
	for _, version := range []string{"v0.1.0", "v0.2.0"} {
		out := filepath.Join(t.TempDir(), version)
		run(command("go", "-C", "../tools", "run", "./package", "-version", version, "-out", out, "-forms", "deb",
			"-targets", "linux/"+runtime.GOARCH))
		found, err := filepath.Glob(filepath.Join(out, "*.deb"))
		if err != nil || len(found) != 1 {
			t.Fatalf("packages: %q, %v", found, err)
		}
		packages = append(packages, found[0])
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	c := command(filepath.Join(root, ".ci/deb"), packages...)
	c.Env = append(os.Environ(), "STEPS="+filepath.Join(root, "interop/testdata/operating.sh"), "PAYLOAD="+payload)
	out := run(c)
	t.Log(out)
	switch {
	case strings.Contains(out, "SKIPPED"):
		t.Skip("this machine has not what it needs")
	case !strings.Contains(out, "operating: ok"):
		t.Error("it did not come to its end")
	}
}
