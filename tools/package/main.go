// Command package builds what is released: binaries in archives, packages for Debian and for rpm, a container image
// without Docker, a list of the modules in each binary, and checksums. It needs Go and its modules alone.
//
// The same commit and the same version of Go give the same bytes: every time in a file is that of the commit.
//
//	go run ./package -out ../dist -version v1.2.3
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A target is a system to build for, as Go names it.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

// allTargets are the systems that a release is for.
const allTargets = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64"

// allForms are the forms that a release has.
const allForms = "archive,deb,rpm,oci,sbom"

// A job is one run of this program.
type job struct {
	source
	out     string // folder of the results
	work    string // folder of what is needed on the way
	flags   string // of go build
	targets []target
	forms   []string
}

func main() {
	err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

func run() error {
	var s source
	var targets, forms string
	j := job{}
	flag.StringVar(&j.out, "out", "../dist", "folder of the results; it is emptied first")
	flag.StringVar(&s.version, "version", "", "such as v1.2.3; by default that of the tag, or one made from the commit")
	flag.StringVar(&s.commit, "commit", "", "hash of the commit, where there is no repository")
	flag.StringVar(&s.committedAt, "committed-at", "", "when it was made, RFC 3339, where there is no repository")
	flag.StringVar(&j.flags, "flags", "-trimpath", "flags of go build, separated by blanks")
	flag.StringVar(&targets, "targets", allTargets, "systems to build for")
	flag.StringVar(&forms, "forms", allForms, "what to make")
	flag.Parse()

	var err error
	j.out, err = filepath.Abs(j.out)
	if err != nil {
		return err
	}
	err = os.Chdir("..") // the folder of the main module, which the paths below start at
	if err != nil {
		return err
	}
	j.source, err = s.complete()
	if err != nil {
		return err
	}
	j.targets, err = parseTargets(targets)
	if err != nil {
		return err
	}
	j.forms = strings.Split(forms, ",")
	for _, form := range j.forms {
		if !slices.Contains(strings.Split(allForms, ","), form) {
			return fmt.Errorf("-forms %s: there is no %q; choose from %s", forms, form, allForms)
		}
	}
	return j.run()
}

func parseTargets(text string) (targets []target, err error) {
	for name := range strings.SplitSeq(text, ",") {
		if !slices.Contains(strings.Split(allTargets, ","), name) {
			return nil, fmt.Errorf("-targets %s: there is no %q; choose from %s", text, name, allTargets)
		}
		system, arch, _ := strings.Cut(name, "/")
		targets = append(targets, target{system, arch})
	}
	return targets, nil
}

// run makes everything that the job asks for.
func (j *job) run() (err error) {
	err = j.empty()
	if err != nil {
		return err
	}
	j.work, err = os.MkdirTemp("", "bellhop-package")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(j.work)) }()
	fmt.Printf("bellhop %s, %s\n", j.version, j.words())

	for _, t := range j.targets {
		err := j.build(t)
		if err != nil {
			return err
		}
	}
	steps := []struct {
		form string
		make func(t target) error
	}{
		{"archive", j.archive},
		{"deb", func(t target) error { return j.linuxPackage(t, "deb") }},
		{"rpm", func(t target) error { return j.linuxPackage(t, "rpm") }},
		{"sbom", j.bill},
	}
	if j.makes("deb") || j.makes("rpm") {
		err := j.texts()
		if err != nil {
			return err
		}
	}
	for _, step := range steps {
		if !j.makes(step.form) {
			continue
		}
		for _, t := range j.targets {
			err := step.make(t)
			if err != nil {
				return fmt.Errorf("%s for %s: %w", step.form, t, err)
			}
		}
	}
	if j.makes("oci") {
		err := j.image()
		if err != nil {
			return fmt.Errorf("container image: %w", err)
		}
	}
	return j.sums()
}

func (j *job) makes(form string) bool { return slices.Contains(j.forms, form) }

// empty makes the folder of the results, and removes what an earlier run has left there. It removes nothing else.
func (j *job) empty() error {
	err := os.MkdirAll(j.out, 0o755)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(j.out)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "bellhop") && e.Name() != sumsFile {
			return fmt.Errorf("%s has a file that no package is: %s; choose an empty folder with -out", j.out, e.Name())
		}
	}
	for _, e := range entries {
		err := os.RemoveAll(filepath.Join(j.out, e.Name()))
		if err != nil {
			return err
		}
	}
	return nil
}

// name returns the name of a result: the program, its version without the v, and the parts.
func (j *job) name(parts ...string) string {
	return strings.Join(append([]string{"bellhop", strings.TrimPrefix(j.version, "v")}, parts...), "_")
}
