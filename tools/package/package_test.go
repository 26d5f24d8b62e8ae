package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// testJob returns a job of a release for this machine, whose program was built before: by the variable BELLHOP, or by
// `make build`.
func testJob(t *testing.T) *job {
	t.Helper()
	path := os.Getenv("BELLHOP")
	if path == "" {
		path = "../../bin/bellhop"
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; `make build` builds it", err)
	}
	t.Chdir("../..")
	at := time.Date(2026, time.December, 1, 10, 0, 0, 0, time.UTC)
	j := &job{source: source{version: "v1.2.3-rc.1", commit: strings.Repeat("8f76d16a", 5), at: at,
		committedAt: at.Format(time.RFC3339), modified: "false"}, out: t.TempDir(), work: t.TempDir(),
		targets: []target{host}}
	err = os.MkdirAll(j.folder(host), 0o755)
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(j.binary(host), binary, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestSameBytes: the same program makes the same archives, packages and image, and the sums are right.
func TestSameBytes(t *testing.T) {
	var sums []string
	for range 2 {
		j := testJob(t)
		err := errors.Join(j.texts(), j.archive(host), j.image())
		if host.os == "linux" {
			err = errors.Join(err, j.linuxPackage(host, "deb"), j.linuxPackage(host, "rpm"))
		}
		err = errors.Join(err, j.sums())
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(j.out, sumsFile))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, string(text))
		t.Chdir(j.out)
		if out, err := exec.Command("sha256sum", "--strict", "-c", sumsFile).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		// testJob starts at the folder of the test.
		t.Chdir(testFolder)
	}
	if sums[0] != sums[1] {
		t.Errorf("the second time there are other bytes:\n%s\n%s", sums[0], sums[1])
	}
	if strings.Count(sums[0], "\n") < 2 || !strings.Contains(sums[0], "  bellhop_1.2.3-rc.1_oci.tar\n") {
		t.Errorf("the results are\n%s", sums[0])
	}
}

// testFolder is the folder of this test.
var testFolder, _ = os.Getwd()

// TestArchives reads both forms of an archive back.
func TestArchives(t *testing.T) {
	j := testJob(t)
	binary, err := os.ReadFile(j.binary(host))
	if err != nil {
		t.Fatal(err)
	}
	windows := target{"windows", "amd64"}
	if err := os.MkdirAll(j.folder(windows), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(j.binary(windows), []byte("MZ"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.archive(target{"linux", host.arch}), j.archive(windows)); err != nil {
		t.Fatal(err)
	}

	packed, err := os.Open(filepath.Join(j.out, j.name("linux", host.arch)+".tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unzipped, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	in := tar.NewReader(unzipped)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.Base(h.Name))
		if !h.ModTime.Equal(j.at) || h.Uid != 0 {
			t.Errorf("%s is of %v and of user %d", h.Name, h.ModTime, h.Uid)
		}
		data, err := io.ReadAll(in)
		if err != nil || filepath.Base(h.Name) == "bellhop" && (!bytes.Equal(data, binary) || h.Mode != 0o755) {
			t.Errorf("%s has %d bytes and mode %o, %v", h.Name, len(data), h.Mode, err)
		}
	}
	if want := []string{"bellhop", "README.md", "LICENSE", "CHANGELOG.md"}; !slices.Equal(names, want) {
		t.Errorf("the tar has %v", names)
	}
	z, err := zip.OpenReader(filepath.Join(j.out, j.name("windows", "amd64")+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if len(z.File) != 4 || filepath.Base(z.File[0].Name) != "bellhop.exe" {
		t.Errorf("the zip has %v", z.File)
	}
}

// TestImage checks the layout as tools for images do, unpacks the image, and runs the server in it: as its user, in
// its folders and with nothing of this machine.
func TestImage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("images are for Linux")
	}
	j := testJob(t)
	if err := j.image(); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	out, err := exec.Command("tar", "-C", folder, "-xf", filepath.Join(j.out, j.name("oci")+".tar")).CombinedOutput()
	if err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
	image := imageOf(t, index)
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || config.Config.Labels["org.opencontainers.image.revision"] != j.commit {
		t.Errorf("the image is %+v", config.Config)
	}

	root := t.TempDir()
	unpack := exec.Command("tar", "-C", root, "-x", "-f", "-")
	unpack.Stdin = mutate.Extract(image)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	authorities, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"))
	if n := bytes.Count(authorities, []byte("BEGIN CERTIFICATE")); err != nil || n < 100 {
		t.Errorf("the image has %d certificates, %v", n, err)
	}
	if os.Getuid() != 0 {
		t.Skip("only root can run it")
	}
	for dir := root; dir != "/"; dir = filepath.Dir(dir) { // the folders of tests are for their owner alone
		if err := os.Chmod(dir, 0o755); err == nil && filepath.Dir(dir) == os.TempDir() {
			break
		}
	}
	inside := func(args ...string) *exec.Cmd {
		c := exec.Command(args[0], args[1:]...)
		c.Dir, c.Env = config.Config.WorkingDir, config.Config.Env
		c.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser}}
		return c
	}
	var log bytes.Buffer
	server := inside(append(slices.Clone(config.Config.Entrypoint), "serve", "--listen", "127.0.0.1:0")...)
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			t.Errorf("the server ends with %v\n%s", err, &log)
		}
	}()
	check := config.Config.Healthcheck.Test[1:]
	if out, err := inside(append(check, "--wait", "30s")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", check, err, out)
	}
	if out, err := inside(check...).CombinedOutput(); err != nil || string(out) != "ready\n" {
		t.Errorf("%v: %v: %s", check, err, out)
	}
}

// imageOf returns the one image of a layout, in its index.
func imageOf(t *testing.T, index v1.ImageIndex) v1.Image {
	t.Helper()
	for range 2 {
		manifest, err := index.IndexManifest()
		if err != nil || len(manifest.Manifests) != 1 {
			t.Fatalf("the index is %+v, %v", manifest, err)
		}
		first := manifest.Manifests[0]
		if first.MediaType.IsImage() {
			image, err := index.Image(first.Digest)
			if err != nil {
				t.Fatal(err)
			}
			return image
		}
		index, err = index.ImageIndex(first.Digest)
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the layout has no image")
	return nil
}

// TestRPM reads the rpm as rpm does.
func TestRPM(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it is for Linux")
	}
	if _, err := exec.LookPath("rpm"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no rpm")
		}
		t.Skip("there is no rpm: Debian's package of that name has it")
	}
	j := testJob(t)
	if err := errors.Join(j.texts(), j.linuxPackage(host, "rpm")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(j.out, j.name(host.os, host.arch)+".rpm")
	rpm := func(args ...string) string {
		out, err := exec.Command("rpm", append(args, file)...).CombinedOutput()
		if err != nil {
			t.Errorf("rpm %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	if got := rpm("-K"); !strings.Contains(got, "digests OK") {
		t.Errorf("the checksums: %s", got)
	}
	if got := rpm("-qp", "--qf", "%{NAME} %{VERSION} %{LICENSE}"); got != "bellhop 1.2.3~rc.1 Apache-2.0" {
		t.Errorf("it is %q", got)
	}
	if got := rpm("-qpc"); got != "/etc/bellhop/bellhop.yaml\n/etc/default/bellhop\n" {
		t.Errorf("the configuration is %q", got)
	}
	got := rpm("-qp", "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]")
	for _, want := range []string{"-rwxr-xr-x root root /usr/bin/bellhop\n",
		"-rw-r----- root bellhop /etc/bellhop/bellhop.yaml\n", "-rw------- root root /etc/default/bellhop\n",
		"drwx------ bellhop bellhop /var/lib/bellhop\n", "-rw-r--r-- root root /usr/share/man/man1/bellhop-serve.1.gz\n",
		"/usr/lib/systemd/system/bellhop.service\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the files are\n%s, without %s", got, want)
		}
	}
	for _, want := range []string{"preinstall", "postinstall", "preuninstall", "postuninstall"} {
		if got := rpm("-qp", "--scripts"); !strings.Contains(got, want+" scriptlet") {
			t.Errorf("the scripts are\n%s, without %s", got, want)
		}
	}
}

func TestRoff(t *testing.T) {
	const text = "a \\ line with -- and 'marks'\n.not an instruction\n'nor this\n"
	want := "a \\e line with \\-\\- and \\(aqmarks\\(aq\n\\&.not an instruction\n\\(aqnor this\n"
	if got := roff(text); got != want {
		t.Errorf("%q", got)
	}
}

func TestVersionOf(t *testing.T) {
	at := time.Date(2026, time.December, 1, 10, 0, 0, 0, time.UTC)
	const commit = "8f76d16a8f76d16a8f76d16a8f76d16a8f76d16a"
	for _, c := range []struct {
		tag, exact string
		modified   bool
		want       string
	}{
		{"", "", false, "v0.0.0-20261201100000.8f76d16a8f76"},
		{"v1.2.3", "v1.2.3", false, "v1.2.3"},
		{"v1.2.3", "", false, "v1.2.4-0.20261201100000.8f76d16a8f76"},
		{"v1.2.3", "v1.2.3", true, "v1.2.3+modified"},
		{"vnext", "", false, "v0.0.0-20261201100000.8f76d16a8f76"},
	} {
		got := versionOf(c.tag, c.exact, commit, at, c.modified)
		if got != c.want || !versionForm.MatchString(got) {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestArguments: what cannot be built is refused with a sentence that says what to do.
func TestArguments(t *testing.T) {
	for _, version := range []string{"1.2.3", "v1.2", "latest", "v1.2.3 -X", ""} {
		_, err := source{version: version, commit: "8f76d16a"}.complete()
		if err == nil || !strings.Contains(err.Error(), "write it as v1.2.3") {
			t.Errorf("-version %q: %v", version, err)
		}
	}
	_, err := source{version: "v1.2.3", commit: "8f76d16a", committedAt: "yesterday"}.complete()
	if err == nil || !strings.Contains(err.Error(), "write it as 2026-") {
		t.Errorf("-committed-at: %v", err)
	}
	if _, err := parseTargets("linux/amd64,plan9/mips"); err == nil || !strings.Contains(err.Error(), "choose from") {
		t.Errorf("-targets: %v", err)
	}
	// Outside a repository a version is enough.
	t.Chdir(t.TempDir())
	s, err := source{version: "v1.2.3"}.complete()
	if err != nil || s.commit != "" || s.words() != "unknown commit" {
		t.Errorf("of an archive: %+v, %v", s, err)
	}
	if _, err := (source{}).complete(); err == nil || !strings.Contains(err.Error(), "give -version") {
		t.Errorf("of an archive, without a version: %v", err)
	}
	// No file of somebody else is removed.
	j := &job{out: t.TempDir()}
	if err := os.WriteFile(filepath.Join(j.out, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.empty(); err == nil || !strings.Contains(err.Error(), "thesis.txt") {
		t.Errorf("-out with other files: %v", err)
	}
}
