package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the packager
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers the packager
)

// linuxPackage writes the package for t in a format, deb or rpm, as packaging/nfpm.yaml says. There is none for other
// systems.
func (j *job) linuxPackage(t target, format string) (err error) {
	if t.os != "linux" {
		return nil
	}
	values := map[string]string{"VERSION": j.version, "ARCH": t.arch, "BINARY": j.binary(t),
		"COMPLETIONS": filepath.Join(j.work, "completions"), "MANUAL": filepath.Join(j.work, "man1")}
	config, err := nfpm.ParseFileWithEnvMapping("packaging/nfpm.yaml", func(name string) string { return values[name] })
	if err != nil {
		return err
	}
	config.MTime = j.at
	err = config.Validate()
	if err != nil {
		return err
	}
	info, err := config.Get(format)
	if err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	info = nfpm.WithDefaults(info)
	out, err := os.Create(filepath.Join(j.out, j.name(t.os, t.arch)+"."+format))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return packager.Package(info, out)
}

// bill writes the bill of materials of the program for t, in CycloneDX: the modules that it is made of, as it notes
// them itself, with their checksums and licenses.
func (j *job) bill(t target) error {
	to := filepath.Join(j.out, j.name(t.os, t.arch)+".cdx.json")
	c := exec.Command("go", "-C", "tools", "tool", "cyclonedx-gomod", "bin", "-json", "-std", "-licenses", "-noserial",
		"-notimestamp", "-version", j.version, "-output", to, j.binary(t))
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("cyclonedx-gomod: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
